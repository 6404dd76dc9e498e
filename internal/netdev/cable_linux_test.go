package netdev

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/packet"
)

// All tests of this package run in a network namespace of their own.
func TestMain(m *testing.M) { lab.Main(m) }

// A far is the other end of a cable: a namespace with a thread of its own that does what it is told.
type far struct {
	tasks chan func()
	file  *os.File // the namespace
}

// newFar makes a namespace. It lasts until the test ends.
func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{tasks: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and the namespace with it
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			f.file, err = os.Open("/proc/thread-self/ns/net")
		}
		ready <- err
		for task := range f.tasks {
			task()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatalf("make a namespace for the other end: %v", err)
	}
	t.Cleanup(func() {
		close(f.tasks)
		must(t, f.file.Close())
	})
	return f
}

// do runs task in the far namespace.
func (f *far) do(t *testing.T, task func() error) {
	t.Helper()
	done := make(chan error)
	f.tasks <- func() { done <- task() }
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// cable lays a veth pair, near in our namespace and "far" in f's, both up. It is gone when the test ends.
func cable(t *testing.T, f *far, near string) netlink.Link {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = near
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "far", PeerNamespace: netlink.NsFd(f.file.Fd())}))
	l, err := netlink.LinkByName(near)
	must(t, err)
	t.Cleanup(func() { _ = netlink.LinkDel(l) }) // a test may have removed it
	f.do(t, func() error { return withLink("far", netlink.LinkSetUp) })
	must(t, netlink.LinkSetUp(l))
	for l.Attrs().OperState != netlink.OperUp {
		l, err = netlink.LinkByName(near)
		must(t, err)
	}
	return l
}

func withLink(name string, do func(netlink.Link) error) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return do(l)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// addAddrs gives addresses to an interface.
func addAddrs(l netlink.Link, prefixes ...string) error {
	for _, s := range prefixes {
		a, err := netlink.ParseAddr(s)
		if err == nil {
			err = netlink.AddrAdd(l, a)
		}
		if err != nil {
			return fmt.Errorf("add address %s: %w", s, err)
		}
	}
	return nil
}

// addRoute adds a route; via may be empty.
func addRoute(t *testing.T, l netlink.Link, to, via string) {
	t.Helper()
	r := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(pfx(to)), Scope: netlink.SCOPE_LINK}
	if via != "" {
		r.Gw, r.Scope = ip(via).AsSlice(), netlink.SCOPE_UNIVERSE
	}
	must(t, netlink.RouteAdd(r))
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// farMAC is the hardware address of the other end.
func farMAC(t *testing.T, f *far) packet.MAC {
	t.Helper()
	var m packet.MAC
	f.do(t, func() error {
		return withLink("far", func(l netlink.Link) error {
			m = packet.MAC(l.Attrs().HardwareAddr)
			return nil
		})
	})
	return m
}

// unprivileged runs task on a thread without any capability, which ends with it.
func unprivileged(t *testing.T, task func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		err := unix.Capset(&hdr, &none[0])
		if err == nil {
			task()
		}
		done <- err
	}()
	must(t, <-done)
}
