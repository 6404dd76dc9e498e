package target

import (
	"net/netip"
	"slices"
)

// A layer numbers addresses of IPv6 that have the same form: one in each network of a length, with one suffix behind it. Single
// addresses are networks of length 128. Both directions take a search among the runs, of which a window without holes has one.
type layer struct {
	host   uint8 // bits behind the network
	suffix suffix
	seed   uint64
	runs   []run6   // ascending, with a sentinel at the end
	slots  []uint32 // slots[i] is the run that holds rank i<<shift
	shift  uint8
	nets   uint64
	first  uint64 // rows of the layers before
}

// A run6 is a range of networks without a gap. It ends where the rank of the next one begins.
type run6 struct {
	net  wide   // the first, host bits zero
	rank uint64 // networks in all runs before
}

// mostRows bounds the rows of all layers, as permutations do.
const mostRows = 1 << 62

// newLayer returns the layer of what spans hold: whole networks, as union6 returns them. ok is false if they are too many.
func newLayer(host uint8, x suffix, seed uint64, spans []span6) (l *layer, ok bool) {
	l = &layer{host: host, suffix: x, seed: seed, runs: make([]run6, 0, len(spans)+1)}
	for _, s := range spans {
		n := s.hi.sub(s.lo).right(host)
		if n.hi != 0 || n.lo >= mostRows || l.nets+n.lo >= mostRows {
			return nil, false
		}
		l.runs = append(l.runs, run6{s.lo, l.nets})
		l.nets += n.lo + 1
	}
	l.runs = append(l.runs, run6{rank: l.nets})
	for l.nets>>l.shift > uint64(len(spans)) {
		l.shift++
	}
	j := uint32(0)
	for q := uint64(0); q < l.nets; q += 1 << l.shift {
		for l.runs[j+1].rank <= q {
			j++
		}
		l.slots = append(l.slots, j)
	}
	return l, true
}

// at returns the address with the number q of the layer.
func (l *layer) at(q uint64) wide {
	if len(l.runs) == 2 { // a window without holes
		net := l.runs[0].net.add(wide{0, q}.left(l.host))
		return net.or(l.suffix.behind(net, l.host, l.seed))
	}
	slot := q >> (l.shift & 63)
	lo, hi := l.slots[slot], uint32(len(l.runs)-1)
	if slot+1 < uint64(len(l.slots)) {
		hi = l.slots[slot+1] + 1
	}
	// Invariant: runs[lo] begins at or before q, runs[hi] after it.
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; l.runs[mid].rank <= q {
			lo = mid
		} else {
			hi = mid
		}
	}
	net := l.runs[lo].net.add(wide{0, q - l.runs[lo].rank}.left(l.host))
	return net.or(l.suffix.behind(net, l.host, l.seed))
}

// row returns the number of an address, or false when it is not in the layer.
func (l *layer) row(a wide) (uint64, bool) {
	net := a.without(mask(l.host))
	if net.or(l.suffix.behind(net, l.host, l.seed)) != a {
		return 0, false
	}
	runs := l.runs[:len(l.runs)-1]
	i, found := slices.BinarySearchFunc(runs, net, func(r run6, net wide) int { return r.net.compare(net) })
	if !found {
		i--
	}
	if i < 0 {
		return 0, false
	}
	n := net.sub(runs[i].net).right(l.host)
	q := runs[i].rank + n.lo
	return q, n.hi == 0 && n.lo < mostRows && q < l.runs[i+1].rank
}

// spans yields the networks of the layer, ascending.
func (l *layer) spans(yield func(span6) bool) {
	for i, r := range l.runs[:len(l.runs)-1] {
		last := r.net.add(wide{0, l.runs[i+1].rank - r.rank - 1}.left(l.host))
		if !yield(span6{r.net, last.or(mask(l.host))}) {
			return
		}
	}
}

// within yields the addresses of the layer that lie in a network, ascending.
func (l *layer) within(p netip.Prefix, yield func(netip.Addr) bool) bool {
	want := span6Of(p)
	for s := range l.spans {
		if !s.overlaps(want) {
			continue
		}
		net := s.lo
		if net.less(want.lo) {
			net = want.lo.without(mask(l.host))
		}
		for ; !s.hi.less(net) && !want.hi.less(net); net = net.add(wide{0, 1}.left(l.host)) {
			a := net.or(l.suffix.behind(net, l.host, l.seed))
			if p.Contains(a.addr()) && !yield(a.addr()) {
				return false
			}
			if l.host == 128 || net == s.hi.without(mask(l.host)) { // the last one, whose successor may be zero
				break
			}
		}
	}
	return true
}

// layers number all that a scan asks over IPv6.
type layers struct {
	list []*layer
	rows uint64
}

// add puts a layer behind the others.
func (x *layers) add(l *layer) {
	l.first = x.rows
	x.list, x.rows = append(x.list, l), x.rows+l.nets
}

// at returns the address of a row, and panics if there is none.
func (x *layers) at(row uint64) netip.Addr {
	for _, l := range x.list {
		if q := row - l.first; q < l.nets { // rows of layers before are far above
			return l.at(q).addr()
		}
	}
	panic("target: no such target")
}

// row returns the row of an address, or false when there is none.
func (x *layers) row(a wide) (uint64, bool) {
	for _, l := range x.list {
		if q, ok := l.row(a); ok {
			return l.first + q, true
		}
	}
	return 0, false
}

// networks returns the networks of all layers as union6 does, with what is not asked in them.
func (x *layers) networks() []span6 {
	var all []span6
	for _, l := range x.list {
		for s := range l.spans {
			all = append(all, s)
		}
	}
	return union6(all)
}
