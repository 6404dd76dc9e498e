package citizen

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/target"
)

// An Entry is a network of special purpose that a list names.
type Entry struct {
	Prefix netip.Prefix
	Class  Class
	Name   string // as in IANA's registry
	RFC    string // where its purpose is specified, such as "RFC 1918"
	Line   int    // in the list, from 1; the first one if it is there twice
}

// Special is what a blocklist has of the special-purpose networks, and which classes of them a scan allows. Entries that
// lie within or around such a network are no part of it: they are on the list for a reason of their own. It is immutable.
//
// Where one network of the list lies within another, as 255.255.255.255 does within 240.0.0.0/4, an address has the class
// of the smaller one alone. So to allow a class is to allow exactly the addresses of this class.
type Special struct {
	list    string
	lines   map[int]bool // of the list, with such a network
	entries []Entry      // what is excluded, ascending
	taken   []Entry      // what is not, since its class is allowed, ascending
	parts   []part
	allow   []Class
}

// A part is a network of which all addresses are of an entry's class.
type part struct {
	netip.Prefix
	entry int // in Special.entries
}

// ReadSpecial adds a list, built in or a file, to the block entries of b as [ReadBlocklist] does, but without the
// special-purpose networks of the allowed classes. What remains of a network with an allowed one in it is added in as few
// pieces as that takes.
func ReadSpecial(b *target.Builder, name string, allow ...Class) (*Special, error) {
	allow, err := sortClasses(allow)
	if err != nil {
		return nil, err
	}
	if err := ReadBlocklist(b, name); err != nil {
		return nil, err
	}
	s := &Special{list: name, lines: make(map[int]bool), allow: allow}
	all := s.find(b)
	s.taken = slices.DeleteFunc(slices.Clone(all), func(e Entry) bool { return !slices.Contains(allow, e.Class) })
	left := make(map[netip.Prefix][]netip.Prefix) // what stays of each
	for _, e := range all {
		if slices.Contains(allow, e.Class) {
			continue
		}
		left[e.Prefix] = cut(e, s.taken)
		for _, p := range cut(e, all) {
			s.parts = append(s.parts, part{p, len(s.entries)})
		}
		s.entries = append(s.entries, e)
	}
	if len(s.taken) > 0 {
		b.Replace(target.Block, func(p netip.Prefix, o target.Origin) ([]netip.Prefix, bool) {
			pieces := left[p.Masked()]
			return pieces, s.has(o) && len(pieces) != 1 // one piece is the network itself
		})
	}
	return s, nil
}

// find returns the special-purpose networks on the list, ascending, and notes the lines they are on.
func (s *Special) find(b *target.Builder) []Entry {
	known := parseSpecial(specialText)
	first := make([]int, len(known))
	b.Replace(target.Block, func(p netip.Prefix, o target.Origin) ([]netip.Prefix, bool) {
		i := slices.IndexFunc(known, func(e Entry) bool { return e.Prefix.Bits() == p.Bits() && e.Prefix == p.Masked() })
		if i >= 0 && o.Name == s.list {
			s.lines[o.Line] = true
			if first[i] == 0 {
				first[i] = o.Line
			}
		}
		return nil, false
	})
	var found []Entry
	for i, e := range known {
		if e.Line = first[i]; e.Line > 0 {
			found = append(found, e)
		}
	}
	return found
}

// has says whether a block entry is one of the list's special-purpose networks, or a piece of one.
func (s *Special) has(o target.Origin) bool {
	return o.Name == s.list && s.lines[o.Line]
}

// Allowed returns the classes that are allowed, in the order of [Classes]. The slice is the caller's.
func (s *Special) Allowed() []Class { return slices.Clone(s.allow) }

// Taken returns the networks that the list has and the allowed classes take out of it, ascending. The slice is the caller's.
func (s *Special) Taken() []Entry { return slices.Clone(s.taken) }

// Entries returns the networks that are excluded, ascending. The slice is the caller's.
func (s *Special) Entries() []Entry { return slices.Clone(s.entries) }

// touched returns the entries that exclude addresses of the given networks.
func (s *Special) touched(networks iter.Seq[netip.Prefix]) []Entry {
	hit := make(map[int]bool)
	for p := range networks {
		for _, x := range s.parts {
			if x.Overlaps(p) {
				hit[x.entry] = true
			}
		}
		if len(hit) == len(s.entries) {
			break
		}
	}
	var found []Entry
	for i, e := range s.entries {
		if hit[i] {
			found = append(found, e)
		}
	}
	return found
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

// cut returns the network of e without those of the holes that lie within it and are of another class.
func cut(e Entry, holes []Entry) []netip.Prefix {
	pieces := []netip.Prefix{e.Prefix}
	for _, h := range holes {
		if h.Class == e.Class || h.Prefix.Bits() <= e.Prefix.Bits() || !e.Prefix.Overlaps(h.Prefix) {
			continue
		}
		i := slices.IndexFunc(pieces, func(p netip.Prefix) bool { return p.Overlaps(h.Prefix) })
		pieces = slices.Replace(pieces, i, i+1, without(pieces[i], h.Prefix)...)
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

// halves splits a network with more than one address.
func halves(p netip.Prefix) (lower, upper netip.Prefix) {
	p = p.Masked()
	bits := p.Bits() + 1
	lower = netip.PrefixFrom(p.Addr(), bits)
	raw := p.Addr().AsSlice()
	raw[(bits-1)/8] |= 0x80 >> ((bits - 1) % 8)
	a, _ := netip.AddrFromSlice(raw) // which are 4 or 16
	return lower, netip.PrefixFrom(a, bits)
}
