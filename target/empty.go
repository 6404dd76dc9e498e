package target

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// ErrEmpty is wrapped by the error of [Builder.Build] and [Space.Intersect] when there is nothing left to scan. The error
// is an [EmptyError].
var ErrEmpty = errors.New("no address is left to scan")

// builtIn is the source of the entry for 0.0.0.0, which nobody wrote.
const builtIn = math.MaxUint32

// explainLines and explainCovers bound the text of explain: allowed networks shown, and entries shown for each.
const (
	explainLines  = 4
	explainCovers = 3
)

// An EmptyError says why nothing is left to scan. It wraps [ErrEmpty], is immutable and may be shared between goroutines.
type EmptyError struct {
	Reason string // what is covered by what, several lines perhaps
	Advice string // what to do about it; "" if Reason says it

	wanted  []span  // what was asked for by name: networks to scan, or listed addresses; as union returns them
	wanted6 []span6 // of that what is of IPv6; as union6 returns them
	rules
}

// Error returns the reason and the advice.
func (e *EmptyError) Error() string {
	text := ErrEmpty.Error() + ": " + e.Reason
	if e.Advice != "" {
		text += "\n" + e.Advice
	}
	return text
}

// Unwrap returns [ErrEmpty].
func (e *EmptyError) Unwrap() error { return ErrEmpty }

// Without yields, as the fewest networks, ascending, what there would be to scan without the block entries that drop
// returns true for. It yields nothing if those are not to blame, or if no allowlist and no list of addresses says what
// should be scanned.
func (e *EmptyError) Without(drop func(Origin) bool) iter.Seq[netip.Prefix] {
	return e.without(e.wanted, e.wanted6, drop)
}

// explain returns an [EmptyError] that names, for each of the first few allowed networks, the block entries that cover
// it.
func (b *Builder) explain(all rules) error {
	e := &EmptyError{
		Advice: "to scan them, take those lines out of a copy of the blocklist and name the copy as the blocklist",
		rules:  all,
	}
	allow, block := all.allow, all.block
	if !b.lists[Allow].given {
		e.Reason = fmt.Sprintf("the blocklist covers all of IPv4, with %s", b.covers(everything(), block))
		return e
	}
	if len(allow)+len(all.allow6) == 0 {
		e.Reason = "the allowlist holds no network; write at least one, such as 192.0.2.0/24"
		e.Advice = ""
		return e
	}
	e.wanted, e.wanted6 = union(spansOf(allow)), spans6Of(all.allow6)
	var text strings.Builder
	line := func(i int, what, covered string) {
		if i < explainLines {
			fmt.Fprintf(&text, "\n  %s is covered by %s", what, covered)
		}
	}
	for i, r := range allow[:min(len(allow), explainLines)] {
		line(i, b.describe(r), b.covers(r.span(), block))
	}
	for i, r := range all.allow6[:min(len(all.allow6), explainLines)] {
		line(len(allow)+i, fmt.Sprintf("%s (%s)", r, originOf(b.sources, r.rule())), b.covers6(r, all.block6))
	}
	if more := len(allow) + len(all.allow6) - explainLines; more > 0 {
		fmt.Fprintf(&text, "\n  and %d more", more)
	}
	e.Reason = "the blocklist covers all that is allowed" + text.String()
	return e
}

// covers names the fewest block entries that together cover s.
func (b *Builder) covers(s span, block []rule) string {
	var near []rule
	for _, r := range block {
		if r.span().overlaps(s) {
			near = append(near, r)
		}
	}
	slices.SortStableFunc(near, func(x, y rule) int { return cmp.Compare(x.span().lo, y.span().lo) })
	// Of the entries that leave no gap to what is covered so far, take the one that reaches farthest, until all is covered.
	var chosen []rule
	i := 0
	for lo := uint64(s.lo); lo <= uint64(s.hi) && i < len(near); {
		best := near[i]
		for ; i < len(near) && uint64(near[i].span().lo) <= lo; i++ {
			if near[i].span().hi > best.span().hi {
				best = near[i]
			}
		}
		if uint64(best.span().hi) < lo {
			break
		}
		chosen = append(chosen, best)
		lo = uint64(best.span().hi) + 1
	}
	var names []string
	for i, r := range chosen {
		if i == explainCovers {
			names = append(names, fmt.Sprintf("%d more", len(chosen)-i))
			break
		}
		names = append(names, b.describe(r))
	}
	return strings.Join(names, " and ")
}

// describe returns an entry with its origin.
func (b *Builder) describe(r rule) string {
	if r.source == builtIn {
		return r.prefix().String() + " (never scanned)"
	}
	return fmt.Sprintf("%s (%s)", r.prefix(), originOf(b.sources, r))
}

// covers6 names the first block entries that have a part in covering an IPv6 entry.
func (b *Builder) covers6(want rule6, block []rule6) string {
	var names []string
	for _, r := range block {
		if !span6Of(r.prefix).overlaps(span6Of(want.prefix)) {
			continue
		}
		if len(names) == explainCovers {
			names = append(names, "others")
			break
		}
		names = append(names, fmt.Sprintf("%s (%s)", r.prefix, originOf(b.sources, r.rule())))
	}
	return strings.Join(names, " and ")
}
