package target

import (
	"fmt"
	"iter"
	"math/bits"
	"net/netip"
	"slices"
)

// A Space is a counted set of targets: allowed addresses times ports. A target's index is
//
//	row << bits | column
//
// where row is the number of its address (see [Space.AddrAt]), column the position of its port, and bits the number of
// bits that the largest column needs; so unless the number of ports is a power of two, there are gaps between indexes. Addresses of IPv6 come
// behind those of IPv4.
// A Space is immutable and may be shared between goroutines. The package cannot make an empty one.
type Space struct {
	layout
	six     layers // behind those of IPv4
	rows4   uint64 // addresses of IPv4
	ports   Ports
	cols    []uint16 // the ports; at least one
	colBits uint8
	colMask uint64
	allowed uint64  // addresses of IPv4 by the lists, even if the space was cut down since
	blocked []span6 // what of IPv6 the block entries name
	rules
}

// rules are the entries that a space was made of.
type rules struct {
	allow, block   []rule
	allow6, block6 []rule6
	sources        []string // as in Builder
}

// finish completes a space to whose layout all spans have been added.
func (s *Space) finish() {
	s.layout.finish()
	s.rows4 = s.count()
	s.ports.list = s.ports.ports()
	s.cols = s.ports.list
	s.colBits = uint8(bits.Len(uint(len(s.cols) - 1)))
	s.colMask = 1<<s.colBits - 1
}

// Addrs returns the number of addresses.
func (s *Space) Addrs() uint64 { return s.rows4 + s.six.rows }

// IPv4 returns how many of them are of IPv4.
func (s *Space) IPv4() uint64 { return s.rows4 }

// IPv6 returns how many of them are of IPv6.
func (s *Space) IPv6() uint64 { return s.six.rows }

// Rows returns the number of rows, that of the addresses. Rows and Cols are what a permutation needs to know.
func (s *Space) Rows() uint64 { return s.Addrs() }

// Cols returns the number of columns, that of the ports.
func (s *Space) Cols() uint64 { return uint64(len(s.cols)) }

// Targets returns the number of targets, that of the addresses times that of the ports.
func (s *Space) Targets() uint64 { return s.Rows() * s.Cols() }

// Conceivable returns how many targets there could be: all of IPv4, unless the space has nothing of it but something of IPv6, and what the
// space has of IPv6, times the ports.
func (s *Space) Conceivable() float64 {
	all := float64(s.six.rows)
	if s.rows4 > 0 || s.six.rows == 0 {
		all += 1 << 32
	}
	return all * float64(s.Cols())
}

// Ports returns the ports of the space.
func (s *Space) Ports() Ports { return s.ports }

// At returns the target with the given index, and panics if there is none. Where every nanosecond counts, use
// [Space.Fill]: returning a Target costs more than finding it.
func (s *Space) At(index uint64) (t Target) {
	s.Fill(index, &t)
	return t
}

// Fill makes t the target with the given index, and panics if there is none. It does not allocate.
func (s *Space) Fill(index uint64, t *Target) {
	t.Index = index
	t.Addr = s.AddrAt(index >> (s.colBits & 63))
	t.Port = s.cols[index&s.colMask]
}

// Index returns the index of the target with this address and port, or false when the space has no such target. It is
// the inverse of At and does not allocate.
func (s *Space) Index(addr netip.Addr, port uint16) (uint64, bool) {
	row, ok := s.rowOf(addr)
	if !ok {
		return 0, false
	}
	col, ok := s.ports.index(port)
	if !ok {
		return 0, false
	}
	return row<<(s.colBits&63) | uint64(col), true
}

// Contains reports whether addr is an address of the space. An IPv4 address in IPv6 form is not.
func (s *Space) Contains(addr netip.Addr) bool {
	_, ok := s.rowOf(addr)
	return ok
}

// rowOf returns the row of an address, false if there is none.
func (s *Space) rowOf(addr netip.Addr) (uint64, bool) {
	if a, ok := host4(addr); ok {
		return s.row(a)
	}
	if len(s.six.list) == 0 || !addr.Is6() {
		return 0, false
	}
	row, ok := s.six.row(wideOf(addr))
	return s.rows4 + row, ok
}

// Excludes reports whether the lists forbid an address: one of IPv4 that is not in the space, one of IPv6 in a blocked network, though the
// space can have but some of those that are not. It does not allocate.
func (s *Space) Excludes(addr netip.Addr) bool {
	if addr.Is4() {
		return !s.Contains(addr)
	}
	return in6(s.blocked, wideOf(addr))
}

// ContainsAll stores in in[i] whether addrs[i], a host-order integer, is an address of the space. in must be as long as addrs.
// For many addresses that is a good deal faster than [Space.Contains].
func (s *Space) ContainsAll(addrs []uint32, in []bool) {
	in = in[:len(addrs)]
	for len(addrs) > 0 {
		n := min(len(addrs), lookBatch)
		s.contains(addrs[:n], in[:n])
		addrs, in = addrs[n:], in[n:]
	}
}

// AddrAt returns the address of a row, and panics if row is not in 0..Rows()-1. The first rows are those of the /18
// networks that are allowed entirely, ascending, the others follow, ascending, as in C zmap. Those of IPv6 come last: by the length of the
// networks they are asked in, then by suffix, ascending.
func (s *Space) AddrAt(row uint64) netip.Addr {
	if row >= s.rows4 {
		return s.six.at(row - s.rows4)
	}
	return addr4(s.at(row))
}

// Allowed returns how many addresses the allow and block lists allow. It differs from Addrs only after Intersect.
func (s *Space) Allowed() uint64 { return s.allowed + s.six.rows }

// Denied returns how many IPv4 addresses the allow and block lists deny, so that without IPv6 Allowed and Denied add up to 2^32.
func (s *Space) Denied() uint64 { return 1<<32 - s.allowed }

// AllowEntries returns the entries of the allowlist in the order given, with the host bits that were typed, and with
// the addresses of host names in the place of these. There are none when all of IPv4 was allowed.
func (s *Space) AllowEntries() []netip.Prefix { return prefixesOf(s.allow) }

// Windows returns the IPv6 entries of the allowlist as they are written, in the order given.
func (s *Space) Windows() []string {
	var all []string
	for _, r := range s.allow6 {
		all = append(all, r.String())
	}
	return all
}

// BlockedIPv6 returns the IPv6 entries of the blocklist, in the order given.
func (s *Space) BlockedIPv6() []netip.Prefix {
	var all []netip.Prefix
	for _, r := range s.block6 {
		all = append(all, r.prefix)
	}
	return all
}

// BlockEntries returns the entries of the blocklist as AllowEntries does. The last one is 0.0.0.0/32, which is always
// blocked.
func (s *Space) BlockEntries() []netip.Prefix { return prefixesOf(s.block) }

// Ranges yields the first and the last IPv4 address of each range of the space, ascending, as large as possible.
func (s *Space) Ranges() iter.Seq2[netip.Addr, netip.Addr] {
	return func(yield func(first, last netip.Addr) bool) {
		for x := range s.spans {
			if !yield(addr4(x.lo), addr4(x.hi)) {
				return
			}
		}
	}
}

// Within yields the IPv6 addresses of the space that lie in a network; each layer's are ascending.
func (s *Space) Within(p netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, l := range s.six.list {
			if !l.within(p, yield) {
				return
			}
		}
	}
}

// Forms returns what of IPv6 the space has as allow entries, of which one with the same suffixes, and the same seed if some are random, has
// the same rows without a blocklist. The error says that there are none: blocked networks have taken other networks from one suffix than from
// another.
func (s *Space) Forms() ([]string, error) {
	var all []string
	for i, l := range s.six.list {
		spans := slices.Collect(l.spans)
		if i > 0 && s.six.list[i-1].host == l.host {
			if !slices.Equal(spans, slices.Collect(s.six.list[i-1].spans)) {
				return nil, fmt.Errorf("some networks of length /%d are blocked at one suffix and not at another: use one suffix, or block whole networks", 128-l.host)
			}
			continue
		}
		for _, x := range spans {
			for p := range x.prefixes {
				all = append(all, rule6{prefix: p, asked: 128 - l.host}.String())
			}
		}
	}
	return all, nil
}

// Prefixes yields the fewest networks that make up the space's IPv4 addresses, ascending.
func (s *Space) Prefixes() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for x := range s.spans {
			for p := range x.prefixes {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// Samples returns Sample for the addresses of each family.
func (s *Space) Samples(n int) (four, six []netip.Addr) {
	return s.sample(n, 0, s.rows4), s.sample(n, s.rows4, s.six.rows)
}

// Sample returns n different addresses at equal distances in the order of the rows, or all when there are no more than
// n. They are always the same ones: good enough to look up a route with.
func (s *Space) Sample(n int) []netip.Addr { return s.sample(n, 0, s.Rows()) }

// sample is Sample for so many rows from one on.
func (s *Space) sample(n int, from, rows uint64) []netip.Addr {
	k := min(uint64(max(n, 0)), rows)
	addrs := make([]netip.Addr, k)
	for i := range addrs {
		addrs[i] = s.AddrAt(from + rows/k*uint64(i) + rows%k*uint64(i)/k + rows/k/2)
	}
	return addrs
}

func prefixesOf(rules []rule) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(rules))
	for i, r := range rules {
		prefixes[i] = r.prefix()
	}
	return prefixes
}
