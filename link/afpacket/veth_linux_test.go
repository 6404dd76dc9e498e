package afpacket

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
	"github.com/zmap-go/zmap/link/linktest"
)

// A pair is the two ends of a veth wire that a test made itself. Nothing in this package's tests sends anywhere else.
type pair struct {
	a, b netlink.Link
}

// newPair makes a wire in the namespace that lab.Main entered.
func newPair(t testing.TB, mtu int) pair {
	t.Helper()
	n := rand.Uint32() // so that no test meets an interface of another
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = fmt.Sprintf("ta%08x", n), mtu
	attrs.HardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = fmt.Sprintf("tb%08x", n), uint32(mtu)
	veth.PeerHardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	p := pair{a: find(t, attrs.Name), b: find(t, veth.PeerName)}
	for _, l := range []netlink.Link{p.a, p.b} {
		// A silent interface: no address, so no router solicitations either.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+l.Attrs().Name+"/disable_ipv6", []byte("1"), 0)
		must(t, netlink.LinkSetUp(l))
	}
	waitRunning(t, p.a, true)
	waitRunning(t, p.b, true)
	return p
}

// waitRunning waits for the kernel to notice that the wire is connected, or is not, which it does in its own time.
func waitRunning(t testing.TB, l netlink.Link, want bool) {
	t.Helper()
	for range 400 {
		if (find(t, l.Attrs().Name).Attrs().RawFlags&unix.IFF_RUNNING != 0) == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("interface %s: running is not %v", l.Attrs().Name, want)
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
func open(t testing.TB, end netlink.Link, cfg link.Config) *link.Link {
	t.Helper()
	cfg.Interface, cfg.Index = end.Attrs().Name, end.Attrs().Index
	l, err := Engine{}.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// bed returns an opener for a link at each end of a wire of its own, which change may make special.
func bed(change func(*link.Config)) linktest.Opener {
	return func(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
		t.Helper()
		p := newPair(t, mtu)
		change(&cfg)
		a, b := open(t, p.a, cfg), open(t, p.b, cfg)
		return linktest.Bed{TX: a.TX[0], RX: b.RX[0], Cut: func() {
			must(t, netlink.LinkSetDown(p.a))
			must(t, netlink.LinkSetDown(p.b))
		}, Blink: func() {
			must(t, netlink.LinkSetDown(p.a))
			must(t, netlink.LinkSetUp(p.a))
			waitRunning(t, p.a, true)
			waitRunning(t, p.b, true)
		}}
	}
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*link.Config){
		"bypass": func(*link.Config) {},
		"qdisc":  func(c *link.Config) { c.Qdisc, c.Batch, c.Promiscuous = link.QdiscUse, 100, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // closing a packet socket waits for every processor
			linktest.Conformance(t, bed(change))
		})
	}
}

func TestSoak(t *testing.T) { linktest.Soak(t, bed(func(*link.Config) {})) }
