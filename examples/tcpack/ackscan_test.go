package main

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

func tagger() *validate.Tagger {
	return validate.NewTagger(validate.Key{1, 2, 3}, validate.DefaultPorts(), 1)
}

// shot returns the probe of a random target.
func shot(r *rand.Rand) probe.Shot {
	addr := func() netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
	}
	s := probe.Shot{Target: target.Target{Addr: addr(), Port: uint16(r.Uint32())}, Src: addr()}
	s.Tag = tagger().Tag(s.Src, s.Addr, s.Port)
	return s
}

// newEncoder returns an encoder and a frame with its template.
func newEncoder(t testing.TB) (probe.Encoder, []byte) {
	t.Helper()
	frame := make([]byte, link.MaxFrame)
	e := ackScan{}.NewEncoder(probe.Route{Ether: true, Hops: make([]packet.MAC, 1), Ports: validate.DefaultPorts(), TTL: 64})
	if n, want := e.Template(1, frame), (ackScan{}).Describe().FrameLen; n != want {
		t.Fatalf("the template has %d bytes, FrameLen is %d", n, want)
	}
	return e, frame
}

// TestProbe reads probes with another decoder and computes their checksums anew.
func TestProbe(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	e, frame := newEncoder(t)
	for range 1000 {
		s := shot(r)
		n := e.Patch(frame, &s)
		p := gopacket.NewPacket(frame[:n], layers.LayerTypeEthernet, gopacket.Default)
		ip, _ := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		tcp, _ := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if ip == nil || tcp == nil || p.ErrorLayer() != nil {
			t.Fatalf("not an IPv4 segment: %x", frame[:n])
		}
		if ip.SrcIP.String() != s.Src.String() || ip.DstIP.String() != s.Addr.String() || uint16(tcp.DstPort) != s.Port ||
			uint16(tcp.SrcPort) != validate.DefaultPorts().Of(s.Tag, 0) || tcp.Seq != s.Tag.Seq() || tcp.Ack != s.Tag.Ack() {
			t.Errorf("probe %+v: got %+v, %+v", s, ip, tcp)
		}
		if got := packet.TCP(frame[34:n]).Flags(); got != packet.ACK || len(tcp.Payload) != 0 {
			t.Errorf("flags %v and %d bytes of payload, want ACK and none", got, len(tcp.Payload))
		}
		pseudo := packet.PseudoHeader(s.Src, s.Addr, packet.ProtoTCP, n-34)
		if !packet.IPv4(frame[14:n]).ChecksumOK() || !packet.TCP(frame[34:n]).ChecksumOK(pseudo) {
			t.Errorf("wrong checksum in %x", frame[:n])
		}
	}
	s := shot(r)
	if n := testing.AllocsPerRun(100, func() { e.Patch(frame, &s) }); n != 0 {
		t.Errorf("Patch allocates %v times, want 0", n)
	}
}

// answer returns the segment from the target of s to its source, without Ethernet.
func answer(s *probe.Shot, f packet.TCPFields) []byte {
	b := make([]byte, packet.IPv4Len+packet.TCPLen)
	packet.IPv4Fields{TotalLen: len(b), TTL: 60, Proto: packet.ProtoTCP, Src: s.Addr, Dst: s.Src}.Encode(b)
	f.SrcPort, f.DstPort = s.Port, validate.DefaultPorts().Of(s.Tag, 0)
	f.Encode(b[packet.IPv4Len:])
	return b
}

// refusal returns an ICMP error about s: communication administratively prohibited, with the first 8 bytes quoted.
func refusal(t testing.TB, s *probe.Shot) []byte {
	t.Helper()
	e, frame := newEncoder(t)
	e.Patch(frame, s)
	quote := frame[14 : 14+28]
	b := make([]byte, packet.IPv4Len+packet.ICMPLen+len(quote))
	router := netip.AddrFrom4([4]byte{10, 0, 0, 1})
	packet.IPv4Fields{TotalLen: len(b), TTL: 60, Proto: packet.ProtoICMP, Src: router, Dst: s.Src}.Encode(b)
	packet.ICMPFields{Type: packet.ICMPv4Unreachable, Code: 13}.Encode(b[packet.IPv4Len:])
	copy(b[packet.IPv4Len+packet.ICMPLen:], quote)
	return b
}

func match(b []byte) (target.Target, bool) {
	var p packet.Parsed
	p.Decode(b, packet.LinkIP)
	return ackScan{}.NewDecoder().Match(&p, tagger())
}

func TestMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		s := shot(r)
		flip := uint32(1) << r.IntN(32)
		for name, c := range map[string]struct {
			frame []byte
			want  bool
		}{
			"RST":                        {answer(&s, packet.TCPFields{Flags: packet.RST, Seq: s.Tag.Ack()}), true},
			"RST-ACK":                    {answer(&s, packet.TCPFields{Flags: packet.RST | packet.ACK, Seq: s.Tag.Ack(), Ack: 7}), true},
			"RST with another number":    {answer(&s, packet.TCPFields{Flags: packet.RST, Seq: s.Tag.Ack() ^ flip}), false},
			"RST of an unanswered SYN":   {answer(&s, packet.TCPFields{Flags: packet.RST | packet.ACK, Ack: s.Tag.Seq() + 1}), false},
			"ACK":                        {answer(&s, packet.TCPFields{Flags: packet.ACK, Seq: s.Tag.Ack()}), false},
			"ICMP error":                 {refusal(t, &s), true},
			"ICMP error, another number": {change(refusal(t, &s), 28+20+4+r.IntN(4)), false},
			"ICMP error, another port":   {change(refusal(t, &s), 28+20+2), false},
		} {
			got, ok := match(c.frame)
			if ok != c.want || ok && got != s.Target {
				t.Errorf("%s: got %v, %v, want %v, %v; frame %x", name, got, ok, s.Target, c.want, c.frame)
			}
		}
	}
}

// change flips the lowest bit of byte i.
func change(b []byte, i int) []byte {
	b[i] ^= 1
	return b
}

func TestDecode(t *testing.T) {
	s := shot(rand.New(rand.NewPCG(3, 3)))
	schema := ackScan{}.Describe().Schema
	for class, frame := range map[string][]byte{
		"unfiltered": answer(&s, packet.TCPFields{Flags: packet.RST, Seq: s.Tag.Ack(), Window: 99}),
		"filtered":   refusal(t, &s),
	} {
		var p packet.Parsed
		p.Decode(frame, packet.LinkIP)
		row := record.New(schema)
		ackScan{}.NewDecoder().Decode(&p, row)
		through := class == "unfiltered"
		field := func(name string) *record.Value {
			i, ok := schema.Lookup(name)
			if !ok {
				t.Fatalf("no field %s", name)
			}
			return &row.Values[i]
		}
		if got := field("classification").Text(); got != class || field("success").Bool() != through || field("success").IsNull() {
			t.Errorf("classified %q, success %v, want %q, %v", got, field("success").Bool(), class, through)
		}
		if field("seqnum").IsNull() == through || field("icmp_code").IsNull() != through {
			t.Errorf("%s: TCP fields null %v, ICMP fields null %v", class, field("seqnum").IsNull(), field("icmp_code").IsNull())
		}
		if through && (uint32(field("seqnum").Uint()) != s.Tag.Ack() || field("window").Uint() != 99 || field("sport").Uint() != uint64(s.Port)) {
			t.Errorf("unfiltered: sequence number %d, window %d, port %d", field("seqnum").Uint(), field("window").Uint(), field("sport").Uint())
		}
		if !through && field("icmp_unreach_str").Text() != "communication admin. prohibited" {
			t.Errorf("filtered: %q", field("icmp_unreach_str").Text())
		}
	}
}
