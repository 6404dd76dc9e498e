package lab

import (
	"net"
	"net/netip"
)

// A Link is the veth pair between the scanner and the Internet, as the scanner sees it.
type Link struct {
	// Interface is the name of the scanner's end, and Index its number.
	Interface string
	Index     int
	// Scanner is the address of the scanner's end. World.Sources more addresses follow it.
	Scanner netip.Addr
	// Gateway is the address of the Internet's end, the next hop of the scanner's default route.
	Gateway netip.Addr
	// Prefix is the on-link prefix that contains both.
	Prefix netip.Prefix
	// Detour is the name of the interface that answers come in by, if World.Detour asks for one; else empty.
	Detour string
	// ScannerMAC and GatewayMAC are the hardware addresses of the two ends, the same in every lab.
	ScannerMAC, GatewayMAC net.HardwareAddr
}

// Names of the two ends.
const (
	scannerEnd  = "scan0"
	internetEnd = "net0"

	scannerDetour  = "scan1"
	internetDetour = "net1"
)

// detourMACs returns the hardware addresses of the two ends of the detour.
func detourMACs() (scanner, internet net.HardwareAddr) {
	return net.HardwareAddr{0x02, 'z', 'm', 'a', 'p', 3}, net.HardwareAddr{0x02, 'z', 'm', 'a', 'p', 4}
}

func linkPrefix() netip.Prefix { return netip.MustParsePrefix("172.31.255.0/24") }

// standardLink returns the link as every lab has it, but for the interface index.
func standardLink() Link {
	return Link{
		Interface:  scannerEnd,
		Scanner:    netip.MustParseAddr("172.31.255.1"),
		Gateway:    netip.MustParseAddr("172.31.255.254"),
		Prefix:     linkPrefix(),
		ScannerMAC: net.HardwareAddr{0x02, 'z', 'm', 'a', 'p', 1},
		GatewayMAC: net.HardwareAddr{0x02, 'z', 'm', 'a', 'p', 2},
	}
}

// sources returns the scanner's own address and the n following it.
func (l Link) sources(n int) []netip.Addr {
	out := []netip.Addr{l.Scanner}
	for range n {
		out = append(out, out[len(out)-1].Next())
	}
	return out
}
