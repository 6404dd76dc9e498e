package netdev

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// The stages of find, in order: which interface was named, what the routes say about each target, which interface and
// gateway most of them take (the way), from which address, to which hardware address.

// A finder is one run of find.
type finder struct {
	k       kernel
	q       *Query
	devices []device
	addrs   []address
	missing error   // the first of those that forgive let pass
	receive *device // the interface named for answers, nil if none
}

// A way is what the routes say, put together.
type way struct {
	dev      device
	gateway  netip.Addr // next hop of the targets that need one; invalid if none does
	source   netip.Addr // what the kernel would send from; invalid if no route was found
	pinned   bool       // see hop
	self     bool       // all targets are addresses of this host
	tables   []int      // routing tables that were used
	warnings []string
}

// An answer is what the kernel says about one target.
type answer struct {
	target netip.Addr
	hop    hop
	err    error
}

// find is Find with the kernel as an argument.
func find(ctx context.Context, k kernel, q Query) (*Path, error) {
	var useless []string
	if q.Layer == Packets && q.GatewayMAC != nil {
		q.GatewayMAC = nil
		useless = []string{"the gateway's MAC address (-G) is not used: with IP packets (-X) the kernel finds every next hop itself."}
	}
	f := finder{k: k, q: &q}
	w, err := f.way()
	if err != nil {
		return nil, err
	}
	if w == nil {
		return blankPath(&q, f.missing), nil
	}
	p := &Path{
		Interface: w.dev.name, Index: w.dev.index, MTU: w.dev.mtu, Layer: q.Layer,
		Ether: w.dev.ether() && q.Layer == Frames, Warnings: append(useless, w.warnings...),
	}
	if q.Layer == Frames {
		p.Gateway = w.gateway
	}
	if f.receive != nil && f.receive.index != w.dev.index {
		p.Receive = f.receive.name
	}
	if err := f.sources(w, p); err != nil {
		return nil, err
	}
	if w.dev.ether() {
		p.SourceMAC = w.dev.mac
		if q.SourceMAC != nil {
			p.SourceMAC = *q.SourceMAC
		}
	}
	if err := f.hop(ctx, w, p); err != nil {
		return nil, err
	}
	p.Missing = f.missing
	return p, nil
}

// six says whether the targets are of IPv6.
func (f *finder) six() bool { return f.q.six() }

// lenient reports whether what is not known may stay so.
func (f *finder) lenient() bool { return f.q.Mode == DryRun }

// forgive returns err, or, if what is not known may stay so, nil after taking note of it.
func (f *finder) forgive(err error) error {
	if !f.lenient() {
		return err
	}
	if f.missing == nil {
		f.missing = err
	}
	return nil
}

// way asks the routes. It returns nil in a dry run that finds no interface.
func (f *finder) way() (*way, error) {
	var err error
	if f.devices, err = f.k.devices(); err == nil {
		f.addrs, err = f.k.addresses()
	}
	if err != nil {
		return nil, f.forgive(err)
	}
	if f.receive, err = f.named(f.q.Receive, "--receive-interface"); err != nil {
		return nil, err
	}
	named, err := f.named(f.q.Interface, "-i")
	if err != nil {
		return nil, err
	}
	w, err := f.choose(named, f.ask(named))
	if err = f.forgive(err); err != nil {
		return nil, err
	}
	if w == nil && named != nil {
		return &way{dev: *named}, nil
	}
	if w == nil || named != nil {
		return w, nil
	}
	return w, f.usable(&w.dev, "-i")
}

// named returns the interface that the user named with an option, nil if none. A scan can use it.
func (f *finder) named(name, option string) (*device, error) {
	if name == "" {
		return nil, nil
	}
	for i := range f.devices {
		d := &f.devices[i]
		if d.name == name || slices.Contains(d.altNames, name) {
			return d, f.usable(d, option)
		}
	}
	return nil, fmt.Errorf("interface %s (%s) does not exist: there are %s", name, option, f.inventory())
}

// usable says why a scan cannot use the interface, and by which option another can be had.
func (f *finder) usable(d *device, option string) error {
	switch {
	case !d.up:
		return f.forgive(fmt.Errorf("interface %s is down: switch it on (ip link set %s up) or choose another with %s", d.name, d.name, option))
	case !d.carrier:
		return f.forgive(fmt.Errorf("interface %s has no carrier: plug in its cable or start its other end, or choose another interface with %s", d.name, option))
	case d.kind == otherLink:
		return f.forgive(fmt.Errorf("interface %s has link type %s: choose with %s one that carries Ethernet frames or bare IP packets", d.name, d.typeName, option))
	}
	return nil
}

// ask asks for the route to every target that has a say.
func (f *finder) ask(named *device) []answer {
	targets := ordinary(f.q.Targets)
	src := f.ownSource()
	answers := make([]answer, 0, len(targets))
	for _, t := range targets {
		a := answer{target: t}
		if named == nil {
			a.hop, a.err = f.k.lookup(t, src, 0)
		} else {
			a.hop, a.err = f.askBy(named, t, src)
		}
		answers = append(answers, a)
	}
	return answers
}

// askBy asks for the route to one target by the named interface.
func (f *finder) askBy(named *device, target, src netip.Addr) (hop, error) {
	own := f.ownerOf(target) != 0
	if named.kind != loopLink && !own {
		return f.k.lookup(target, src, named.index)
	}
	// The way to the host's own addresses is not in any table as "by lo": it is what the kernel makes of them, unless
	// asked about an interface.
	h, err := f.k.lookup(target, src, 0)
	if err == nil && h.index != named.index && !own {
		err = errNoRoute
	}
	return h, err
}

// ownSource is the first source address of the user's that is the host's: routes may depend on it (ip-rule(8)). The
// kernel refuses a query with any other.
func (f *finder) ownSource() netip.Addr {
	for _, s := range f.q.Sources {
		if f.ownerOf(s) != 0 {
			return s
		}
	}
	return netip.Addr{}
}

// ordinary returns the targets that say something about routes: without reserved ones, unless there are no others.
func ordinary(targets []netip.Addr) []netip.Addr {
	kept := make([]netip.Addr, 0, len(targets))
	for _, t := range targets {
		if !reserved(t) {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		return targets
	}
	return kept
}

func reserved(a netip.Addr) bool {
	b := a.AsSlice()
	return a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() || a.Is4() && (b[0] == 0 || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}))
}
