package netdev

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

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
	for why, kind := range map[error]int{
		errBlackhole: unix.RTN_BLACKHOLE, errProhibited: unix.RTN_PROHIBIT, errUnreachable: unix.RTN_UNREACHABLE,
	} {
		if errors.Is(r.refuses, why) {
			out.Type = kind
		}
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
	conn, err := k.openAsk(l.Attrs().Index, false)
	must(t, err)
	defer func() { must(t, conn.close()) }()
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

	prefixes, err := k.connected(i, mainTable, false)
	must(t, err)
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	wantPrefixes := []netip.Prefix{
		pfx("10.0.0.9/32"), pfx("10.5.0.0/16"), pfx("10.7.0.0/16"), pfx("169.254.0.0/16"), pfx("192.0.2.0/24"),
	}
	if !slices.Equal(prefixes, wantPrefixes) {
		t.Errorf("connected in the main table: %v, want %v", prefixes, wantPrefixes)
	}
	prefixes, err = k.connected(i, 77, false)
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

// A dump that changes overtake is repeated, but not for ever.
func TestDump(t *testing.T) {
	for _, tt := range []struct {
		interrupted int
		fails       error
		reads       int
		err         error
	}{
		{0, nil, 1, nil}, {1, nil, 2, nil}, {maxDumps - 1, nil, maxDumps, nil}, {99, nil, maxDumps, nil}, {1, os.ErrClosed, 2, os.ErrClosed},
	} {
		reads := 0
		list, err := dump(func() ([]int, error) {
			reads++
			if reads <= tt.interrupted {
				return []int{reads}, fmt.Errorf("dump: %w", netlink.ErrDumpInterrupted)
			}
			return []int{reads}, tt.fails
		})
		if reads != tt.reads || !errors.Is(err, tt.err) || err == nil && !slices.Equal(list, []int{reads}) {
			t.Errorf("%+v: %d reads, list %v, error %v", tt, reads, list, err)
		}
	}
}

func TestKindOf(t *testing.T) {
	for name, want := range map[string]linkKind{
		"ether": etherLink, "loopback": loopLink, "none": rawLink, "ppp": rawLink, "gre": rawLink, "unknown519": rawLink,
		"infiniband": otherLink, "ieee802.11/radiotap": otherLink, "unknown280": otherLink, "": otherLink,
	} {
		if got := kindOf(name); got != want {
			t.Errorf("kindOf(%q) = %d, want %d", name, got, want)
		}
	}
}

// An IPv4 route may have an IPv6 gateway.
func TestIPv6Gateway(t *testing.T) {
	l := cable(t, newFar(t), "veth0")
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/veth0/disable_ipv6", []byte("0"), 0))
	must(t, addAddrs(l, "192.0.2.1/24"))
	must(t, netlink.RouteAdd(&netlink.Route{
		LinkIndex: l.Attrs().Index, Dst: ipNet(pfx("0.0.0.0/0")),
		Via: &netlink.Via{AddrFamily: netlink.FAMILY_V6, Addr: net.ParseIP("fe80::1")},
	}))
	if _, err := Find(t.Context(), Query{Targets: ips("8.8.8.8")}); err == nil || !strings.Contains(err.Error(), "gateway fe80::1 on veth0 is not known") {
		t.Errorf("error %v, want one that names the gateway", err)
	}
	must(t, netlink.NeighSet(&netlink.Neigh{
		LinkIndex: l.Attrs().Index, State: unix.NUD_STALE, IP: net.ParseIP("fe80::1"), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 6},
	}))
	p, err := Find(t.Context(), Query{Targets: ips("8.8.8.8")})
	must(t, err)
	if p.Gateway != ip("fe80::1") || p.HopMAC != mac(6) || !slices.Equal(p.OnLink, []netip.Prefix{pfx("192.0.2.0/24")}) {
		t.Errorf("path %+v, want gateway fe80::1 at %s", p, mac(6))
	}
}
