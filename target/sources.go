package target

import (
	"errors"
	"net/netip"
)

// Lists names what a user gave to say which networks are meant: files, and networks on the command line.
type Lists struct {
	Networks  []string // allowed, on the command line
	Allowlist string   // file of allowed networks; "" means none
	Blocklist string   // file of blocked networks; "" means none
}

// AddLists adds all entries of l, those of the allowlist before those of the command line, and reports the mistakes in
// all of them together.
func (b *Builder) AddLists(l Lists) error {
	var errs []error
	if l.Allowlist != "" {
		errs = append(errs, b.ReadFile(Allow, l.Allowlist))
	}
	for _, n := range l.Networks {
		errs = append(errs, b.Add(Allow, n))
	}
	if l.Blocklist != "" {
		errs = append(errs, b.ReadFile(Block, l.Blocklist))
	}
	return errors.Join(errs...)
}

// ParseAddr reads an IPv4 address in the forms of inet_aton(3), in which 1.2 is 1.0.0.2 and 010.0.0.1 is 8.0.0.1. It
// does not allocate unless it fails.
func ParseAddr(s string) (netip.Addr, error) {
	a, ok := aton(s)
	if !ok {
		return netip.Addr{}, errNotAddress
	}
	return addr4(a), nil
}
