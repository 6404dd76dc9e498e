package engine

import (
	"sync"

	"github.com/zmap-go/zmap/link"
)

// A Place is how far a walk is: what is before it is asked, and the frames for that have left.
type Place struct {
	Step    uint64 `json:"step"`    // elements of the walk
	Targets uint64 `json:"targets"` // targets among them, that lists and limits let pass
}

// trailLen is how many places a sender remembers whose frames are still in its queue: for more frames than any link holds.
const trailLen = 512

// A trail says how far its sender's frames have left: a link may take them long before. The sender owns it; anybody may read safe.
type trail struct {
	ring       [trailLen]trailMark
	first, len int
	last       trailMark // the last one that has left
	before     uint64    // targets asked by earlier processes
	asked      uint64    // those, and targets taken from the walk
	given      uint64    // indexes that the walk has given, which limits may have cut
	extra      uint64    // frames that the link counts as refused and that were made again

	mu   sync.Mutex // guards safe; taken once for some dozens of probes
	safe Place
}

// A trailMark is a place with the number of frames that are made before it.
type trailMark struct {
	frames uint64
	place  Place
	given  uint64

	unreachable, excluded uint64 // targets of the sender's that got none
}

// newTrail returns the trail of a sender whose walk begins there.
func newTrail(from Place) *trail {
	return &trail{before: from.Targets, asked: from.Targets, safe: from, last: trailMark{place: from}}
}

// note remembers the place at which the walk is.
func (t *trail) note(m trailMark) {
	if t.len == trailLen {
		return // the place stays behind for a while: it is too far back, never too far on
	}
	t.ring[(t.first+t.len)%trailLen] = m
	t.len++
}

// settle brings safe up to the frames that the link is done with. Links send in order.
func (t *trail) settle(tx link.TX) {
	st := tx.Stats()
	t.left(st.Sent + st.Refused - t.extra)
}

// left brings safe up to that many frames, and returns the mark there.
func (t *trail) left(done uint64) trailMark {
	moved := false
	for t.len > 0 && t.ring[t.first].frames <= done {
		t.last, moved = t.ring[t.first], true
		t.first = (t.first + 1) % trailLen
		t.len--
	}
	if moved {
		t.mu.Lock()
		t.safe = t.last.place
		t.mu.Unlock()
	}
	return t.last
}

// rewind forgets all marks behind the last one that has left.
func (t *trail) rewind() {
	t.first, t.len = 0, 0
	t.asked, t.given = t.last.place.Targets, t.last.given
}

// at returns the place up to which all has left.
func (t *trail) at() Place {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.safe
}
