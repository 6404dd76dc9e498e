//go:build amd64 || arm64

package xdp

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/batch"
)

// A tap that is half full is looked at again when its reader has had time for some hundred answers.
const (
	holdSleep  = 200 * time.Microsecond
	holdChecks = 250 // so many sleeps are between two looks at the interface
)

// A TX is a transmit queue. Its slots are one batch, the same memory each time: when Submit returns the kernel has copied
// the frames, and the driver has taken or refused them.
type TX struct {
	*batch.Batch
	core    *core
	runner  *runner
	state   *state
	descs   []descriptor
	longest int // frame that the interface takes, without a VLAN tag
	retries int
	why     unix.Errno // the last frame that did not leave did not for this reason
}

var _ link.TX = (*TX)(nil)

// Submit sends the frames.
func (t *TX) Submit(s []link.Slot) error {
	if err := t.Accept(s); err != nil {
		return err
	}
	ready := 0
	for i := range s {
		if own := &t.Slots[i]; t.fits(own) {
			t.descs[ready] = descriptor{len: uint16(own.N), slot: uint16(i)}
			ready++
		}
	}
	t.Refused.Add(uint64(len(s) - ready))
	return t.send(ready)
}

// fits says whether the interface takes frames of that length; one with a VLAN tag may be longer by the tag, as for
// is_skb_forwardable in net/core/dev.c.
func (t *TX) fits(s *link.Slot) bool {
	most := t.longest
	if s.N > etherLen && s.Data[12] == 0x81 && s.Data[13] == 0 {
		most += vlanLen
	}
	return s.N >= etherLen && s.N <= most
}

// send sends what the first n descriptors name. Each frame ends up sent, refused or aborted, whatever happens.
func (t *TX) send(n int) error {
	c := &t.Counters
	aborts := t.Aborts()
	for tries := 0; n > 0; tries++ {
		err := t.hold(aborts)
		if t.Aborts() != aborts {
			c.Aborted.Add(uint64(n))
			return nil
		}
		if err == nil {
			var sent, again int
			sent, again, err = t.round(n)
			c.Sent.Add(uint64(sent))
			c.Refused.Add(uint64(n - sent - again))
			n = again
			if sent > 0 {
				tries = 0
			}
		}
		switch {
		case err != nil:
			c.Refused.Add(uint64(n))
			return t.Fail(fmt.Errorf("send on %s: %w", t.core.dev.name, err))
		case n > 0 && tries >= t.retries:
			c.Refused.Add(uint64(n))
			return nil
		case n > 0:
			c.Retried.Add(1)
			batch.Sleep(batch.Backoff(tries))
		}
	}
	return nil
}

// hold waits while the tap's buffer is more than half full, unless the queue is aborted or the interface goes away. Its readers
// come first: a sleep in the kernel keeps the place that the Go scheduler has given us, for some ten microseconds at least.
func (t *TX) hold(aborts uint32) error {
	for i := 1; t.core.full() && t.Aborts() == aborts; i++ {
		runtime.Gosched()
		batch.Sleep(holdSleep)
		if i%holdChecks != 0 {
			continue
		}
		if err := t.core.dev.check(); err != nil {
			return err
		}
	}
	return nil
}

// round offers the first n frames once. again is how many did not leave and may be offered again: they are the first ones
// then. With an error nothing will ever leave.
func (t *TX) round(n int) (sent, again int, err error) {
	errno := t.call(n)
	sent, again = t.gather(n)
	if errno != 0 && errno != unix.ENOMEM { // of memory there may be more a moment later
		return sent, again, fmt.Errorf("run program: %w", errno)
	}
	if sent > 0 || again == 0 {
		return sent, again, nil
	}
	// The driver takes frames in bulks, and those behind one that it will not take share its fate.
	first := t.descs[0]
	copy(t.descs[:again], t.descs[1:again])
	t.descs[again-1] = first
	return sent, again, t.core.dev.check()
}

// call has the kernel send the first n descriptors. The thread is held: the program tells senders apart by it.
func (t *TX) call(n int) unix.Errno {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	st := t.state
	*st = state{key: t.runner.key, end: uint32(n)}
	defer func() { st.task = 0 }() // others will have it when the thread has ended
	for {
		left := st.end - st.next
		if left == 0 {
			return 0
		}
		errno := t.runner.run(int(left))
		switch {
		case errno != 0 && errno != unix.EINTR:
			return errno
		case st.end-st.next == left:
			return unix.EIO // the program is not ours
		}
	}
}

// gather counts the frames that left, and moves the descriptors of those that may be offered again to the front: not those
// that are too long for the interface.
func (t *TX) gather(n int) (sent, again int) {
	st := t.state
	if st.refused == 0 && st.done == uint32(n) {
		return n, 0
	}
	for i := range t.descs[:n] {
		d := t.descs[i]
		switch {
		case d.error == 0 && uint32(i) < st.done:
			sent++
			continue
		case d.error == uint32(unix.EMSGSIZE) && uint32(i) >= st.end:
			continue
		case d.error != 0:
			t.why = unix.Errno(d.error)
		}
		d.error = 0
		t.descs[again] = d
		again++
	}
	return sent, again
}

// Close releases the queue. The memory of its slots goes with the last queue of the link.
func (t *TX) Close() error {
	if !t.Shut() {
		return nil
	}
	t.runner.close()
	return t.core.release()
}
