package wire

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// A Plan says what is wanted of a wire.
type Plan struct {
	MTU    int // of both ends; 0 means 1500
	Queues int // of both ends, as many in each direction; 0 means 1
	// Routed is for packets without a link header: end A resolves no neighbours, so that whatever is routed to it leaves, with
	// its own hardware address as the destination. It has IPv6, and is not quite silent for that.
	Routed bool
}

// A Wire is the two ends of a virtual cable (veth), which are switched on. An end that takes no part in the kernel's IPv6 is
// silent.
type Wire struct {
	A, B netlink.Link
}

// Lay makes a wire, which lasts until the test ends. Its ends have names that no other's have, and the hardware addresses
// 02:00:00:00:00:01 and 02:00:00:00:00:02.
func Lay(t testing.TB, p Plan) Wire {
	t.Helper()
	n, mtu, queues := rand.Uint32(), cmp.Or(p.MTU, 1500), max(p.Queues, 1)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = fmt.Sprintf("wa%08x", n), mtu, net.HardwareAddr{2, 0, 0, 0, 0, 1}
	attrs.NumTxQueues, attrs.NumRxQueues = queues, queues
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr = fmt.Sprintf("wb%08x", n), uint32(mtu), net.HardwareAddr{2, 0, 0, 0, 0, 2}
	veth.PeerNumTxQueues, veth.PeerNumRxQueues = uint32(queues), uint32(queues)
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	w := Wire{A: Find(t, attrs.Name), B: Find(t, veth.PeerName)}
	silent := []netlink.Link{w.A, w.B}
	if p.Routed {
		must(t, netlink.LinkSetARPOff(w.A))
		silent = silent[1:]
	}
	for _, end := range silent { // without an address there are no router solicitations either
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+end.Attrs().Name+"/disable_ipv6", []byte("1"), 0)
	}
	must(t, netlink.LinkSetUp(w.A))
	must(t, netlink.LinkSetUp(w.B))
	w.await(t)
	return w
}

// Cut switches both ends off.
func (w Wire) Cut(t testing.TB) {
	t.Helper()
	must(t, netlink.LinkSetDown(w.A))
	must(t, netlink.LinkSetDown(w.B))
}

// Blink switches end A off and on again, and waits until the wire is connected. The routes to A are gone.
func (w Wire) Blink(t testing.TB) {
	t.Helper()
	must(t, netlink.LinkSetDown(w.A))
	must(t, netlink.LinkSetUp(w.A))
	w.await(t)
}

func (w Wire) await(t testing.TB) {
	t.Helper()
	Await(t, w.A, true)
	Await(t, w.B, true)
}

// Await waits for the kernel to notice that the wire at an end is connected, or is not, which it does in its own time.
func Await(t testing.TB, end netlink.Link, connected bool) {
	t.Helper()
	for range 400 {
		if (Find(t, end.Attrs().Name).Attrs().RawFlags&unix.IFF_RUNNING != 0) == connected {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("interface %s: connected is not %v", end.Attrs().Name, connected)
}

// Find returns an interface as it is now.
func Find(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
}

// Open opens a link on one end, which is closed when the test ends.
func Open(t testing.TB, e link.Engine, end netlink.Link, cfg link.Config) *link.Link {
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
