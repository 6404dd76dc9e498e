package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

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
	e := stun{}.NewEncoder(probe.Route{Ether: true, Hops: make([]packet.MAC, 1), Ports: validate.DefaultPorts(), TTL: 64})
	if n, want := e.Template(1, frame), (stun{}).Describe().FrameLen; n != want {
		t.Fatalf("the template has %d bytes, FrameLen is %d", n, want)
	}
	return e, frame
}

// TestProbe sums requests anew after many patches of one frame.
func TestProbe(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	e, frame := newEncoder(t)
	for range 1000 {
		s := shot(r)
		d := packet.UDP(frame[34:e.Patch(frame, &s)])
		if !packet.IPv4(frame[14:34]).ChecksumOK() || !d.ChecksumOK(packet.PseudoHeader(s.Src, s.Addr, packet.ProtoUDP, len(d))) ||
			d.Checksum() == 0 || d.SrcPort() != validate.DefaultPorts().Of(s.Tag, 0) || d.DstPort() != s.Port || d.Length() != 28 {
			t.Fatalf("probe %+v: %x", s, d)
		}
		if b := d[8:]; binary.BigEndian.Uint32(b) != request<<16 || binary.BigEndian.Uint32(b[4:]) != cookie || string(b[8:]) != string(s.Tag[:12]) {
			t.Fatalf("probe %+v: request %x", s, b)
		}
	}
	s := shot(r)
	if n := testing.AllocsPerRun(100, func() { e.Patch(frame, &s) }); n != 0 {
		t.Errorf("Patch allocates %v times, want 0", n)
	}
}

// answer returns the packet with that payload from the target of s to its source.
func answer(s *probe.Shot, payload []byte) []byte {
	n := packet.UDPLen + len(payload)
	b := make([]byte, packet.IPv4Len+n)
	packet.IPv4Fields{TotalLen: len(b), TTL: 60, Proto: packet.ProtoUDP, Src: s.Addr, Dst: s.Src}.Encode(b)
	packet.UDPFields{SrcPort: s.Port, DstPort: validate.DefaultPorts().Of(s.Tag, 0), Length: n}.Encode(b[packet.IPv4Len:])
	copy(b[packet.IPv4Len+packet.UDPLen:], payload)
	return b
}

// refusal returns an ICMP error about s that quotes so many bytes of the request.
func refusal(t testing.TB, s *probe.Shot, quote int) []byte {
	t.Helper()
	e, frame := newEncoder(t)
	e.Patch(frame, s)
	b := make([]byte, packet.IPv4Len+packet.ICMPLen, 128)
	b = append(b, frame[14:14+quote]...)
	packet.IPv4Fields{TotalLen: len(b), TTL: 60, Proto: packet.ProtoICMP, Src: s.Addr, Dst: s.Src}.Encode(b)
	packet.ICMPFields{Type: packet.ICMPv4Unreachable, Code: 3}.Encode(b[packet.IPv4Len:])
	return b
}

// requestOf returns what a server gets.
func requestOf(s *probe.Shot) []byte {
	b := make([]byte, headerLen)
	binary.BigEndian.PutUint32(b[4:], cookie)
	copy(b[transaction:], s.Tag[:])
	return b
}

// TestMatch flips each bit of answers: whatever carries the tag or says what the message is must be right.
func TestMatch(t *testing.T) {
	s := shot(rand.New(rand.NewPCG(2, 2)))
	us := netip.AddrPortFrom(s.Src, 40000)
	match := func(b []byte) bool {
		var p packet.Parsed
		p.Decode(b, packet.LinkIP)
		got, ok := stun{}.NewDecoder().Match(&p, tagger())
		return ok && got == s.Target
	}
	for name, c := range map[string]struct {
		frame    []byte
		from, to int // bytes that must be right
	}{
		"success":         {answer(&s, respond(requestOf(&s), success, us)), 28 + 4, 28 + 20},
		"failure":         {answer(&s, respond(requestOf(&s), failure, us)), 28 + 4, 28 + 20},
		"short ICMP":      {refusal(t, &s, 28), 28 + 20, 28 + 24},
		"ICMP with all":   {refusal(t, &s, 48), 28 + 28 + 8, 28 + 48},
		"ICMP, its ports": {refusal(t, &s, 48), 28 + 20, 28 + 24},
	} {
		if !match(c.frame) {
			t.Errorf("%s does not match: %x", name, c.frame)
		}
		for bit := c.from * 8; bit < c.to*8; bit++ {
			c.frame[bit/8] ^= 1 << (bit % 8)
			if match(c.frame) {
				t.Errorf("%s matches with bit %d of byte %d flipped", name, bit%8, bit/8)
			}
			c.frame[bit/8] ^= 1 << (bit % 8)
		}
	}
	if match(answer(&s, respond(requestOf(&s), request, us))) {
		t.Error("our own request, sent back, matches")
	}
}

// FuzzMatch gives arbitrary packets to the decoder. It must not panic, and what it accepts carries the tag at a fixed offset.
func FuzzMatch(f *testing.F) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 4 {
		s := shot(r)
		f.Add(answer(&s, respond(requestOf(&s), success, netip.AddrPortFrom(s.Src, 40000))))
		f.Add(answer(&s, respond(requestOf(&s), failure, netip.AddrPortFrom(s.Src, 40000))))
		f.Add(refusal(f, &s, 28))
		f.Add(refusal(f, &s, 48))
	}
	schema := stun{}.Describe().Schema
	f.Fuzz(func(t *testing.T, b []byte) {
		var p packet.Parsed
		p.Decode(b, packet.LinkIP)
		dec := stun{}.NewDecoder()
		got, ok := dec.Match(&p, tagger())
		if !ok || b[0]>>4 != 4 {
			return
		}
		row := record.New(schema)
		dec.Decode(&p, row)
		class := row.Values[fieldClass].Text()
		if row.Values[fieldSuccess].Bool() != (class != "icmp") || row.Values[fieldSuccess].IsNull() {
			t.Fatalf("row is %v; packet %x", row.Values, b)
		}
		if class == "icmp" {
			return
		}
		tag := tagger().Tag(netip.AddrFrom4([4]byte(b[16:20])), got.Addr, got.Port)
		if payload := b[b[0]&15*4+8:]; string(payload[8:20]) != string(tag[:12]) {
			t.Fatalf("accepted %x for %v, whose tag is %x", payload, got, tag)
		}
	})
}
