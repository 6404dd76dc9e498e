package netdev

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/packet"
)

// uplink is a cable with 192.0.2.1/24 at our end and a default route by 192.0.2.254; the other end has the given addresses.
func uplink(t *testing.T, farAddrs ...string) (*far, netlink.Link) {
	t.Helper()
	f := newFar(t)
	l := cable(t, f, "veth0")
	must(t, addAddrs(l, "192.0.2.1/24"))
	addRoute(t, l, "0.0.0.0/0", "192.0.2.254")
	f.do(t, func() error {
		return withLink("far", func(l netlink.Link) error { return addAddrs(l, farAddrs...) })
	})
	return f, l
}

// neighbourOf returns the kernel's entry for the gateway of an uplink.
func neighbourOf(t *testing.T, l netlink.Link) []netlink.Neigh {
	t.Helper()
	list, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_V4)
	must(t, err)
	return slices.DeleteFunc(list, func(n netlink.Neigh) bool { return !n.IP.Equal(net.IP{192, 0, 2, 254}) })
}

func setGateway(t *testing.T, l netlink.Link, state int, m packet.MAC) {
	t.Helper()
	must(t, netlink.NeighSet(&netlink.Neigh{
		LinkIndex: l.Attrs().Index, State: state, IP: net.IP{192, 0, 2, 254}, HardwareAddr: m[:],
	}))
}

// The kernel knows nothing of the gateway, so it is asked, and the kernel's table stays as it was.
func TestFindAsksRealGateway(t *testing.T) {
	f, l := uplink(t, "192.0.2.254/24")
	if entries := neighbourOf(t, l); len(entries) > 0 {
		t.Fatalf("the neighbour table has the gateway already: %v", entries)
	}
	got, err := Find(t.Context(), Query{Targets: ips("8.8.8.8", "9.9.9.9")})
	must(t, err)
	want := &Path{
		Interface: "veth0", Index: l.Attrs().Index, MTU: 1500, Ether: true,
		Sources: ips("192.0.2.1"), SourceMAC: packet.MAC(l.Attrs().HardwareAddr),
		Gateway: ip("192.0.2.254"), HopMAC: farMAC(t, f), OnLink: []netip.Prefix{pfx("192.0.2.0/24")},
	}
	if d := diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if entries := neighbourOf(t, l); len(entries) > 0 {
		t.Errorf("the kernel has learned the gateway: %v", entries)
	}
}

func TestFindWithRealNeighbourTable(t *testing.T) {
	f, l := uplink(t, "192.0.2.254/24")
	actual := farMAC(t, f)
	for _, tt := range []struct {
		name  string
		state int
		want  packet.MAC
	}{
		{"failed", unix.NUD_FAILED, actual},
		{"stale", unix.NUD_STALE, mac(0x71)},
		{"permanent", unix.NUD_PERMANENT, mac(0x71)},
	} {
		setGateway(t, l, tt.state, mac(0x71))
		p, err := Find(t.Context(), Query{Targets: ips("8.8.8.8")})
		must(t, err)
		if p.HopMAC != tt.want {
			t.Errorf("%s: HopMAC %s, want %s", tt.name, p.HopMAC, tt.want)
		}
	}
}

// The far kernel refuses questions in a foreign name (strict reverse path filter) and answers the probe.
func TestFindAsksRealGatewayInForeignName(t *testing.T) {
	f := newFar(t)
	l := cable(t, f, "veth0")
	addRoute(t, l, "192.0.2.254/32", "")
	addRoute(t, l, "0.0.0.0/0", "192.0.2.254")
	f.do(t, func() error {
		for _, conf := range []string{"all", "far"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+conf+"/rp_filter", []byte("1"), 0); err != nil {
				return err
			}
		}
		return withLink("far", func(l netlink.Link) error { return addAddrs(l, "192.0.2.254/24") })
	})
	p, err := Find(t.Context(), Query{Targets: ips("8.8.8.8"), Sources: ips("203.0.113.9")})
	must(t, err)
	if p.HopMAC != farMAC(t, f) {
		t.Errorf("HopMAC %s, want %s", p.HopMAC, farMAC(t, f))
	}
}

func TestFindSilentRealGateway(t *testing.T) {
	uplink(t)
	start := time.Now()
	_, err := Find(t.Context(), Query{Targets: ips("8.8.8.8")})
	if err == nil || !strings.Contains(err.Error(), "192.0.2.254 on veth0 does not answer") {
		t.Errorf("error %v, want one that says who is silent", err)
	}
	// A bound, not a speed: two and a half seconds by the clock of a busy machine.
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := Find(ctx, Query{Targets: ips("8.8.8.8")}); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancel: error %v, want %v", err, context.Canceled)
	}
}

// What the rules refuse, with the messages of a real kernel behind them.
func TestFindRefusesReal(t *testing.T) {
	_, l := uplink(t)
	bare := cable(t, newFar(t), "veth1")
	for _, r := range []struct {
		to   string
		kind int
	}{{"203.0.113.0/26", unix.RTN_BLACKHOLE}, {"203.0.113.64/26", unix.RTN_PROHIBIT}, {"203.0.113.128/26", unix.RTN_UNREACHABLE}} {
		route := &netlink.Route{Dst: ipNet(pfx(r.to)), Type: r.kind}
		must(t, netlink.RouteAdd(route))
		t.Cleanup(func() { must(t, netlink.RouteDel(route)) })
	}
	addRoute(t, bare, "10.1.0.0/16", "")
	for _, tt := range []struct {
		name   string
		before func()
		query  Query
		is     error
		want   string
	}{
		{"blackhole", nil, Query{Targets: ips("203.0.113.5")}, errBlackhole, "203.0.113.5"},
		{"prohibit", nil, Query{Targets: ips("203.0.113.70")}, errProhibited, "203.0.113.70"},
		{"unreachable", nil, Query{Targets: ips("203.0.113.130")}, errUnreachable, "203.0.113.130"},
		{"blackhole by -i", nil, Query{Targets: ips("203.0.113.5"), Interface: "veth0"}, errBlackhole, "203.0.113.5"},
		{"no route by -i", nil, Query{Targets: ips("8.8.8.8"), Interface: "veth1"}, errNoRoute, "by interface veth1"},
		{"two interfaces", nil, Query{Targets: ips("8.8.8.8", "10.1.0.7")}, nil, "8.8.8.8 by veth0 and 10.1.0.7 by veth1"},
		{"no address", nil, Query{Targets: ips("10.1.0.7")}, nil, "veth1 has no IPv4 address (the kernel would borrow 192.0.2.1 of veth0)"},
		{"own address by -i", nil, Query{Targets: ips("192.0.2.1"), Interface: "veth1"}, nil, "say -i lo"},
		{"no such interface", nil, Query{Targets: ips("8.8.8.8"), Interface: "nope"}, nil, "there are lo"},
		{"down", func() { must(t, netlink.LinkSetDown(l)) }, Query{Targets: ips("8.8.8.8"), Interface: "veth0"}, nil, "veth0 is down"},
		{"no route", nil, Query{Targets: ips("8.8.8.8")}, errNoRoute, "veth0 (down)"},
	} {
		if tt.before != nil {
			tt.before()
		}
		p, err := Find(t.Context(), tt.query)
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %+v, error %v, want one of %v that says %q", tt.name, p, err, tt.is, tt.want)
		}
	}
}

func TestUp(t *testing.T) {
	f := newFar(t)
	l := cable(t, f, "veth0")
	check := func(what string, want bool) {
		t.Helper()
		if got, err := Up(l.Attrs().Index); got != want || err != nil {
			t.Errorf("%s: Up = %v, %v, want %v", what, got, err, want)
		}
	}
	check("both ends up", true)
	f.do(t, func() error { return withLink("far", netlink.LinkSetDown) })
	check("far end down", false)
	f.do(t, func() error { return withLink("far", netlink.LinkSetUp) })
	check("far end up again", true)
	must(t, netlink.LinkSetDown(l))
	check("near end down", false)
	must(t, netlink.LinkDel(l))
	if up, err := Up(l.Attrs().Index); up || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gone: Up = %v, %v, want an error that wraps %v", up, err, fs.ErrNotExist)
	}
}

// A carrier that is missing is reported as such, by the interface of the route and by the one that was named.
func TestFindNoCarrier(t *testing.T) {
	f, _ := uplink(t, "192.0.2.254/24")
	f.do(t, func() error { return withLink("far", netlink.LinkSetDown) })
	for _, name := range []string{"", "veth0"} {
		_, err := Find(t.Context(), Query{Targets: ips("8.8.8.8"), Interface: name})
		if err == nil || !strings.Contains(err.Error(), "veth0 has no carrier") {
			t.Errorf("-i %q: error %v, want one that says no carrier", name, err)
		}
	}
}

func TestFindRealLoopback(t *testing.T) {
	uplink(t)
	anyIP := &netlink.Route{LinkIndex: 1, Dst: ipNet(pfx("100.64.0.0/10")), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
	must(t, netlink.RouteAdd(anyIP))
	t.Cleanup(func() { must(t, netlink.RouteDel(anyIP)) })
	for _, tt := range []struct{ iface, target, source string }{
		{"", "127.0.0.1", "127.0.0.1"},
		{"lo", "127.0.0.1", "127.0.0.1"},
		{"", "127.3.4.5", "127.0.0.1"},
		{"lo", "127.3.4.5", "127.0.0.1"},
		{"", "192.0.2.1", "192.0.2.1"},
		{"lo", "192.0.2.1", "192.0.2.1"},
		{"", "100.64.1.1", "100.64.1.1"},
	} {
		got, err := Find(t.Context(), Query{Targets: ips(tt.target), Interface: tt.iface})
		must(t, err)
		want := &Path{Interface: "lo", Index: 1, MTU: 65536, Ether: true, Sources: ips(tt.source)}
		if d := diff(want, got); d != "" {
			t.Errorf("-i %q %s: (-want +got)\n%s", tt.iface, tt.target, d)
		}
	}
}

// A TUN interface carries bare packets; -i needs no route.
func TestFindRealTUN(t *testing.T) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		t.Skipf("this kernel has no TUN interfaces: %v", err)
	}
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("only root may make TUN interfaces here: %v", err)
	}
	must(t, err)
	defer func() { must(t, unix.Close(fd)) }() // the interface goes with it
	req, err := unix.NewIfreq("tun7")
	must(t, err)
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	must(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, req))
	l, err := netlink.LinkByName("tun7")
	must(t, err)
	must(t, netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(pfx("10.8.0.2/32")), Peer: ipNet(pfx("10.8.0.1/32"))}))
	must(t, netlink.LinkSetUp(l))
	want := &Path{Interface: "tun7", Index: l.Attrs().Index, MTU: 1500, Sources: ips("10.8.0.2")}
	for _, q := range []Query{{Targets: ips("10.8.0.1")}, {Targets: ips("8.8.8.8"), Interface: "tun7"}} {
		got, err := Find(t.Context(), q)
		must(t, err)
		if d := diff(want, got); d != "" {
			t.Errorf("%+v: (-want +got)\n%s", q, d)
		}
	}
}

// A dry run needs neither privileges nor a network, and puts nothing on the wire.
func TestFindDryRunUnprivileged(t *testing.T) {
	unprivileged(t, func() {
		got, err := Find(t.Context(), Query{Targets: ips("8.8.8.8"), Mode: DryRun})
		must(t, err)
		if got.Missing == nil || !strings.Contains(got.Missing.Error(), "no route to 8.8.8.8") {
			t.Errorf("without a route: missing is %v", got.Missing)
		}
		got.Missing = nil
		if d := diff(&Path{Ether: true, Sources: ips("0.0.0.0")}, got); d != "" {
			t.Errorf("without a route: (-want +got)\n%s", d)
		}
	})
	_, l := uplink(t)
	unprivileged(t, func() {
		before := framesOut(t, l)
		got, err := Find(t.Context(), Query{Targets: ips("8.8.8.8"), Mode: DryRun})
		if err != nil || got.Gateway != ip("192.0.2.254") || !got.HopMAC.IsZero() {
			t.Errorf("with a silent gateway: got %+v, %v, want its address and no MAC", got, err)
		}
		if after := framesOut(t, l); after != before {
			t.Errorf("%d frames were sent", after-before)
		}
		_, err = Find(t.Context(), Query{Targets: ips("8.8.8.8")})
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("a real scan: error %v, want one about CAP_NET_RAW", err)
		}
		if _, err := Find(t.Context(), Query{Targets: ips("8.8.8.8"), GatewayMAC: new(mac(1))}); err != nil {
			t.Errorf("a real scan with -G: %v", err)
		}
	})
}

func framesOut(t *testing.T, l netlink.Link) uint64 {
	t.Helper()
	l, err := netlink.LinkByIndex(l.Attrs().Index)
	must(t, err)
	return l.Attrs().Statistics.TxPackets
}

// A /24 with three hosts, one entry made by hand, and ourselves in it.
func TestRealNeighbours(t *testing.T) {
	f, l := uplink(t, "192.0.2.10/24", "192.0.2.77/24", "192.0.2.254/24")
	must(t, netlink.NeighSet(&netlink.Neigh{
		LinkIndex: l.Attrs().Index, State: unix.NUD_PERMANENT, IP: net.IP{192, 0, 2, 99}, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 99},
	}))
	path, err := Find(t.Context(), Query{Targets: ips("192.0.2.10")})
	must(t, err)
	if path.Gateway.IsValid() || !path.HopMAC.IsZero() {
		t.Errorf("path %+v has a gateway, its targets are on the link", path)
	}
	n, err := Neighbours(t.Context(), NeighbourQuery{Path: path, Targets: all(pfx("192.0.2.0/23")), Rate: 5000})
	must(t, err)
	m := farMAC(t, f)
	want := []Neighbour{{ip("192.0.2.10"), m}, {ip("192.0.2.77"), m}, {ip("192.0.2.99"), mac(99)}, {ip("192.0.2.254"), m}}
	if d := cmp.Diff(want, n.Found, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("found (-want +got)\n%s", d)
	}
	if len(n.Silent) != 256-len(want) {
		t.Errorf("%d silent, want %d", len(n.Silent), 256-len(want))
	}
}

// Half a network answers, faster than anybody needs: nothing is lost in between.
func TestRealNeighboursMany(t *testing.T) {
	f, _ := uplink(t)
	f.do(t, func() error { return withLink("lo", netlink.LinkSetUp) })
	f.do(t, func() error { // a local route is as good as 128 addresses
		return netlink.RouteAdd(&netlink.Route{
			LinkIndex: 1, Dst: ipNet(pfx("192.0.2.128/25")), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
		})
	})
	path, err := Find(t.Context(), Query{Targets: ips("192.0.2.10")})
	must(t, err)
	n, err := Neighbours(t.Context(), NeighbourQuery{Path: path, Targets: all(pfx("192.0.2.128/25")), Rate: 20000})
	must(t, err)
	if len(n.Found) != 128 || len(n.Silent) != 0 {
		t.Errorf("found %d, silent %v, want 128 and 0", len(n.Found), n.Silent)
	}
}

// The lab's link is found as it is.
func TestFindInLab(t *testing.T) {
	world, err := lab.New(t.Context(), lab.World{})
	must(t, err)
	defer func() { must(t, world.Close()) }()
	link := world.Link()
	got, err := Find(t.Context(), Query{Targets: ips("8.8.8.8", "1.1.1.1")})
	must(t, err)
	want := &Path{
		Interface: link.Interface, Index: link.Index, MTU: 1500, Ether: true,
		Sources: []netip.Addr{link.Scanner}, SourceMAC: packet.MAC(link.ScannerMAC),
		Gateway: link.Gateway, HopMAC: packet.MAC(link.GatewayMAC), OnLink: []netip.Prefix{link.Prefix},
	}
	if d := diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got, want := Describe(got), "scan0 172.31.255.1 -> gateway 172.31.255.254 ("+link.GatewayMAC.String()+"), MTU 1500"; got != want {
		t.Errorf("Describe:\n got %q\nwant %q", got, want)
	}
}
