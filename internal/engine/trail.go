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
	asked      uint64 // targets taken from the walk

	mu   sync.Mutex // guards safe; taken once for some dozens of probes
	safe Place
}

// A trailMark is a place with the number of frames that are made before it.
type trailMark struct {
	frames uint64
	place  Place
}

// newTrail returns the trail of a sender whose walk begins there.
func newTrail(from Place) *trail { return &trail{asked: from.Targets, safe: from} }

// note remembers the place at which the walk is, behind so many frames of the sender's.
func (t *trail) note(frames, step uint64) {
	if t.len == trailLen {
		return // the place stays behind for a while: it is too far back, never too far on
	}
	t.ring[(t.first+t.len)%trailLen] = trailMark{frames, Place{step, t.asked}}
	t.len++
}

// settle brings safe up to the frames that the link is done with. Links send in order.
func (t *trail) settle(tx link.TX) {
	st := tx.Stats()
	done, moved := st.Sent+st.Refused, false
	place := Place{}
	for t.len > 0 && t.ring[t.first].frames <= done {
		place, moved = t.ring[t.first].place, true
		t.first = (t.first + 1) % trailLen
		t.len--
	}
	if moved {
		t.mu.Lock()
		t.safe = place
		t.mu.Unlock()
	}
}

// at returns the place up to which all has left.
func (t *trail) at() Place {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.safe
}
