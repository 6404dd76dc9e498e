package engine

import (
	"context"
	"math"
	"net/netip"
	"testing"
	"time"
)

// TestProgress follows a scan of ten seconds and five of cooldown, in which every second host answers.
func TestProgress(t *testing.T) {
	hosts := func(a netip.AddrPort) []reply {
		if last(a)%2 == 0 {
			return nil
		}
		return []reply{{flags: synack}}
	}
	var seen []Progress
	p := plan{network: "10.0.0.0/22", hosts: hosts, change: func(c *Config) {
		c.Rate, c.Limits.Cooldown = 102.4, 5*time.Second
		c.Hooks.Tick = func(p Progress) { seen = append(seen, p) }
	}}
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		if len(seen) < 14 || len(seen) > 17 {
			t.Fatalf("%d reports of progress in 15 seconds", len(seen))
		}
		for i, p := range seen[:len(seen)-1] {
			second := i + 1
			at := time.Duration(second) * time.Second
			if p.Elapsed != at || p.Sending != (second < 10) && second != 10 || p.Rate != 102.4 || p.Tries != 1 {
				t.Errorf("second %d: %+v", second, p)
			}
			if left := 15*time.Second - at; (p.Remaining - left).Abs() > 200*time.Millisecond {
				t.Errorf("second %d: %v remaining, want %v", second, p.Remaining, left)
			}
			if want := 100 * float64(second) / 15; math.Abs(p.Percent()-want) > 1.5 {
				t.Errorf("second %d: %.1f%% done, want %.1f%%", second, p.Percent(), want)
			}
			if send := min(at, 10*time.Second); (p.SendTime - send).Abs() > 50*time.Millisecond {
				t.Errorf("second %d: sending for %v, want %v", second, p.SendTime, send)
			}
			if math.Abs(p.HitRate()-50) > 7 || p.AppHitRate() != 0 {
				t.Errorf("second %d: hit rates %.1f%% and %.1f%%, want about 50%% and 0%%", second, p.HitRate(), p.AppHitRate())
			}
		}
		if end := seen[len(seen)-1]; end.Sending || end.Remaining != 0 || end.Counts != res.Counts || end.HitRate() != 50 {
			t.Errorf("the last report is %+v, the scan's counts are %+v", end, res.Counts)
		}
	})
}

// TestRemainingIsThatOfTheNearestLimit looks at the estimate after a few seconds under different limits.
func TestRemainingIsThatOfTheNearestLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		rate   float64
		want   time.Duration // at the fourth second
	}{
		{"the walk", Limits{Cooldown: time.Second}, 100, 655360*time.Millisecond - 3*time.Second},
		{"max-targets", Limits{Cooldown: time.Second, MaxTargets: 1000}, 100, 7 * time.Second},
		{"max-runtime", Limits{Cooldown: time.Second, MaxRuntime: 9 * time.Second}, 100, 6 * time.Second},
		{"max-results", Limits{Cooldown: time.Second, MaxResults: 800}, 100, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var at Progress
			p := plan{network: "10.0.0.0/16", hosts: everyone, change: func(cfg *Config) {
				c.limits.MaxSendFailures = -1
				cfg.Rate, cfg.Limits = c.rate, c.limits
				cfg.Hooks.Tick = func(p Progress) {
					if p.Elapsed == 4*time.Second {
						at = p
					}
				}
			}}
			bubble(t, p, func(t *testing.T, x *trial) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if res, _ := x.run(ctx, t); res.Reason != Interrupted && res.Reason != MaxResults {
					t.Errorf("ended by reason of %q", res.Reason)
				}
				if at.Elapsed == 0 {
					t.Fatal("there was no report in the fourth second")
				}
				if (at.Remaining - c.want).Abs() > c.want/50 {
					t.Errorf("%v remaining, want %v within 2%%", at.Remaining, c.want)
				}
			})
		})
	}
}

// TestProgressBeforeAndAfter asks when nothing runs.
func TestProgressBeforeAndAfter(t *testing.T) {
	bubble(t, plan{network: "10.0.0.0/24", hosts: everyone}, func(t *testing.T, x *trial) {
		s, err := New(x.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if p := s.Progress(); p.Targets != 0 || p.Elapsed != 0 || p.Remaining != 0 || p.HitRate() != 0 || p.Percent() != 0 {
			t.Errorf("before the scan: %+v", p)
		}
		if _, err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p := s.Progress(); p.Targets != 256 || p.Sending || p.Remaining != 0 || p.HitRate() != 100 || p.Percent() != 100 {
			t.Errorf("after the scan: %+v", p)
		}
	})
}
