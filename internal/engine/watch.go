package engine

import (
	"context"
	"fmt"
	"time"
)

// Rules for the hit rate: not looked at while the scan warms up, and low for as long again before it counts.
const (
	warmUp  = 5 * time.Second
	lowTime = 5 * time.Second
)

// watch ends the sending when the caller's context or the time for sending ends, ends the scan when too few hosts answer
// or too many frames are refused, and reports progress once a second. It returns when the scan listens no more.
func (s *Scan) watch(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	var runtime <-chan time.Time
	if d := s.cfg.Limits.MaxRuntime; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		runtime = t.C
	}
	interrupted, halted := ctx.Done(), s.stop.scan
	lowSince := time.Time{}
	for {
		select {
		case <-halted:
			halted = nil
			for _, tx := range s.cfg.Link.TX {
				tx.Abort() // a driver that is stuck can hold a sender for seconds
			}
		case <-interrupted:
			interrupted = nil
			s.stop.interrupt(context.Cause(ctx))
		case <-runtime:
			s.stop.stopSending(MaxRuntime)
		case <-second.C:
			p := s.Progress()
			s.guard(&p, &lowSince)
			if s.cfg.Hooks.Tick != nil {
				s.cfg.Hooks.Tick(p)
			}
		case <-s.listening:
			return
		}
	}
}

// guard applies the limits that look at the scan's numbers.
func (s *Scan) guard(p *Progress, lowSince *time.Time) {
	lim := &s.cfg.Limits
	if most := lim.MaxSendFailures; most >= 0 && p.Refused > uint64(most) {
		s.stop.stopScan(SendFailures, fmt.Errorf("%d frames were refused, more than --max-sendto-failures %d", p.Refused, most))
	}
	if lim.MinHitRate <= 0 || p.Elapsed < warmUp || p.HitRate() >= lim.MinHitRate {
		*lowSince = time.Time{}
		return
	}
	if lowSince.IsZero() {
		*lowSince = time.Now()
	}
	if time.Since(*lowSince) >= lowTime {
		s.stop.stopScan(HitRateLow, fmt.Errorf("%.2f%% of the targets answered, fewer than --min-hitrate %g%%", p.HitRate(), lim.MinHitRate))
	}
}
