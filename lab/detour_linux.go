package lab

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// The detour is a second veth pair, by which the Internet sends everything to the scanner:
//
//	scan0 ───────> net0
//	scan1 <─────── net1

// layDetour makes the pair and switches the scanner's end on, which has no address.
func (n *Net) layDetour() error {
	attrs := netlink.NewLinkAttrs()
	ours, theirs := detourMACs()
	attrs.Name, attrs.HardwareAddr = scannerDetour, ours
	if err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:        attrs,
		PeerName:         internetDetour,
		PeerHardwareAddr: theirs,
		PeerNamespace:    netlink.NsPid(n.internet.cmd.Process.Pid),
	}); err != nil {
		return fmt.Errorf("make veth pair of the detour: %w", err)
	}
	scan1, err := lookUp(scannerDetour)
	if err != nil {
		return err
	}
	n.link.Detour, n.made = scannerDetour, append(n.made, scan1.Attrs().Index)
	if err := netlink.LinkSetUp(scan1); err != nil {
		return fmt.Errorf("switch interface %s on: %w", scannerDetour, err)
	}
	return nil
}

// takeDetour makes the Internet's kernel send what is for the scanner by the detour, and returns the number of the interface.
func takeDetour(l Link, sources int) (index int, err error) {
	net1, err := lookUp(internetDetour)
	if err != nil {
		return 0, err
	}
	if err := netlink.LinkSetUp(net1); err != nil {
		return 0, fmt.Errorf("switch interface %s on: %w", internetDetour, err)
	}
	index = net1.Attrs().Index
	scanner, _ := detourMACs()
	for _, a := range l.sources(sources) {
		host := &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: host}); err != nil {
			return 0, fmt.Errorf("add route to %v by the detour: %w", a, err)
		}
		entry := netlink.Neigh{LinkIndex: index, IP: a.AsSlice(), HardwareAddr: scanner, State: netlink.NUD_PERMANENT}
		if err := netlink.NeighSet(&entry); err != nil {
			return 0, fmt.Errorf("enter neighbour %v: %w", a, err)
		}
	}
	return index, nil
}
