package netdev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// MaxNeighbours is the largest number of on-link targets that [Neighbours] asks.
const MaxNeighbours = 65535

// DefaultARPRate is how many ARP requests a second [Neighbours] sends unless told otherwise.
const DefaultARPRate = 1000

// A NeighbourQuery asks for the hardware addresses of targets on the local network.
type NeighbourQuery struct {
	Path    *Path                // from [Find], in [Scan] mode
	Targets iter.Seq[netip.Addr] // in any order; those outside Path.OnLink and duplicates are passed over
	Rate    int                  // ARP requests per second, 0 for [DefaultARPRate]
}

// A Neighbour is a host on the local network.
type Neighbour struct {
	Addr netip.Addr
	MAC  packet.MAC
}

// A Neighbourhood is what [Neighbours] found out. It is the caller's own.
type Neighbourhood struct {
	Found  []Neighbour  // sorted by address
	Silent []netip.Addr // targets on the link that did not answer, sorted
}

// Index returns the position of an address in n.Found. It does not allocate.
func (n *Neighbourhood) Index(a netip.Addr) (int, bool) {
	return slices.BinarySearchFunc(n.Found, a, func(n Neighbour, a netip.Addr) int { return n.Addr.Compare(a) })
}

// neighbourWaits is how long to wait for neighbours after each of three rounds of requests.
func neighbourWaits() []time.Duration {
	return []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, time.Second}
}

// NeighbourTime is how long [Neighbours] takes at most to ask n targets, rate requests a second (0 for [DefaultARPRate]).
func NeighbourTime(n, rate int) time.Duration {
	var d time.Duration
	for _, wait := range neighbourWaits() {
		d += wait + time.Duration(n)*arpGap(rate)
	}
	return d
}

// arpGap is the time between two requests.
func arpGap(rate int) time.Duration {
	return time.Second / time.Duration(cmp.Or(max(rate, 0), DefaultARPRate))
}

// Neighbours asks every target that is on the link for its hardware address: up to three times, at q.Rate. It blocks
// until all have answered or two seconds more than the requests take; ctx ends that. A target that does not answer is
// named, not an error. Addresses of this host count as silent, since no frame reaches them over the link.
//
// Entries that the administrator made in the kernel's neighbour table are taken as they are; what the kernel has learned
// itself is asked for afresh. Asking needs CAP_NET_RAW.
func Neighbours(ctx context.Context, q NeighbourQuery) (*Neighbourhood, error) {
	k, err := openKernel()
	if err != nil {
		return nil, err
	}
	defer k.close()
	return findNeighbours(ctx, k, q)
}

// findNeighbours is Neighbours with the kernel as an argument.
func findNeighbours(ctx context.Context, k kernel, q NeighbourQuery) (*Neighbourhood, error) {
	targets, err := onLinkTargets(&q)
	if err != nil || len(targets) == 0 {
		return &Neighbourhood{}, err
	}
	d, err := deviceByIndex(k, q.Path.Index)
	if err != nil {
		return nil, err
	}
	addrs, err := k.addresses()
	if err != nil {
		return nil, err
	}
	table, err := k.neighbours(d.index)
	if err != nil {
		return nil, err
	}
	n := &Neighbourhood{}
	unknown := n.takeFixed(table, withoutOwn(targets, addrs))
	if len(unknown) > 0 {
		found, err := askAll(ctx, k, askQuery{device: &d, addrs: addrs, targets: unknown, q: &q})
		if err != nil {
			return nil, err
		}
		for a, mac := range found {
			n.Found = append(n.Found, Neighbour{Addr: a, MAC: mac})
		}
	}
	slices.SortFunc(n.Found, func(a, b Neighbour) int { return a.Addr.Compare(b.Addr) })
	n.Silent = slices.DeleteFunc(targets, func(t netip.Addr) bool { _, ok := n.Index(t); return ok })
	return n, nil
}

// askQuery is what askAll needs.
type askQuery struct {
	device  *device
	addrs   []address
	targets []netip.Addr
	q       *NeighbourQuery
}

// askAll asks all targets by ARP.
func askAll(ctx context.Context, k kernel, q askQuery) (found map[netip.Addr]packet.MAC, err error) {
	conn, err := k.openAsk(q.device.index, q.targets[0].Is6())
	if err != nil {
		return nil, fmt.Errorf("ask neighbours on %s for their MAC addresses: %w%s", q.device.name, err, privilegeHint(err))
	}
	a := newAsker(conn, q.device, q.addrs)
	a.waits = neighbourWaits()
	a.gap = arpGap(q.q.Rate)
	if len(q.q.Path.Sources) > 0 {
		a.fallback = q.q.Path.Sources[0]
	}
	found, err = a.ask(ctx, q.targets)
	if err = errors.Join(err, conn.close()); err != nil {
		return nil, fmt.Errorf("ask neighbours on %s for their MAC addresses: %w", q.device.name, err)
	}
	return found, nil
}

// onLinkTargets returns the targets that are on the link, sorted, each once.
func onLinkTargets(q *NeighbourQuery) ([]netip.Addr, error) {
	if len(q.Path.OnLink) == 0 {
		return nil, nil
	}
	seen := make(map[netip.Addr]struct{})
	for t := range q.Targets {
		if !onLink(q.Path.OnLink, t) {
			continue
		}
		seen[t] = struct{}{}
		if len(seen) > MaxNeighbours {
			return nil, fmt.Errorf("more than %d targets are on the network of %s itself: scan fewer at a time, or send all to one MAC address with -G",
				MaxNeighbours, q.Path.Interface)
		}
	}
	targets := make([]netip.Addr, 0, len(seen))
	for t := range seen {
		targets = append(targets, t)
	}
	slices.SortFunc(targets, netip.Addr.Compare)
	return targets, nil
}

// onLink reports whether one of the prefixes contains a.
func onLink(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// withoutOwn returns the targets that are no address of this host.
func withoutOwn(targets []netip.Addr, addrs []address) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(targets), func(t netip.Addr) bool {
		return slices.ContainsFunc(addrs, func(own address) bool { return own.prefix.Addr() == t })
	})
}

// takeFixed puts the targets with a fixed entry into n.Found and returns the others.
func (n *Neighbourhood) takeFixed(table []neighbour, targets []netip.Addr) []netip.Addr {
	set := make(map[netip.Addr]packet.MAC)
	for _, e := range table {
		if e.state == fixed && !e.mac.IsZero() {
			set[e.addr] = e.mac
		}
	}
	return slices.DeleteFunc(targets, func(t netip.Addr) bool {
		mac, ok := set[t]
		if ok {
			n.Found = append(n.Found, Neighbour{Addr: t, MAC: mac})
		}
		return ok
	})
}
