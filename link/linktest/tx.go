package linktest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/zmap-go/zmap/link"
)

// A TX is a transmit queue: a ring of slots.
//
//	first              first+queued          first+queued+reserved
//	  | queued: leave one by one | reserved: the caller writes | free
type TX struct {
	w     *wire
	wake  chan struct{} // something left, or the queue ended; for its owner
	slots []link.Slot

	// Behind the wire's mutex.
	first, queued, reserved int
	next                    time.Time // when the first of the queue may leave
	waiting                 bool      // an event will take it
	stats                   link.TXStats
	closed                  bool
}

var _ link.TX = (*TX)(nil)

func newTX(w *wire, size int) *TX {
	t := &TX{w: w, wake: make(chan struct{}, 1), slots: make([]link.Slot, size)}
	for i := range t.slots {
		t.slots[i] = link.NewSlot(make([]byte, link.MaxFrame), uint32(i))
	}
	w.mu.Lock()
	w.tx = append(w.tx, t)
	w.mu.Unlock()
	return t
}

// at returns the slot i places behind the first.
func (t *TX) at(i int) *link.Slot { return &t.slots[(t.first+i)%len(t.slots)] }

// forget takes back reserved slots from the i-th on.
func (t *TX) forget(i int) {
	for ; i < t.reserved; i++ {
		t.at(t.queued + i).Template = 0
	}
	t.reserved = 0
}

// Reserve hands out free slots, and waits for one if there is none.
func (t *TX) Reserve(s []link.Slot, wait time.Duration) int {
	if n := t.reserve(s); n != 0 || wait <= 0 || len(s) == 0 {
		return max(n, 0)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-t.wake:
			if n := t.reserve(s); n != 0 {
				return max(n, 0)
			}
		case <-timer.C:
			return 0
		}
	}
}

// reserve returns -1 if the queue is closed.
func (t *TX) reserve(s []link.Slot) int {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if t.closed {
		return -1
	}
	t.forget(0)
	t.reserved = min(len(s), len(t.slots)-t.queued)
	for i := range t.reserved {
		s[i] = *t.at(t.queued + i)
	}
	return t.reserved
}

// Submit queues the frames; without a gap they leave at once.
func (t *TX) Submit(s []link.Slot) error {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if err := t.broken(); err != nil {
		return err
	}
	if len(s) > t.reserved {
		return fmt.Errorf("submit %d slots: %d are reserved", len(s), t.reserved)
	}
	for i := range s {
		own := t.at(t.queued + i)
		if s[i].ID() != own.ID() || uint(s[i].N) > link.MaxFrame {
			return fmt.Errorf("submit slot %d with %d bytes: want slot %d with at most %d", s[i].ID(), s[i].N, own.ID(), link.MaxFrame)
		}
		own.N, own.Template = s[i].N, s[i].Template
	}
	t.forget(len(s))
	t.queued += len(s)
	t.stats.Queued += uint64(len(s))
	if t.w.options.Gap <= 0 {
		for t.queued > 0 {
			t.depart()
		}
	} else {
		t.plan()
	}
	return t.broken()
}

// Revive implements [link.Reviver]: whether the wire is down is asked each time.
func (t *TX) Revive() {}

// broken returns the error of every call until the queue is revived.
func (t *TX) broken() error {
	switch {
	case t.closed:
		return os.ErrClosed
	case t.w.down:
		return fmt.Errorf("send on %s: %w", t.w.cfg.Interface, link.ErrDown)
	}
	return nil
}

// plan makes the event that lets the first frame leave.
func (t *TX) plan() {
	if t.waiting || t.queued == 0 {
		return
	}
	if now := time.Now(); t.next.Before(now) {
		t.next = now
	}
	t.next = t.next.Add(t.w.options.Gap)
	t.waiting = true
	t.w.schedule(t.next, func() {
		t.waiting = false
		if t.queued > 0 {
			t.depart()
		}
		t.plan()
	})
}

// depart lets the first frame leave, or refuses it.
func (t *TX) depart() {
	slot := t.at(0)
	if t.w.carry(slot.Data[:slot.N]) {
		t.stats.Sent++
	} else {
		t.stats.Refused++
		t.stats.Retried += uint64(t.w.cfg.Retries)
	}
	t.first = (t.first + 1) % len(t.slots)
	t.queued--
	t.notify()
	if t.w.full() {
		t.w.goDown()
	}
}

// discard empties the queue and returns how many frames were in it. The reserved slots stay where they are.
func (t *TX) discard() uint64 {
	n := t.queued
	t.first = (t.first + n) % len(t.slots)
	t.queued, t.waiting = 0, t.waiting && !t.w.down
	t.notify()
	return uint64(n)
}

func (t *TX) notify() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Stats returns the counters.
func (t *TX) Stats() link.TXStats {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	return t.stats
}

// Drain waits until the queue is empty.
func (t *TX) Drain(ctx context.Context) error {
	for {
		t.w.mu.Lock()
		n := t.queued
		t.w.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Abort empties the queue.
func (t *TX) Abort() int {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	n := t.discard()
	t.stats.Aborted += n
	return int(n)
}

// Close ends the queue.
func (t *TX) Close() error {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if !t.closed {
		t.stats.Aborted += t.discard()
		t.closed = true
	}
	return nil
}
