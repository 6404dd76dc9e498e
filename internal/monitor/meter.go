package monitor

import (
	"math"
	"time"
)

// A Sample is a scan's numbers at one moment. Counts are totals since the start.
type Sample struct {
	At        time.Time     // wall clock
	Elapsed   time.Duration // since sending began
	Remaining time.Duration // estimate until the scan ends; 0 if there is none
	Sending   bool          // false during the cooldown and after it
	// SendTime is how long sending took, of use when Sending is false. 0 means not known: then sending ended when a [Meter]
	// was first told so, which is up to a second late.
	SendTime time.Duration
	Senders  int // senders at work

	Asked     uint64 // what hit rates are a part of: targets asked, or probes if repeated answers count
	Sent      uint64 // packets handed to the send path, also those that it refused
	Refused   uint64 // those that it refused
	Received  uint64 // packets that passed the capture filter
	Success   uint64 // successful answers, without repeats
	App       uint64 // those of them that are an application success
	Dropped   uint64 // packets that the kernel had for the scan and could not hand over
	IfDropped uint64 // packets that the interface dropped
}

// HitRate returns successful answers per target asked, in percent; 0 before the first target.
func (s *Sample) HitRate() float64 { return percent(s.Success, s.Asked) }

// AppHitRate returns application successes per target asked, in percent; 0 before the first target.
func (s *Sample) AppHitRate() float64 { return percent(s.App, s.Asked) }

// Percent returns how much of the scan's time is over, in percent; 0 while there is nothing to tell it from.
func (s *Sample) Percent() float64 {
	elapsed, remaining := s.Elapsed.Seconds(), max(s.Remaining, 0).Seconds()
	if elapsed <= 0 {
		return 0
	}
	return 100 * elapsed / (elapsed + remaining)
}

// Drops returns all packets lost on the way to the scan.
func (s *Sample) Drops() uint64 { return s.Dropped + s.IfDropped }

func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// A Rate is how fast a count grows, per second.
type Rate struct {
	Last float64 // since the reading before
	Avg  float64 // since the scan's start
}

// A Reading is a [Sample] and the rates at which its counts grow. The last-second rates of SentRate and SuccessRate are
// rounded up to whole numbers, as in C ZMap; no other is rounded.
type Reading struct {
	Sample
	Fresh        bool // the rates are new; false if they are those of the reading before
	SentRate     Rate // its average is over the time of sending
	SuccessRate  Rate
	AppRate      Rate
	ReceivedRate Rate
	DropRate     Rate
	RefusedRate  Rate
}

// minSpan is the shortest time that makes a rate. The last sample of a scan can follow close upon the one before.
const minSpan = 100 * time.Millisecond

// A Meter turns samples into readings. The zero value is ready; it is owned by one goroutine.
type Meter struct {
	base     Sample // what the next rates count from
	rates    Reading
	sendTime time.Duration
}

// Read returns the reading of s, which must be later than the samples before. The first rates count from the start of the
// scan. Less than 100 ms after the sample from which they were made, rates stay as they are, and the next ones count from
// that sample.
func (m *Meter) Read(s Sample) Reading {
	r := m.rates
	r.Sample = s
	span := s.Elapsed - m.base.Elapsed
	r.Fresh = span >= minSpan
	if r.Fresh {
		m.setLast(&r, span.Seconds())
		m.base = s
		m.rates = r
	}
	m.setAvg(&r)
	if m.base.Elapsed == 0 {
		copyAvg(&r)
	}
	return r
}

// setLast sets the rates of the span since the base.
func (m *Meter) setLast(r *Reading, seconds float64) {
	b := &m.base
	r.SentRate.Last = math.Ceil(grown(r.Sent, b.Sent) / seconds)
	r.SuccessRate.Last = math.Ceil(grown(r.Success, b.Success) / seconds)
	r.AppRate.Last = grown(r.App, b.App) / seconds
	r.ReceivedRate.Last = grown(r.Received, b.Received) / seconds
	r.DropRate.Last = grown(r.Drops(), b.Drops()) / seconds
	r.RefusedRate.Last = grown(r.Refused, b.Refused) / seconds
}

// setAvg sets the averages.
func (m *Meter) setAvg(r *Reading) {
	seconds := r.Elapsed.Seconds()
	r.SentRate.Avg = per(r.Sent, m.sending(&r.Sample).Seconds())
	r.SuccessRate.Avg = per(r.Success, seconds)
	r.AppRate.Avg = per(r.App, seconds)
	r.ReceivedRate.Avg = per(r.Received, seconds)
	r.DropRate.Avg = per(r.Drops(), seconds)
	r.RefusedRate.Avg = per(r.Refused, seconds)
}

// sending returns for how long the scan has sent.
func (m *Meter) sending(s *Sample) time.Duration {
	switch {
	case s.Sending:
		return s.Elapsed
	case s.SendTime > 0:
		return s.SendTime
	case m.sendTime == 0:
		m.sendTime = s.Elapsed
	}
	return m.sendTime
}

// copyAvg makes the averages the rates of a scan too young for others.
func copyAvg(r *Reading) {
	r.SentRate.Last = math.Ceil(r.SentRate.Avg)
	r.SuccessRate.Last = math.Ceil(r.SuccessRate.Avg)
	r.AppRate.Last = r.AppRate.Avg
	r.ReceivedRate.Last = r.ReceivedRate.Avg
	r.DropRate.Last = r.DropRate.Avg
	r.RefusedRate.Last = r.RefusedRate.Avg
}

// grown returns by how much a count has grown. A count that shrank, such as that of an interface that came back, did not.
func grown(now, before uint64) float64 {
	if now < before {
		return 0
	}
	return float64(now - before)
}

func per(n uint64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}
