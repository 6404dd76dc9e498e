package target

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
)

// Missed yields, as the fewest networks, ascending, what else there would be in the space without the block entries that
// drop returns true for: of the addresses on the list l or, if l is nil, of the allow entries that the space has nothing
// of. It yields nothing if neither says what should be scanned. The space must be one that [Builder.Build] returned.
func (s *Space) Missed(l *List, drop func(Origin) bool) iter.Seq[netip.Prefix] {
	return without(s.missed(l), s.block, s.sources, drop)
}

// missed returns what was asked for by name and is not in the space.
func (s *Space) missed(l *List) []span {
	have := slices.Collect(s.spans)
	if l != nil {
		return subtract(s.listed(l), have)
	}
	var missed []span
	for _, r := range s.allow {
		want := r.span()
		i, _ := slices.BinarySearchFunc(have, want.lo, func(x span, lo uint32) int { return cmp.Compare(x.hi, lo) })
		if i == len(have) || !have[i].overlaps(want) {
			missed = append(missed, want)
		}
	}
	return union(missed)
}

// listed returns what of the list the allow entries name.
func (s *Space) listed(l *List) []span {
	listed := slices.Collect(l.spans)
	if len(s.allow) > 0 {
		listed = subtract(listed, subtract([]span{everything()}, union(spansOf(s.allow))))
	}
	return listed
}

// without yields what of wanted the block entries leave if those are not counted that drop returns true for.
func without(wanted []span, block []rule, sources []string, drop func(Origin) bool) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		if len(wanted) == 0 {
			return
		}
		var others []rule
		for _, r := range block {
			if r.source == builtIn || !drop(originOf(sources, r)) {
				others = append(others, r)
			}
		}
		for _, x := range subtract(wanted, union(spansOf(others))) {
			for p := range x.prefixes {
				if !yield(p) {
					return
				}
			}
		}
	}
}
