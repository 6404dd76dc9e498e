package netdev

import (
	"cmp"
	"errors"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// world is a kernel made of tables, with a network behind it. Its lookup is the obvious twin of the kernel's, and is
// held against the real one in kernel_linux_test.go.
type world struct {
	devs      []device
	addrs     []address
	routes    []fakeRoute
	table     map[int][]neighbour
	hosts     map[netip.Addr]*host // who answers ARP on the wire, whatever the interface
	devicesIs error                // what devices returns
	addrsIs   error                // what addresses returns
	tableIs   error                // what neighbours returns
	linkIs    error                // what connected returns
	openIs    error                // what openAsk returns
	sendIs    error                // what send returns
	stalls    int                  // every so many frames, sending takes 50 ms
	receiveIs error                // what receive returns
	sent      []question           // requests seen on the wire
	closed    int                  // ARP sockets closed
	opened    int
}

// fakeRoute is a line of a routing table.
type fakeRoute struct {
	to      netip.Prefix
	dev     int
	gateway netip.Addr
	also    netip.Addr // a second gateway (multipath), taken for odd addresses
	source  netip.Addr // named by the route
	metric  int
	table   int   // 0: main
	refuses error // for blackhole and the like
	self    bool  // of type local
}

// host is a machine that answers ARP.
type host struct {
	mac        packet.MAC
	after      time.Duration // how long it takes
	deaf       int           // requests it misses
	probesOnly bool          // ignores senders other than 0.0.0.0
	twist      func(*packet.ARPFields)
}

// question is an ARP request on the wire.
type question struct {
	sender, target netip.Addr
	from           packet.MAC
	at             time.Time
}

func (w *world) devices() ([]device, error)    { return w.devs, w.devicesIs }
func (w *world) addresses() ([]address, error) { return w.addrs, w.addrsIs }
func (w *world) close()                        {}

func (w *world) neighbours(index int) ([]neighbour, error) { return w.table[index], w.tableIs }

// lookup is longest prefix first, then lowest metric.
func (w *world) lookup(dst, src netip.Addr, oif int) (hop, error) {
	h, err := w.route(dst, oif)
	if src.IsValid() {
		h.source = netip.Addr{}
	}
	return h, err
}

func (w *world) route(dst netip.Addr, oif int) (hop, error) {
	if own := w.owner(dst); own.index != 0 && (oif == 0 || oif == own.index) {
		return hop{index: 1, to: toSelf, source: own.prefix.Addr(), pinned: true, prefix: netip.PrefixFrom(dst, 32), table: 255}, nil
	}
	var best *fakeRoute
	for i := range w.routes {
		r := &w.routes[i]
		usable := r.refuses != nil || (oif == 0 || r.dev == oif) && !w.isDown(r.dev)
		if !r.to.Contains(dst) || !usable {
			continue
		}
		if best == nil || r.to.Bits() > best.to.Bits() || r.to.Bits() == best.to.Bits() && r.metric < best.metric {
			best = r
		}
	}
	switch {
	case best == nil:
		return hop{}, errNoRoute
	case best.refuses != nil && oif == 0:
		return hop{}, best.refuses
	case best.refuses != nil: // does it cover the target by whatever interface?
		_, err := w.route(dst, 0)
		return hop{}, cmp.Or(err, errNoRoute)
	}
	h := hop{
		index: best.dev, gateway: best.gateway, pinned: best.source.IsValid(), prefix: best.to, table: best.table,
		source: best.source,
	}
	if best.also.IsValid() && dst.As4()[3]%2 == 1 {
		h.gateway = best.also
	}
	if h.table == 0 {
		h.table = mainTable
	}
	if best.self {
		h.to = toSelf
	}
	if dst.IsMulticast() || dst == netip.MustParseAddr("255.255.255.255") {
		h.to, h.gateway = toGroup, netip.Addr{}
	}
	if !h.source.IsValid() {
		next := dst
		if h.gateway.Is4() {
			next = h.gateway
		}
		h.source = w.pickSource(best.dev, next)
	}
	return h, nil
}

// pickSource is inet_select_addr: an address of the interface in the next hop's network, else its first, else another's.
func (w *world) pickSource(dev int, next netip.Addr) netip.Addr {
	var first, other netip.Addr
	for _, a := range w.addrs {
		switch {
		case a.narrow:
		case a.index == dev && !a.secondary && a.prefix.Contains(next):
			return a.prefix.Addr()
		case a.index == dev && !a.secondary && !first.IsValid():
			first = a.prefix.Addr()
		case a.index != dev && !other.IsValid():
			other = a.prefix.Addr()
		}
	}
	if first.IsValid() {
		return first
	}
	return other
}

func (w *world) owner(a netip.Addr) address {
	for _, own := range w.addrs {
		if own.prefix.Addr() == a || own.prefix.Addr().IsLoopback() && own.prefix.Contains(a) {
			return own
		}
	}
	return address{}
}

// isDown reports whether an interface is there and down.
func (w *world) isDown(index int) bool {
	return slices.ContainsFunc(w.devs, func(d device) bool { return d.index == index && !d.up })
}

func (w *world) device(index int) *device {
	return &w.devs[slices.IndexFunc(w.devs, func(d device) bool { return d.index == index })]
}

func (w *world) connected(index, table int, _ bool) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, r := range w.routes {
		if r.dev == index && !r.gateway.IsValid() && (r.table == table || r.table == 0 && table == mainTable) {
			out = append(out, r.to)
		}
	}
	return out, w.linkIs
}

func (w *world) openAsk(int, bool) (askConn, error) {
	if w.openIs != nil {
		return nil, w.openIs
	}
	w.opened++
	return &fakeARP{w: w, inbox: make(chan []byte, 1<<17), stop: make(chan struct{})}, nil
}

// fakeARP is the wire: it plays all hosts.
type fakeARP struct {
	w     *world
	inbox chan []byte
	stop  chan struct{}
}

var errShort = errors.New("not an ARP request")

func (c *fakeARP) send(frame []byte) error {
	if c.w.sendIs != nil {
		return c.w.sendIs
	}
	if c.w.stalls > 0 && len(c.w.sent)%c.w.stalls == c.w.stalls-1 {
		time.Sleep(50 * time.Millisecond)
	}
	p, ok := packet.ParseARP(frame)
	if !ok || p.Op() != packet.ARPRequest || packet.Ethernet(frame).Dst() != packet.BroadcastMAC() {
		return errShort
	}
	c.w.sent = append(c.w.sent, question{sender: p.SenderIP(), target: p.TargetIP(), from: p.SenderMAC(), at: time.Now()})
	h := c.w.hosts[p.TargetIP()]
	if h == nil || h.probesOnly && !p.SenderIP().IsUnspecified() {
		return nil
	}
	if h.deaf > 0 {
		h.deaf--
		return nil
	}
	f := p.Reply(h.mac)
	if h.twist != nil {
		h.twist(&f)
	}
	buf := make([]byte, packet.ARPFrameLen)
	f.EncodeFrame(buf)
	time.AfterFunc(h.after, func() { c.inbox <- buf })
	return nil
}

func (c *fakeARP) receive(buf []byte, until time.Time) (int, error) {
	if c.w.receiveIs != nil {
		return 0, c.w.receiveIs
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-c.stop:
		return 0, os.ErrDeadlineExceeded
	case f := <-c.inbox:
		return copy(buf, f), nil
	case <-t.C:
		return 0, os.ErrDeadlineExceeded
	}
}

func (c *fakeARP) interrupt() { close(c.stop) }

func (c *fakeARP) close() error {
	c.w.closed++
	return nil
}

// Interfaces of the usual world.
const (
	lo = iota + 1
	eth0
	eth1
	tun0
	bare0 // Ethernet without an address
	down0
	dead0 // no carrier
	ib0
	dum0 // Ethernet without ARP
)

func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }
func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func mac(last byte) packet.MAC  { return packet.MAC{2, 0, 0, 0, 0, last} }
func ips(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, ip(s))
	}
	return out
}

// home is the usual world: two Ethernets with a gateway each, the second dearer, a VPN, and some interfaces that are no
// good. The kernel knows the first gateway.
func home() *world {
	dev := func(index int, name string, kind linkKind) device {
		return device{index: index, name: name, kind: kind, mtu: 1500, up: true, carrier: true, mac: mac(byte(index))}
	}
	w := &world{
		devs: []device{
			dev(lo, "lo", loopLink), dev(eth0, "eth0", etherLink), dev(eth1, "eth1", etherLink), dev(tun0, "tun0", rawLink),
			dev(bare0, "bare0", etherLink), dev(down0, "down0", etherLink), dev(dead0, "dead0", etherLink),
			dev(ib0, "ib0", otherLink), dev(dum0, "dum0", etherLink),
		},
		addrs: []address{
			{index: lo, prefix: pfx("127.0.0.1/8"), narrow: true},
			{index: eth0, prefix: pfx("192.0.2.1/24")},
			{index: eth0, prefix: pfx("192.0.2.2/24"), secondary: true},
			{index: eth1, prefix: pfx("198.51.100.1/24")},
			{index: tun0, prefix: pfx("10.8.0.2/32")},
			{index: dum0, prefix: pfx("10.9.0.1/24")},
		},
		routes: []fakeRoute{
			{to: pfx("55.0.0.0/8"), dev: eth0, gateway: ip("192.0.2.253")},
			{to: pfx("0.0.0.0/0"), dev: eth1, gateway: ip("198.51.100.254"), metric: 500},
			{to: pfx("0.0.0.0/0"), dev: eth0, gateway: ip("192.0.2.254"), metric: 100},
			{to: pfx("192.0.2.0/24"), dev: eth0, source: ip("192.0.2.1")},
			{to: pfx("198.51.100.0/24"), dev: eth1, source: ip("198.51.100.1")},
			{to: pfx("10.8.0.0/16"), dev: tun0},
			{to: pfx("10.9.0.0/24"), dev: dum0, source: ip("10.9.0.1")},
			{to: pfx("10.9.1.0/24"), dev: dum0, gateway: ip("10.9.0.254")},
			{to: pfx("203.0.113.0/26"), refuses: errBlackhole},
			{to: pfx("203.0.113.64/26"), refuses: errProhibited},
			{to: pfx("203.0.113.128/26"), refuses: errUnreachable},
		},
		table: map[int][]neighbour{eth0: {{addr: ip("192.0.2.254"), mac: mac(0xfe), state: learned}}},
		hosts: map[netip.Addr]*host{},
	}
	d := w.device(lo)
	d.mac, d.mtu = packet.MAC{}, 65536
	w.device(tun0).mac = packet.MAC{}
	w.device(tun0).noARP = true
	w.device(down0).up = false
	w.device(dead0).carrier = false
	w.device(ib0).typeName = "infiniband"
	w.device(dum0).noARP = true
	w.device(eth1).altNames = []string{"uplink"}
	return w
}
