package netdev

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// mainTable is the routing table of ordinary routes (RT_TABLE_MAIN).
const mainTable = 254

// hop sets p.HopMAC and p.OnLink.
func (f *finder) hop(ctx context.Context, w *way, p *Path) error {
	packets := f.q.Layer == Packets
	switch {
	case !w.dev.ether(), packets && w.dev.noARP:
		return nil
	case f.q.GatewayMAC != nil:
		p.HopMAC = *f.q.GatewayMAC
		return nil
	case w.dev.kind == loopLink:
		return nil
	case w.dev.noARP:
		return f.hopWithoutARP(w, p)
	}
	onLink, err := f.onLink(w)
	if err = f.forgive(err); err != nil {
		return err
	}
	p.OnLink = onLink
	if packets || !w.gateway.IsValid() {
		return nil
	}
	p.HopMAC, err = f.gatewayMAC(ctx, w, p)
	return f.forgive(err)
}

// hopWithoutARP does as the kernel (arp_constructor in net/ipv4/arp.c): an interface that does not resolve neighbours
// sends to its own address, unless the administrator has set another.
func (f *finder) hopWithoutARP(w *way, p *Path) error {
	p.HopMAC = w.dev.mac
	table, err := f.k.neighbours(w.dev.index)
	if err = f.forgive(err); err != nil {
		return err
	}
	if mac, ok := known(table, w.gateway, fixed); ok {
		p.HopMAC = mac
	}
	return nil
}

// onLink returns the networks that are directly connected to the interface, in order.
func (f *finder) onLink(w *way) ([]netip.Prefix, error) {
	var all []netip.Prefix
	tables := w.tables
	if !slices.Contains(tables, mainTable) {
		tables = append(slices.Clone(tables), mainTable)
	}
	for _, t := range tables {
		prefixes, err := f.k.connected(w.dev.index, t, f.six())
		if err != nil {
			return nil, err
		}
		all = append(all, prefixes...)
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all), nil
}

// gatewayMAC returns the hardware address of the gateway: the kernel's, or the one it says when asked.
func (f *finder) gatewayMAC(ctx context.Context, w *way, p *Path) (packet.MAC, error) {
	table, err := f.k.neighbours(w.dev.index)
	if err != nil {
		return packet.MAC{}, err
	}
	if mac, ok := known(table, w.gateway, learned); ok {
		return mac, nil
	}
	if w.gateway.Is6() && !f.six() { // which an interface may have no address to ask from
		return packet.MAC{}, fmt.Errorf("MAC address of gateway %s on %s is not known: ping it once, or give it with -G",
			w.gateway, w.dev.name)
	}
	if f.lenient() {
		return packet.MAC{}, nil // a scan would ask
	}
	conn, err := f.k.openAsk(w.dev.index, f.six())
	if err != nil {
		return packet.MAC{}, fmt.Errorf("ask gateway %s on %s for its MAC address: %w%s", w.gateway, w.dev.name, err, privilegeHint(err))
	}
	a := newAsker(conn, &w.dev, f.addrs)
	a.fallback = p.Sources[0]
	a.waits = gatewayWaits()
	found, err := a.ask(ctx, []netip.Addr{w.gateway})
	if closeErr := conn.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return packet.MAC{}, fmt.Errorf("ask gateway %s on %s for its MAC address: %w", w.gateway, w.dev.name, err)
	}
	mac, ok := found[w.gateway]
	if !ok {
		return packet.MAC{}, fmt.Errorf("gateway %s on %s does not answer %s (%d requests): check that it is up and on that network,"+
			" or give its MAC address with -G", w.gateway, w.dev.name, asking(f.six()), len(a.waits))
	}
	return mac, nil
}

// asking is what hardware addresses are asked by.
func asking(six bool) string {
	if six {
		return "Neighbor Discovery"
	}
	return "ARP"
}

// gatewayWaits is how long to wait for the gateway after each request: two and a half seconds in all, since switch ports
// that have just come up swallow the first frames.
func gatewayWaits() []time.Duration {
	return []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, 750 * time.Millisecond, time.Second}
}

// known looks an address up in a neighbour table, among entries that are at least as sure as asked.
func known(table []neighbour, a netip.Addr, atLeast neighbourState) (packet.MAC, bool) {
	for _, n := range table {
		if n.addr == a && n.state >= atLeast && !n.mac.IsZero() {
			return n.mac, true
		}
	}
	return packet.MAC{}, false
}

// privilegeHint says what to do about an error, if it is one of permission.
func privilegeHint(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return ": run as root or with CAP_NET_RAW, or give it with -G"
	}
	return ""
}
