package netdev

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

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
		f.file.Close()
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
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
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

// The twin of the kernel that the rules are tested with is held against the kernel: random routing tables, random
// addresses, with and without an interface.
func TestLookupAgainstTwin(t *testing.T) {
	f0, f1 := newFar(t), newFar(t)
	l0, l1 := cable(t, f0, "veth0"), cable(t, f1, "veth1")
	must(t, addAddrs(l0, "192.0.2.1/24", "192.0.2.2/24"))
	must(t, addAddrs(l1, "198.51.100.1/24"))
	index := map[int]int{eth0: l0.Attrs().Index, eth1: l1.Attrs().Index, lo: 1}
	k, err := openKernel()
	must(t, err)
	defer k.close()
	rng := rand.New(rand.NewPCG(5, 6))
	outcomes := map[string]int{}
	for n := range 25 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := twinWorld(index)
			w.routes = append(w.routes, addRandomRoutes(t, rng, index)...)
			for range 60 {
				dst, oif := randomTarget(rng), []int{0, 0, index[eth0], index[eth1]}[rng.IntN(4)]
				if rng.IntN(10) == 0 {
					dst = []netip.Addr{ip("192.0.2.1"), ip("192.0.2.77"), ip("198.51.100.8"), ip("127.0.0.1"), ip("127.9.9.9")}[rng.IntN(5)]
				}
				if dst.IsLoopback() {
					oif = 0 // by an Ethernet they are ordinary addresses to the kernel; the rules do not ask
				}
				src := []netip.Addr{{}, {}, ip("192.0.2.2"), ip("198.51.100.1")}[rng.IntN(4)]
				got, gotErr := k.lookup(dst, src, oif)
				want, wantErr := w.lookup(dst, src, oif)
				if want.to == toSelf { // where the kernel keeps its own addresses is its own affair
					got.prefix, got.table, want.prefix, want.table = netip.Prefix{}, 0, netip.Prefix{}, 0
				}
				if got != want || !errors.Is(gotErr, wantErr) {
					t.Fatalf("route to %s by interface %d: kernel %+v, %v; twin %+v, %v; routes %+v", dst, oif, got, gotErr, want, wantErr, w.routes)
				}
				outcomes[fmt.Sprint(wantErr, want.gateway.IsValid(), want.to)]++
			}
		})
	}
	if len(outcomes) < 7 {
		t.Errorf("only these outcomes were met: %v", outcomes)
	}
}

// addRandomRoutes adds routes to the kernel for the length of a test, and returns them.
func addRandomRoutes(t *testing.T, rng *rand.Rand, index map[int]int) []fakeRoute {
	t.Helper()
	routes := randomRoutes(rng)
	for i := range routes {
		routes[i].dev = index[routes[i].dev]
		r := realRoute(&routes[i])
		must(t, netlink.RouteAdd(r))
		t.Cleanup(func() { must(t, netlink.RouteDel(r)) })
	}
	return routes
}

// twinWorld is the twin of the namespace of TestLookupAgainstTwin before any route is added.
func twinWorld(index map[int]int) *world {
	return &world{
		devs: []device{{index: 1, up: true}, {index: index[eth0], up: true}, {index: index[eth1], up: true}},
		addrs: []address{
			{index: 1, prefix: pfx("127.0.0.1/8"), narrow: true},
			{index: index[eth0], prefix: pfx("192.0.2.1/24")},
			{index: index[eth0], prefix: pfx("192.0.2.2/24"), secondary: true},
			{index: index[eth1], prefix: pfx("198.51.100.1/24")},
		},
		routes: []fakeRoute{
			{to: pfx("192.0.2.0/24"), dev: index[eth0], source: ip("192.0.2.1")},
			{to: pfx("198.51.100.0/24"), dev: index[eth1], source: ip("198.51.100.1")},
		},
	}
}

// realRoute is a route of the twin for the kernel.
func realRoute(r *fakeRoute) *netlink.Route {
	out := &netlink.Route{Dst: ipNet(r.to.Masked()), Priority: r.metric, LinkIndex: r.dev, Scope: netlink.SCOPE_LINK, Table: mainTable}
	switch {
	case r.refuses == errBlackhole:
		out.Type = unix.RTN_BLACKHOLE
	case r.refuses == errProhibited:
		out.Type = unix.RTN_PROHIBIT
	case r.refuses == errUnreachable:
		out.Type = unix.RTN_UNREACHABLE
	}
	if r.gateway.IsValid() {
		out.Gw = r.gateway.AsSlice()
	}
	if r.refuses != nil || r.gateway.IsValid() {
		out.Scope = netlink.SCOPE_UNIVERSE
	}
	return out
}

// An interrupt ends the receive that waits and every later one; without that this test hangs.
func TestInterrupt(t *testing.T) {
	l := cable(t, newFar(t), "veth0")
	k, err := openKernel()
	must(t, err)
	defer k.close()
	conn, err := k.openARP(l.Attrs().Index)
	must(t, err)
	defer conn.close()
	ended := make(chan error)
	receive := func() {
		_, err := conn.receive(make([]byte, 64), time.Now().Add(time.Hour))
		ended <- err
	}
	go receive()
	time.Sleep(10 * time.Millisecond) // so that it waits, most of the time
	conn.interrupt()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("waiting receive: error %v, want %v", err, os.ErrDeadlineExceeded)
	}
	go receive()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("later receive: error %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

func TestAddressesAndConnected(t *testing.T) {
	f := newFar(t)
	l := cable(t, f, "veth0")
	must(t, addAddrs(l, "192.0.2.1/24", "192.0.2.2/24"))
	must(t, netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(pfx("10.0.0.1/32")), Peer: ipNet(pfx("10.0.0.9/32"))}))
	linkLocal, err := netlink.ParseAddr("169.254.7.7/16")
	must(t, err)
	linkLocal.Scope = int(netlink.SCOPE_LINK)
	must(t, netlink.AddrAdd(l, linkLocal))
	addRoute(t, l, "10.5.0.0/16", "")
	addRoute(t, l, "10.6.0.0/16", "192.0.2.254")
	must(t, netlink.RouteAdd(&netlink.Route{Dst: ipNet(pfx("10.7.0.0/16")), MultiPath: []*netlink.NexthopInfo{
		{LinkIndex: l.Attrs().Index, Gw: ip("192.0.2.254").AsSlice()},
		{LinkIndex: l.Attrs().Index},
	}}))
	must(t, netlink.RouteAdd(&netlink.Route{Dst: ipNet(pfx("10.9.0.0/16")), MultiPath: []*netlink.NexthopInfo{
		{LinkIndex: l.Attrs().Index, Gw: ip("192.0.2.253").AsSlice()},
		{LinkIndex: l.Attrs().Index, Gw: ip("192.0.2.254").AsSlice()},
	}}))
	must(t, netlink.RouteAdd(&netlink.Route{
		LinkIndex: l.Attrs().Index, Dst: ipNet(pfx("10.10.0.0/16")), Type: unix.RTN_LOCAL, Table: mainTable, Scope: netlink.SCOPE_HOST,
	}))
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(pfx("10.8.0.0/16")), Scope: netlink.SCOPE_LINK, Table: 77}))
	k, err := openKernel()
	must(t, err)
	defer k.close()

	addrs, err := k.addresses()
	must(t, err)
	i := l.Attrs().Index
	addrs = slices.DeleteFunc(addrs, func(a address) bool { return a.index != i })
	want := []address{
		{index: i, prefix: pfx("192.0.2.1/24")},
		{index: i, prefix: pfx("10.0.0.1/32")},
		{index: i, prefix: pfx("169.254.7.7/16"), narrow: true},
		{index: i, prefix: pfx("192.0.2.2/24"), secondary: true},
	}
	slices.SortFunc(addrs, func(a, b address) int { return slices.Index(want, a) - slices.Index(want, b) })
	if !slices.Equal(addrs, want) {
		t.Errorf("addresses\n got %+v\nwant %+v", addrs, want)
	}

	prefixes, err := k.connected(i, mainTable)
	must(t, err)
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	wantPrefixes := []netip.Prefix{
		pfx("10.0.0.9/32"), pfx("10.5.0.0/16"), pfx("10.7.0.0/16"), pfx("169.254.0.0/16"), pfx("192.0.2.0/24"),
	}
	if !slices.Equal(prefixes, wantPrefixes) {
		t.Errorf("connected in the main table: %v, want %v", prefixes, wantPrefixes)
	}
	prefixes, err = k.connected(i, 77)
	must(t, err)
	if !slices.Equal(prefixes, []netip.Prefix{pfx("10.8.0.0/16")}) {
		t.Errorf("connected in table 77: %v, want 10.8.0.0/16", prefixes)
	}
}

// Every state that a neighbour entry can be put into.
func TestNeighbourStates(t *testing.T) {
	f := newFar(t)
	l := cable(t, f, "veth0")
	must(t, addAddrs(l, "192.0.2.1/24"))
	want := map[netip.Addr]neighbourState{}
	for i, s := range []struct {
		nud  int
		want neighbourState
	}{
		{unix.NUD_REACHABLE, learned},
		{unix.NUD_STALE, learned},
		{unix.NUD_PERMANENT, fixed},
		{unix.NUD_NOARP, fixed},
		{unix.NUD_FAILED, doubtful},
	} {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)})
		want[a] = s.want
		must(t, netlink.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, State: s.nud, IP: a.AsSlice(), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, byte(10 + i)},
		}))
	}
	k, err := openKernel()
	must(t, err)
	defer k.close()
	table, err := k.neighbours(l.Attrs().Index)
	must(t, err)
	got := map[netip.Addr]neighbourState{}
	for _, n := range table {
		got[n.addr] = n.state
		if n.mac != mac(n.addr.As4()[3]) {
			t.Errorf("%s is at %s, want %s", n.addr, n.mac, mac(n.addr.As4()[3]))
		}
	}
	for a, s := range want {
		// The kernel need not list a failed entry with an address.
		if state, ok := got[a]; ok && state != s || !ok && s != doubtful {
			t.Errorf("%s: state %d, listed %v, want %d", a, state, ok, s)
		}
	}
}
