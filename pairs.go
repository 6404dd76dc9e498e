package zmap

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"runtime/debug"
	"slices"

	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
)

// pairs are single targets, each an address with a port of its own. Beside the list they take nothing for each.
type pairs struct {
	list   []uint64         // address and port in 48 bits, then indexes in the scan's space; ascending, each once
	six    []netip.AddrPort // those of IPv6, until they are indexes as well; ascending, each once
	double uint64           // pairs that were given once more
	denied uint64           // pairs that the lists do not allow
	lost   *target.List     // the addresses of those
}

// Pairs come in chunks, since a list that grows is there twice while it does. mostPairs of IPv4 and mostWide of IPv6 are refused, for 8 bytes each are 4 GB.
const (
	chunkPairs = 1 << 20
	mostPairs  = 1 << 29
	mostWide   = 1 << 27
)

// readPairs takes all pairs, of which none may be wrong.
func readPairs(all iter.Seq2[netip.AddrPort, error]) (*pairs, error) {
	p := &pairs{}
	var chunks [][]uint64
	var last []uint64
	for pair, err := range all {
		a := pair.Addr().Unmap()
		switch {
		case err != nil:
			return p, err
		case pair.Port() == 0:
			return p, fmt.Errorf("%s: port 0 is none", pair)
		case a.Is6() && len(p.six) == mostWide:
			return p, fmt.Errorf("there are more than %d of IPv6", mostWide)
		case a.Is6():
			p.six = append(p.six, netip.AddrPortFrom(a.WithZone(""), pair.Port()))
			continue
		case len(last) == cap(last):
			if len(chunks)*chunkPairs == mostPairs {
				return p, fmt.Errorf("there are more than %d", mostPairs)
			}
			last = make([]uint64, 0, chunkPairs)
			chunks = append(chunks, last)
		}
		b := a.As4()
		last = append(last, uint64(b[0])<<40|uint64(b[1])<<32|uint64(b[2])<<24|uint64(b[3])<<16|uint64(pair.Port()))
	}
	if len(chunks)+len(p.six) == 0 {
		return p, errors.New("there are none")
	}
	p.list = joined(chunks, len(last))
	slices.Sort(p.list)
	slices.SortFunc(p.six, netip.AddrPort.Compare)
	given := len(p.list) + len(p.six)
	p.list, p.six = slices.Compact(p.list), slices.Compact(p.six)
	p.double = uint64(given - len(p.list) - len(p.six))
	return p, nil
}

// joined makes one list of chunks, which are full but for the last. Their memory is given back meanwhile: it would be as much again.
func joined(chunks [][]uint64, last int) []uint64 {
	const steps = 16
	list := make([]uint64, 0, max(0, len(chunks)-1)*chunkPairs+last)
	for i, c := range chunks {
		list = append(list, c[:min(chunkPairs, cap(list)-len(list))]...)
		chunks[i] = nil
		if n := len(chunks); n > steps && i%(n/steps) == 0 {
			debug.FreeOSMemory()
		}
	}
	return list
}

func pairAddr(v uint64) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16)})
}

// ports returns all ports of pairs.
func (p *pairs) ports() target.Ports {
	var has [1 << 16]bool
	for _, v := range p.list {
		has[uint16(v)] = true
	}
	for _, v := range p.six {
		has[v.Port()] = true
	}
	var list []uint16
	for port, ok := range has {
		if ok {
			list = append(list, uint16(port))
		}
	}
	return target.NewPorts(list...)
}

// locate turns the pairs into indexes of their targets in the space, and leaves out what that has not.
func (p *pairs) locate(space *target.Space) {
	found := p.list[:0]
	p.lost = target.NewList(func(yield func(netip.Addr) bool) {
		for _, v := range p.list {
			i, ok := space.Index(pairAddr(v), uint16(v))
			if ok {
				found = append(found, i) // never beyond what was read
				continue
			}
			p.denied++
			yield(pairAddr(v))
		}
		for _, v := range p.six { // behind those of IPv4 in the space
			i, ok := space.Index(v.Addr(), v.Port())
			if ok {
				found = append(found, i)
				continue
			}
			p.denied++
			yield(v.Addr())
		}
	})
	p.list, p.six = found, nil
}

// wide returns the IPv6 addresses.
func (p *pairs) wide() *target.List {
	return target.NewList(func(yield func(netip.Addr) bool) {
		for _, v := range p.six {
			yield(v.Addr())
		}
	})
}

// samples returns addresses that are asked, at equal distances, of each family.
func (c *course) samples(n int) (four, six []netip.Addr) {
	if c.pairs == nil {
		return c.asked.Samples(n)
	}
	of4, _ := slices.BinarySearch(c.pairs, c.space.IPv4()<<permute.Bits(c.space.Cols()))
	return c.someOf(c.pairs[:of4], n), c.someOf(c.pairs[of4:], n)
}

// someOf returns the addresses of n of the targets.
func (c *course) someOf(list []uint64, n int) []netip.Addr {
	var some []netip.Addr
	for i := range min(n, len(list)) {
		some = append(some, c.space.At(list[i*len(list)/min(n, len(list))]).Addr)
	}
	return slices.Compact(some)
}

// near yields the addresses in prefixes that are asked.
func (c *course) near(prefixes []netip.Prefix) iter.Seq[netip.Addr] {
	if c.pairs == nil {
		return onLink(c.asked, prefixes)
	}
	return func(yield func(netip.Addr) bool) {
		for _, prefix := range prefixes {
			i, _ := slices.BinarySearchFunc(c.pairs, prefix.Masked().Addr(), func(index uint64, a netip.Addr) int { return c.space.At(index).Addr.Compare(a) })
			last := netip.Addr{}
			for ; i < len(c.pairs); i++ {
				a := c.space.At(c.pairs[i]).Addr
				if !prefix.Contains(a) {
					break
				}
				if a != last && !yield(a) {
					return
				}
				last = a
			}
		}
	}
}

// addresses returns all addresses of the pairs.
func (c *course) addresses() *target.List {
	return target.NewList(func(yield func(netip.Addr) bool) {
		for _, index := range c.pairs {
			yield(c.space.At(index).Addr)
		}
	})
}

// checkPairs says what cannot stand beside pairs.
func (s *setup) checkPairs() error {
	switch {
	case s.Pairs == nil:
		return nil
	case !s.desc.Ports:
		return fmt.Errorf("probe %s has no ports", s.desc.Name)
	case s.Ports != "":
		return errors.New("pairs have ports: leave Ports out")
	case s.AddressList != "":
		return errors.New("pairs and a list of addresses exclude each other")
	}
	return nil
}
