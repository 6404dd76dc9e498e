package target

import (
	"cmp"
	"math"
	"math/bits"
	"net/netip"
	"slices"
)

// A span is a range of addresses, both ends included.
type span struct{ lo, hi uint32 }

// everything returns all of IPv4.
func everything() span { return span{0, math.MaxUint32} }

// prefixSpan returns the addresses of a network; host bits of addr are ignored.
func prefixSpan(addr uint32, length uint8) span {
	host := uint32(uint64(1)<<(32-length) - 1)
	return span{addr &^ host, addr | host}
}

func (s span) overlaps(t span) bool { return s.lo <= t.hi && t.lo <= s.hi }

// prefixes yields the fewest networks that make up the span, ascending.
func (s span) prefixes(yield func(netip.Prefix) bool) {
	for lo, end := uint64(s.lo), uint64(s.hi)+1; lo < end; {
		host := min(bits.TrailingZeros32(uint32(lo)), bits.Len64(end-lo)-1)
		if !yield(netip.PrefixFrom(addr4(uint32(lo)), 32-host)) {
			return
		}
		lo += 1 << host
	}
}

// union sorts spans and merges those that overlap or touch, all in place: what it returns is ascending, and between two
// spans there is at least one address.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	n := 0
	for _, s := range spans {
		if n > 0 && uint64(s.lo) <= uint64(spans[n-1].hi)+1 {
			spans[n-1].hi = max(spans[n-1].hi, s.hi)
			continue
		}
		spans[n] = s
		n++
	}
	return spans[:n]
}

// subtract returns what is in a but not in b; both are as union returns them, and so is the result.
func subtract(a, b []span) []span {
	out := make([]span, 0, len(a)+len(b))
	i := 0
	for _, s := range a {
		for i < len(b) && b[i].hi < s.lo {
			i++
		}
		lo := uint64(s.lo)
		// The last b that reaches into s may reach into the next span of a as well, so i stays on it.
		for j := i; j < len(b) && b[j].lo <= s.hi; j++ {
			if uint64(b[j].lo) > lo {
				out = append(out, span{uint32(lo), b[j].lo - 1})
			}
			lo = uint64(b[j].hi) + 1
			i = j
		}
		if lo <= uint64(s.hi) {
			out = append(out, span{uint32(lo), s.hi})
		}
	}
	return out
}
