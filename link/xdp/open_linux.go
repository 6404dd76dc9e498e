//go:build amd64 || arm64

package xdp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	ebpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/batch"
)

// defaultBatch is the most frames of one call: a call costs as much as some 80 frames, and takes two thirds of a millisecond.
const defaultBatch = 4096

// leastRate is the rate below which it is not worth while to load a program and to attach it to somebody's interface: at
// 200,000 packets a second a call has 40 of them, and costs less than as many messages of a socket.
const leastRate = 200_000

// A core is what the queues of a link share: program, maps, memory, and what the kernel attached. The last queue that is
// closed releases it.
type core struct {
	dev    *device
	users  atomic.Int32
	maps   *ebpf.Collection
	closer []func() error // undone last to first
	tap    *tap
	behind error     // why it is not in the driver but behind it; nil if it is
	areas  [3]shared // senders, descriptors, slots
	ring   *ring
	deaf   atomic.Bool // nobody will read the ring any more: set by its reader

	mu    sync.Mutex // guards total, and keeps readers off maps that are being closed
	total tally
}

// A tally is struct tally of bpf/tap.h.
type tally struct{ received, lost uint64 }

// Open opens the queues.
func (Engine) Open(ctx context.Context, cfg link.Config) (_ *link.Link, err error) {
	cfg, dev, err := prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c := &core{dev: dev}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	w, err := watchFor(&cfg.Filter)
	if err != nil {
		return nil, err
	}
	if w != nil {
		c.closer = append(c.closer, w.close)
	}
	if c.maps, err = load(&cfg, dev, w); err != nil {
		return nil, err
	}
	if err := c.attach(ctx); err != nil {
		return nil, err
	}
	if err := c.share(); err != nil {
		return nil, err
	}
	if err := c.prove(&cfg); err != nil {
		return nil, err
	}
	return c.queues(&cfg)
}

// Check loads the program and throws it away. What it cannot tell is whether the driver sends for XDP, and whether somebody
// else's program is on the interface.
func (Engine) Check(ctx context.Context, cfg link.Config) (memory uint64, err error) {
	cfg, dev, err := prepare(ctx, cfg)
	if err != nil {
		return 0, err
	}
	c, err := load(&cfg, dev, nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for _, m := range c.Maps {
		size, _ := m.Info() // what it does not say is a few pages
		if bytes, ok := size.Memlock(); ok {
			memory += bytes
		}
	}
	return memory, nil
}

// prepare fills in the defaults, and finds the interface.
func prepare(ctx context.Context, cfg link.Config) (link.Config, *device, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return cfg, nil, err
	}
	if err := ctx.Err(); err != nil {
		return cfg, nil, err
	}
	switch {
	case cfg.Receivers > 1:
		return cfg, nil, &link.UnsupportedError{Feature: "XDP with more than one receive queue"}
	case cfg.Receive != "" && cfg.Receive != cfg.Interface:
		return cfg, nil, &link.UnsupportedError{Feature: "XDP that receives on another interface than it sends on"}
	case cfg.Rate > 0 && cfg.Rate < leastRate && !cfg.Filter.Withholds():
		return cfg, nil, fmt.Errorf("%w below %d packets a second", link.ErrNeedless, leastRate)
	case cfg.Batch == 0:
		cfg.Batch = defaultBatch
	}
	dev, err := lookUp(cfg)
	return cfg, dev, err
}

// attach attaches the programs of the trace points, then the tap.
func (c *core) attach(ctx context.Context) error {
	for _, name := range []string{programVerdict, programUnsent} {
		v, err := ebpflink.AttachTracing(ebpflink.TracingOptions{Program: c.maps.Programs[name]})
		if err != nil {
			return refused("attach to a trace point of XDP", err)
		}
		c.closer = append(c.closer, v.Close)
	}
	if err := c.attachTap(); err != nil {
		return err
	}
	return c.dev.await(ctx)
}

// attachTap attaches the program to the interface: in the driver if it can, else behind it.
func (c *core) attachTap() error {
	for _, mode := range []ebpflink.XDPAttachFlags{ebpflink.XDPDriverMode, ebpflink.XDPGenericMode} {
		l, err := ebpflink.AttachRawLink(ebpflink.RawLinkOptions{
			Program: c.maps.Programs[programScan], Target: c.dev.index, Attach: ebpf.AttachXDP, Flags: uint32(mode),
		})
		switch {
		case err == nil:
			c.tap = newTap(l.FD())
			c.closer = append(c.closer, func() error { c.tap.close(); return l.Close() })
			return nil
		case errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST):
			return fmt.Errorf("attach to %s: an XDP program of somebody else is there, and stays", c.dev.name)
		case c.behind == nil:
			c.behind = err
		default:
			return refused("attach to "+c.dev.name, fmt.Errorf("in the driver: %w; behind it: %w", c.behind, err))
		}
	}
	return nil
}

// await waits until the interface carries frames: attaching a program makes some drivers restart.
func (d *device) await(ctx context.Context) error {
	const patience, step = 5 * time.Second, 20 * time.Millisecond
	for start := time.Now(); ; {
		err := d.connected()
		if err == nil || time.Since(start) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(step):
		}
	}
}

// share maps what the program and we have in common.
func (c *core) share() (err error) {
	for i, name := range []string{"senders", "descriptors", "slots"} {
		if c.areas[i], err = share(c.maps.Maps[name]); err != nil {
			return err
		}
		c.closer = append(c.closer, c.areas[i].close)
	}
	if c.ring, err = openRing(c.maps.Maps["answers"]); err != nil {
		return err
	}
	c.closer = append(c.closer, func() error { c.ring.close(); return nil })
	return nil
}

// queues makes the queues over the shared memory.
func (c *core) queues(cfg *link.Config) (*link.Link, error) {
	fd, err := unix.FcntlInt(uintptr(c.maps.Maps["answers"].FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("wait for ring buffer: %w", err)
	}
	rx, err := openRX(c, c.ring, fd)
	if err != nil {
		return nil, err
	}
	l := &link.Link{Name: Engine{}.Name(), Batch: cfg.Batch, RX: []link.RX{rx}}
	for i := range cfg.Senders {
		l.TX = append(l.TX, c.newTX(cfg, i))
	}
	l.Control = c.newTX(cfg, cfg.Senders)
	c.users.Store(int32(cfg.Senders + 2))
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

// typeLocal is the EtherType for experiments on one's own network (IEEE 802), which no host acts upon.
const typeLocal = 0x88b5

// proofs is how often the frame that proves a link is offered: a queue may be full for a moment.
const proofs = 10

// prove sends one frame, from the interface to itself, and sees it leave: drivers without a way to send for XDP, and
// virtual cables whose other end does not listen, are found out here, and not by a scan without answers.
func (c *core) prove(cfg *link.Config) error {
	t := c.newTX(cfg, cfg.Senders) // in the place of the control queue
	defer t.runner.close()
	t.retries = proofs
	var s [1]link.Slot
	t.Reserve(s[:], 0)
	frame := s[0].Data[:shortest]
	copy(frame, c.dev.mac)
	copy(frame[6:], c.dev.mac)
	binary.BigEndian.PutUint16(frame[12:], typeLocal)
	clear(frame[etherLen:])
	s[0].N = len(frame)
	switch err := t.Submit(s[:]); {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP):
		return &link.UnsupportedError{Feature: "live frames in BPF_PROG_RUN", MinKernel: "5.18"}
	case errors.Is(err, unix.EPERM):
		return refused("run program", err)
	case err != nil:
		return err
	case t.Stats().Sent == 0:
		return c.silent(t.why)
	}
	return nil
}

// silent words the reason for which not one frame left.
func (c *core) silent(why unix.Errno) error {
	no := fmt.Sprintf("%s does not send for XDP (%s)", c.dev.name, why)
	driver := c.dev.driver()
	switch {
	case driver == "veth" && (why == unix.EOPNOTSUPP || why == unix.ENXIO):
		return errors.New(no + ": the other end of this virtual cable has neither an XDP program nor GRO (ethtool -K PEER gro on)")
	case c.behind != nil:
		return fmt.Errorf("%s: its driver %s does not take the program: %w", no, driver, c.behind)
	}
	return fmt.Errorf("%s: its driver is %s", no, driver)
}

// full says whether the senders should wait for the reader of answers. They do not wait for one that is gone.
func (c *core) full() bool { return c.ring.full() && !c.deaf.Load() }

// attached returns an error if somebody has taken the program off the interface, or it off the system.
func (c *core) attached() error {
	index, err := c.tap.index()
	switch {
	case err != nil:
		return fmt.Errorf("look up what our XDP program is attached to: %w", err)
	case index != uint32(c.dev.index):
		return errors.New("our XDP program was detached by somebody (bpftool link detach): answers would be lost")
	}
	return nil
}

// tally returns the tap's counters, added up over all processors.
func (c *core) tally() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.maps == nil {
		return c.total
	}
	var each []struct{ Received, Lost uint64 }
	if err := c.maps.Maps["tallies"].Lookup(uint32(0), &each); err != nil {
		return c.total
	}
	c.total = tally{}
	for _, e := range each {
		c.total.received += e.Received
		c.total.lost += e.Lost
	}
	return c.total
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
	c.tally() // for those who ask later
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
