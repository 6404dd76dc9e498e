package zmap

import (
	"context"
	"fmt"
	"iter"
	"net/netip"

	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
)

// A hopTable says where the frames for each target go. The zero position of macs is the gateway.
type hopTable struct {
	macs   []packet.MAC
	onLink []netip.Prefix
	found  *netdev.Neighbourhood // nil if no target is on the local network
}

// neighbours returns how many addresses on the local network will be asked for their hardware addresses.
func (s *setup) neighbours(c *course, p *netdev.Path) (int, error) {
	n := 0
	if s.DryRun != nil || len(p.OnLink) == 0 {
		return n, nil
	}
	for range c.near(p.OnLink) {
		if n++; n > netdev.MaxNeighbours {
			hint := ", or name the next hop for all with a gateway MAC address"
			if s.Packets {
				hint = "" // no such thing there
			}
			return n, fmt.Errorf("find the targets on the local network: more than %d of them are on %s; scan fewer at a time%s",
				netdev.MaxNeighbours, p.Interface, hint)
		}
	}
	return n, nil
}

// arpRate is how many addresses on the local network are asked in a second: no more than probes are sent.
func arpRate(rate float64) int {
	if rate > 0 {
		return max(1, int(min(rate, netdev.DefaultARPRate)))
	}
	return netdev.DefaultARPRate
}

// hops asks targets on the local network for their hardware addresses; all others are the gateway's to deliver.
func (s *setup) hops(ctx context.Context, c *course, plan *Plan) (*hopTable, error) {
	p := plan.Path
	t := &hopTable{macs: []packet.MAC{p.HopMAC}}
	if plan.Neighbours == 0 {
		return t, nil
	}
	s.Log.Info(fmt.Sprintf("asking %d targets on the local network of %s for their hardware addresses (ARP)", plan.Neighbours, p.Interface))
	found, err := netdev.Neighbours(ctx, netdev.NeighbourQuery{Path: p, Targets: c.near(p.OnLink), Rate: arpRate(s.rate)})
	if err != nil {
		return nil, err
	}
	if n := len(found.Silent); n > 0 {
		s.Log.Info(fmt.Sprintf("%d addresses on the local network do not answer ARP and are not probed", n))
	}
	t.onLink, t.found = p.OnLink, found
	for _, f := range found.Found {
		t.macs = append(t.macs, f.MAC)
	}
	return t, nil
}

// hop returns the function by which senders look a target's next hop up, nil if it is the gateway for all.
func (t *hopTable) hop() func(netip.Addr) (uint16, bool) {
	if t.found == nil {
		return nil
	}
	return func(a netip.Addr) (uint16, bool) {
		if i, ok := t.found.Index(a); ok {
			return uint16(1 + i), true
		}
		for _, p := range t.onLink {
			if p.Contains(a) {
				return 0, false
			}
		}
		return 0, true
	}
}

// onLink yields the targets' addresses that lie in prefixes.
func onLink(space *target.Space, prefixes []netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for first, last := range space.Ranges() {
			for _, p := range prefixes {
				if last.Less(p.Masked().Addr()) || !p.Contains(first) && first.Compare(p.Masked().Addr()) > 0 {
					continue
				}
				a := first
				if a.Less(p.Masked().Addr()) {
					a = p.Masked().Addr()
				}
				for ; p.Contains(a) && a.Compare(last) <= 0; a = a.Next() {
					if !yield(a) {
						return
					}
				}
			}
		}
	}
}
