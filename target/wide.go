package target

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// A wide is an IPv6 address as a number.
type wide struct{ hi, lo uint64 }

// wideOf returns the number of an IPv6 address.
func wideOf(a netip.Addr) wide {
	b := a.As16()
	return wide{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addr is the inverse of wideOf.
func (w wide) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], w.hi)
	binary.BigEndian.PutUint64(b[8:], w.lo)
	return netip.AddrFrom16(b)
}

// mask returns the number whose n lowest bits are set, at most 128.
func mask(n uint8) wide {
	if n < 64 {
		return wide{0, 1<<n - 1}
	}
	return wide{1<<(n-64) - 1, ^uint64(0)} // a shift by 64 leaves 0
}

func (w wide) and(v wide) wide { return wide{w.hi & v.hi, w.lo & v.lo} }

func (w wide) or(v wide) wide { return wide{w.hi | v.hi, w.lo | v.lo} }

func (w wide) without(v wide) wide { return wide{w.hi &^ v.hi, w.lo &^ v.lo} }

func (w wide) less(v wide) bool { return w.hi < v.hi || w.hi == v.hi && w.lo < v.lo }

func (w wide) compare(v wide) int { return cmp.Or(cmp.Compare(w.hi, v.hi), cmp.Compare(w.lo, v.lo)) }

func (w wide) add(v wide) wide {
	lo, carry := bits.Add64(w.lo, v.lo, 0)
	hi, _ := bits.Add64(w.hi, v.hi, carry)
	return wide{hi, lo}
}

func (w wide) sub(v wide) wide {
	lo, borrow := bits.Sub64(w.lo, v.lo, 0)
	hi, _ := bits.Sub64(w.hi, v.hi, borrow)
	return wide{hi, lo}
}

// left shifts by n, at most 128.
func (w wide) left(n uint8) wide {
	if n >= 64 {
		return wide{w.lo << (n - 64), 0}
	}
	return wide{w.hi<<n | w.lo>>(64-n), w.lo << n}
}

// right shifts by n, at most 128.
func (w wide) right(n uint8) wide {
	if n >= 64 {
		return wide{0, w.hi >> (n - 64)}
	}
	return wide{w.hi >> n, w.lo>>n | w.hi<<(64-n)}
}

// A span6 is a range of IPv6 addresses, both ends included.
type span6 struct{ lo, hi wide }

// span6Of returns the addresses of a network; host bits are ignored.
func span6Of(p netip.Prefix) span6 {
	host := mask(uint8(128 - p.Bits()))
	a := wideOf(p.Addr())
	return span6{a.without(host), a.or(host)}
}

func (s span6) overlaps(t span6) bool { return !t.hi.less(s.lo) && !s.hi.less(t.lo) }

// prefixes yields the fewest networks that make up the span, ascending.
func (s span6) prefixes(yield func(netip.Prefix) bool) {
	for lo := s.lo; ; {
		host := uint8(0)
		for host < 128 && lo.and(mask(host+1)) == (wide{}) && !s.hi.less(lo.or(mask(host+1))) {
			host++
		}
		last := lo.or(mask(host))
		if !yield(netip.PrefixFrom(lo.addr(), int(128-host))) || last == s.hi {
			return
		}
		lo = last.add(wide{0, 1})
	}
}

// union6 is [union] for IPv6.
func union6(spans []span6) []span6 {
	slices.SortFunc(spans, func(a, b span6) int { return a.lo.compare(b.lo) })
	n := 0
	for _, s := range spans {
		if n > 0 {
			last := &spans[n-1].hi
			if next := last.add(wide{0, 1}); !next.less(s.lo) || next == (wide{}) {
				if last.less(s.hi) {
					*last = s.hi
				}
				continue
			}
		}
		spans[n] = s
		n++
	}
	return spans[:n]
}

// subtract6 is [subtract] for IPv6.
func subtract6(a, b []span6) []span6 {
	out := make([]span6, 0, len(a))
	i := 0
	for _, s := range a {
		for i < len(b) && b[i].hi.less(s.lo) {
			i++
		}
		lo, left := s.lo, true
		for j := i; j < len(b) && !s.hi.less(b[j].lo); j++ {
			if lo.less(b[j].lo) {
				out = append(out, span6{lo, b[j].lo.sub(wide{0, 1})})
			}
			lo, left = b[j].hi.add(wide{0, 1}), b[j].hi.less(s.hi)
			i = j
		}
		if left {
			out = append(out, span6{lo, s.hi})
		}
	}
	return out
}

// overlap6 returns the first of the spans, which are as union6 returns them, that has a part of another, false if there is none.
func overlap6(spans []span6, with span6) (span6, bool) {
	i, _ := slices.BinarySearchFunc(spans, with.lo, func(s span6, a wide) int { return s.hi.compare(a) })
	if i == len(spans) || !spans[i].overlaps(with) {
		return span6{}, false
	}
	return spans[i], true
}

// in6 says whether an address is in one of the spans.
func in6(spans []span6, a wide) bool {
	_, in := overlap6(spans, span6{a, a})
	return in
}
