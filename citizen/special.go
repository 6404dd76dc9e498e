package citizen

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/target"
)

// SpecialOrigin is the name that a [Special] gives as the origin of its entries.
const SpecialOrigin = "built-in list of special-purpose networks"

// An Entry is a line of the list of special-purpose networks.
type Entry struct {
	Prefix netip.Prefix
	Class  Class
	Name   string // as in IANA's registry
	RFC    string // where its purpose is specified, such as "RFC 1918"
	Line   int    // in the text of builtin:special, from 1
}

// Special is the list of special-purpose networks without the classes that a scan allows. It is immutable; the zero
// Special excludes nothing, so make one with [NewSpecial].
//
// Where one network of the list lies within another, as 255.255.255.255 does within 240.0.0.0/4, an address has the class
// of the smaller one alone. So to allow a class is to allow exactly the addresses of this class.
type Special struct {
	entries []Entry // excluded ones, with their whole networks
	parts   []Entry // the same cut to addresses of their own class: disjoint
	add     []Entry // the same without what is allowed, in as few networks as that takes
	allow   []Class
}

// NewSpecial returns the list without the allowed classes.
func NewSpecial(allow ...Class) (*Special, error) {
	allow, err := sortClasses(allow)
	if err != nil {
		return nil, err
	}
	all := parseSpecial(specialText)
	s := &Special{allow: allow}
	for _, e := range all {
		if slices.Contains(allow, e.Class) {
			continue
		}
		s.entries = append(s.entries, e)
		s.parts = append(s.parts, cut(e, all)...)
		s.add = append(s.add, cut(e, slices.DeleteFunc(slices.Clone(all), func(x Entry) bool {
			return !slices.Contains(allow, x.Class)
		}))...)
	}
	return s, nil
}

// Entries returns the entries that the list excludes, ascending. The slice is the caller's.
func (s *Special) Entries() []Entry { return slices.Clone(s.entries) }

// Allowed returns the classes that the list allows, in the order of [Classes]. The slice is the caller's.
func (s *Special) Allowed() []Class { return slices.Clone(s.allow) }

// AddTo adds the list to the block entries of b. Their origin is the line of builtin:special, under the name
// [SpecialOrigin].
func (s *Special) AddTo(b *target.Builder) error {
	for _, e := range s.add {
		if err := b.AddPrefix(target.Block, e.Prefix, target.Origin{Name: SpecialOrigin, Line: e.Line}); err != nil {
			return err
		}
	}
	return nil
}

// Excluded returns the entries, ascending, that leave nothing of at least one of the given networks, as those of an
// allowlist. Networks of which something may be scanned count for nothing, and so do those of IPv6.
func (s *Special) Excluded(networks ...netip.Prefix) []Entry {
	lines := make(map[int]bool)
	for _, p := range networks {
		if !p.IsValid() || !p.Addr().Is4() {
			continue
		}
		left := size(p)
		for _, e := range s.parts {
			left -= common(e.Prefix, p)
		}
		if left == 0 {
			s.touch(p, lines)
		}
	}
	return s.named(lines)
}

// touch notes the lines of the entries that exclude addresses of p.
func (s *Special) touch(p netip.Prefix, lines map[int]bool) {
	for _, e := range s.parts {
		if e.Prefix.Overlaps(p) {
			lines[e.Line] = true
		}
	}
}

// named returns the entries of the given lines.
func (s *Special) named(lines map[int]bool) []Entry {
	return slices.DeleteFunc(s.Entries(), func(e Entry) bool { return !lines[e.Line] })
}

// parseSpecial reads the list in special.txt. It panics if a line is not in the form of that file, which cannot happen
// in a program that passed its tests.
func parseSpecial(text string) []Entry {
	var entries []Entry
	n := 0
	for line := range strings.Lines(text) {
		n++
		network, comment, ok := strings.Cut(line, "#")
		if network = strings.TrimSpace(network); network == "" {
			continue
		}
		p, err := netip.ParsePrefix(network)
		class, rest, okClass := strings.Cut(strings.TrimPrefix(comment, " class: "), ", ")
		rfc, name, okName := strings.Cut(rest, ": ")
		if err != nil || !ok || !okClass || !okName || !slices.Contains(classes, Class(class)) {
			panic(fmt.Sprintf("citizen: special.txt:%d is not an entry: %s", n, line))
		}
		entries = append(entries, Entry{Prefix: p, Class: Class(class), Name: strings.TrimSpace(name), RFC: rfc, Line: n})
	}
	return entries
}

// cut returns e without those of the holes that lie within it and are of another class.
func cut(e Entry, holes []Entry) []Entry {
	pieces := []Entry{e}
	for _, h := range holes {
		if h.Class == e.Class || h.Prefix.Bits() <= e.Prefix.Bits() || !e.Prefix.Overlaps(h.Prefix) {
			continue
		}
		i := slices.IndexFunc(pieces, func(x Entry) bool { return x.Prefix.Overlaps(h.Prefix) })
		var around []Entry
		for _, p := range without(pieces[i].Prefix, h.Prefix) {
			piece := e
			piece.Prefix = p
			around = append(around, piece)
		}
		pieces = slices.Replace(pieces, i, i+1, around...)
	}
	return pieces
}

// without returns the fewest networks, ascending, that make up p without hole, a network within p.
func without(p, hole netip.Prefix) []netip.Prefix {
	var before, after []netip.Prefix
	for p.Bits() < hole.Bits() {
		lower, upper := halves(p)
		if lower.Overlaps(hole) {
			p, after = lower, append(after, upper)
		} else {
			p, before = upper, append(before, lower)
		}
	}
	slices.Reverse(after)
	return append(before, after...)
}

// halves splits an IPv4 network with more than one address.
func halves(p netip.Prefix) (lower, upper netip.Prefix) {
	a := p.Masked().Addr().As4()
	bits := p.Bits() + 1
	lower = netip.PrefixFrom(netip.AddrFrom4(a), bits)
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])|1<<(32-bits))
	return lower, netip.PrefixFrom(netip.AddrFrom4(a), bits)
}

// size returns the number of addresses of an IPv4 network.
func size(p netip.Prefix) uint64 { return 1 << (32 - p.Bits()) }

// common returns how many addresses two IPv4 networks have in common.
func common(p, q netip.Prefix) uint64 {
	if !p.Overlaps(q) {
		return 0
	}
	return min(size(p), size(q))
}
