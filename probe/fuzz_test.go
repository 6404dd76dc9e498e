package probe

import (
	"math/rand/v2"
	"testing"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
)

// FuzzMatch gives arbitrary frames to the decoder of every module. None may panic; what is accepted carries the tag by the
// slow twin, for the same target; and it can be decoded to a row that has success, the same as a [Judge] says.
func FuzzMatch(f *testing.F) {
	r := rand.New(rand.NewPCG(21, 22))
	for range 2 {
		for _, c := range append(accepted(f, r), rejected(f, r)...) {
			f.Add(c.frame, true)
			f.Add(c.frame[14:], false)
		}
	}
	decoders := readers(f)
	ethernet := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}
	f.Fuzz(func(t *testing.T, frame []byte, ether bool) {
		link, whole := packet.LinkEthernet, frame
		if !ether {
			link, whole = packet.LinkIP, append(ethernet, frame...)
		}
		for _, d := range decoders {
			var p packet.Parsed
			p.Decode(frame, link)
			got, ok := d.dec.Match(&p, tagger(2))
			if !ok {
				continue
			}
			addr, port, carries := slowMatch(d.name, testKey(), 2, whole)
			if want := (target.Target{Addr: addr, Port: port}); !carries || got != want {
				t.Fatalf("%s: accepted for %v; the slow twin says %v for %v; frame %x", d.name, got, carries, want, frame)
			}
			d.read(t, &p)
		}
	})
}

// TestSlowMatchAgrees says that the twin accepts and rejects the frames of the tables, so that FuzzMatch can fail.
func TestSlowMatchAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	for _, c := range accepted(t, r) {
		if addr, port, ok := slowMatch(c.v.name, testKey(), 2, c.frame); !ok || addr != c.shot.Addr || port != c.shot.Port {
			t.Errorf("%v, %s: the twin says %v %d %v, want %v %d true", c.v, c.name, addr, port, ok, c.shot.Addr, c.shot.Port)
		}
	}
	for _, c := range rejected(t, r) {
		if _, _, ok := slowMatch(c.v.name, testKey(), 2, c.frame); ok {
			t.Errorf("%v, %s: the twin accepts", c.v, c.name)
		}
	}
}
