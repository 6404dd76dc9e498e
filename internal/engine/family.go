package engine

import (
	"net/netip"

	"github.com/zmap-go/zmap/probe"
)

// families is how many kinds of addresses there are: 0 is IPv4, 1 is IPv6.
const families = 2

// familyOf returns the number of an address's family.
func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// familyBit is set in the numbers of templates of IPv6, beside 1 and the try; epochs are above it.
const familyBit = 15

// byFamily sorts addresses.
func byFamily(addrs []netip.Addr) (out [families][]netip.Addr) {
	for _, a := range addrs {
		out[familyOf(a)] = append(out[familyOf(a)], a)
	}
	return out
}

// newEncoders makes the encoders of a sender for the families that it has addresses of.
func (s *sender) newEncoders() {
	for i := range s.enc {
		s.route.IPv6 = i == 1
		if s.enc[i] = nil; len(s.scan.sources[i]) > 0 {
			s.enc[i] = s.scan.cfg.Probe.NewEncoder(s.route)
		}
	}
	s.stamps, _ = s.enc[0].(probe.Stamper) // no probe over IPv6 carries the time
}
