package engine

import (
	"errors"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// TestOutage takes the link down after so many frames, of scans of all kinds, and up again: every probe leaves exactly once, and the counts
// are those of a scan without an outage.
func TestOutage(t *testing.T) {
	third := func(a netip.Addr) bool { return a.As4()[3]%3 == 0 }
	kinds := map[string]func(c *Config){
		"plain":       func(*Config) {},
		"fast":        func(c *Config) { c.Rate = 0 },
		"three tries": func(c *Config) { c.Tries = 3 },
		"excluded":    func(c *Config) { c.Excluded = third },
		"unreachable": func(c *Config) { c.Hop = func(a netip.Addr) (uint16, bool) { return 0, !third(a) } },
		"limited":     func(c *Config) { c.Limits.MaxTargets = 200 },
	}
	moments := []int{1, 63, 64, 65, 130, 190}
	if testing.Short() { // as under the race detector
		moments = moments[3:5]
	}
	for name, change := range kinds {
		for _, after := range moments {
			want, probes := scanOver(t, linktest.Options{}, change)
			got, again := scanOver(t, linktest.Options{DownAfter: after, DownFor: time.Second}, change)
			got.Queued -= got.Refused // by the outage, and made again
			got.Refused = 0
			if got != want {
				t.Errorf("%s, down after %d frames:\n%+v, without that\n%+v", name, after, got, want)
			}
			if name == "limited" {
				continue // which of the senders gets to ask more is chance
			}
			if !maps.Equal(probes, again) {
				t.Errorf("%s, down after %d frames: %d probes, want the same %d", name, after, len(again), len(probes))
			}
		}
	}
}

// scanOver scans over a link, and returns the counts and how often each probe has left.
func scanOver(t *testing.T, o linktest.Options, change func(c *Config)) (counts Counts, probes map[frame]int) {
	t.Helper()
	probes = make(map[frame]int)
	downs, ups := 0, 0
	bubble(t, plan{network: "10.0.0.0/23", options: o, senders: 2, change: func(c *Config) {
		change(c)
		c.LinkWait = time.Minute
		c.OnDown = func(err error) {
			if errors.Is(err, link.ErrDown) {
				downs++
			} else {
				ups++
			}
		}
	}}, func(t *testing.T, x *trial) {
		want := WalkDone
		if x.cfg.Limits.MaxTargets > 0 {
			want = MaxTargets
		}
		counts = x.end(t, want).Counts
		for _, f := range x.frames {
			probes[frame{src: f.src, dst: f.dst}]++
		}
	})
	if told := min(o.DownAfter, 1); downs != told || ups != told {
		t.Errorf("told %d times that the link is down, and %d times that it is up, want %d", downs, ups, told)
	}
	return counts, probes
}

// TestOutageThatLasts ends the scan when it has waited long enough.
func TestOutageThatLasts(t *testing.T) {
	bubble(t, plan{network: "10.0.0.0/23", options: linktest.Options{DownAfter: 100, DownFor: time.Hour}, change: func(c *Config) {
		c.LinkWait = 30 * time.Second
	}}, func(t *testing.T, x *trial) {
		res, err := x.run(t.Context(), t)
		if res.Reason != LinkLost || !errors.Is(err, link.ErrDown) || res.Sent != 100 {
			t.Errorf("%v, %v, %d probes", res.Reason, err, res.Sent)
		}
		if d := time.Since(x.start); d < 30*time.Second || d > 32*time.Second {
			t.Errorf("the scan ended after %v", d)
		}
	})
}
