package name

import (
	"context"
	"net/netip"
	"slices"

	"github.com/zmap-go/zmap/grab"
	"golang.org/x/net/publicsuffix"
)

// Bounds of the names asked for.
const (
	// DefaultMax is how many handshakes a target gets: the one that names nobody.
	DefaultMax = 1
	// MostMax is the most that can be allowed.
	MostMax = 16
	// maxCandidates bounds the names that are looked at for one target.
	maxCandidates = 256
)

// The words of sni_source.
const (
	SourceTarget   = "target"   // the name that stands beside the address in the input
	SourceMap      = "map"      // the user's file
	SourceSAN      = "san"      // a certificate of the same address
	SourceEarlier  = "earlier"  // found by an earlier scan
	SourceRedirect = "redirect" // where HTTP sends clients
	SourcePTR      = "ptr"      // the DNS
)

// weights say how good a source is: which of two names is asked for first.
var weights = map[string]int{SourceMap: 100, SourceSAN: 80, SourceEarlier: 60, SourceRedirect: 40, SourcePTR: 10}

// A Config says where names come from. All but Max may be left out.
type Config struct {
	Max      int       // handshakes with one target, the first one included; 0 means DefaultMax
	Maps     []*Map    // names that are known beforehand, closed by whoever opened them
	Resolver *Resolver // asked for the address's name, and whether names belong to it; nil asks nobody
	Found    *Found    // takes the names that are found, for the next scan
}

// A Chooser chooses names. It may be used by any number of goroutines, and keeps nothing of targets.
type Chooser struct{ c Config }

// New returns a chooser.
func New(c Config) *Chooser {
	if c.Max <= 0 {
		c.Max = DefaultMax
	}
	c.Max = min(c.Max, MostMax)
	return &Chooser{c}
}

// Max returns how many handshakes a target gets at most: the K of an attempt n/K.
func (c *Chooser) Max() int { return c.c.Max }

// Next returns the name to ask t for after the grabs so far, oldest first, and where it is from; "" is to name nobody. It is to be
// called until ok is false, the last time after the last grab, so that all found names are written down. Looking up names in the
// DNS may take seconds, and ends with ctx.
func (c *Chooser) Next(ctx context.Context, t *grab.Target, sofar []grab.Grab) (name, source string, ok bool) {
	if len(sofar) == 0 {
		if t.Name != "" {
			return t.Name, SourceTarget, true
		}
		return "", "", true
	}
	c.c.Found.write(t.Addr, &sofar[len(sofar)-1])
	if t.Name != "" || len(sofar) >= c.c.Max || nothingNew(sofar) {
		return "", "", false
	}
	list := rank(c.candidates(t, sofar), sofar)
	for _, n := range list {
		if c.c.Resolver.elsewhere(ctx, n.name, t.Addr) {
			continue
		}
		return n.name, n.source, true
	}
	return c.pointer(ctx, t.Addr, sofar)
}

// candidates returns all names that are known for t but the one in the DNS.
func (c *Chooser) candidates(t *grab.Target, sofar []grab.Grab) []candidate {
	var l list
	for _, m := range c.c.Maps {
		for _, n := range m.Lookup(t.Addr) {
			l.add(n.Name, n.Source, t.Addr)
		}
	}
	for i := range sofar {
		for _, n := range namesOf(&sofar[i]) {
			l.add(n.Name, n.Source, t.Addr)
		}
	}
	return l.all
}

// pointer returns the address's name in the DNS, if that is a name to ask for.
func (c *Chooser) pointer(ctx context.Context, a netip.Addr, sofar []grab.Grab) (name, source string, ok bool) {
	if c.c.Resolver == nil || slices.ContainsFunc(sofar, func(g grab.Grab) bool { return g.SNISource == SourcePTR }) {
		return "", "", false
	}
	var l list
	for _, n := range c.c.Resolver.pointers(ctx, a) {
		if l.add(n, SourcePTR, a); len(l.all) >= 8 { // each costs a question
			break
		}
	}
	for _, n := range rank(l.all, sofar) {
		if !c.c.Resolver.elsewhere(ctx, n.name, a) {
			return n.name, n.source, true
		}
	}
	return "", "", false
}

// nothingNew says that the last grab asked for a name and was shown the certificate for it that an earlier one was shown.
func nothingNew(sofar []grab.Grab) bool {
	last := &sofar[len(sofar)-1]
	names := sansOf(last)
	if last.SNI == "" || !covers(names, last.SNI) {
		return false
	}
	return slices.ContainsFunc(sofar[:len(sofar)-1], func(g grab.Grab) bool { return slices.Equal(sansOf(&g), names) })
}

// rank returns the names that were not asked for, the best first: those of registered domains (the part of a name that somebody
// registers, publicsuffix.org) that were not asked for come before others, and one of each domain before its second.
func rank(all []candidate, sofar []grab.Grab) []candidate {
	asked, domains := make(map[string]bool), make(map[string]bool)
	for i := range sofar {
		asked[sofar[i].SNI] = true
		domains[registered(sofar[i].SNI)] = true
	}
	all = slices.DeleteFunc(all, func(n candidate) bool { return asked[n.name] })
	slices.SortStableFunc(all, func(a, b candidate) int { return weights[b.source] - weights[a.source] })
	first := make([]candidate, 0, len(all))
	var rest []candidate
	for _, n := range all {
		if d := registered(n.name); !domains[d] {
			domains[d] = true
			first = append(first, n)
		} else {
			rest = append(rest, n)
		}
	}
	return append(first, rest...)
}

func registered(name string) string {
	d, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return name // a public suffix itself
	}
	return d
}

// namesOf returns the names that the result of a grab holds.
func namesOf(g *grab.Grab) []grab.FoundName {
	if n, ok := g.Result.(grab.Namer); ok {
		names := n.Names()
		return names[:min(len(names), maxCandidates)]
	}
	return nil
}

// sansOf returns the names of the certificate that a grab was shown.
func sansOf(g *grab.Grab) []string {
	var all []string
	for _, n := range namesOf(g) {
		if n.Source == SourceSAN {
			all = append(all, n.Name)
		}
	}
	return all
}
