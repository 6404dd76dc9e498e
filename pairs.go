package zmap

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/zmap-go/zmap/target"
)

// pairs are single targets, each an address with a port of its own.
type pairs struct {
	list   []uint64 // address and port in 48 bits, then indexes in the scan's space; ascending at first, each once
	double uint64   // pairs that were given once more
	denied uint64   // pairs that the lists do not allow
}

// readPairs takes all pairs, of which none may be wrong.
func readPairs(all iter.Seq2[netip.AddrPort, error]) (*pairs, error) {
	p := &pairs{}
	for pair, err := range all {
		a := pair.Addr().Unmap()
		switch {
		case err != nil:
			return p, err
		case !a.Is4():
			return p, fmt.Errorf("%s: only IPv4 is scanned", pair)
		case pair.Port() == 0:
			return p, fmt.Errorf("%s: port 0 is none", pair)
		}
		b := a.As4()
		p.list = append(p.list, uint64(b[0])<<40|uint64(b[1])<<32|uint64(b[2])<<24|uint64(b[3])<<16|uint64(pair.Port()))
	}
	if len(p.list) == 0 {
		return p, errors.New("there are none")
	}
	slices.Sort(p.list)
	given := len(p.list)
	p.list = slices.Compact(p.list)
	p.double = uint64(given - len(p.list))
	return p, nil
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
	var list []uint16
	for port, ok := range has {
		if ok {
			list = append(list, uint16(port))
		}
	}
	return target.NewPorts(list...)
}

// addresses returns all addresses of pairs.
func (p *pairs) addresses() *target.List {
	return target.NewList(func(yield func(netip.Addr) bool) {
		for i, v := range p.list {
			if (i == 0 || v>>16 != p.list[i-1]>>16) && !yield(pairAddr(v)) {
				return
			}
		}
	})
}

// locate turns the pairs into indexes of their targets in the space, and leaves out what that has not.
func (p *pairs) locate(space *target.Space) {
	found := p.list[:0]
	for _, v := range p.list {
		if i, ok := space.Index(pairAddr(v), uint16(v)); ok {
			found = append(found, i)
		} else {
			p.denied++
		}
	}
	p.list = found
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
