package probe

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// sixVariants are modules with arguments that ask over IPv6.
func sixVariants() []struct{ name, args string } {
	return []struct{ name, args string }{
		{"tcp_synscan", ""},
		{"tcp_synscan", "smallest-probes"},
		{"tcp_synscan", "linux"},
		{"icmp_echoscan", ""},
		{"icmp_echoscan", "text:odd"},
		{"udp", "text:hello"},
		{"udp", "hex:"},
		{"udp", "name:stun"},
		{"dns", "A,example.com"},
		{"dns", "A,example.com;AAAA,example.org"},
	}
}

// sixShot is a probe to a random target, tagged.
func sixShot(r *rand.Rand, d Description, try int) Shot {
	var src, dst [16]byte
	for i := range src {
		src[i], dst[i] = byte(r.Uint32()), byte(r.Uint32())
	}
	src[0], dst[0] = 0x20, 0x2a
	s := Shot{Src: netip.AddrFrom16(src), Try: try}
	s.Target = target.Target{Addr: netip.AddrFrom16(dst)}
	if d.Ports {
		s.Port = uint16(1 + r.IntN(65535))
	}
	s.Tag = tagger(2).Tag(s.Src, s.Addr, s.Port)
	return s
}

// TestSixProbes decodes every probe over IPv6 with another library: lengths, addresses and checksums must be right, in frames that
// were patched for other targets before.
func TestSixProbes(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, v := range sixVariants() {
		p, err := New(v.name, Args{Text: v.args})
		if err != nil {
			t.Fatal(err)
		}
		d := p.Describe()
		if !d.IPv6 {
			t.Fatalf("%v does not say that it asks over IPv6", v)
		}
		for _, ether := range []bool{true, false} {
			route := testRoute(ether, 2)
			route.IPv6, route.TTL = true, 77
			e := p.NewEncoder(route)
			frame := make([]byte, d.FrameLen+packet.IPv6Len-packet.IPv4Len)
			for try := range 2 {
				e.Template(uint32(1+try), frame)
				for range 50 {
					s := sixShot(r, d, try)
					n := e.Patch(frame, &s)
					checkSix(t, v.name, frame[:n], ether, &s)
				}
			}
		}
	}
}

// checkSix decodes a frame with gopacket, and sums it up.
func checkSix(t *testing.T, name string, frame []byte, ether bool, s *Shot) {
	t.Helper()
	first := gopacket.Decoder(layers.LayerTypeIPv6)
	at := 0
	if ether {
		first, at = layers.LayerTypeEthernet, packet.EthernetLen
	}
	g := gopacket.NewPacket(frame, first, gopacket.Default)
	ip, ok := g.NetworkLayer().(*layers.IPv6)
	if g.ErrorLayer() != nil || !ok {
		t.Fatalf("%s: %v in %x", name, g.ErrorLayer(), frame)
	}
	src, _ := netip.AddrFromSlice(ip.SrcIP)
	dst, _ := netip.AddrFromSlice(ip.DstIP)
	if src != s.Src || dst != s.Addr || ip.HopLimit != 77 || int(ip.Length) != len(frame)-at-packet.IPv6Len {
		t.Errorf("%s: header %+v, want %s to %s", name, ip, s.Src, s.Addr)
	}
	l4 := frame[at+packet.IPv6Len:]
	if sum := packet.Checksum(l4, packet.PseudoHeader(src, dst, packet.Proto(ip.NextHeader), len(l4))); sum != 0 {
		t.Errorf("%s: the checksum is wrong by %#x in %x", name, sum, frame)
	}
	if u, ok := g.TransportLayer().(*layers.UDP); ok && (u.Checksum == 0 || uint16(u.DstPort) != s.Port) {
		t.Errorf("%s: %+v, want a checksum and port %d", name, u, s.Port)
	}
	if c, ok := g.TransportLayer().(*layers.TCP); ok && (c.Seq != s.Tag.Seq() || uint16(c.DstPort) != s.Port || !c.SYN) {
		t.Errorf("%s: %+v", name, c)
	}
}

// TestSixAnswers turns every probe round, and makes ICMPv6 errors of it: both are recognised, and not with a bit of the addresses changed.
func TestSixAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 6))
	for _, v := range sixVariants() {
		p, err := New(v.name, Args{Text: v.args})
		if err != nil {
			t.Fatal(err)
		}
		d := p.Describe()
		route := testRoute(false, 0)
		route.IPv6 = true
		e, dec := p.NewEncoder(route), p.NewDecoder()
		frame := make([]byte, d.FrameLen+packet.IPv6Len)
		class, _ := d.Schema.Lookup("classification")
		for range 20 {
			s := sixShot(r, d, 0)
			e.Template(1, frame)
			n := e.Patch(frame, &s)
			for _, answer := range [][]byte{turnedRound(frame[:n]), sixError(frame[:n], 1, 4), sixError(frame[:min(n, packet.IPv6Len+8)], 3, 0)} {
				var q packet.Parsed
				q.Decode(answer, packet.LinkIP)
				got, ok := dec.Match(&q, tagger(2))
				if !ok || got.Addr != s.Addr || got.Port != s.Port {
					t.Fatalf("%v: answer %x was not recognised: %v, %v", v, answer, got, ok)
				}
				row := record.New(d.Schema)
				dec.Decode(&q, row)
				success, _ := d.Schema.Lookup("success")
				if row.Values[success].Bool() == q.IsError() {
					t.Errorf("%v: success %v of %x, class %s", v, row.Values[success].Bool(), answer, row.Values[class].Text())
				}
				answer[8+r.IntN(16)] ^= 1 << r.IntN(8) // its source
				q.Decode(answer, packet.LinkIP)
				if _, ok := dec.Match(&q, tagger(2)); ok && !q.IsError() {
					t.Errorf("%v: an answer from another address was recognised", v)
				}
			}
		}
	}
}

// turnedRound is what the target answers.
func turnedRound(probe []byte) []byte {
	b := append([]byte(nil), probe...)
	copy(b[8:24], probe[24:40])
	copy(b[24:40], probe[8:24])
	l4 := b[packet.IPv6Len:]
	switch packet.Proto(b[6]) {
	case packet.ProtoICMPv6:
		l4[0] = packet.ICMPv6EchoReply
		return b
	case packet.ProtoTCP:
		seq := packet.TCP(l4).Seq()
		packet.TCP(l4).SetFlags(packet.SYN | packet.ACK)
		packet.TCP(l4).SetAck(seq + 1)
	case packet.ProtoUDP:
	}
	src, dst := packet.TCP(l4).SrcPort(), packet.TCP(l4).DstPort()
	packet.TCP(l4).SetSrcPort(dst)
	packet.TCP(l4).SetDstPort(src)
	return b
}

// sixError is an ICMPv6 error about the probe, from a router.
func sixError(probe []byte, kind, code byte) []byte {
	router := netip.MustParseAddr("2001:db8:ffff::1")
	b := make([]byte, packet.IPv6Len+8, packet.IPv6Len+8+len(probe))
	packet.IPv6Fields{PayloadLen: 8 + len(probe), NextHeader: packet.ProtoICMPv6, HopLimit: 60, Src: router, Dst: packet.IPv6(probe).Src()}.Encode(b)
	b[packet.IPv6Len], b[packet.IPv6Len+1] = kind, code
	return append(b, probe...)
}

func TestICMPv6ErrorText(t *testing.T) {
	for _, c := range []struct {
		kind, code uint8
		want       string
	}{{1, 0, "network unreachable"}, {1, 1, "communication admin. prohibited"}, {1, 4, "port unreachable"}, {1, 99, "unknown"}, {2, 0, "packet too big"}, {3, 0, "time to live exceeded"}, {3, 1, "fragment reassembly time exceeded"}, {4, 0, "parameter problem"}, {200, 0, "unknown"}} {
		if got := icmpv6ErrorText(c.kind, c.code); got != c.want {
			t.Errorf("type %d code %d: %q, want %q", c.kind, c.code, got, c.want)
		}
	}
}

// TestSixAllocates is TestPatchAllocates for IPv6.
func TestSixAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 6))
	for _, v := range sixVariants() {
		p, err := New(v.name, Args{Text: v.args})
		if err != nil {
			t.Fatal(err)
		}
		route := testRoute(true, 2)
		route.IPv6 = true
		e := p.NewEncoder(route)
		frame := make([]byte, p.Describe().FrameLen+packet.IPv6Len)
		e.Template(1, frame)
		s := sixShot(r, p.Describe(), 0)
		if n := testing.AllocsPerRun(100, func() { e.Patch(frame, &s) }); n != 0 {
			t.Errorf("%v: %v allocations", v, n)
		}
	}
}
