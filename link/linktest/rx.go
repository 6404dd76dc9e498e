package linktest

import (
	"fmt"
	"os"
	"time"

	"github.com/zmap-go/zmap/link"
)

// An RX is a receive queue.
type RX struct {
	w    *wire
	wake chan struct{} // a frame came, or the queue ended; for its owner

	// Behind the wire's mutex.
	queue          []arrival
	bytes          int
	received, lost uint64
	closed         bool
}

var _ link.RX = (*RX)(nil)

// An arrival is a frame as captured.
type arrival struct {
	data []byte
	len  int
	at   time.Time
}

func newRX(w *wire) *RX { return &RX{w: w, wake: make(chan struct{}, 1)} }

// keep captures a frame, or counts it as lost.
func (r *RX) keep(frame []byte) {
	n := len(frame)
	if snap := r.w.cfg.Filter.Snap; snap > 0 {
		n = min(n, snap)
	}
	if r.closed {
		return
	}
	if r.bytes+n > r.w.cfg.RingBytes {
		r.lost++
		return
	}
	r.bytes += n
	r.queue = append(r.queue, arrival{data: append([]byte(nil), frame[:n]...), len: len(frame), at: time.Now()})
	r.notify()
}

func (r *RX) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Poll hands over what has arrived, and waits if nothing has.
func (r *RX) Poll(d time.Duration, fn func(f *link.Frame)) (int, error) {
	queue, err := r.take()
	if len(queue) == 0 && err == nil && d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		for len(queue) == 0 && err == nil {
			select {
			case <-r.wake:
				queue, err = r.take()
			case <-timer.C:
				return 0, nil
			}
		}
	}
	for _, a := range queue {
		fn(&link.Frame{Data: a.data, Len: a.len, At: a.at.UnixNano(), IfIndex: r.w.cfg.Index, Ether: r.w.cfg.Ether})
	}
	return len(queue), err
}

// Revive implements [link.Reviver]: whether the wire is down is asked each time.
func (r *RX) Revive() {}

// take empties the queue; an error comes only with an empty one.
func (r *RX) take() ([]arrival, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	queue := r.queue
	r.queue, r.bytes = nil, 0
	switch {
	case r.closed:
		return nil, os.ErrClosed
	case len(queue) == 0 && r.w.down:
		return nil, fmt.Errorf("receive on %s: %w", r.w.cfg.Interface, link.ErrDown)
	}
	return queue, nil
}

// Received counts the frames that passed the filter.
func (r *RX) Received() uint64 {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.received
}

// Lost counts the frames lost on purpose and those for which there was no room.
func (r *RX) Lost() uint64 {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.lost
}

// Close ends the queue.
func (r *RX) Close() error {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.closed = true
	return nil
}
