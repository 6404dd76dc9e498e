package rawip

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/linktest"
)

// A pair is the two ends of a veth wire that a test made itself. Nothing in this package's tests sends anywhere else.
type pair struct {
	a, b netlink.Link
}

// newPair makes a wire in the namespace that lab.Main entered. End a resolves no neighbours: whatever is routed to it leaves,
// with its own hardware address as the destination.
func newPair(t testing.TB, mtu int) pair {
	t.Helper()
	n := rand.Uint32() // so that no test meets an interface of another
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = fmt.Sprintf("ta%08x", n), mtu
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = fmt.Sprintf("tb%08x", n), uint32(mtu)
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	p := pair{a: find(t, attrs.Name), b: find(t, veth.PeerName)}
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+veth.PeerName+"/disable_ipv6", []byte("1"), 0)
	must(t, netlink.LinkSetARPOff(p.a))
	must(t, netlink.LinkSetUp(p.a))
	must(t, netlink.LinkSetUp(p.b))
	p.waitRunning(t)
	return p
}

// waitRunning waits for the kernel to notice that the wire is connected, which it does in its own time.
func (p pair) waitRunning(t testing.TB) {
	t.Helper()
	for _, l := range []netlink.Link{p.a, p.b} {
		for i := 0; find(t, l.Attrs().Name).Attrs().RawFlags&unix.IFF_RUNNING == 0; i++ {
			if i == 400 {
				t.Fatalf("interface %s is not running", l.Attrs().Name)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// everywhere routes all of both versions of IP to end a. Every pair has a metric of its own, for tests run side by side.
func (p pair) everywhere(t testing.TB) {
	t.Helper()
	index := p.a.Attrs().Index
	route := func(all string) {
		must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: network(all), Priority: 100 + index}))
	}
	route("0.0.0.0/0")
	if p.a.Attrs().MTU < 1280 { // too little for IPv6 (RFC 8200 section 5)
		return
	}
	must(t, netlink.AddrAdd(p.a, &netlink.Addr{IPNet: network("2001:db8:ffff::1/128"), Flags: unix.IFA_F_NODAD}))
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

func find(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a link on one end.
func open(t testing.TB, e link.Engine, end netlink.Link, cfg link.Config) *link.Link {
	t.Helper()
	cfg.Interface, cfg.Index = end.Attrs().Name, end.Attrs().Index
	l, err := e.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// bed opens a link at one end of a wire of its own, and a socket at the other.
func bed(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
	t.Helper()
	p := newPair(t, mtu)
	p.everywhere(t)
	a := open(t, Engine{}, p.a, cfg)
	cfg.Ether = true
	b := open(t, afpacket.Engine{}, p.b, cfg)
	return linktest.Bed{TX: a.TX[0], RX: b.RX[0], Cut: func() {
		must(t, netlink.LinkSetDown(p.a))
		must(t, netlink.LinkSetDown(p.b))
	}, Blink: func() {
		must(t, netlink.LinkSetDown(p.a)) // which takes the routes away
		must(t, netlink.LinkSetUp(p.a))
		p.waitRunning(t)
		p.everywhere(t)
	}}
}

func TestConformance(t *testing.T) { linktest.PacketConformance(t, bed) }

func TestSoak(t *testing.T) { linktest.PacketSoak(t, bed) }
