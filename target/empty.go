package target

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ErrEmpty is wrapped by the error of [Builder.Build] and [Space.Intersect] when there is nothing left to scan.
var ErrEmpty = errors.New("no address is left to scan")

// builtIn is the source of the entry for 0.0.0.0, which nobody wrote.
const builtIn = math.MaxUint32

// explainLines and explainCovers bound the text of explain: allowed networks shown, and entries shown for each.
const (
	explainLines  = 4
	explainCovers = 3
)

// explain returns an [ErrEmpty] that names, for each of the first few allowed networks, the block entries that cover it.
func (b *Builder) explain(allow, block []rule) error {
	const advice = "to scan them, take those lines out of a copy of the blocklist and name the copy as the blocklist"
	if !b.lists[Allow].given {
		return fmt.Errorf("%w: the blocklist covers all of IPv4, with %s; %s",
			ErrEmpty, b.covers(everything(), block), advice)
	}
	if len(allow) == 0 {
		return fmt.Errorf("%w: %s no IPv4 network; write at least one, such as 192.0.2.0/24", ErrEmpty, b.emptyLists())
	}
	var text strings.Builder
	for i, r := range allow {
		if i == explainLines {
			fmt.Fprintf(&text, "\n  and %d more", len(allow)-i)
			break
		}
		fmt.Fprintf(&text, "\n  %s is covered by %s", b.describe(r), b.covers(r.span(), block))
	}
	return fmt.Errorf("%w: the blocklist covers all that is allowed%s\n%s", ErrEmpty, text.String(), advice)
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
	return fmt.Sprintf("%s (%s)", r.prefix(), b.origin(r.source, int(r.line)))
}

// emptyLists names the allowlists that held nothing of use.
func (b *Builder) emptyLists() string {
	if b.skipped > 0 {
		return "the allowlist names IPv6 networks alone, and"
	}
	return "the allowlist holds"
}
