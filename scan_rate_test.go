package zmap

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// TestControlChangesTheRate changes the rate as the scan starts, in each of the ways in which a sender can be paced: one
// probe at a time, in groups, several senders, not at all.
func TestControlChangesTheRate(t *testing.T) {
	const runtime = 400 * time.Millisecond
	for _, c := range []struct {
		from, to    float64
		senders     int
		least, most float64 // probes in the time
	}{
		{from: 10, to: 500, senders: 1, least: 50, most: 210},
		{from: 500, to: 10, senders: 1, least: 1, most: 6},
		{from: 1000, to: 20_000, senders: 2, least: 1000, most: 8200},
		{from: 20_000, to: 1000, senders: 2, least: 50, most: 420},
		{from: Unlimited, to: 1000, senders: 1, least: 50, most: 410},
		{from: 100, to: 0, senders: 1, least: 10_000, most: math.Inf(1)},
	} {
		t.Run(fmt.Sprintf("%g to %g", c.from, c.to), func(t *testing.T) {
			cfg := Config{Networks: []string{"10.0.0.0/8"}, AllowSpecial: private(), Ports: "80", Rate: c.from, Senders: c.senders, MaxRuntime: runtime}
			var before, after float64
			cfg.Hooks.Start = func(p *Plan, control *Control) {
				before = control.Rate()
				control.SetRate(c.to)
				after = control.Rate()
			}
			r, _ := dryRun(t, cfg, true)
			want := c.from
			if want == Unlimited {
				want = 0
			}
			if before != want || r.Rate != want || after != c.to || r.FinalRate != c.to {
				t.Errorf("rate %g, then %g, in the report %g and %g; want %g, then %g", before, after, r.Rate, r.FinalRate, want, c.to)
			}
			// Two probes more for each sender: the first is due at once, and one may be on its way when the time ends.
			took := r.SendEnd.Sub(r.SendStart).Seconds() / runtime.Seconds()
			if n := float64(r.Sent); n < c.least || n > c.most*took+2*float64(c.senders) {
				t.Errorf("%g probes in %v, want %g to %g", n, r.SendEnd.Sub(r.SendStart), c.least, c.most*took)
			}
		})
	}
}
