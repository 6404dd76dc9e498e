package zmap

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/packet"
)

// gatewayEvery is how often a gateway is asked for its hardware address. Until a change is noticed probes go where nobody takes them.
const gatewayEvery = 5 * time.Second

// A gatewayGuard has a scan follow a gateway whose hardware address changes. Nil guards nothing.
type gatewayGuard struct {
	watch *netdev.GatewayWatch
	again chan struct{} // the interface was down
}

// guardGateway returns a guard, nil where the gateway is not one that ARP knows. A scan that cannot have one does without.
func (s *setup) guardGateway(p *netdev.Path) *gatewayGuard {
	if s.DryRun != nil || s.GatewayMAC != nil {
		return nil
	}
	w, err := netdev.WatchGateway(p)
	if err != nil {
		s.Log.Warn(fmt.Sprintf("%v: if its hardware address changes nobody will notice", err))
	}
	if w == nil {
		return nil
	}
	return &gatewayGuard{watch: w, again: make(chan struct{}, 1)}
}

// relink asks at once, since the interface was down.
func (g *gatewayGuard) relink() {
	if g == nil {
		return
	}
	select {
	case g.again <- struct{}{}:
	default:
	}
}

// follow asks the gateway until the returned function is called, and has the scan send to where it is.
func (g *gatewayGuard) follow(s *setup, p *netdev.Path, macs []packet.MAC, scan *engine.Scan) (end func()) {
	if g == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(gatewayEvery)
		defer tick.Stop()
		now := macs[0]
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-g.again:
			}
			mac, ok, err := g.watch.Ask(ctx)
			if err != nil || !ok || mac == now { // one that is silent, or behind an interface that is down, may be there
				continue
			}
			s.Log.Warn(fmt.Sprintf("gateway %s on %s has another hardware address: %s, before %s; probes go there from now on", p.Gateway, p.Interface, mac, now))
			now = mac
			macs = slices.Clone(macs)
			macs[0] = mac
			scan.SetHops(macs)
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// close ends the guard, which follows nobody any more.
func (g *gatewayGuard) close() error {
	if g == nil {
		return nil
	}
	return g.watch.Close()
}
