package lab

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// wakeIPv6 switches IPv6 on at one end of the link, which says nothing by itself but what others ask it, and gives it addresses.
func wakeIPv6(l netlink.Link, addrs ...netip.Prefix) error {
	name := l.Attrs().Name
	for _, s := range [][2]string{{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"router_solicitations", "0"}, {"dad_transmits", "0"}, {"disable_ipv6", "0"}} {
		if err := sysctl("ipv6.conf."+name+"."+s[0], s[1]); err != nil {
			return err
		}
	}
	for _, a := range addrs {
		err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(a), Flags: unix.IFA_F_NODAD})
		if err != nil {
			return fmt.Errorf("add address %v to %s: %w", a, name, err)
		}
	}
	return nil
}

// layIPv6 sets up the scanner's end.
func (n *Net) layIPv6() error {
	scan0, err := lookUp(scannerEnd)
	if err != nil {
		return err
	}
	if err := wakeIPv6(scan0, scannerIPv6(), netip.MustParsePrefix("fe80::1/64")); err != nil {
		return err
	}
	via := &netlink.Route{LinkIndex: scan0.Attrs().Index, Dst: ipNet(internetIPv6()), Gw: gatewayIPv6().AsSlice()}
	if err := netlink.RouteReplace(via); err != nil {
		return fmt.Errorf("set the route of IPv6: %w", err)
	}
	return nil
}

// becomeKernel6 is becomeKernel for IPv6.
func becomeKernel6(b build, ports map[uint16]bool) error {
	x := b.World.IPv6
	net0, err := lookUp(internetEnd)
	if err != nil {
		return err
	}
	if err := sysctl("ipv6.icmp.ratelimit", "0"); err != nil { // else errors are rare
		return err
	}
	lo, err := loopbackUp()
	if err != nil {
		return err
	}
	if err := sysctl("ipv6.conf.lo.disable_ipv6", "0"); err != nil {
		return err
	}
	for port := range ports {
		if err := hangUp("tcp6", net.JoinHostPort("::", strconv.Itoa(int(port)))); err != nil {
			return err
		}
	}
	far := netip.PrefixFrom(scannerIPv6().Masked().Addr().Next().Next(), 64)
	if err := wakeIPv6(net0, far, netip.PrefixFrom(gatewayIPv6(), 64)); err != nil {
		return err
	}
	routes := []*netlink.Route{{Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}, Type: unix.RTN_BLACKHOLE, Priority: 4096}}
	for _, p := range x.Hosts {
		routes = append(routes, localRoute(lo.Attrs().Index, p))
	}
	for _, p := range x.Unreachable {
		routes = append(routes, &netlink.Route{Dst: ipNet(p), Type: unix.RTN_UNREACHABLE})
	}
	for _, r := range routes {
		if err := netlink.RouteAdd(r); err != nil {
			return fmt.Errorf("add route %v: %w", r, err)
		}
	}
	scanner := &netlink.Neigh{
		LinkIndex: net0.Attrs().Index, IP: scannerIPv6().Addr().AsSlice(), HardwareAddr: b.Link.ScannerMAC, State: netlink.NUD_PERMANENT,
	}
	if err := netlink.NeighSet(scanner); err != nil {
		return fmt.Errorf("enter neighbour %v: %w", scanner.IP, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// hangUp listens on an address and hangs up on whoever connects; a goroutine does that until the process ends.
func hangUp(network, address string) error {
	l, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return nil
}
