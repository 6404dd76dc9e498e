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

// A hopTable says where the frames for each target go.
type hopTable struct {
	macs   []packet.MAC // the gateways come first, that of IPv6 second if such targets are asked, then targets on the local network
	six    uint16       // position of the gateway of IPv6
	onLink []netip.Prefix
	found  []foundHops // none if no target is on the local network
}

// foundHops are the targets of one family on the local network that have answered; the first of them is at this position of macs.
type foundHops struct {
	*netdev.Neighbourhood
	first int
}

// ways are the paths of a plan, one for each family that is asked.
func (p *Plan) ways() []*netdev.Path {
	if p.PathIPv6 == nil || p.PathIPv6 == p.Path {
		return []*netdev.Path{p.Path}
	}
	return []*netdev.Path{p.Path, p.PathIPv6}
}

// neighbours returns how many addresses on the local network will be asked for their hardware addresses.
func (s *setup) neighbours(c *course, plan *Plan) (int, error) {
	n := 0
	if s.DryRun != nil {
		return n, nil
	}
	for _, p := range plan.ways() {
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

// hops asks targets on the local network for their hardware addresses; all others are the gateways' to deliver.
func (s *setup) hops(ctx context.Context, c *course, plan *Plan) (*hopTable, error) {
	t := &hopTable{macs: []packet.MAC{plan.Path.HopMAC}}
	if p := plan.PathIPv6; p != nil && p != plan.Path {
		t.macs, t.six = append(t.macs, p.HopMAC), 1
	}
	if plan.Neighbours == 0 {
		return t, nil
	}
	s.Log.Info(fmt.Sprintf("asking %d targets on the local network of %s for their hardware addresses (ARP, or Neighbor Discovery for IPv6)", plan.Neighbours, plan.Path.Interface))
	for _, p := range plan.ways() {
		found, err := netdev.Neighbours(ctx, netdev.NeighbourQuery{Path: p, Targets: c.near(p.OnLink), Rate: arpRate(s.rate)})
		if err != nil {
			return nil, err
		}
		t.onLink = append(t.onLink, p.OnLink...)
		t.found = append(t.found, foundHops{found, len(t.macs)})
		for _, f := range found.Found {
			t.macs = append(t.macs, f.MAC)
		}
	}
	if n := len(t.silent()); n > 0 {
		s.Log.Info(fmt.Sprintf("%d addresses on the local network do not answer ARP and are not probed", n))
	}
	return t, nil
}

// silent returns the targets on the local network that nobody answers for.
func (t *hopTable) silent() []netip.Addr {
	var all []netip.Addr
	for _, f := range t.found {
		all = append(all, f.Silent...)
	}
	return all
}

// hop returns the function by which senders look a target's next hop up, nil if it is the same gateway for all.
func (t *hopTable) hop() func(netip.Addr) (uint16, bool) {
	if t.found == nil && t.six == 0 {
		return nil
	}
	return func(a netip.Addr) (uint16, bool) {
		for i := range t.found {
			if at, ok := t.found[i].Index(a); ok {
				return uint16(t.found[i].first + at), true
			}
		}
		for _, p := range t.onLink {
			if p.Contains(a) {
				return 0, false
			}
		}
		if a.Is6() {
			return t.six, true
		}
		return 0, true
	}
}

// onLink yields the targets' addresses that lie in prefixes.
func onLink(space *target.Space, prefixes []netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, p := range prefixes {
			near := space.Within(p)
			if p.Addr().Is4() {
				near = within(space, p.Masked())
			}
			for a := range near {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// within yields the IPv4 addresses of the space that lie in a network.
func within(space *target.Space, p netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for first, last := range space.Ranges() {
			a := first
			if a.Less(p.Addr()) {
				a = p.Addr()
			}
			for ; p.Contains(a) && a.Compare(last) <= 0; a = a.Next() {
				if !yield(a) {
					return
				}
			}
		}
	}
}
