package probe

import (
	"math/rand/v2"
	"testing"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// shots returns 1024 probes of random targets from one address, tags included.
func shots(v variant) []Shot {
	r, tags := rand.New(rand.NewPCG(25, 26)), tagger(1)
	out := make([]Shot, 1024)
	for i := range out {
		s := randShot(r, v, tags)
		s.Src = mustAddr("192.0.2.2")
		s.Tag = tags.Tag(s.Src, s.Addr, s.Port)
		out[i] = s
	}
	return out
}

func BenchmarkPatch(b *testing.B) {
	for _, v := range variants() {
		if v.args == "" && v.name == "tcp_synscan" {
			continue // windows by another name
		}
		b.Run(v.String(), func(b *testing.B) {
			e, frame, all := v.probe(b).NewEncoder(testRoute(true, 1)), make([]byte, link.MaxFrame), shots(v)
			e.Template(1, frame)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				e.Patch(frame, &all[i&1023])
				i++
			}
		})
	}
}

// arrivals are the kinds of frames that a receiver sees most.
func arrivals(t testing.TB) []matchCase {
	r := rand.New(rand.NewPCG(27, 28))
	keep := map[string]bool{
		"SYN-ACK": true, "RST-ACK of the next": true, "ICMP type 3, 8 bytes quoted": true, "echo reply with 20 bytes": true,
		"SYN-ACK of two further": true, "to a port that is none of ours": true, "SYN": true,
	}
	var out []matchCase
	for _, c := range append(accepted(t, r), rejected(t, r)...) {
		if keep[c.name] {
			out = append(out, c)
		}
	}
	return out
}

// BenchmarkMatch is what a receiver does with a frame that was taken apart, AES included.
func BenchmarkMatch(b *testing.B) {
	for _, c := range arrivals(b) {
		b.Run(c.v.name+"/"+c.name, func(b *testing.B) {
			var p packet.Parsed
			p.Decode(c.frame, packet.LinkEthernet)
			dec, tags := c.v.probe(b).NewDecoder(), tagger(2)
			b.ReportAllocs()
			for b.Loop() {
				dec.Match(&p, tags)
			}
		})
	}
}

// BenchmarkDecode fills rows.
func BenchmarkDecode(b *testing.B) {
	for _, c := range arrivals(b)[:4] {
		b.Run(c.v.name+"/"+c.name, func(b *testing.B) {
			var p packet.Parsed
			p.Decode(c.frame, packet.LinkEthernet)
			dec, row := c.v.probe(b).NewDecoder(), record.New(c.v.probe(b).Describe().Schema)
			b.ReportAllocs()
			for b.Loop() {
				row.Reset()
				dec.Decode(&p, row)
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	for _, v := range variants() {
		e, frame, all := v.probe(t).NewEncoder(testRoute(true, 2)), make([]byte, link.MaxFrame), shots(v)
		i := 0
		if n := testing.AllocsPerRun(100, func() {
			e.Template(1, frame)
			e.Patch(frame, &all[i])
			i++
		}); n != 0 {
			t.Errorf("%v: Template and Patch allocate %v times, want 0", v, n)
		}
	}
	r := rand.New(rand.NewPCG(29, 30))
	for _, c := range append(accepted(t, r), rejected(t, r)...) {
		var p packet.Parsed
		p.Decode(c.frame, packet.LinkEthernet)
		dec, tags, row := c.v.probe(t).NewDecoder(), tagger(2), record.New(c.v.probe(t).Describe().Schema)
		accepted := false
		if n := testing.AllocsPerRun(100, func() { _, accepted = dec.Match(&p, tags) }); n != 0 {
			t.Errorf("%v, %s: Match allocates %v times, want 0", c.v, c.name, n)
		}
		if !accepted {
			continue
		}
		dec.Decode(&p, row) // the row's memory grows once
		if n := testing.AllocsPerRun(100, func() {
			row.Reset()
			dec.Decode(&p, row)
		}); n != 0 {
			t.Errorf("%v, %s: Decode allocates %v times, want 0", c.v, c.name, n)
		}
	}
}
