package netdev

import (
	"fmt"
	"net/netip"
	"slices"
)

// sources sets p.Sources: the user's, or the one that the kernel would use.
func (f *finder) sources(w *way, p *Path) error {
	if len(f.q.Sources) > 0 {
		p.Sources = slices.Clone(f.q.Sources)
		f.warnOfForeign(p)
		return nil
	}
	src, err := f.source(w)
	if err != nil {
		if err := f.forgive(err); err != nil {
			return err
		}
		src = unspecified(f.six())
	}
	p.Sources = []netip.Addr{src}
	return nil
}

// warnOfForeign warns of the first source address that is no address of this host.
func (f *finder) warnOfForeign(p *Path) {
	for _, s := range p.Sources {
		if f.ownerOf(s) == 0 {
			p.Warnings = append(p.Warnings, fmt.Sprintf(
				"source address %s (-S) is no address of this host: answers come only if the network sends them here.", s))
			return
		}
	}
}

// source returns the address to send from when the user names none.
//
// For an interface without addresses the kernel borrows another interface's. On a link without neighbours, and where
// the route says so, that is how it is meant; on Ethernet answers would go to the other interface, if anywhere.
func (f *finder) source(w *way) (netip.Addr, error) {
	if !w.source.IsValid() {
		if a := f.primary(w.dev.index); a.IsValid() {
			return a, nil
		}
		return netip.Addr{}, fmt.Errorf("interface %s has no %s address: give the source address with -S", w.dev.name, familyOf(f.six()))
	}
	owner := f.ownerOf(w.source)
	if owner == w.dev.index || w.pinned || w.self || w.dev.kind == rawLink {
		return w.source, nil
	}
	return netip.Addr{}, fmt.Errorf("interface %s has no %s address (the kernel would borrow %s of %s): give the source address with -S",
		w.dev.name, familyOf(f.six()), w.source, f.nameOf(owner))
}

// ownerOf returns the number of the interface that has the address, 0 if none has.
func (f *finder) ownerOf(a netip.Addr) int {
	for _, own := range f.addrs {
		if own.prefix.Addr() == a {
			return own.index
		}
	}
	return 0
}

// primary returns the address of an interface that is best known outside: primary before secondary, global before
// link-local. It is invalid if there is none.
func (f *finder) primary(index int) netip.Addr {
	var best netip.Addr
	rank := 0
	for _, a := range f.addrs {
		r := 4
		if a.secondary {
			r--
		}
		if a.narrow {
			r -= 2
		}
		if a.index == index && a.prefix.Addr().Is6() == f.six() && r > rank {
			best, rank = a.prefix.Addr(), r
		}
	}
	return best
}
