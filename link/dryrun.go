package link

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// OpenDryRun returns a link that sends nothing: each of its transmit queues writes what text makes of every frame to w, in
// batches under a lock, and its receive queue stays empty. w belongs to the caller and is written to by one queue at a time.
func OpenDryRun(w io.Writer, senders int, text func(dst, frame []byte) []byte) *Link {
	l := &Link{Name: "dry run", Why: "dry run: frames are shown, none is sent", Batch: dryBatch, RX: []RX{silence{}}}
	out := &dryOutput{w: w}
	for range senders {
		l.TX = append(l.TX, &dryTX{out: out, text: text})
	}
	return l
}

// dryBatch is how many frames are written at once, if the rate allows: a write for every 64 would cost as much as they do.
const dryBatch = 1024

// dryOutput is the writer that the queues share.
type dryOutput struct {
	mu sync.Mutex
	w  io.Writer
}

// dryTX is a transmit queue that writes. It is synchronous: what is submitted is written.
type dryTX struct {
	out   *dryOutput
	text  func(dst, frame []byte) []byte
	slots []Slot
	buf   []byte
	sent  atomic.Uint64
}

// Reserve hands out as many slots as wanted.
func (t *dryTX) Reserve(s []Slot, _ time.Duration) int {
	for len(t.slots) < len(s) {
		t.slots = append(t.slots, NewSlot(make([]byte, MaxFrame), uint32(len(t.slots))))
	}
	copy(s, t.slots)
	return len(s)
}

// Submit writes the frames.
func (t *dryTX) Submit(s []Slot) error {
	t.buf = t.buf[:0]
	for i := range s {
		t.buf = t.text(t.buf, s[i].Data[:s[i].N])
		t.slots[i] = s[i]
	}
	t.out.mu.Lock()
	defer t.out.mu.Unlock()
	if _, err := t.out.w.Write(t.buf); err != nil {
		return fmt.Errorf("write dry run: %w", err)
	}
	t.sent.Add(uint64(len(s)))
	return nil
}

// Stats counts frames written as sent.
func (t *dryTX) Stats() TXStats {
	n := t.sent.Load()
	return TXStats{Queued: n, Sent: n}
}

// Drain has nothing to wait for.
func (t *dryTX) Drain(context.Context) error { return nil }

// Abort has nothing to discard.
func (t *dryTX) Abort() int { return 0 }

// Close has nothing to release.
func (t *dryTX) Close() error { return nil }

// silence is a receive queue on which nothing ever arrives.
type silence struct{}

// Poll waits for d.
func (silence) Poll(d time.Duration, _ func(*Frame)) (int, error) {
	time.Sleep(d)
	return 0, nil
}

// Received is 0.
func (silence) Received() uint64 { return 0 }

// Lost is 0.
func (silence) Lost() uint64 { return 0 }

// Close has nothing to release.
func (silence) Close() error { return nil }
