package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// An IPv6 is the part of a test Internet that is reached over IPv6. All its hosts are played by the Internet's kernel: they do what hosts of
// kind Kernel do, on World.Ports. Addresses that it does not mention are silent.
type IPv6 struct {
	// Hosts are networks of which every address is a host.
	Hosts []netip.Prefix
	// Unreachable are networks that the router answers for: no route to destination.
	Unreachable []netip.Prefix
}

// Addresses of the two ends of the link, which is an on-link prefix of its own; frames go to the gateway's link-local address.
func scannerIPv6() netip.Prefix { return netip.MustParsePrefix("2001:db8:ffff::1/64") }
func gatewayIPv6() netip.Addr   { return netip.MustParseAddr("fe80::fe") }

// internetIPv6 is what the scanner has a route to: documentation addresses alone (RFC 3849).
func internetIPv6() netip.Prefix { return netip.MustParsePrefix("2001:db8::/32") }

// check finds mistakes.
func (x *IPv6) check() error {
	if x == nil {
		return nil
	}
	var errs []error
	for _, p := range append(append([]netip.Prefix{}, x.Hosts...), x.Unreachable...) {
		if !p.IsValid() || !p.Addr().Is6() || p != p.Masked() || p.Overlaps(scannerIPv6()) || p.Bits() < 32 || !internetIPv6().Contains(p.Addr()) {
			errs = append(errs, fmt.Errorf("IPv6: %v must be a network in %v without host bits, and not that of the link, %v", p, internetIPv6(), scannerIPv6().Masked()))
		}
	}
	return errors.Join(errs...)
}
