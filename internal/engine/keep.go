package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/sink"
)

// A Keeper writes down how far a scan is, so that another process can carry it on.
type Keeper interface {
	// Note is told of each answer that is no repeat and whose rows are in the outputs that wanted them. The collector calls it.
	Note(index uint64, o dedup.Outcome)
	// Sync makes safe what Note was told so far. It is called by the collector, right after the outputs are safe.
	Sync() error
	// Save writes down a snapshot, in which nothing is newer than the last Sync. One goroutine calls it at a time.
	Save(s *Snapshot) error
	// Find returns which of the walks comes to the target with that index, and at which step. The goroutine that calls Save calls it.
	Find(index uint64) (walk int, step uint64, ok bool)
}

// A Snapshot is how far a scan was at a moment.
type Snapshot struct {
	Moments  []Moment      // the last of them is that moment; the others are earlier, in order
	Since    bool          // the first of them is the beginning of this process's part of the scan
	Window   time.Duration // answers to probes sent longer ago than this are in the outputs
	Outputs  []string      // where each output goes on: see [sink.Resumer]
	Counts   Counts
	SendTime time.Duration
	Reason   Stop // why the scan ended; Running before
}

// A Moment says how far the walks were at a time.
type Moment struct {
	At    time.Time `json:"at"`
	Walks []Place   `json:"walks"`
}

const (
	keepEvery   = time.Second
	lookEvery   = 100 * time.Millisecond
	closeLooks  = 5 * time.Second // that the moments are that close for; behind it they are a second apart
	momentsKept = 128             // about a minute and a quarter
	samples     = 4               // answers a second of which it is found out how long they took
)

// keeping is what a scan does for its Keeper.
type keeping struct {
	Keeper
	moments []Moment
	forgot  bool          // moments before those
	late    time.Duration // the longest that an answer took to its row, of those looked at
	missed  uint64        // answers left to come again, when that was last looked at
	again   time.Time     // when there were more of them
}

// A cut is a look at the outputs by the collector: all rows before it are safe, with what the Keeper was told of.
type cut struct {
	places  []string
	samples []sample
	oldest  time.Time // when the first of the hits whose grabs are not done answered; zero if there is none
	err     error
}

// A sample is an answer whose row was written then.
type sample struct {
	index uint64
	at    time.Time
}

// keep takes a snapshot every second until done is closed.
func (s *Scan) keep(done <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	saved := time.Now()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		m := s.moment()
		if m.At.Sub(saved) < keepEvery {
			s.keeping.remember(m)
			continue
		}
		saved = m.At
		c, taken := &cut{}, make(chan struct{})
		s.queue <- &batch{taken: taken, cut: c} // behind all that is on its way
		<-taken
		_ = s.snapshot(m, c, Running) // the Keeper has said what is wrong, and the one before is still there
	}
}

// keepEnds takes the snapshots before the first probe and after the last row, while nobody else uses the outputs.
func (s *Scan) keepEnds(reason Stop) error {
	if s.keeping == nil {
		return nil
	}
	m, c := s.moment(), &cut{}
	s.cutOutputs(c)
	if c.err != nil && reason != Running {
		return nil // what has failed is told with the outputs
	}
	return s.snapshot(m, c, reason)
}

// moment says how far the walks are.
func (s *Scan) moment() Moment {
	m := Moment{At: time.Now(), Walks: make([]Place, len(s.trails))}
	for i, t := range s.trails {
		m.Walks[i] = t.at()
	}
	return m
}

// remember adds a moment, and forgets those that are too close together for their age, and the oldest.
func (k *keeping) remember(m Moment) {
	k.moments = append(k.moments, m)
	for i := len(k.moments) - 2; i > 0; i-- {
		if m.At.Sub(k.moments[i].At) > closeLooks && k.moments[i+1].At.Sub(k.moments[i-1].At) < keepEvery {
			k.moments = slices.Delete(k.moments, i, i+1)
		}
	}
	if n := len(k.moments) - momentsKept; n > 0 {
		k.moments, k.forgot = slices.Delete(k.moments, 0, n), true
	}
}

// snapshot hands the Keeper what is known at moment m, after c.
func (s *Scan) snapshot(m Moment, c *cut, reason Stop) error {
	if c.err != nil {
		return c.err // the last one stays: an output is at that place or behind it
	}
	k := s.keeping
	k.remember(m)
	counts := s.Counts()
	snap := &Snapshot{
		Moments: k.moments, Since: !k.forgot, Window: s.window(m.At, c, counts.Deferred), Outputs: c.places, Counts: counts, Reason: reason,
	}
	snap.SendTime = s.Progress().SendTime
	return k.Save(snap)
}

// window is for how long before at probes may have been sent whose answers have no row at c. It knows how long the answers took that were
// looked at, those that are being grabbed, and what hosts may repeat.
func (s *Scan) window(at time.Time, c *cut, deferred uint64) time.Duration {
	k := s.keeping
	for _, x := range c.samples {
		k.late = max(k.late, min(s.took(x), s.cfg.Limits.Cooldown))
	}
	w := max(k.late, time.Since(at)) // a collector that was slow to come to the cut has rows behind it as old as that
	if !c.oldest.IsZero() {
		w = max(w, at.Sub(c.oldest)+k.late)
	}
	if deferred > k.missed {
		k.missed, k.again = deferred, at
	}
	if !k.again.IsZero() && at.Sub(k.again) < againLast {
		w = max(w, againLast)
	}
	return w
}

// took is how long it took from a probe to the row of its answer, at most: it left between two moments.
func (s *Scan) took(x sample) time.Duration {
	k := s.keeping
	walk, step, ok := k.Find(x.index)
	if !ok {
		return 0
	}
	for i := len(k.moments) - 1; i >= 0; i-- {
		if m := &k.moments[i]; m.Walks[walk].Step <= step {
			return x.at.Sub(m.At)
		}
	}
	return s.cfg.Limits.Cooldown // longer ago than is known
}

// cutOutputs makes the rows written so far safe, and what the Keeper was told.
func (s *Scan) cutOutputs(c *cut) {
	for i := range s.outputs {
		place, err := s.outputs[i].save()
		if err != nil {
			c.err = errors.Join(c.err, OutputFailure(s.cfg.Outputs, i, err))
		}
		c.places = append(c.places, place)
	}
	if c.err == nil {
		c.err = s.keeping.Sync()
	}
}

// save returns the place of the output's next row, when those before it are safe.
func (o *output) save() (string, error) {
	if o.err != nil {
		return "", o.err
	}
	r, ok := o.Sink.(sink.Resumer)
	if !ok {
		return "", fmt.Errorf("%s cannot be carried on after a scan was killed: %w", o.Name, errors.ErrUnsupported)
	}
	o.dirty = false
	place, err := r.Save()
	o.err = err
	return place, err
}
