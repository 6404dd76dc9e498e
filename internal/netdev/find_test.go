package netdev

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zmap-go/zmap/packet"
)

// diff compares paths; addresses and prefixes are values.
func diff(want, got *Path) string {
	return cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty())
}

// viaEth0 is the path of ordinary targets in the usual world, changed by edit.
func viaEth0(edit func(*Path)) *Path {
	p := &Path{
		Interface: "eth0", Index: eth0, MTU: 1500, Ether: true, Sources: ips("192.0.2.1"), SourceMAC: mac(eth0),
		Gateway: ip("192.0.2.254"), HopMAC: mac(0xfe), OnLink: []netip.Prefix{pfx("192.0.2.0/24")},
	}
	if edit != nil {
		edit(p)
	}
	return p
}

func viaEth1(edit func(*Path)) *Path {
	p := &Path{
		Interface: "eth1", Index: eth1, MTU: 1500, Ether: true, Sources: ips("198.51.100.1"), SourceMAC: mac(eth1),
		Gateway: ip("198.51.100.254"), HopMAC: mac(0xfd), OnLink: []netip.Prefix{pfx("198.51.100.0/24")},
	}
	if edit != nil {
		edit(p)
	}
	return p
}

// A pathCase is a question to the usual world, changed by world, and the path that is the answer.
type pathCase struct {
	name  string
	world func(*world)
	query Query
	want  *Path
}

func checkPaths(t *testing.T, tests []pathCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := home()
				if tt.world != nil {
					tt.world(w)
				}
				got, err := find(t.Context(), w, tt.query)
				if err != nil {
					t.Fatalf("find(%+v): %v", tt.query, err)
				}
				if d := diff(tt.want, got); d != "" {
					t.Errorf("find(%+v): (-want +got)\n%s", tt.query, d)
				}
				if w.opened != w.closed {
					t.Errorf("%d ARP sockets opened, %d closed", w.opened, w.closed)
				}
			})
		})
	}
}

func TestFindByRoutes(t *testing.T) {
	defaultOnLink := func(w *world) {
		w.routes = append(w.routes, fakeRoute{to: pfx("0.0.0.0/0"), dev: eth0, metric: 1})
	}
	secondGateway := func(w *world) { w.hosts[ip("198.51.100.254")] = &host{mac: mac(0xfd)} }
	checkPaths(t, []pathCase{
		{
			name:  "two default routes: the cheaper one",
			query: Query{Targets: ips("8.8.8.8", "9.9.9.9")},
			want:  viaEth0(nil),
		},
		{
			name:  "a static route first in the table does not decide",
			query: Query{Targets: ips("8.8.8.8", "55.1.1.1", "9.9.9.9")},
			want: viaEth0(func(p *Path) {
				p.Warnings = []string{"some targets have another gateway, such as 55.1.1.1 with 192.0.2.253, but are sent to 192.0.2.254" +
					" like the rest: scan them apart if answers are missing."}
			}),
		},
		{
			name:  "targets behind the static route go by it",
			world: func(w *world) { w.hosts[ip("192.0.2.253")] = &host{mac: mac(0xfc)} },
			query: Query{Targets: ips("55.1.1.1", "55.2.2.2")},
			want:  viaEth0(func(p *Path) { p.Gateway, p.HopMAC = ip("192.0.2.253"), mac(0xfc) }),
		},
		{
			name:  "several gateways of one route are equals",
			world: func(w *world) { w.routes[2].also = ip("192.0.2.250") },
			query: Query{Targets: ips("8.8.8.8", "8.8.8.9", "8.8.8.10")},
			want:  viaEth0(nil),
		},
		{
			name:  "-i takes the dearer route, by an alternative name, and the gateway is asked",
			world: secondGateway,
			query: Query{Targets: ips("8.8.8.8"), Interface: "uplink"},
			want:  viaEth1(nil),
		},
		{
			name:  "-i for targets on another interface's network: they go by the gateway",
			world: secondGateway,
			query: Query{Targets: ips("192.0.2.77"), Interface: "eth1"},
			want:  viaEth1(nil),
		},
		{
			name:  "targets on the link need no gateway",
			query: Query{Targets: ips("192.0.2.7", "192.0.2.9")},
			want:  viaEth0(func(p *Path) { p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{} }),
		},
		{
			name:  "some on the link, some beyond",
			query: Query{Targets: ips("192.0.2.7", "8.8.8.8")},
			want:  viaEth0(nil),
		},
		{
			name:  "default route without a gateway: all the world is on the link",
			world: defaultOnLink,
			query: Query{Targets: ips("8.8.8.8")},
			want: viaEth0(func(p *Path) {
				p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{}
				p.OnLink = []netip.Prefix{pfx("0.0.0.0/0"), pfx("192.0.2.0/24")}
			}),
		},
		{
			name: "on-link network in another table",
			world: func(w *world) {
				w.routes = append(w.routes, fakeRoute{to: pfx("10.77.0.0/24"), dev: eth0, table: 100})
			},
			query: Query{Targets: ips("10.77.0.5")},
			want: viaEth0(func(p *Path) {
				p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{}
				p.OnLink = []netip.Prefix{pfx("10.77.0.0/24"), pfx("192.0.2.0/24")}
			}),
		},
	})
}

func TestFindWithOptions(t *testing.T) {
	checkPaths(t, []pathCase{
		{
			name:  "-G: everything goes there",
			world: func(w *world) { w.table = nil },
			query: Query{Targets: ips("8.8.8.8", "192.0.2.7"), GatewayMAC: new(mac(0x77))},
			want:  viaEth0(func(p *Path) { p.HopMAC, p.OnLink = mac(0x77), nil }),
		},
		{
			name:  "-i and -G without any route",
			world: func(w *world) { w.routes = nil },
			query: Query{Targets: ips("8.8.8.8"), Interface: "eth1", GatewayMAC: new(mac(0x77))},
			want: viaEth1(func(p *Path) {
				p.HopMAC, p.OnLink, p.Gateway = mac(0x77), nil, netip.Addr{}
			}),
		},
		{
			name:  "-i and -G past a blackhole route",
			query: Query{Targets: ips("203.0.113.5", "8.8.8.8"), Interface: "eth0", GatewayMAC: new(mac(0x77))},
			want:  viaEth0(func(p *Path) { p.HopMAC, p.OnLink = mac(0x77), nil }),
		},
	})
}
