package netdev

import (
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/packet"
)

// Interfaces that are not a plain Ethernet.
func TestFindSpecialInterfaces(t *testing.T) {
	checkPaths(t, []pathCase{
		{
			name:  "tun: no link layer",
			query: Query{Targets: ips("10.8.3.4"), SourceMAC: new(mac(9)), GatewayMAC: new(mac(9))},
			want:  &Path{Interface: "tun0", Index: tun0, MTU: 1500, Sources: ips("10.8.0.2")},
		},
		{
			name:  "-i tun needs no route",
			query: Query{Targets: ips("8.8.8.8"), Interface: "tun0"},
			want:  &Path{Interface: "tun0", Index: tun0, MTU: 1500, Sources: ips("10.8.0.2")},
		},
		{
			name: "tun without an address borrows one",
			world: func(w *world) {
				w.addrs = w.addrs[:4]
			},
			query: Query{Targets: ips("10.8.3.4")},
			want:  &Path{Interface: "tun0", Index: tun0, MTU: 1500, Sources: ips("192.0.2.1")},
		},
		{
			name:  "loopback",
			query: Query{Targets: ips("127.0.0.1", "127.5.5.5")},
			want:  &Path{Interface: "lo", Index: lo, MTU: 65536, Ether: true, Sources: ips("127.0.0.1")},
		},
		{
			name:  "-i lo",
			query: Query{Targets: ips("127.0.0.1"), Interface: "lo"},
			want:  &Path{Interface: "lo", Index: lo, MTU: 65536, Ether: true, Sources: ips("127.0.0.1")},
		},
		{
			name:  "own address alone: by lo, from itself",
			query: Query{Targets: ips("192.0.2.1")},
			want:  &Path{Interface: "lo", Index: lo, MTU: 65536, Ether: true, Sources: ips("192.0.2.1")},
		},
		{
			name:  "-i lo and -G for anything",
			query: Query{Targets: ips("8.8.8.8"), Interface: "lo", GatewayMAC: new(mac(9))},
			want:  &Path{Interface: "lo", Index: lo, MTU: 65536, Ether: true, Sources: ips("127.0.0.1"), HopMAC: mac(9)},
		},
	})
}

// Addresses that are not an ordinary target.
func TestFindSpecialTargets(t *testing.T) {
	checkPaths(t, []pathCase{
		{
			name:  "own and reserved addresses have no say among others",
			query: Query{Targets: ips("127.0.0.1", "192.0.2.1", "0.1.2.3", "224.0.0.1", "255.255.255.255", "8.8.8.8")},
			want:  viaEth0(nil),
		},
		{
			name:  "reserved addresses without a route are no error among others",
			world: func(w *world) { w.routes = w.routes[3:] },
			query: Query{Targets: ips("0.1.2.3", "127.9.9.9", "224.0.0.1", "255.255.255.255", "192.0.2.7"), Interface: "eth0"},
			want:  viaEth0(func(p *Path) { p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{} }),
		},
		{
			name:  "own address among others with -i",
			query: Query{Targets: ips("192.0.2.1", "8.8.8.8"), Interface: "eth0"},
			want:  viaEth0(nil),
		},
		{
			name: "own address of another interface among others with -i",
			world: func(w *world) {
				w.routes = w.routes[2:]
				w.routes = append(w.routes, fakeRoute{to: pfx("10.1.0.0/16"), dev: eth1})
			},
			query: Query{Targets: ips("192.0.2.1", "10.1.2.3"), Interface: "eth1"},
			want: viaEth1(func(p *Path) {
				p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{}
				p.OnLink = []netip.Prefix{pfx("10.1.0.0/16"), pfx("198.51.100.0/24")}
			}),
		},
		{
			name:  "addresses of the host by a local route of the administrator's have no say",
			world: func(w *world) { w.routes = append(w.routes, fakeRoute{to: pfx("100.64.0.0/10"), dev: lo, self: true}) },
			query: Query{Targets: ips("100.64.1.1", "8.8.8.8")},
			want:  viaEth0(nil),
		},
		{
			name:  "multicast alone is on the link",
			query: Query{Targets: ips("224.1.1.1")},
			want:  viaEth0(func(p *Path) { p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{} }),
		},
	})
}
