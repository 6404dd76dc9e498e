package oneshot

import (
	"math/bits"
	"time"
)

// A wheel has the connections that want a look at some time, by ticks. Times beyond one turn go to its end: whoever is looked
// at too soon comes back. The sender owns it.
type wheel struct {
	tick  int64 // all up to here have been taken
	slots [wheelSlots]*conn
	full  [wheelSlots / 64]uint64 // a bit for each slot that is not empty
}

const (
	wheelSlots = 1024
	tickLen    = 4 * time.Millisecond
)

// A timer is the place of a connection in the wheel; the wheel owns it.
type timer struct {
	prev, next *conn
	slot       int
	set        bool
}

// set lets c be taken at a time, in whole ticks, and not before.
func (w *wheel) set(c *conn, at time.Duration) {
	w.remove(c)
	tick := min(max(int64((at+tickLen-1)/tickLen), w.tick+1), w.tick+wheelSlots-1)
	n := int(tick % wheelSlots)
	c.timer = timer{next: w.slots[n], slot: n, set: true}
	if c.timer.next != nil {
		c.timer.next.timer.prev = c
	}
	w.slots[n] = c
	w.full[n/64] |= 1 << (n % 64)
}

// remove takes c out, if it is in.
func (w *wheel) remove(c *conn) {
	t := c.timer
	if !t.set {
		return
	}
	if t.next != nil {
		t.next.timer.prev = t.prev
	}
	if t.prev != nil {
		t.prev.timer.next = t.next
	} else {
		w.slots[t.slot] = t.next
	}
	if w.slots[t.slot] == nil {
		w.full[t.slot/64] &^= 1 << (t.slot % 64)
	}
	c.timer = timer{}
}

// take takes out all whose time has come and appends them to due.
func (w *wheel) take(now time.Duration, due []*conn) []*conn {
	for {
		next, ok := w.next()
		if !ok || next > now {
			w.tick = max(w.tick, int64(now/tickLen))
			return due
		}
		w.tick = int64(next / tickLen)
		for n := w.tick % wheelSlots; w.slots[n] != nil; {
			c := w.slots[n]
			w.remove(c)
			due = append(due, c)
		}
	}
}

// next returns when the next one is to be taken, and false if there is none.
func (w *wheel) next() (time.Duration, bool) {
	first := int((w.tick + 1) % wheelSlots)
	for i := range len(w.full) + 1 { // the word of the first slot is looked at from there on, and once more up to there
		n := (first/64 + i) % len(w.full)
		word := w.full[n]
		switch i {
		case 0:
			word &= ^uint64(0) << (first % 64)
		case len(w.full):
			word &= 1<<(first%64) - 1
		}
		if word != 0 {
			slot := n*64 + bits.TrailingZeros64(word)
			return time.Duration(w.tick+1+int64((slot-first+wheelSlots)%wheelSlots)) * tickLen, true
		}
	}
	return 0, false
}
