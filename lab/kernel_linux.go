package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel of the Internet's namespace plays every Kernel host, by routes of type local, and the silence of everything
// without a route.

// backlog is the number of half-open connections a listener keeps before it answers with SYN cookies, which need no room.
const backlog = 65535

// becomeKernel configures the namespace, which must be fresh but for the link's end.
func becomeKernel(b build, t *Truth) error {
	if err := tune(); err != nil {
		return err
	}
	lo, err := loopbackUp()
	if err != nil {
		return err
	}
	// Listeners and routes first: an address must not refuse, nor be silent, before it accepts.
	for port := range t.ports {
		if err := listen(port); err != nil {
			return err
		}
	}
	if err := settle(lo.Attrs().Index, t); err != nil {
		return err
	}
	if b.World.IPv6 != nil {
		if err := becomeKernel6(b, t.ports); err != nil {
			return err
		}
	}
	return connect(b.Link, b.World.Sources)
}

// tune sets the sysctls on which the truth depends. New namespaces inherit some of them from the host.
func tune() error {
	required := [][2]string{
		{"ipv4.ip_forward", "0"}, // with forwarding, a missing route is answered with ICMP
		{"ipv4.conf.all.rp_filter", "0"},
		{"ipv4.conf.default.rp_filter", "0"},
		{"ipv4.conf." + internetEnd + ".rp_filter", "0"},
		{"ipv4.tcp_syncookies", "1"},
		{"ipv4.tcp_max_syn_backlog", strconv.Itoa(backlog)},
		{"core.somaxconn", strconv.Itoa(backlog)},
		{"ipv4.icmp_echo_ignore_all", "0"},
		{"ipv4.icmp_ratelimit", "0"}, // else one ICMP error a second and peer
	}
	for _, s := range required {
		if err := sysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	// Per namespace since Linux 6.12, for the whole machine and out of reach before: there the kernel's own ICMP errors, which
	// are answers to UDP, stay rare.
	for _, name := range []string{"ipv4.icmp_msgs_per_sec", "ipv4.icmp_msgs_burst"} {
		err := sysctl(name, "1000000")
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	return nil
}

// connect sets up the Internet's end of the link. The scanner's hardware address is entered by hand: answers never wait for
// an ARP exchange, whose queue holds only a few hundred of them.
func connect(l Link, sources int) error {
	net0, err := lookUp(internetEnd)
	if err != nil {
		return err
	}
	if err := addAddress(net0, l.Gateway, l.Prefix.Bits()); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(net0); err != nil {
		return fmt.Errorf("switch interface %s on: %w", internetEnd, err)
	}
	for _, a := range l.sources(sources) {
		if err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex:    net0.Attrs().Index,
			IP:           a.AsSlice(),
			HardwareAddr: l.ScannerMAC,
			State:        netlink.NUD_PERMANENT,
		}); err != nil {
			return fmt.Errorf("enter neighbour %v: %w", a, err)
		}
	}
	return nil
}

// settle makes every Kernel host local: the kernel answers for all addresses of a local route as for its own (ip-route(8),
// type local).
func settle(loopback int, t *Truth) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	defer h.Close()
	for _, s := range t.spans {
		if t.hosts[s.hosts].Kind != Kernel {
			continue
		}
		for _, p := range s.prefixes() {
			if err := h.RouteAdd(localRoute(loopback, p)); err != nil {
				return fmt.Errorf("add local route %v: %w", p, err)
			}
		}
	}
	return nil
}

func localRoute(loopback int, p netip.Prefix) *netlink.Route {
	return &netlink.Route{
		LinkIndex: loopback,
		Type:      unix.RTN_LOCAL,
		Table:     unix.RT_TABLE_LOCAL,
		Scope:     netlink.SCOPE_HOST,
		Dst:       ipNet(p),
	}
}

// listen opens a port on every Kernel host. Whoever connects is hung up on.
func listen(port uint16) error {
	return hangUp("tcp4", net.JoinHostPort("0.0.0.0", strconv.Itoa(int(port))))
}
