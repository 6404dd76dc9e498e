package engine

import "time"

// Progress is a scan's numbers at one moment with what follows from them.
type Progress struct {
	Counts
	At        time.Time
	Elapsed   time.Duration // since sending began
	SendTime  time.Duration // for how long it has been sending, or was
	Remaining time.Duration // estimate until the end of the cooldown; 0 or more
	Sending   bool          // false during the cooldown
	Tries     int           // probes per target
	Rate      float64       // the rate aimed at, probes per second; 0 means not limited
	HookQueue float64       // how full the queue of events for hooks is, from 0 to 1; more than half of it holds the senders back
	HookWait  time.Duration // for how long in all it was, so that hooks have slowed the scan
}

// HitRate returns successful first answers per target asked, in percent; 0 before the first target.
func (p *Progress) HitRate() float64 { return percent(p.SuccessUnique, p.Targets) }

// AppHitRate is the hit rate of answers that the module calls an application success.
func (p *Progress) AppHitRate() float64 { return percent(p.AppUnique, p.Targets) }

// Percent returns how much of the scan's time is over, in percent.
func (p *Progress) Percent() float64 {
	total := p.Elapsed + p.Remaining
	if total <= 0 {
		return 0
	}
	return 100 * float64(p.Elapsed) / float64(total)
}

func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// Progress returns the numbers of this moment. It may be called from any goroutine, during and after Run.
func (s *Scan) Progress() Progress {
	p := Progress{Counts: s.Counts(), At: time.Now(), Tries: s.cfg.Tries, Rate: s.Rate(), Sending: s.ended.Load() == 0}
	if s.cfg.Hooks.Load != nil {
		p.HookQueue, p.HookWait = s.cfg.Hooks.Load()
	}
	begun := s.begun.Load()
	if begun == 0 {
		return p
	}
	now := s.clock.Now()
	p.Elapsed = time.Duration(now - begun)
	p.SendTime = p.Elapsed
	if !p.Sending {
		p.SendTime = time.Duration(s.ended.Load() - begun)
		p.Remaining = max(0, time.Duration(s.cooldownEnd.Load()-now))
		return p
	}
	p.Remaining = s.remaining(&p)
	return p
}

// remaining estimates the time to the end while sending: the nearest of the ends that the walk and the limits set.
func (s *Scan) remaining(p *Progress) time.Duration {
	lim := &s.cfg.Limits
	best := time.Duration(1<<63 - 1)
	at := func(done, all uint64, then time.Duration) {
		if all == 0 || done == 0 {
			return
		}
		left := float64(p.Elapsed) * (1 - min(1, float64(done)/float64(all))) / (float64(done) / float64(all))
		best = min(best, time.Duration(min(left, 1e18))+then)
	}
	at(p.Targets, s.cfg.Total, lim.Cooldown)
	if lim.MaxTargets > 0 {
		at(p.Targets, lim.MaxTargets-min(lim.MaxTargets, s.cfg.From.Asked()), lim.Cooldown)
	}
	at(p.Rows, lim.MaxResults, 0)
	if lim.MaxRuntime > 0 {
		best = min(best, max(0, lim.MaxRuntime-p.Elapsed)+lim.Cooldown)
	}
	if best == 1<<63-1 {
		return 0
	}
	return best
}
