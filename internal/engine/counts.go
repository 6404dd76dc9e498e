package engine

import (
	"sync"
	"sync/atomic"
)

// Counts are a scan's numbers at one moment.
type Counts struct {
	Targets     uint64 // targets asked, or about to be: their frames are made
	Unreachable uint64 // those of them that no frame can reach, so that none was made
	PassedOver  uint64 // those of them that got no probe, as [Config.Excluded] wanted it
	Probes      uint64 // frames made
	Queued      uint64 // frames handed to the link
	Sent        uint64 // frames that left
	Refused     uint64 // frames that the kernel or the driver would not take

	Received uint64 // frames that passed the capture filter
	Lost     uint64 // frames that the kernel had for us and could not hand over
	Frames   uint64 // frames looked at
	Passed   uint64 // answers whose tag and target were right
	Failed   uint64 // frames that were no answer to us
	Segments uint64 // frames of connections that grabs carried on, what came for them when the cooldown was over, and what answers questions about aliases
	Deferred uint64 // answers for whose grabs there was no room, left for their hosts to repeat

	SuccessTotal, SuccessUnique   uint64 // successful answers, all and first ones
	CooldownTotal, CooldownUnique uint64 // those of them that came after sending had ended
	AppTotal, AppUnique           uint64 // those of them that a module with app_success calls that
	FailureTotal                  uint64 // validated answers that are no success
	Fragments                     uint64 // frames that were a part of a fragmented packet

	Rows          uint64 // rows written
	Grabs         GrabCounts
	ActiveSenders int // senders at work
}

// sendCounts are one sender's counters. The sender writes them once per batch; anyone reads.
type sendCounts struct {
	targets     atomic.Uint64
	unreachable atomic.Uint64
	excluded    atomic.Uint64
	probes      atomic.Uint64
	_           [96]byte // a cache line of its own, and its neighbour, which some processors fetch along
}

// heard are a receiver's own counters, which nobody else looks at.
type heard struct {
	frames, passed, failed, fragments uint64
	segments, deferred                uint64
	success, unique                   uint64
	cooldown, cooldownUnique          uint64
	app, appUnique                    uint64
	failure                           uint64
}

// recvCounts are one receiver's counters for everyone. The receiver brings them up to date after each look at its queue.
type recvCounts struct {
	mu  sync.Mutex // guards now
	now heard
	_   [24]byte // two receivers' counters on cache lines of their own
}

// publish shows everyone what the receiver has counted.
func (r *recvCounts) publish(h *heard) {
	r.mu.Lock()
	r.now = *h
	r.mu.Unlock()
}

// addTo adds the receiver's counters to c.
func (r *recvCounts) addTo(c *Counts) {
	r.mu.Lock()
	h := r.now
	r.mu.Unlock()
	c.Frames += h.frames
	c.Passed += h.passed
	c.Failed += h.failed
	c.Segments += h.segments
	c.Deferred += h.deferred
	c.Fragments += h.fragments
	c.SuccessTotal += h.success
	c.SuccessUnique += h.unique
	c.CooldownTotal += h.cooldown
	c.CooldownUnique += h.cooldownUnique
	c.AppTotal += h.app
	c.AppUnique += h.appUnique
	c.FailureTotal += h.failure
}

// Counts returns the numbers at this moment. It may be called from any goroutine, during and after Run.
func (s *Scan) Counts() Counts {
	var c Counts
	for i := range s.sendCounts {
		c.Targets += s.sendCounts[i].targets.Load()
		c.Unreachable += s.sendCounts[i].unreachable.Load()
		c.PassedOver += s.sendCounts[i].excluded.Load()
		c.Probes += s.sendCounts[i].probes.Load()
	}
	for _, tx := range s.cfg.Link.TX {
		st := tx.Stats()
		c.Queued += st.Queued
		c.Sent += st.Sent
		c.Refused += st.Refused
	}
	for i := range s.recvCounts {
		s.recvCounts[i].addTo(&c)
	}
	for _, rx := range s.cfg.Link.RX {
		c.Received += rx.Received()
		c.Lost += rx.Lost()
	}
	c.Rows = s.rows.Load()
	if s.grabs != nil {
		c.Grabs = s.grabs.Counts()
	}
	c.ActiveSenders = int(s.senders.Load())
	return c
}
