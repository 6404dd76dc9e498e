package cli

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/target"
)

// A guard says which addresses may be contacted. It is immutable.
//
// For IPv4 it is what a scan with the same lists would ask; for IPv6 what the lists let one contact, and whatever they say nothing of
// special purpose, unless its class is allowed.
type guard struct {
	four         *target.Space // nil allows nothing
	six, special target.Reach
}

// guardLists are what a guard is made of, as the user names it.
type guardLists struct {
	blocklist, allowlist string // the blocklist may be the name of a built-in one
	ownList              bool   // the blocklist is a file that the user chose: special networks are as it says
	special              []citizen.Class
	ignoreErrors         bool
}

// newGuard reads the lists.
func newGuard(ctx context.Context, l guardLists) (*guard, error) {
	b := target.Builder{Resolver: net.DefaultResolver, IgnoreErrors: l.ignoreErrors}
	special := l.special
	if l.ownList {
		special = nil
	}
	_, err := citizen.ReadSpecial(&b, l.blocklist, special...)
	if err = errors.Join(b.AddAllowed(l.allowlist, nil), err); err != nil {
		return nil, err
	}
	g := &guard{six: b.Reach()}
	var purposes target.Builder // of IPv6 networks hold whatever list is used
	if _, err := citizen.ReadSpecial(&purposes, citizen.ListSpecial, l.special...); err != nil {
		return nil, err
	}
	g.special = purposes.Reach()
	b.OnlyIPv6(&target.List{}) // nothing is asked there by itself
	_, _, named := b.IPv6()
	if g.four, err = b.Build(ctx); err != nil && (!named || !errors.Is(err, target.ErrEmpty)) {
		return nil, err
	}
	return g, nil
}

// allows says whether an address may be contacted. It may be called from any number of goroutines.
func (g *guard) allows(a netip.Addr) bool {
	if a = a.Unmap(); a.Is4() {
		return g.four != nil && g.four.Contains(a)
	}
	return a.IsValid() && a.Zone() == "" && g.six.Has(a) && g.special.Has(a)
}
