package target

import (
	"errors"
	"net/netip"
)

// AddAllowed adds what a user gave to say which networks are meant: the entries of the file allowlist, unless its name is
// empty, and after them networks from the command line. It reports the mistakes in all of them together.
func (b *Builder) AddAllowed(allowlist string, networks []string) error {
	var errs []error
	if allowlist != "" {
		errs = append(errs, b.ReadFile(Allow, allowlist))
	}
	for _, n := range networks {
		errs = append(errs, b.Add(Allow, n))
	}
	return errors.Join(errs...)
}

// ParseAddr reads an IPv4 address in the forms of inet_aton(3), in which 1.2 is 1.0.0.2 and 010.0.0.1 is 8.0.0.1. It
// does not allocate unless it fails.
func ParseAddr(s string) (netip.Addr, error) {
	a, ok := aton(s)
	if !ok {
		return netip.Addr{}, errNotIPv4
	}
	return addr4(a), nil
}
