package afpacket

import (
	"testing"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bed returns an opener for a link at each end of a wire of its own, which change may make special.
func bed(change func(*link.Config)) linktest.Opener {
	return func(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
		t.Helper()
		w := wire.Lay(t, wire.Plan{MTU: mtu})
		change(&cfg)
		a, b := wire.Open(t, Engine{}, w.A, cfg), wire.Open(t, Engine{}, w.B, cfg)
		return linktest.Bed{TX: a.TX[0], RX: b.RX[0], Cut: func() { w.Cut(t) }, Blink: func() { w.Blink(t) }}
	}
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*link.Config){
		"bypass": func(*link.Config) {},
		"qdisc":  func(c *link.Config) { c.Qdisc, c.Batch, c.Promiscuous = link.QdiscUse, 100, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // closing a packet socket waits for every processor
			linktest.Conformance(t, bed(change))
		})
	}
}

func TestSoak(t *testing.T) { linktest.Soak(t, bed(func(*link.Config) {})) }
