package zmap

import (
	"context"
	"errors"
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

// A gatewayGuard has a scan follow gateways whose hardware addresses change. Nil guards nothing.
type gatewayGuard struct {
	watched []watchedGateway
	again   chan struct{} // the interface was down
}

// A watchedGateway is at position at of the hardware addresses of next hops.
type watchedGateway struct {
	*netdev.GatewayWatch
	path *netdev.Path
	at   int
}

// guardGateways returns a guard, nil where no gateway is one that neighbours know. A scan that cannot have one does without.
func (s *setup) guardGateways(plan *Plan) *gatewayGuard {
	if s.DryRun != nil || s.GatewayMAC != nil {
		return nil
	}
	g := &gatewayGuard{again: make(chan struct{}, 1)}
	for at, p := range plan.ways() {
		w, err := netdev.WatchGateway(p)
		if err != nil {
			s.Log.Warn(fmt.Sprintf("%v: if its hardware address changes nobody will notice", err))
		}
		if w != nil {
			g.watched = append(g.watched, watchedGateway{w, p, at})
		}
	}
	if g.watched == nil {
		return nil
	}
	return g
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

// follow asks the gateways until the returned function is called, and has the scan send to where they are.
func (g *gatewayGuard) follow(s *setup, macs []packet.MAC, scan *engine.Scan) (end func()) {
	if g == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(gatewayEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-g.again:
			}
			for _, w := range g.watched {
				macs = w.follow(ctx, s, macs, scan)
			}
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// follow asks one gateway, and returns the hardware addresses of next hops that hold from now on.
func (w *watchedGateway) follow(ctx context.Context, s *setup, macs []packet.MAC, scan *engine.Scan) []packet.MAC {
	mac, ok, err := w.Ask(ctx)
	if err != nil || !ok || mac == macs[w.at] { // one that is silent, or behind an interface that is down, may be there
		return macs
	}
	s.Log.Warn(fmt.Sprintf("gateway %s on %s has another hardware address: %s, before %s; probes go there from now on", w.path.Gateway, w.path.Interface, mac, macs[w.at]))
	macs = slices.Clone(macs)
	macs[w.at] = mac
	scan.SetHops(macs)
	return macs
}

// close ends the guard, which follows nobody any more.
func (g *gatewayGuard) close() error {
	if g == nil {
		return nil
	}
	var errs []error
	for _, w := range g.watched {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}
