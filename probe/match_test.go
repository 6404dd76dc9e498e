package probe

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// A matchCase is a frame that arrives after the probe shot, of the module v, to each target of which two probes go.
type matchCase struct {
	name  string
	v     variant
	shot  Shot
	frame []byte
}

// flags returns a change that sets the flags of a segment and what it acknowledges, counted from our sequence number.
func flags(s *Shot, f packet.TCPFlags, ahead uint32) func(*layers.TCP) {
	return func(h *layers.TCP) {
		h.SYN, h.ACK, h.RST, h.FIN = f.Any(packet.SYN), f.Any(packet.ACK), f.Any(packet.RST), f.Any(packet.FIN)
		h.ECE, h.CWR = f.Any(packet.ECE), f.Any(packet.CWR)
		h.Ack = s.Tag.Seq() + ahead
	}
}

// accepted are answers that must count, for a random target.
func accepted(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	tags := tagger(2)
	tcp, echo := randShot(r, synscan(), tags), randShot(r, echoscan(), tags)
	addTCP := func(name string, frame []byte) { out = append(out, matchCase{name, synscan(), tcp, frame}) }
	addEcho := func(name string, frame []byte) { out = append(out, matchCase{name, echoscan(), echo, frame}) }

	synAck := packet.SYN | packet.ACK
	addTCP("SYN-ACK", segment(t, &tcp, nil))
	addTCP("SYN-ACK with ECE", segment(t, &tcp, flags(&tcp, synAck|packet.ECE, 1)))
	addTCP("SYN-ACK with ECE and CWR", segment(t, &tcp, flags(&tcp, synAck|packet.ECE|packet.CWR, 1)))
	addTCP("RST-ACK of the next", segment(t, &tcp, flags(&tcp, packet.RST|packet.ACK, 1)))
	addTCP("RST-ACK of our number", segment(t, &tcp, flags(&tcp, packet.RST|packet.ACK, 0)))
	addTCP("RST without ACK", segment(t, &tcp, flags(&tcp, packet.RST, 1)))
	other := tcp
	other.Try = 1 - tcp.Try
	addTCP("SYN-ACK to the other try", segment(t, &other, nil))
	for _, kind := range []uint8{3, 4, 5, 11, 12} {
		m := quoting(t, synscan(), &tcp, 8)
		m.kind, m.code = kind, uint8(r.IntN(3))
		addTCP(fmt.Sprintf("ICMP type %d, 8 bytes quoted", kind), m.frame(t))
		m = quoting(t, echoscan(), &echo, 8)
		m.kind = kind
		addEcho(fmt.Sprintf("ICMP type %d, 8 bytes quoted", kind), m.frame(t))
	}
	whole := quoting(t, synscan(), &tcp, 1500)
	addTCP("ICMP with the whole SYN", whole.frame(t))
	whole.from = tcp.Addr
	addTCP("ICMP from the target", whole.frame(t))
	whole.body[8], whole.body[10], whole.body[11] = 1, 0, 0
	addTCP("ICMP, quoted TTL and checksum changed on the way", whole.frame(t))

	addEcho("ICMP with the whole request", quoting(t, echoscan(), &echo, 1500).frame(t))
	for _, n := range []int{0, 1, 19, 20, 56, 1400} {
		addEcho(fmt.Sprintf("echo reply with %d bytes", n), echoReply(&echo, make([]byte, n)).frame(t))
	}
	return slices.Concat(out, acceptedSYNACK(t, r), acceptedTime(t, r), acceptedIPIP(t, r))
}

func TestMatchAccepts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		for _, c := range accepted(t, r) {
			want := target.Target{Addr: c.shot.Addr, Port: c.shot.Port}
			if got, ok := match(t, c.v, c.frame, tagger(2)); !ok || got != want {
				t.Errorf("%v, %s: got %v, %v, want %v, true; frame %x", c.v, c.name, got, ok, want, c.frame)
			}
			checkFraming(t, c, want)
			checkCapture(t, c)
		}
	}
}

// checkFraming looks at the same answer behind a VLAN tag, without Ethernet, and from another module.
func checkFraming(t *testing.T, c matchCase, want target.Target) {
	t.Helper()
	tagged := append(append(append([]byte(nil), c.frame[:12]...), 0x81, 0, 0, 7), c.frame[12:]...)
	if got, ok := match(t, c.v, tagged, tagger(2)); !ok || got != want {
		t.Errorf("%v, %s with a VLAN tag: got %v, %v, want %v, true", c.v, c.name, got, ok, want)
	}
	var p packet.Parsed
	p.Decode(c.frame[14:], packet.LinkIP)
	if got, ok := c.v.probe(t).NewDecoder().Match(&p, tagger(2)); !ok || got != want {
		t.Errorf("%v, %s without Ethernet: got %v, %v, want %v, true", c.v, c.name, got, ok, want)
	}
	for _, v := range []variant{synscan(), echoscan()} {
		if _, ok := match(t, v, c.frame, tagger(2)); ok && v.name[:4] != c.v.name[:4] {
			t.Errorf("%s, an answer to %v, is one to %v as well", c.name, c.v, v)
		}
	}
}

// checkCapture says that what a module accepts passes its own capture filter, and is still accepted when it was cut there.
func checkCapture(t *testing.T, c matchCase) {
	t.Helper()
	d := c.v.probe(t).Describe()
	f := d.Capture
	f.Local = []netip.Addr{c.shot.Src}
	if d.Ports && len(f.Ports) == 0 {
		f.Ports = []link.PortRange{{First: 32768, Last: 61000}}
	}
	if !f.Match(c.frame, true) {
		t.Errorf("%v, %s: the module's capture filter drops its own answer %x", c.v, c.name, c.frame)
	}
	if _, ok := match(t, c.v, c.frame[:min(len(c.frame), d.Capture.Snap)], tagger(2)); !ok {
		t.Errorf("%v, %s: not recognised when cut to %d bytes", c.v, c.name, d.Capture.Snap)
	}
}

// rejected are frames that were not caused by our probes, or say nothing about them.
func rejected(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	tags := tagger(2)
	tcp, echo := randShot(r, synscan(), tags), randShot(r, echoscan(), tags)
	addTCP := func(name string, change func(*layers.TCP)) {
		out = append(out, matchCase{name, synscan(), tcp, segment(t, &tcp, change)})
	}
	for name, c := range map[string]struct {
		f     packet.TCPFlags
		ahead uint32
	}{
		"SYN-ACK of our own number": {packet.SYN | packet.ACK, 0},
		"SYN-ACK of two further":    {packet.SYN | packet.ACK, 2},
		"RST of two further":        {packet.RST | packet.ACK, 2},
		"RST of one before":         {packet.RST | packet.ACK, ^uint32(0)},
		"SYN":                       {packet.SYN, 1},
		"ACK":                       {packet.ACK, 1},
		"FIN-ACK":                   {packet.FIN | packet.ACK, 1},
		"no flags":                  {0, 1},
	} {
		addTCP(name, flags(&tcp, c.f, c.ahead))
	}
	addTCP("from the next port", func(h *layers.TCP) { h.SrcPort++ })
	addTCP("to a port before all tries", func(h *layers.TCP) { h.DstPort = before(tcp.Tag.PortWord()) })
	addTCP("to a port that is none of ours", func(h *layers.TCP) { h.DstPort = 1024 })

	icmp := func(name string, v variant, s *Shot, change func(*message)) {
		m := quoting(t, v, s, 1500)
		change(&m)
		out = append(out, matchCase{name, v, *s, m.frame(t)})
	}
	for _, p := range []struct {
		v variant
		s *Shot
	}{{synscan(), &tcp}, {echoscan(), &echo}} {
		icmp("7 bytes quoted", p.v, p.s, func(m *message) { m.body = m.body[:27] })
		icmp("nothing quoted", p.v, p.s, func(m *message) { m.body = nil })
		icmp("quote of another protocol", p.v, p.s, func(m *message) { m.body[9] = 17 })
		icmp("quote of another source", p.v, p.s, func(m *message) { m.body[15] ^= 1 })
		icmp("error for another address", p.v, p.s, func(m *message) { m.to = router() })
		icmp("quote of another target", p.v, p.s, func(m *message) { m.body[19] ^= 1 })
		icmp("quote of a later fragment", p.v, p.s, func(m *message) { m.body[7] = 1 })
		icmp("quote of a wrong number", p.v, p.s, func(m *message) { m.body[20+7]++ })
		icmp("not an error", p.v, p.s, func(m *message) { m.kind = 13 })
		icmp("our own packet in an echo reply", p.v, p.s, func(m *message) { m.kind = 0 })
	}
	icmp("quote of an echo reply", echoscan(), &echo, func(m *message) { m.body[20] = 0 })
	for name, change := range map[string]func(*message){
		"echo request":                func(m *message) { m.kind = 8 },
		"echo reply, identifier":      func(m *message) { m.id++ },
		"echo reply, sequence number": func(m *message) { m.seq++ },
		"echo reply from a neighbour": func(m *message) { m.from = m.from.Next() },
		"echo reply to a neighbour":   func(m *message) { m.to = m.to.Next() },
	} {
		m := echoReply(&echo, make([]byte, 20))
		change(&m)
		out = append(out, matchCase{name, echoscan(), echo, m.frame(t)})
	}
	return slices.Concat(out, rejectedSYNACK(t, r), rejectedTime(t, r), rejectedIPIP(t, r))
}

// before is the port before the one of the first try, counted round.
func before(word uint32) layers.TCPPort { return layers.TCPPort(32768 + (word+28232)%28233) }

func TestMatchRejects(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		for _, c := range rejected(t, r) {
			if got, ok := match(t, c.v, c.frame, tagger(2)); ok {
				t.Errorf("%v, %s: accepted for %v; probe %+v, frame %x", c.v, c.name, got, c.shot, c.frame)
			}
		}
	}
}

// TestMatchTries says that an answer to a second probe counts only where there are second probes.
func TestMatchTries(t *testing.T) {
	s := randShot(rand.New(rand.NewPCG(9, 9)), synscan(), tagger(1))
	s.Try = 1
	for name, frame := range map[string][]byte{
		"SYN-ACK": segment(t, &s, nil), "ICMP error": quoting(t, synscan(), &s, 8).frame(t),
	} {
		if _, ok := match(t, synscan(), frame, tagger(1)); ok {
			t.Errorf("%s to the second probe is accepted though there is only one", name)
		}
		if _, ok := match(t, synscan(), frame, tagger(2)); !ok {
			t.Errorf("%s to the second of two probes is not accepted", name)
		}
	}
}

// TestMatchTruncated cuts every answer at every length. What is still accepted carries the tag, and can be decoded.
func TestMatchTruncated(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	for _, c := range accepted(t, r) {
		d, dec := c.v.probe(t).Describe(), c.v.probe(t).NewDecoder()
		row := record.New(d.Schema)
		for n := range min(len(c.frame), 160) {
			var p packet.Parsed
			p.Decode(c.frame[:n], packet.LinkEthernet)
			_, got := dec.Match(&p, tagger(2))
			_, _, want := slowMatch(c.v.name, testKey(), 2, c.frame[:n])
			if got && !want {
				t.Fatalf("%v, %s cut to %d bytes is accepted without a tag: %x", c.v, c.name, n, c.frame[:n])
			}
			if got {
				row.Reset()
				dec.Decode(&p, row)
			}
		}
	}
}
