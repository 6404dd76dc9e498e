//go:build amd64 || arm64

package xdp

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

const (
	// checkEvery is how often an idle reader looks whether the interface is still there: nobody tells it.
	checkEvery = 50 * time.Millisecond
	// settle is how long after the interface went down frames may still come out of the kernel.
	settle = 20 * time.Millisecond
	// pollFrames bounds the frames of one Poll, so that rows leave and the end of a scan is seen.
	pollFrames = 4096
)

// An RX reads the tap's ring buffer. It waits with the Go scheduler's poller: a thread that sleeps in a system call would
// keep others from its place.
type RX struct {
	core    *core
	number  int // of the queue
	ring    *ring
	tap     *tap
	file    *os.File        // a descriptor of the ring's own
	raw     syscall.RawConn // of file
	ready   func(uintptr) bool
	clock   clock
	frame   link.Frame
	checked time.Time // when the interface was last looked at
	err     error     // until it is revived, or for good
	broken  error     // what is wrong with the interface; becomes err when nothing came for settle
	until   time.Time
}

var _ link.RX = (*RX)(nil)

// openRX returns the i-th receive queue.
func openRX(c *core, i int) (*RX, error) {
	fd, err := unix.FcntlInt(uintptr(c.maps.rings[i].FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("wait for ring buffer: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // before the file is made, which looks whether it is
		_ = unix.Close(fd)
		return nil, fmt.Errorf("wait for ring buffer: %w", err)
	}
	rx := &RX{core: c, number: i, ring: c.rings[i], file: os.NewFile(uintptr(fd), "ring buffer"), clock: newClock()}
	rx.ready = func(uintptr) bool { return rx.ring.ready() }
	if rx.raw, err = rx.file.SyscallConn(); err != nil {
		_ = rx.file.Close()
		return nil, fmt.Errorf("wait for ring buffer: %w", err)
	}
	rx.tap = newTap(c.tap)
	return rx, nil
}

// Poll hands over what is in the ring buffer, at most some thousand frames.
func (r *RX) Poll(d time.Duration, fn func(f *link.Frame)) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	var deadline time.Time
	for {
		if n := r.hand(fn); n > 0 {
			return n, nil
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(d)
		}
		r.check(now)
		if r.broken != nil && now.After(r.until) {
			return 0, r.end(r.broken)
		}
		left := deadline.Sub(now)
		if left <= 0 {
			return 0, nil
		}
		if err := r.wait(now, left); err != nil {
			return 0, r.end(err)
		}
	}
}

// end keeps the error. Senders do not wait for this reader any more.
func (r *RX) end(err error) error {
	r.err = err
	r.ring.deaf.Store(true)
	return err
}

// Revive implements [link.Reviver]: the program stays on an interface that goes down.
func (r *RX) Revive() {
	if errors.Is(r.err, link.ErrDown) {
		r.err, r.broken = nil, nil
		r.ring.deaf.Store(false)
	}
}

// hand calls fn for each frame in the ring.
func (r *RX) hand(fn func(f *link.Frame)) int {
	if !r.ring.ready() {
		return 0
	}
	r.clock.set()
	f := &r.frame
	f.IfIndex, f.Ether = r.core.dev.index, true
	n := 0
	for ; n < pollFrames; n++ {
		a, ok := r.ring.next()
		if !ok {
			break
		}
		if a.data == nil {
			continue
		}
		f.Data, f.Len, f.At = a.data, a.len, r.clock.wall(a.at)
		fn(f)
	}
	r.ring.give()
	f.Data = nil
	return n
}

// check looks from time to time whether the interface and the program on it are still there.
func (r *RX) check(now time.Time) {
	if r.broken != nil || now.Sub(r.checked) < checkEvery {
		return
	}
	r.checked = now
	err := r.core.dev.check()
	if err == nil {
		err = r.core.attached(r.tap)
	}
	if err != nil {
		r.broken = fmt.Errorf("receive on %s: %w", r.core.dev.name, err)
		r.until = now.Add(settle)
	}
}

// wait waits until there is something in the ring, at most d.
func (r *RX) wait(now time.Time, d time.Duration) error {
	if err := r.file.SetReadDeadline(now.Add(min(d, checkEvery))); err != nil {
		return fmt.Errorf("wait for ring buffer: %w", err)
	}
	err := r.raw.Read(r.ready)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("wait for ring buffer: %w", err)
}

// Received counts frames that passed the filter.
func (r *RX) Received() uint64 { return r.core.tally(r.number).received }

// Lost counts frames for which the ring buffer had no room.
func (r *RX) Lost() uint64 { return r.core.tally(r.number).lost }

// Close releases the queue.
func (r *RX) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	r.tap.close()
	_ = r.end(os.ErrClosed)
	return errors.Join(err, r.core.release())
}

// A clock turns times of CLOCK_MONOTONIC, which the program stamps frames with, into those that a [link.Frame] has.
type clock struct{ offset int64 }

func newClock() clock {
	var c clock
	c.set()
	return c
}

// set follows the wall clock, which may be set.
func (c *clock) set() {
	var mono unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono); err == nil {
		c.offset = time.Now().UnixNano() - mono.Nano()
	}
}

func (c *clock) wall(mono uint64) int64 { return int64(mono) + c.offset }
