package netdev

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/packet"
)

// netlinkTimeout bounds every conversation with the kernel.
const netlinkTimeout = 10 * time.Second

// maxDumps is how often a dump is repeated that the kernel says was overtaken by changes.
const maxDumps = 5

// rtnetlink is the kernel by way of a route netlink socket (rtnetlink(7)).
type rtnetlink struct{ h *netlink.Handle }

var _ kernel = (*rtnetlink)(nil)

// openKernel opens a socket in the network namespace of the calling thread.
func openKernel() (kernel, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open route netlink socket: %w", err)
	}
	if err := h.SetSocketTimeout(netlinkTimeout); err != nil {
		h.Close()
		return nil, fmt.Errorf("set timeout of route netlink socket: %w", err)
	}
	return &rtnetlink{h: h}, nil
}

func (r *rtnetlink) close() { r.h.Close() }

// dump repeats a dump that was overtaken by changes. After the last attempt what there is must do.
func dump[T any](read func() ([]T, error)) (list []T, err error) {
	for range maxDumps {
		list, err = read()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return list, err
		}
	}
	return list, nil
}

func (r *rtnetlink) devices() ([]device, error) {
	links, err := dump(r.h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	devices := make([]device, 0, len(links))
	for _, l := range links {
		devices = append(devices, newDevice(l.Attrs()))
	}
	return devices, nil
}

// newDevice translates the kernel's description of an interface. The carrier is IFF_LOWER_UP, which follows the driver
// at once; IFF_RUNNING lags behind by up to a second.
func newDevice(a *netlink.LinkAttrs) device {
	d := device{
		index: a.Index, name: a.Name, altNames: a.AltNames, mtu: a.MTU,
		kind: kindOf(a.EncapType), typeName: a.EncapType,
		up:      a.RawFlags&unix.IFF_UP != 0,
		carrier: a.RawFlags&unix.IFF_LOWER_UP != 0,
		noARP:   a.RawFlags&unix.IFF_NOARP != 0,
	}
	if len(a.HardwareAddr) == len(d.mac) {
		d.mac = packet.MAC(a.HardwareAddr)
	}
	return d
}

// kindOf sorts link types by the netlink package's names for ARPHRD_ numbers (linux/if_arp.h). Those it has no name for
// are called unknown with the number: 519 is ARPHRD_RAWIP (modems), 823 is ARPHRD_IP6GRE.
func kindOf(encap string) linkKind {
	switch encap {
	case "ether":
		return etherLink
	case "loopback":
		return loopLink
	case "none", "ppp", "slip", "cslip", "ipip", "tunnel6", "sit", "gre", "unknown519", "unknown823":
		return rawLink
	}
	return otherLink
}

func (r *rtnetlink) addresses() ([]address, error) {
	list, err := dump(func() ([]netlink.Addr, error) { return r.h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	addrs := make([]address, 0, len(list))
	for _, a := range list {
		p, ok := prefixOf(a.IPNet)
		if !ok {
			continue
		}
		addrs = append(addrs, address{
			index: a.LinkIndex, prefix: p,
			secondary: a.Flags&unix.IFA_F_SECONDARY != 0,
			narrow:    a.Scope >= unix.RT_SCOPE_LINK,
		})
	}
	return addrs, nil
}

// lookup asks twice. The first answer is the outcome: gateway, interface, source. It does not say whether there was a
// route: with an interface given and none by it, the kernel supposes that the target is on the link
// (ip_route_output_key_hash_rcu in net/ipv4/route.c). The second asks for the route itself, and is refused then.
func (r *rtnetlink) lookup(dst, src netip.Addr, oif int) (hop, error) {
	opt := netlink.RouteGetOptions{OifIndex: oif}
	if src.IsValid() {
		opt.SrcAddr = src.AsSlice()
	}
	outcome, err := r.routeGet(dst, opt)
	if err != nil {
		return hop{}, lookupError(err)
	}
	opt.FIBMatch = true
	match, err := r.routeGet(dst, opt)
	if errors.Is(err, unix.EHOSTUNREACH) {
		return hop{}, r.refusal(dst, opt)
	}
	if err != nil {
		return hop{}, lookupError(err)
	}
	h := hop{index: outcome.LinkIndex, gateway: gatewayOf(outcome.Gw, outcome.Via), table: match.Table, pinned: match.Src != nil}
	h.source, _ = netip.AddrFromSlice(outcome.Src)
	if p, ok := prefixOf(match.Dst); ok {
		h.prefix = p
	} else {
		h.prefix = netip.PrefixFrom(unspecified(dst.Is6()), 0)
	}
	switch outcome.Type {
	case unix.RTN_UNICAST:
		h.to = toHost
	case unix.RTN_LOCAL:
		h.to = toSelf
	default:
		h.to = toGroup
	}
	return h, nil
}

// refusal returns why there is no route by an interface: one that refuses the target by whatever interface, or none.
func (r *rtnetlink) refusal(dst netip.Addr, opt netlink.RouteGetOptions) error {
	opt.OifIndex, opt.FIBMatch = 0, false
	if _, err := r.routeGet(dst, opt); err != nil {
		return lookupError(err)
	}
	return errNoRoute
}

// routeGet sends one query and returns the one answer.
func (r *rtnetlink) routeGet(dst netip.Addr, opt netlink.RouteGetOptions) (netlink.Route, error) {
	routes, err := r.h.RouteGetWithOptions(dst.AsSlice(), &opt)
	if err != nil {
		return netlink.Route{}, err
	}
	if len(routes) == 0 {
		return netlink.Route{}, unix.ENETUNREACH
	}
	return routes[0], nil
}

// lookupError translates the errno of a refused query.
func lookupError(err error) error {
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		return errNoRoute
	case errors.Is(err, unix.EHOSTUNREACH):
		return errUnreachable
	case errors.Is(err, unix.EACCES):
		return errProhibited
	case errors.Is(err, unix.EINVAL):
		return errBlackhole
	}
	return fmt.Errorf("read route: %w", err)
}

// gatewayOf returns the next hop, which for an IPv4 route may be IPv6 (RTA_VIA, RFC 8950 manner). It is invalid if there
// is none.
func gatewayOf(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		gw = v.Addr
	}
	a, _ := netip.AddrFromSlice(gw)
	return a.Unmap()
}

func (r *rtnetlink) connected(index, table int, six bool) ([]netip.Prefix, error) {
	family := netlink.FAMILY_V4
	if six {
		family = netlink.FAMILY_V6
	}
	routes, err := dump(func() ([]netlink.Route, error) {
		return r.h.RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes of table %d: %w", table, err)
	}
	var prefixes []netip.Prefix
	for i := range routes {
		p, ok := prefixOf(routes[i].Dst)
		if ok && routes[i].Type == unix.RTN_UNICAST && direct(&routes[i], index) {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes, nil
}

// direct reports whether a route leads to the interface without a gateway.
func direct(r *netlink.Route, index int) bool {
	if r.LinkIndex == index && len(r.MultiPath) == 0 {
		return !gatewayOf(r.Gw, r.Via).IsValid()
	}
	for _, n := range r.MultiPath {
		if n.LinkIndex == index && !gatewayOf(n.Gw, n.Via).IsValid() {
			return true
		}
	}
	return false
}

func (r *rtnetlink) neighbours(index int) ([]neighbour, error) {
	list, err := dump(func() ([]netlink.Neigh, error) { return r.h.NeighList(index, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("read neighbour table: %w", err)
	}
	table := make([]neighbour, 0, len(list))
	for _, n := range list {
		a, ok := netip.AddrFromSlice(n.IP)
		if !ok || len(n.HardwareAddr) != len(packet.MAC{}) {
			continue
		}
		table = append(table, neighbour{addr: a.Unmap(), mac: packet.MAC(n.HardwareAddr), state: stateOf(n.State)})
	}
	return table, nil
}

// stateOf sorts neighbour states. PROBE is doubtful: the kernel is asking since nobody has answered for a while.
func stateOf(nud int) neighbourState {
	switch {
	case nud&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0:
		return fixed
	case nud&(unix.NUD_REACHABLE|unix.NUD_STALE|unix.NUD_DELAY) != 0:
		return learned
	}
	return doubtful
}

// prefixOf translates a network; a nil one is none.
func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if !ok || size != a.BitLen() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, bits), true
}
