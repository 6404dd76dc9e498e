package oneshot

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/link"
)

// A cable is a transmit queue whose frames go to a function, before Submit returns. The frame is the function's for the call.
type cable struct {
	carry func(frame []byte)

	mu     sync.Mutex
	slots  []link.Slot
	sent   atomic.Uint64
	err    error
	closed bool
	stuck  bool // takes nothing
}

func newCable(carry func(frame []byte)) *cable {
	c := &cable{carry: carry}
	for i := range batch {
		c.slots = append(c.slots, link.NewSlot(make([]byte, link.MaxFrame), uint32(i)))
	}
	return c
}

func (c *cable) Reserve(s []link.Slot, wait time.Duration) int {
	c.mu.Lock()
	n := copy(s, c.slots)
	if c.closed || c.stuck {
		n = 0
	}
	closed := c.closed
	c.mu.Unlock()
	if n == 0 && !closed {
		time.Sleep(wait)
	}
	return n
}

func (c *cable) Submit(s []link.Slot) error {
	c.mu.Lock()
	err := c.err
	if c.closed {
		err = os.ErrClosed
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	for i := range s {
		c.sent.Add(1)
		c.carry(s[i].Data[:s[i].N])
	}
	return nil
}

// set changes what the cable is like.
func (c *cable) set(change func(c *cable)) {
	c.mu.Lock()
	change(c)
	c.mu.Unlock()
}

func (c *cable) Stats() link.TXStats {
	return link.TXStats{Queued: c.sent.Load(), Sent: c.sent.Load()}
}
func (*cable) Drain(context.Context) error { return nil }
func (*cable) Abort() int                  { return 0 }

func (c *cable) Close() error {
	c.set(func(c *cable) { c.closed = true })
	return nil
}
