package netdev

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/packet"
)

// addAddrs6 gives an interface addresses that may be used at once, without asking whether somebody else has them.
func addAddrs6(l netlink.Link, list ...string) error {
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+l.Attrs().Name+"/disable_ipv6", []byte("0"), 0); err != nil {
		return err
	}
	for _, text := range list {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, a); err != nil {
			return err
		}
	}
	return nil
}

// uplink6 is uplink for IPv6, with a second address of ours that RFC 6724 prefers for targets of its own network, and a link-local gateway.
func uplink6(t *testing.T, farAddrs ...string) (*far, netlink.Link) {
	t.Helper()
	f := newFar(t)
	l := cable(t, f, "veth0")
	must(t, addAddrs6(l, "fe80::11/64", "2001:db8:1::1/64", "fd00:5::1/48"))
	addRoute(t, l, "::/0", "fe80::fe")
	f.do(t, func() error {
		return withLink("far", func(l netlink.Link) error { return addAddrs6(l, farAddrs...) })
	})
	return f, l
}

func TestFindIPv6(t *testing.T) {
	f, l := uplink6(t, "fe80::fe/64")
	for _, c := range []struct{ target, source string }{
		{"2600::1", "2001:db8:1::1"},
		{"fd00:9::1", "fd00:5::1"}, // RFC 6724 rule 6: the same label
	} {
		got, err := Find(t.Context(), Query{Targets: ips(c.target)})
		must(t, err)
		if !slices.Equal(got.Sources, ips(c.source)) || got.Gateway != ip("fe80::fe") || got.HopMAC != farMAC(t, f) ||
			!slices.Contains(got.OnLink, pfx("2001:db8:1::/64")) || got.SourceMAC != packet.MAC(l.Attrs().HardwareAddr) || !got.Ether {
			t.Errorf("%s: got %+v, want source %s and gateway %s", c.target, got, c.source, farMAC(t, f))
		}
	}
	got, err := Find(t.Context(), Query{Targets: ips("2600::1"), Sources: ips("fd00:5::1")})
	must(t, err)
	if !slices.Equal(got.Sources, ips("fd00:5::1")) {
		t.Errorf("got sources %v, want the one asked for", got.Sources)
	}
	if _, err := Find(t.Context(), Query{Targets: ips("2600::1"), Sources: ips("192.0.2.1")}); err == nil || !strings.Contains(err.Error(), "must be an IPv6 address") {
		t.Errorf("an IPv4 source: error %v", err)
	}
	if _, err := Find(t.Context(), Query{Targets: ips("2600::1", "192.0.2.1")}); err == nil {
		t.Error("targets of both families were taken")
	}
}

func TestFindSilentIPv6Gateway(t *testing.T) {
	uplink6(t)
	_, err := Find(t.Context(), Query{Targets: ips("2600::1")})
	if err == nil || !strings.Contains(err.Error(), "gateway fe80::fe on veth0 does not answer Neighbor Discovery") {
		t.Errorf("error %v, want one that says who is silent", err)
	}
	p, err := Find(t.Context(), Query{Targets: ips("2600::1"), GatewayMAC: &packet.MAC{2, 0, 0, 0, 0, 9}})
	must(t, err)
	if p.HopMAC != (packet.MAC{2, 0, 0, 0, 0, 9}) {
		t.Errorf("HopMAC %s, want the one given", p.HopMAC)
	}
}

func TestFindNoIPv6Route(t *testing.T) {
	f := newFar(t)
	l := cable(t, f, "veth0")
	must(t, addAddrs(l, "192.0.2.1/24"))
	if _, err := Find(t.Context(), Query{Targets: ips("2600::1")}); err == nil || !strings.Contains(err.Error(), "no route to 2600::1") {
		t.Errorf("error %v, want one about the route", err)
	}
	must(t, addAddrs6(l, "2001:db8:1::1/64"))
	for to, want := range map[string]string{"2001:db8:3::/48": "blackhole route covers", "2001:db8:4::/48": "unreachable route covers", "2001:db8:5::/48": "prohibit route covers"} {
		kind := map[string]int{"2001:db8:3::/48": unix.RTN_BLACKHOLE, "2001:db8:4::/48": unix.RTN_UNREACHABLE, "2001:db8:5::/48": unix.RTN_PROHIBIT}[to]
		dst, err := netlink.ParseIPNet(to)
		must(t, err)
		must(t, netlink.RouteAdd(&netlink.Route{Dst: dst, Type: kind}))
		if _, err := Find(t.Context(), Query{Targets: []netip.Addr{pfx(to).Addr().Next()}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", to, err, want)
		}
	}
}

func TestNeighboursIPv6(t *testing.T) {
	f, l := uplink6(t, "fe80::fe/64", "2001:db8:1::7/64", "2001:db8:1::9/64")
	p, err := Find(t.Context(), Query{Targets: ips("2600::1")})
	must(t, err)
	got, err := Neighbours(t.Context(), NeighbourQuery{Path: p, Targets: slices.Values(ips("2001:db8:1::7", "2001:db8:1::8", "2001:db8:1::9", "2001:db8:1::1", "2600::1"))})
	must(t, err)
	want := &Neighbourhood{Found: []Neighbour{{ip("2001:db8:1::7"), farMAC(t, f)}, {ip("2001:db8:1::9"), farMAC(t, f)}}, Silent: ips("2001:db8:1::1", "2001:db8:1::8")}
	if !slices.Equal(got.Found, want.Found) || !slices.Equal(got.Silent, want.Silent) {
		t.Errorf("got %+v, want %+v; interface %s", got, want, l.Attrs().Name)
	}
}

// TestWatchIPv6Gateway sees another hardware address.
func TestWatchIPv6Gateway(t *testing.T) {
	f, _ := uplink6(t, "fe80::fe/64")
	p, err := Find(t.Context(), Query{Targets: ips("2600::1")})
	must(t, err)
	w, err := WatchGateway(p)
	must(t, err)
	defer func() { must(t, w.Close()) }()
	for _, mac := range []packet.MAC{farMAC(t, f), {2, 0, 0, 0, 7, 7}} {
		f.do(t, func() error {
			return withLink("far", func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, mac[:]) })
		})
		until := time.Now().Add(20 * time.Second)
		for {
			got, ok, err := w.Ask(t.Context())
			must(t, err)
			if ok && got == mac {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("got %s, %v, want %s", got, ok, mac)
			}
		}
	}
}
