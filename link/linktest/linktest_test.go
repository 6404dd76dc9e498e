package linktest_test

import (
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// mirror is an Internet that sends every frame back: the two ends of the wire are one.
func mirror(frame []byte, emit func(time.Duration, []byte)) { emit(0, frame) }

func opener(o linktest.Options) linktest.Opener {
	return func(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
		t.Helper()
		o := o
		o.MTU = mtu
		net := linktest.New(mirror, o)
		l, err := net.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return linktest.Bed{TX: l.TX[0], RX: l.RX[0], Cut: net.Cut}
	}
}

func TestConformance(t *testing.T) {
	linktest.Conformance(t, opener(linktest.Options{}))
}

// TestConformanceOfSlowLink lets frames leave one by one, long after Submit: the way of the asynchronous engines.
func TestConformanceOfSlowLink(t *testing.T) {
	linktest.Conformance(t, opener(linktest.Options{Gap: time.Microsecond, Queue: 100}))
}
