package probe

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// A datagramAnswer is a frame that arrives after the probe shot, of the module c, to each target of which two probes go.
type datagramAnswer struct {
	name  string
	c     datagramCase
	shot  Shot
	frame []byte
}

// acceptedDatagrams are answers that must count, for random targets.
func acceptedDatagrams(t testing.TB, r *rand.Rand) []datagramAnswer {
	var out []datagramAnswer
	for _, c := range datagramCases() {
		s := c.shot(r, tagger(2))
		add := func(name string, frame []byte) { out = append(out, datagramAnswer{name, c, s, frame}) }
		body := c.answerPayload(&s)
		add("answer", reply(t, &s, body))
		add("long answer", reply(t, &s, append(body, make([]byte, 1400)...)))
		other := s
		other.Try = 1 - s.Try
		add("answer to the other try", reply(t, &other, body))
		if c.name == "udp" || c.name == "ntp" || c.name == "upnp" {
			add("empty answer", reply(t, &s, nil))
			lying := reply(t, &s, body)
			packet.UDP(lying[34:]).SetLength(60000)
			add("answer that claims to be longer", lying)
			packet.UDP(lying[34:]).SetLength(3)
			add("answer that claims to be shorter than a header", bytes.Clone(lying))
		}
		for _, kind := range []uint8{3, 4, 5, 11, 12} {
			m := c.about(t, &s, 8)
			m.kind, m.code = kind, uint8(r.IntN(3))
			add(fmt.Sprintf("ICMP type %d, 8 bytes quoted", kind), m.frame(t))
		}
		whole := c.about(t, &s, 1500)
		add("ICMP with the whole probe", whole.frame(t))
		whole.from = s.Addr
		add("ICMP from the target", whole.frame(t))
		whole.body[8], whole.body[10], whole.body[11] = 1, 0, 0
		add("ICMP, quoted TTL and checksum changed on the way", whole.frame(t))
	}
	return out
}

func TestDatagramMatchAccepts(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	for range 10 {
		for _, a := range acceptedDatagrams(t, r) {
			d := a.c.probe(t).Describe()
			want := target.Target{Addr: a.shot.Addr, Port: a.shot.Port}
			tagged := append(append(bytes.Clone(a.frame[:12]), 0x81, 0, 0, 7), a.frame[12:]...)
			for what, frame := range map[string][]byte{
				"": a.frame, " with a VLAN tag": tagged, " as captured": a.frame[:min(len(a.frame), d.Capture.Snap)],
			} {
				if got, ok := matchDatagram(t, a.c, frame, 2); !ok || got != want {
					t.Errorf("%v, %s%s: got %v, %v, want %v, true; frame %x", a.c, a.name, what, got, ok, want, frame)
				}
			}
			var p packet.Parsed
			p.Decode(a.frame[14:], packet.LinkIP)
			if got, ok := a.c.probe(t).NewDecoder().Match(&p, tagger(2)); !ok || got != want {
				t.Errorf("%v, %s without Ethernet: got %v, %v, want %v, true", a.c, a.name, got, ok, want)
			}
			f := d.Capture
			f.Local, f.Ports = []netip.Addr{a.shot.Src}, []link.PortRange{{First: 32768, Last: 61000}}
			if !f.Match(a.frame, true) {
				t.Errorf("%v, %s: the module's capture filter drops its own answer", a.c, a.name)
			}
			if addr, port, ok := slowDatagram(2, a.frame); !ok || addr != want.Addr || port != want.Port {
				t.Errorf("%v, %s: the twin says %v %d %v, so that the fuzz test cannot fail", a.c, a.name, addr, port, ok)
			}
		}
	}
}

// matchDatagram runs a new decoder over a frame.
func matchDatagram(t testing.TB, c datagramCase, frame []byte, tries int) (target.Target, bool) {
	t.Helper()
	var p packet.Parsed
	p.Decode(frame, packet.LinkEthernet)
	return c.probe(t).NewDecoder().Match(&p, tagger(tries))
}

// TestDatagramSecondTry says that an answer to a second probe counts only where there are second probes.
func TestDatagramSecondTry(t *testing.T) {
	for _, c := range datagramCases() {
		s := c.shot(rand.New(rand.NewPCG(35, 36)), tagger(1))
		s.Try = 1
		for what, frame := range map[string][]byte{"answer": reply(t, &s, c.answerPayload(&s)), "ICMP error": c.about(t, &s, 8).frame(t)} {
			if _, ok := matchDatagram(t, c, frame, 1); ok {
				t.Errorf("%v: %s to the second probe is accepted though there is only one", c, what)
			}
			if _, ok := matchDatagram(t, c, frame, 2); !ok {
				t.Errorf("%v: %s to the second of two probes is not accepted", c, what)
			}
		}
	}
}

// TestDatagramEveryBitOfTheTagCounts flips each bit that ties an answer to a probe: none may be accepted.
func TestDatagramEveryBitOfTheTagCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(37, 38))
	for _, c := range datagramCases() {
		s := c.shot(r, tagger(1))
		s.Try = 0
		answer, icmp := reply(t, &s, c.answerPayload(&s)), c.about(t, &s, 8).frame(t)
		flip := func(what string, frame []byte, regions []region, want bool) {
			for _, g := range regions {
				for bit := range g.len * 8 {
					changed := bytes.Clone(frame)
					changed[g.first+bit/8] ^= 1 << (bit % 8)
					if _, got := matchDatagram(t, c, changed, 1); got != want {
						t.Errorf("%v: %s, bit %d of %s flipped: accepted %v, want %v; frame %x", c, what, bit, g.name, got, want, changed)
					}
				}
			}
		}
		flip("answer", answer, []region{{"addresses", atIP + 12, 8}, {"ports", atL4, 4}}, false)
		flip("answer", answer, []region{{"identification", atIP + 4, 2}, {"TTL", atIP + 8, 1}, {"checksum", atL4 + 6, 2}}, true)
		flip("ICMP error", icmp, []region{
			{"destination", atIP + 16, 4}, {"quoted protocol", quoted + 9, 1}, {"quoted addresses", quoted + 12, 8}, {"quoted ports", inside, 4},
		}, false)
		flip("ICMP error", icmp, []region{
			{"router", atIP + 12, 4}, {"quoted TTL", quoted + 8, 1}, {"quoted UDP length and checksum", inside + 4, 4},
		}, true)
	}
}

// TestDatagramRejects has what is not an answer although it comes from a target.
func TestDatagramRejects(t *testing.T) {
	r := rand.New(rand.NewPCG(39, 40))
	for _, c := range datagramCases() {
		s := c.shot(r, tagger(2))
		body := c.answerPayload(&s)
		icmp := func(change func(*message)) []byte {
			m := c.about(t, &s, 1500)
			change(&m)
			return m.frame(t)
		}
		later := reply(t, &s, body)
		later[21] = 1
		cases := map[string][]byte{
			"a later fragment":                 later,
			"7 bytes quoted":                   icmp(func(m *message) { m.body = m.body[:27] }),
			"nothing quoted":                   icmp(func(m *message) { m.body = nil }),
			"quote of a later fragment":        icmp(func(m *message) { m.body[7] = 1 }),
			"our own packet in an echo reply":  icmp(func(m *message) { m.kind = 0 }),
			"our own packet in another type":   icmp(func(m *message) { m.kind = 13 }),
			"our own probe, looped back":       c.frame(t, testRoute(true, 1), &s),
			"our own packet as a TCP segment":  icmp(func(m *message) { m.body[9] = 6 }),
			"an answer to one of our SYNs":     segment(t, &s, nil),
			"a header that the frame cuts off": reply(t, &s, body)[:atL4+7],
		}
		if c.name == "bacnet" {
			cases["empty"] = reply(t, &s, nil)
			cases["not BACnet/IP"] = reply(t, &s, []byte{0x80, 0x0a, 0, 4})
		}
		if c.name == "dns" {
			cases["shorter than a query"] = reply(t, &s, body[:12])
			lying := reply(t, &s, body)
			packet.UDP(lying[34:]).SetLength(len(body) + 9)
			cases["claims to be longer than its packet"] = lying
		}
		for name, frame := range cases {
			if got, ok := matchDatagram(t, c, frame, 2); ok {
				t.Errorf("%v, %s: accepted for %v; probe %+v, frame %x", c, name, got, s, frame)
			}
		}
	}
}

// portTags gives the tags of one port, whatever port they are wanted for, as the engine does where answers may come from any.
type portTags struct {
	validate.Source
	port uint16
}

func (p portTags) Tag(local, remote netip.Addr, _ uint16) validate.Tag {
	return p.Source.Tag(local, remote, p.port)
}

// TestDatagramOtherPort says how answers from another port are taken: by the tag of the port that was asked.
func TestDatagramOtherPort(t *testing.T) {
	c := firstOf("udp")
	s := c.shot(rand.New(rand.NewPCG(1, 40)), tagger(1))
	s.Port, s.Try = 69, 0
	s.Tag = tagger(1).Tag(s.Src, s.Addr, s.Port)
	moved := s
	moved.Port = 50123 // a TFTP server answers from a port of its own
	var p packet.Parsed
	p.Decode(reply(t, &moved, []byte("data")), packet.LinkEthernet)
	dec := c.probe(t).NewDecoder()
	if _, ok := dec.Match(&p, tagger(1)); ok {
		t.Fatal("accepted from the port that was not asked")
	}
	if got, ok := dec.Match(&p, portTags{tagger(1), 69}); !ok || got.Addr != s.Addr {
		t.Fatalf("with the tag of the port that was asked: got %v, %v", got, ok)
	}
	r := record.New(c.probe(t).Describe().Schema)
	dec.Decode(&p, r)
	if got := r.Values[2].Uint(); got != 50123 {
		t.Errorf("the row's sport is %d, want the one that the answer came from", got)
	}
	if !c.probe(t).Describe().AnyPort {
		t.Error("udp checks ports unless told otherwise")
	}
	for _, name := range []string{"ntp", "upnp", "bacnet", "dns"} {
		if firstOf(name).probe(t).Describe().AnyPort {
			t.Errorf("%s does not check ports", name)
		}
	}
}

// FuzzDatagramMatch gives arbitrary frames to the decoders of all modules over UDP. None may panic; what is accepted carries
// the tag by the slow twin, for the same target; and it can be decoded to a row that has success and class.
func FuzzDatagramMatch(f *testing.F) {
	r := rand.New(rand.NewPCG(43, 44))
	for _, a := range acceptedDatagrams(f, r) {
		f.Add(a.frame)
	}
	var decoders []reader
	for _, c := range datagramCases() {
		decoders = append(decoders, readerOf(c.probe(f)))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var p packet.Parsed
		p.Decode(frame, packet.LinkEthernet)
		addr, port, carries := slowDatagram(2, frame)
		for _, d := range decoders {
			got, ok := d.dec.Match(&p, tagger(2))
			if !ok {
				continue
			}
			if want := (target.Target{Addr: addr, Port: port}); !carries || got != want {
				t.Fatalf("%s: accepted for %v; the twin says %v for %v; frame %x", d.name, got, carries, want, frame)
			}
			d.read(t, &p)
			if class, _ := d.row.Schema.Lookup("classification"); d.row.Values[class].Text() == "" {
				t.Fatalf("%s: the row has no class; frame %x", d.name, frame)
			}
		}
	})
}

// TestDatagramTruncated cuts every answer at every length. What is still accepted carries the tag, and can be decoded.
func TestDatagramTruncated(t *testing.T) {
	for _, a := range acceptedDatagrams(t, rand.New(rand.NewPCG(45, 46))) {
		dec, row := a.c.probe(t).NewDecoder(), record.New(a.c.probe(t).Describe().Schema)
		for n := range min(len(a.frame), 160) {
			var p packet.Parsed
			p.Decode(a.frame[:n], packet.LinkEthernet)
			_, got := dec.Match(&p, tagger(2))
			if _, _, want := slowDatagram(2, a.frame[:n]); got && !want {
				t.Fatalf("%v, %s cut to %d bytes is accepted without a tag", a.c, a.name, n)
			}
			if got {
				row.Reset()
				dec.Decode(&p, row)
			}
		}
	}
}

func TestDatagramNoAllocations(t *testing.T) {
	cases := append(datagramCases(), datagramCase{name: "udp", args: "name:sip"})
	for _, c := range cases {
		r, tags := rand.New(rand.NewPCG(47, 48)), tagger(2)
		route := testRoute(true, 2)
		route.Random = seeded(1)
		e, frame := c.probe(t).NewEncoder(route), make([]byte, link.MaxFrame)
		s := c.shot(r, tags)
		if n := testing.AllocsPerRun(100, func() {
			e.Template(uint32(1+s.Try), frame)
			e.Patch(frame, &s)
		}); n != 0 {
			t.Errorf("%v: Template and Patch allocate %v times, want 0", c, n)
		}
	}
	for _, a := range acceptedDatagrams(t, rand.New(rand.NewPCG(49, 50))) {
		var p packet.Parsed
		p.Decode(a.frame, packet.LinkEthernet)
		dec, tags := a.c.probe(t).NewDecoder(), tagger(2)
		row := record.New(a.c.probe(t).Describe().Schema)
		if n := testing.AllocsPerRun(100, func() { dec.Match(&p, tags) }); n != 0 {
			t.Errorf("%v, %s: Match allocates %v times, want 0", a.c, a.name, n)
		}
		dec.Decode(&p, row) // the row's memory grows once
		if n := testing.AllocsPerRun(100, func() {
			row.Reset()
			dec.Decode(&p, row)
		}); n != 0 && a.c.name != "dns" {
			t.Errorf("%v, %s: Decode allocates %v times, want 0", a.c, a.name, n)
		}
	}
}

// BenchmarkDatagram has the cost of a probe, and of an answer and its row.
func BenchmarkDatagram(b *testing.B) {
	for _, c := range append(datagramCases(), datagramCase{name: "udp", args: "name:sip"}) {
		b.Run("Patch/"+c.String(), func(b *testing.B) {
			route := testRoute(true, 1)
			route.Random = seeded(1)
			s := c.shot(rand.New(rand.NewPCG(51, 52)), tagger(1))
			e, frame := c.probe(b).NewEncoder(route), make([]byte, link.MaxFrame)
			e.Template(1, frame)
			b.ReportAllocs()
			for b.Loop() {
				e.Patch(frame, &s)
			}
		})
	}
	for _, a := range acceptedDatagrams(b, rand.New(rand.NewPCG(53, 54))) {
		if a.name != "answer" || a.c.args == "text:" {
			continue
		}
		var p packet.Parsed
		p.Decode(a.frame, packet.LinkEthernet)
		dec, tags := a.c.probe(b).NewDecoder(), tagger(1)
		row := record.New(a.c.probe(b).Describe().Schema)
		b.Run("Match/"+a.c.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dec.Match(&p, tags)
			}
		})
		b.Run("Decode/"+a.c.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				row.Reset()
				dec.Decode(&p, row)
			}
		})
	}
}
