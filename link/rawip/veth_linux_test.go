package rawip

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/linktest"
)

// everywhere routes all of both versions of IP to end A. Every wire has a metric of its own, for tests run side by side.
func everywhere(t testing.TB, w wire.Wire) {
	t.Helper()
	index := w.A.Attrs().Index
	route := func(all string) {
		must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: network(all), Priority: 100 + index}))
	}
	route("0.0.0.0/0")
	if w.A.Attrs().MTU < 1280 { // too little for IPv6 (RFC 8200 section 5)
		return
	}
	must(t, netlink.AddrAdd(w.A, &netlink.Addr{IPNet: network("2001:db8:ffff::1/128"), Flags: unix.IFA_F_NODAD}))
	route("::/0")
}

func network(s string) *net.IPNet {
	ip, n, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	n.IP = ip
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bed opens a link at one end of a wire of its own, and a socket at the other.
func bed(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
	t.Helper()
	w := wire.Lay(t, wire.Plan{MTU: mtu, Routed: true})
	everywhere(t, w)
	a := wire.Open(t, Engine{}, w.A, cfg)
	cfg.Ether = true
	b := wire.Open(t, afpacket.Engine{}, w.B, cfg)
	return linktest.Bed{TX: a.TX[0], RX: b.RX[0], Cut: func() { w.Cut(t) }, Blink: func() {
		w.Blink(t)
		everywhere(t, w)
	}}
}

func TestConformance(t *testing.T) { linktest.PacketConformance(t, bed) }

func TestSoak(t *testing.T) { linktest.PacketSoak(t, bed) }
