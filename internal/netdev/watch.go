package netdev

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// A GatewayWatch asks a gateway by ARP or Neighbor Discovery for its hardware address, now and then: routers that stand in for each other may keep the address
// of the one that failed, or have their own. It is owned by one goroutine.
type GatewayWatch struct {
	asker   *asker
	gateway netip.Addr
	name    string // of the interface
}

// watchWait is how long a gateway has to answer. One that does not is asked the next time.
const watchWait = 500 * time.Millisecond

// WatchGateway returns a watch of the gateway of a path whose HopMAC was not given but found, nil if neither of them knows it. It opens a packet
// socket, which takes CAP_NET_RAW.
//
// It uses the network namespace of the calling thread.
func WatchGateway(p *Path) (*GatewayWatch, error) {
	if p.Layer == Packets || !p.Gateway.IsValid() || p.Gateway.Is6() != p.Sources[0].Is6() || p.HopMAC.IsZero() {
		return nil, nil //nolint:nilnil // nothing to watch is no error
	}
	k, err := openKernel()
	if err != nil {
		return nil, err
	}
	defer k.close()
	devices, err := k.devices()
	if err != nil {
		return nil, err
	}
	addrs, err := k.addresses()
	if err != nil {
		return nil, err
	}
	for i := range devices {
		if devices[i].index != p.Index {
			continue
		}
		if !devices[i].ether() || devices[i].noARP {
			return nil, nil //nolint:nilnil // see above
		}
		conn, err := k.openAsk(p.Index, p.Gateway.Is6())
		if err != nil {
			return nil, fmt.Errorf("watch gateway %s on %s: %w", p.Gateway, p.Interface, err)
		}
		a := newAsker(conn, &devices[i], addrs)
		a.fallback, a.waits = p.Sources[0], []time.Duration{watchWait}
		return &GatewayWatch{asker: a, gateway: p.Gateway, name: p.Interface}, nil
	}
	return nil, fmt.Errorf("watch gateway %s: interface %s is gone", p.Gateway, p.Interface)
}

// Ask returns the gateway's hardware address, and false if it does not answer within half a second. An error that is not that of ctx is one
// of an interface that is down.
func (w *GatewayWatch) Ask(ctx context.Context) (packet.MAC, bool, error) {
	var old [128]byte
	for { // answers to questions of others, since the last time
		if _, err := w.asker.conn.receive(old[:], time.Now().Add(time.Millisecond)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return packet.MAC{}, false, fmt.Errorf("ask gateway %s on %s: %w", w.gateway, w.name, err)
			}
			break
		}
		if ctx.Err() != nil {
			return packet.MAC{}, false, ctx.Err()
		}
	}
	found, err := w.asker.ask(ctx, []netip.Addr{w.gateway})
	if err != nil {
		return packet.MAC{}, false, fmt.Errorf("ask gateway %s on %s: %w", w.gateway, w.name, err)
	}
	mac, ok := found[w.gateway]
	return mac, ok, nil
}

// Close closes the socket.
func (w *GatewayWatch) Close() error { return w.asker.conn.close() }
