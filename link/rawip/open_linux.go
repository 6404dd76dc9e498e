package rawip

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/mmsg"
)

var _ link.Engine = Engine{}

// Open opens the queues. Config.Qdisc has no say: what the kernel routes passes its traffic control.
func (Engine) Open(ctx context.Context, cfg link.Config) (*link.Link, error) {
	cfg, out, err := prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l, err := afpacket.OpenQueues(Engine{}.Name(), cfg, func() (*mmsg.Queue, error) { return openTX(cfg, out) })
	if l != nil {
		l.Up = nil // routes go with the interface, and nobody knows whether all are back: packets would leave by another way
	}
	return l, err
}

// Check opens and closes one transmit queue, whose sockets never receive, and compiles the capture filter.
func (Engine) Check(ctx context.Context, cfg link.Config) (memory uint64, err error) {
	cfg, out, err := prepare(ctx, cfg)
	if err != nil {
		return 0, err
	}
	return afpacket.CheckQueues(cfg, func() (*mmsg.Queue, error) { return openTX(cfg, out) })
}

// An outlet is the interface that packets leave by.
type outlet struct{ afpacket.Device }

// prepare checks what there is to check before any socket is open, and finds the interface.
func prepare(ctx context.Context, cfg link.Config) (link.Config, outlet, error) {
	cfg, err := cfg.WithDefaults()
	switch {
	case err != nil:
		return cfg, outlet{}, err
	case ctx.Err() != nil:
		return cfg, outlet{}, ctx.Err()
	case cfg.Ether:
		return cfg, outlet{}, errors.New("raw IP sockets take bare IP packets (--iplayer): the kernel makes their Ethernet header")
	}
	if cfg.Batch == 0 {
		cfg.Batch = mmsg.DefaultBatch
	}
	dev, err := afpacket.LookUp(cfg.Interface, cfg.Index)
	return cfg, outlet{dev}, err
}

// openTX opens a transmit queue over one socket for each version of IP; there is none for IPv6 where the kernel has no IPv6.
func openTX(cfg link.Config, out outlet) (_ *mmsg.Queue, err error) {
	var sockets []int
	defer func() {
		if err != nil {
			for _, fd := range sockets {
				_ = unix.Close(fd)
			}
		}
	}()
	for _, v := range []version{ipv4, ipv6} {
		fd, err := v.socket(out)
		if errors.Is(err, unix.EAFNOSUPPORT) && v == ipv6 {
			break
		}
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, fd)
	}
	return mmsg.New(mmsg.Config{
		Interface: out.Name, Batch: cfg.Batch, Retries: cfg.Retries, Sockets: sockets,
		Address: out.address(len(sockets)), Verdict: out.verdict, Doubt: true,
	}), nil
}
