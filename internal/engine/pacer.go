package engine

import "time"

// Bounds of the pacer. catchUp is how much missed sending is made good; hurry is how much faster than the rate that happens,
// so that a stall is not answered with a burst: in 1 ms there are then at most 1.8 times the probes of a mean millisecond.
const (
	catchUp = int64(2 * time.Millisecond)
	hurry   = 1.4
)

// tickOf is how far apart the groups of a sender are, in nanoseconds: a slow one need not wake as often, for waking up costs
// more than a probe.
func tickOf(rate float64) int64 {
	if rate < 50_000 {
		return int64(300 * time.Microsecond)
	}
	return int64(200 * time.Microsecond)
}

// A pacer spaces one sender's probes: probe k is due at start + k/rate. It is owned by that sender.
//
// Slow senders (below 5,000 a second) get one probe at a time, each at its own moment; fast ones get groups, one every
// tick. A sender that falls behind catches up at most 2 ms of missed sending; the schedule moves on by the rest.
type pacer struct {
	clock     Clock
	rate      float64 // probes per second; 0 means unlimited
	start     int64   // moment at which probe 0 of the present schedule is or was due
	sent      float64 // probes granted since start
	notBefore int64   // earliest moment of the next grant
}

// newPacer returns a pacer whose first probe is due now.
func newPacer(clock Clock, rate float64) *pacer {
	return &pacer{clock: clock, rate: rate, start: clock.Now()}
}

// setRate changes the rate from the next probe on.
func (p *pacer) setRate(rate float64) {
	if rate == p.rate {
		return
	}
	start := p.clock.Now()
	if p.rate > 0 {
		start = max(start, p.due(0)) // the probe that was due keeps its moment, unless the new rate brings it nearer
	}
	if rate > 0 {
		start = min(start, p.clock.Now()+int64(1e9/rate))
	}
	p.rate, p.start, p.sent, p.notBefore = rate, start, 0, 0
}

// due is the moment at which the k-th probe from now on is due.
func (p *pacer) due(k float64) int64 { return p.start + int64((p.sent+k)/p.rate*1e9) }

// wait blocks until at least one probe is due and returns how many are, at most most. It returns 0 if done is closed.
func (p *pacer) wait(most int, done <-chan struct{}) int {
	select {
	case <-done:
		return 0
	default:
	}
	if p.rate <= 0 {
		return most
	}
	tick := tickOf(p.rate)
	group := max(1, float64(int64(p.rate*float64(tick)/1e9)))
	first := p.due(0)
	// Sleep until a whole group is due: its first probes then leave at most a tick late.
	if t := max(p.due(group-1), p.notBefore); p.clock.Now() < t && !p.clock.SleepUntil(t, done) {
		return 0
	}
	now := p.clock.Now()
	if late := now - first; late > catchUp {
		p.start += late - catchUp
	}
	n := min(max(int(float64(now-p.start)*p.rate/1e9-p.sent)+1, 1), int(group), most)
	p.notBefore = max(p.notBefore, now-tick) + int64(float64(n)/(p.rate*hurry)*1e9)
	p.sent += float64(n)
	if p.sent > 1e9 { // keep the sums exact over a scan of days
		p.start, p.sent = p.due(0), 0
	}
	return n
}
