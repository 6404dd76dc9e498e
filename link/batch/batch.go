// Package batch is what transmit queues have in common that send before Submit returns: one batch of slots, the same memory
// each time, and an account of what became of the frames. An engine's queue embeds a [Batch] and has left to it what a
// [link.TX] promises about slots, counters and the end; its own are Submit and Close:
//
//	func (q *queue) Submit(s []link.Slot) error {
//		if err := q.Accept(s); err != nil {
//			return err
//		}
//		... // send q.Slots[:len(s)], and count each as sent, refused or aborted
//	}
//
// Slots that are in use for longer, such as those of a ring, go round: see [Batch.Advance].
package batch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/link"
)

// A driver whose queue is full does not say when it has room again: the first wait, and the longest.
const (
	firstWait = 50 * time.Microsecond
	lastWait  = 2 * time.Millisecond
)

// Backoff is how long to wait before frames are offered again that nobody took, after so many tries before: twice as long
// each time, up to a bound.
func Backoff(tries int) time.Duration { return min(firstWait<<min(tries, 20), lastWait) }

// Counters are written by the owner of a queue and read by anyone. They are alone on their cache lines.
type Counters struct {
	_                                       [64]byte
	Queued, Sent, Refused, Retried, Aborted atomic.Uint64
	_                                       [64]byte
}

// Stats returns the counters. It may be called from any goroutine.
func (c *Counters) Stats() link.TXStats {
	return link.TXStats{
		Queued: c.Queued.Load(), Sent: c.Sent.Load(), Refused: c.Refused.Load(),
		Retried: c.Retried.Load(), Aborted: c.Aborted.Load(),
	}
}

// A Batch is the part of a queue that does not depend on how frames leave. It is owned by one goroutine, but for Stats and
// Abort. Make it with [New].
type Batch struct {
	Counters
	// Slots are all that there are; their Template and N are those of the last Submit.
	Slots    []link.Slot
	first    int   // of the slots that Reserve hands out, which go round
	reserved int   // handed out by the last Reserve and not submitted
	err      error // until the queue is revived, or for good
	aborts   atomic.Uint32
}

// New returns a batch with a slot for each piece of memory.
func New(memory [][]byte) *Batch {
	b := &Batch{Slots: make([]link.Slot, len(memory))}
	for i, data := range memory {
		b.Slots[i] = link.NewSlot(data, uint32(i))
	}
	return b
}

// At is the slot that is i places behind the first that Reserve hands out, i < len(Slots).
func (b *Batch) At(i int) *link.Slot {
	if i += b.first; i >= len(b.Slots) {
		i -= len(b.Slots)
	}
	return &b.Slots[i]
}

// Advance makes Reserve begin n slots further on, n <= len(Slots), after a Submit of that many or more.
func (b *Batch) Advance(n int) {
	if b.first += n; b.first >= len(b.Slots) {
		b.first -= len(b.Slots)
	}
}

// Reserve hands out the first slots. It never waits.
func (b *Batch) Reserve(s []link.Slot, _ time.Duration) int {
	if b.err == os.ErrClosed { //nolint:errorlint // set below, never wrapped
		return 0
	}
	b.forget(0)
	b.reserved = copy(s, b.Slots[b.first:])
	b.reserved += copy(s[b.reserved:], b.Slots[:b.first])
	return b.reserved
}

// forget marks the reserved slots from the first on as written by nobody knows what.
func (b *Batch) forget(first int) {
	for i := first; i < b.reserved; i++ {
		b.At(i).Template = 0
	}
	b.reserved = 0
}

// Accept is what a Submit of s begins with: it finds misuse, takes the lengths and templates over, and counts the frames as
// queued. With an error nothing is to be sent.
func (b *Batch) Accept(s []link.Slot) error {
	if b.err != nil {
		return b.err
	}
	if len(s) > b.reserved {
		return fmt.Errorf("submit %d slots: %d are reserved", len(s), b.reserved)
	}
	for i := range s {
		own, n := b.At(i), s[i].N
		if s[i].ID() != own.ID() || uint(n) > uint(len(own.Data)) {
			return fmt.Errorf("submit slot %d with %d bytes: want slot %d with at most %d", s[i].ID(), n, own.ID(), len(own.Data))
		}
		own.N, own.Template = n, s[i].Template
	}
	b.forget(len(s))
	b.Queued.Add(uint64(len(s)))
	return nil
}

// Fail makes err the error of every Submit to come, and returns it.
func (b *Batch) Fail(err error) error {
	b.err = err
	return err
}

// Revive implements [link.Reviver].
func (b *Batch) Revive() {
	if errors.Is(b.err, link.ErrDown) {
		b.err = nil
	}
}

// Shut makes the queue a closed one. It returns false if it is that already.
func (b *Batch) Shut() bool {
	if b.err == os.ErrClosed { //nolint:errorlint // set below, never wrapped
		return false
	}
	b.err, b.reserved = os.ErrClosed, 0
	return true
}

// Drain has nothing to wait for.
func (b *Batch) Drain(context.Context) error { return nil }

// Abort ends the retries of a Submit under way, whose unsent frames Stats counts; nothing else is ever queued.
func (b *Batch) Abort() int {
	b.aborts.Add(1)
	return 0
}

// Aborts counts the calls of Abort: a Submit that sees it change gives up.
func (b *Batch) Aborts() uint32 { return b.aborts.Load() }
