//go:build amd64 || arm64

package xdp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/batch"
)

// A core is what the queues of a link share: program, maps, memory, and what the kernel attached. The last queue that is
// closed releases it.
type core struct {
	dev    *device
	users  atomic.Int32
	maps   *program
	closer []func() error // undone last to first
	tap    int            // descriptor of the attachment to the interface
	behind error          // why it is not in the driver but behind it; nil if it is
	areas  [3]shared      // senders, descriptors, slots
	rings  []*ring        // of the receive queues

	mu     sync.Mutex // guards totals, and keeps readers off maps that are being closed
	totals []tally    // of the receive queues
}

// A tally is struct tally of bpf/tap.h.
type tally struct{ received, lost uint64 }

// share maps what the program and we have in common.
func (c *core) share() (err error) {
	for i, name := range []string{"senders", "descriptors", "slots"} {
		if c.areas[i], err = share(c.maps.Maps[name]); err != nil {
			return err
		}
		c.closer = append(c.closer, c.areas[i].close)
	}
	for _, m := range c.maps.rings {
		r, err := openRing(m)
		if err != nil {
			return err
		}
		c.rings = append(c.rings, r)
		c.closer = append(c.closer, func() error { r.close(); return nil })
	}
	c.totals = make([]tally, len(c.rings))
	return nil
}

// queues makes the queues over the shared memory.
func (c *core) queues(cfg *link.Config) (*link.Link, error) {
	c.users.Store(int32(cfg.Receivers + cfg.Senders + 1))
	l := &link.Link{Name: Engine{}.Name(), Batch: cfg.Batch, Up: c.dev.connected}
	for i := range c.rings {
		rx, err := openRX(c, i)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.RX = append(l.RX, rx)
	}
	for i := range cfg.Senders {
		l.TX = append(l.TX, c.newTX(cfg, i))
	}
	l.Control = c.newTX(cfg, cfg.Senders)
	return l, nil
}

// newTX returns the i-th sender's queue.
func (c *core) newTX(cfg *link.Config, i int) *TX {
	frameLen, room := frameSizes(cfg)
	first := i * cfg.Batch
	memory := make([][]byte, cfg.Batch)
	for k := range memory {
		memory[k] = c.areas[2].entry(first + k)[:room:room]
	}
	return &TX{
		Batch: batch.New(memory), core: c, runner: newRunner(c.maps.Programs[programScan], i, frameLen), state: stateAt(c.areas[0], i),
		descs: descriptorsAt(c.areas[1], first, cfg.Batch), longest: etherLen + c.dev.mtu, retries: cfg.Retries,
	}
}

// full says whether the senders should wait for a reader of answers. They do not wait for one that is gone.
func (c *core) full() bool {
	for _, r := range c.rings {
		if r.full() && !r.deaf.Load() {
			return true
		}
	}
	return false
}

// attached returns an error if somebody has taken the program off the interface, or it off the system.
func (c *core) attached(t *tap) error {
	index, err := t.index()
	switch {
	case err != nil:
		return fmt.Errorf("look up what our XDP program is attached to: %w", err)
	case index != uint32(c.dev.index):
		return errors.New("our XDP program was detached by somebody (bpftool link detach): answers would be lost")
	}
	return nil
}

// tally returns what the tap counted for the i-th receive queue, added up over all processors.
func (c *core) tally(i int) tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	var each []struct{ Received, Lost uint64 }
	if c.maps == nil || c.maps.Maps["tallies"].Lookup(uint32(i), &each) != nil {
		return c.totals[i]
	}
	var sum tally
	for _, e := range each {
		sum.received += e.Received
		sum.lost += e.Lost
	}
	c.totals[i] = sum
	return sum
}

// release is called by each queue that is closed.
func (c *core) release() error {
	if c.users.Add(-1) > 0 {
		return nil
	}
	return c.close()
}

// close detaches the programs and frees all memory.
func (c *core) close() error {
	for i := range c.totals {
		c.tally(i) // for those who ask later
	}
	var errs []error
	for i := len(c.closer) - 1; i >= 0; i-- {
		errs = append(errs, c.closer[i]())
	}
	c.closer = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.maps != nil {
		c.maps.Close()
		c.maps = nil
	}
	return errors.Join(errs...)
}
