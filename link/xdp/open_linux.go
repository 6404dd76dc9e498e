//go:build amd64 || arm64

package xdp

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/cilium/ebpf"
	ebpflink "github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// defaultBatch is the most frames of one call: a call costs as much as some 80 frames, and takes two thirds of a millisecond.
const defaultBatch = 4096

// maxReceivers is the most receive queues that are opened without being asked for: each is a reader of its own.
const maxReceivers = 8

// leastRate is the rate below which it is not worth while to load a program and to attach it to somebody's interface: at
// 200,000 packets a second a call has 40 of them, and costs less than as many messages of a socket.
const leastRate = 200_000

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
	p, err := load(&cfg, dev, nil)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	return p.memory(), nil
}

// prepare fills in the defaults, and finds the interface.
//
// Unless told otherwise there are as many receive queues as senders, since so many processors are there to be used, in the
// memory of one at most: rings are powers of two.
func prepare(ctx context.Context, cfg link.Config) (link.Config, *device, error) {
	own := cfg.Receivers == 0
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return cfg, nil, err
	}
	if err := ctx.Err(); err != nil {
		return cfg, nil, err
	}
	switch {
	case cfg.Receive != "" && cfg.Receive != cfg.Interface:
		return cfg, nil, &link.UnsupportedError{Feature: "XDP that receives on another interface than it sends on"}
	case cfg.Rate > 0 && cfg.Rate < leastRate && !cfg.Filter.Withholds():
		return cfg, nil, fmt.Errorf("%w below %d packets a second", link.ErrNeedless, leastRate)
	case cfg.Batch == 0:
		cfg.Batch = defaultBatch
	}
	if own {
		cfg.Receivers = min(cfg.Senders, maxReceivers)
		cfg.RingBytes = ringSize(cfg.RingBytes) >> bits.Len(uint(cfg.Receivers-1))
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
			c.tap = l.FD()
			c.closer = append(c.closer, l.Close)
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
