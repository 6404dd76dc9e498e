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
	return s.without(s.missed(l), s.missed6(l), drop)
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

// missed6 is missed for IPv6.
func (s *Space) missed6(l *List) []span6 {
	if l != nil {
		return s.six.without(s.listed6(l))
	}
	have := s.six.networks()
	var missed []span6
	for _, r := range s.allow6 {
		want := span6Of(r.prefix)
		if _, ok := overlap6(have, want); !ok {
			missed = append(missed, want)
		}
	}
	return union6(missed)
}

// listed6 is listed for IPv6.
func (s *Space) listed6(l *List) []span6 {
	listed := l.six.spans()
	if len(s.allow)+len(s.allow6) > 0 {
		listed = subtract6(listed, subtract6(listed, spans6Of(s.allow6)))
	}
	return listed
}

// listed returns what of the list the allow entries name.
func (s *Space) listed(l *List) []span {
	listed := slices.Collect(l.spans)
	if len(s.allow)+len(s.allow6) > 0 {
		listed = subtract(listed, subtract([]span{everything()}, union(spansOf(s.allow))))
	}
	return listed
}

// without yields what of wanted the block entries leave if those are not counted that drop returns true for.
func (e *rules) without(wanted []span, wanted6 []span6, drop func(Origin) bool) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for _, x := range subtract(wanted, union(spansOf(e.kept(wanted, drop)))) {
			for p := range x.prefixes {
				if !yield(p) {
					return
				}
			}
		}
		for _, x := range subtract6(wanted6, spans6Of(e.kept6(wanted6, drop))) {
			for p := range x.prefixes {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// kept returns the block entries that drop leaves, if there is something to take them from.
func (e *rules) kept(from []span, drop func(Origin) bool) []rule {
	var kept []rule
	for _, r := range e.block {
		if len(from) > 0 && (r.source == builtIn || !drop(originOf(e.sources, r))) {
			kept = append(kept, r)
		}
	}
	return kept
}

// kept6 is kept for IPv6.
func (e *rules) kept6(from []span6, drop func(Origin) bool) []rule6 {
	var kept []rule6
	for _, r := range e.block6 {
		if len(from) > 0 && !drop(originOf(e.sources, r.rule())) {
			kept = append(kept, r)
		}
	}
	return kept
}
