package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/target"
)

// A guard says which addresses may be contacted. It is immutable.
//
// For IPv4 it is what a scan with the same lists would ask. Scans know no IPv6, so its networks in the lists are read here; of
// IPv6 only what is assigned for global unicast and has no special purpose may be contacted, unless its class is allowed.
type guard struct {
	four         *target.Space  // nil allows nothing
	open, closed []netip.Prefix // of IPv6, by purpose: what is in open and not in closed
	allow, block []netip.Prefix // of IPv6, by the lists
	all          bool           // there is no allowlist
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
	g := &guard{all: l.allowlist == ""}
	g.open, g.closed = purposes6(l.special)
	var empty error
	if g.four, empty = b.Build(ctx); empty != nil && !errors.Is(empty, target.ErrEmpty) {
		return nil, empty
	}
	if !g.all {
		g.allow, err = openList6(l.allowlist)
	}
	if err == nil && !citizen.IsBuiltin(l.blocklist) {
		g.block, err = openList6(l.blocklist)
	}
	if err == nil && empty != nil && len(g.allow) == 0 {
		err = empty
	}
	return g, err
}

// allows says whether an address may be contacted. It may be called from any number of goroutines.
func (g *guard) allows(a netip.Addr) bool {
	if a = a.Unmap(); a.Is4() {
		return g.four != nil && g.four.Contains(a)
	}
	in := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return a.IsValid() && a.Zone() == "" && in(g.open) && !in(g.closed) && (g.all || in(g.allow)) && !in(g.block)
}

// purposes6 returns the networks of IPv6 that are for everybody, and those in them that are not: 2000::/3 is all that is assigned for
// global unicast (IANA IPv6 Address Space), and the others have special purposes (IANA IPv6 Special-Purpose Address Registry).
func purposes6(allowed []citizen.Class) (open, closed []netip.Prefix) {
	open = []netip.Prefix{netip.MustParsePrefix("2000::/3")}
	for _, n := range []struct {
		prefix string
		class  citizen.Class
	}{
		{"::1/128", citizen.Loopback},
		{"fc00::/7", citizen.Private},
		{"2001:db8::/32", citizen.Documentation},
		{"3fff::/20", citizen.Documentation},
		{"2002::/16", citizen.SixToFour},
		{"2001::/23", citizen.IETF},
	} {
		p := netip.MustParsePrefix(n.prefix)
		if slices.Contains(allowed, n.class) {
			open = append(open, p)
		} else {
			closed = append(closed, p)
		}
	}
	return open, closed
}

// openList6 reads the IPv6 networks of a list in a file.
func openList6(path string) ([]netip.Prefix, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := readList6(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// readList6 reads the IPv6 networks of a list, the first word of each line; # begins a comment. All other lines are IPv4's, and read
// by [target.Builder], which complains of those that are nothing.
func readList6(r io.Reader) ([]netip.Prefix, error) {
	var list []netip.Prefix
	s := bufio.NewScanner(r)
	for s.Scan() {
		text, _, _ := strings.Cut(s.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 || !strings.Contains(words[0], ":") {
			continue
		}
		p, err := netip.ParsePrefix(words[0])
		if err != nil {
			var a netip.Addr
			a, err = netip.ParseAddr(words[0])
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if err == nil && p.Addr().Is4In6() {
			err = errors.New("write it as an IPv4 network")
		}
		if err != nil {
			return nil, fmt.Errorf("%.60q is no network of IPv6: %w", words[0], err)
		}
		list = append(list, p.Masked())
	}
	return list, s.Err()
}
