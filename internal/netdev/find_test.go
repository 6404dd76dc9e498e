package netdev

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

func given(m packet.MAC) *packet.MAC { return &m }

func TestFindPath(t *testing.T) {
	defaultOnLink := func(w *world) {
		w.routes = append(w.routes, fakeRoute{to: pfx("0.0.0.0/0"), dev: eth0, metric: 1})
	}
	secondGateway := func(w *world) { w.hosts[ip("198.51.100.254")] = &host{mac: mac(0xfd)} }
	tests := []struct {
		name  string
		world func(*world)
		query Query
		want  *Path
	}{
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
		{
			name:  "-G: everything goes there",
			world: func(w *world) { w.table = nil },
			query: Query{Targets: ips("8.8.8.8", "192.0.2.7"), GatewayMAC: given(mac(0x77))},
			want:  viaEth0(func(p *Path) { p.HopMAC, p.OnLink = mac(0x77), nil }),
		},
		{
			name:  "-i and -G without any route",
			world: func(w *world) { w.routes = nil },
			query: Query{Targets: ips("8.8.8.8"), Interface: "eth1", GatewayMAC: given(mac(0x77))},
			want: viaEth1(func(p *Path) {
				p.HopMAC, p.OnLink, p.Gateway = mac(0x77), nil, netip.Addr{}
			}),
		},
		{
			name:  "-i and -G past a blackhole route",
			query: Query{Targets: ips("203.0.113.5", "8.8.8.8"), Interface: "eth0", GatewayMAC: given(mac(0x77))},
			want:  viaEth0(func(p *Path) { p.HopMAC, p.OnLink = mac(0x77), nil }),
		},
		{
			name:  "-S and --source-mac",
			query: Query{Targets: ips("8.8.8.8"), Sources: ips("192.0.2.2", "192.0.2.1"), SourceMAC: given(mac(0x55))},
			want:  viaEth0(func(p *Path) { p.Sources, p.SourceMAC = ips("192.0.2.2", "192.0.2.1"), mac(0x55) }),
		},
		{
			name:  "-S foreign: warned of",
			query: Query{Targets: ips("8.8.8.8"), Sources: ips("192.0.2.1", "1.2.3.4")},
			want: viaEth0(func(p *Path) {
				p.Sources = ips("192.0.2.1", "1.2.3.4")
				p.Warnings = []string{"source address 1.2.3.4 (-S) is no address of this host: answers come only if the network sends them here."}
			}),
		},
		{
			name:  "-S for an interface without addresses",
			query: Query{Targets: ips("8.8.8.8"), Interface: "bare0", Sources: ips("192.0.2.1"), GatewayMAC: given(mac(0x77))},
			want: &Path{
				Interface: "bare0", Index: bare0, MTU: 1500, Ether: true,
				Sources: ips("192.0.2.1"), SourceMAC: mac(bare0), HopMAC: mac(0x77),
			},
		},
		{
			name:  "the route names a source that is another interface's",
			world: func(w *world) { w.routes[2].source = ip("198.51.100.1") },
			query: Query{Targets: ips("8.8.8.8")},
			want:  viaEth0(func(p *Path) { p.Sources = ips("198.51.100.1") }),
		},
		{
			name:  "the route names a secondary address",
			world: func(w *world) { w.routes[2].source = ip("192.0.2.2") },
			query: Query{Targets: ips("8.8.8.8")},
			want:  viaEth0(func(p *Path) { p.Sources = ips("192.0.2.2") }),
		},
		{
			name: "the commonest source address",
			world: func(w *world) {
				w.addrs = append(w.addrs, address{index: eth0, prefix: pfx("10.1.0.1/24")})
				w.routes = append(w.routes, fakeRoute{to: pfx("10.1.0.0/24"), dev: eth0, source: ip("10.1.0.1")})
			},
			query: Query{Targets: ips("10.1.0.9", "192.0.2.7", "192.0.2.8")},
			want: viaEth0(func(p *Path) {
				p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{}
				p.OnLink = []netip.Prefix{pfx("10.1.0.0/24"), pfx("192.0.2.0/24")}
			}),
		},
		{
			name:  "tun: no link layer",
			query: Query{Targets: ips("10.8.3.4"), SourceMAC: given(mac(9)), GatewayMAC: given(mac(9))},
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
			query: Query{Targets: ips("8.8.8.8"), Interface: "lo", GatewayMAC: given(mac(9))},
			want:  &Path{Interface: "lo", Index: lo, MTU: 65536, Ether: true, Sources: ips("127.0.0.1"), HopMAC: mac(9)},
		},
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
		{
			name:  "Ethernet without ARP: to its own address",
			query: Query{Targets: ips("10.9.1.4")},
			want: &Path{
				Interface: "dum0", Index: dum0, MTU: 1500, Ether: true, Sources: ips("10.9.0.1"),
				SourceMAC: mac(dum0), HopMAC: mac(dum0), Gateway: ip("10.9.0.254"),
			},
		},
		{
			name: "Ethernet without ARP, left-over entry",
			world: func(w *world) {
				w.table[dum0] = []neighbour{{addr: ip("10.9.0.254"), mac: mac(0x66), state: learned}}
			},
			query: Query{Targets: ips("10.9.1.4")},
			want: &Path{
				Interface: "dum0", Index: dum0, MTU: 1500, Ether: true, Sources: ips("10.9.0.1"),
				SourceMAC: mac(dum0), HopMAC: mac(dum0), Gateway: ip("10.9.0.254"),
			},
		},
		{
			name: "Ethernet without ARP, gateway set by hand",
			world: func(w *world) {
				w.table[dum0] = []neighbour{{addr: ip("10.9.0.254"), mac: mac(0x66), state: fixed}}
			},
			query: Query{Targets: ips("10.9.1.4")},
			want: &Path{
				Interface: "dum0", Index: dum0, MTU: 1500, Ether: true, Sources: ips("10.9.0.1"),
				SourceMAC: mac(dum0), HopMAC: mac(0x66), Gateway: ip("10.9.0.254"),
			},
		},
		{
			name:  "-X: the kernel finds the next hop",
			world: func(w *world) { w.table = nil },
			query: Query{Targets: ips("8.8.8.8"), Layer: Packets, GatewayMAC: given(mac(9))},
			want:  viaEth0(func(p *Path) { p.HopMAC, p.OnLink = packet.MAC{}, nil }),
		},
		{
			name: "IPv6 gateway that the kernel knows",
			world: func(w *world) {
				w.routes[2].gateway = ip("fe80::1")
				w.table[eth0] = []neighbour{{addr: ip("fe80::1"), mac: mac(0x61), state: learned}}
			},
			query: Query{Targets: ips("8.8.8.8")},
			want:  viaEth0(func(p *Path) { p.Gateway, p.HopMAC = ip("fe80::1"), mac(0x61) }),
		},
	}
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

func TestFindRefuses(t *testing.T) {
	tests := []struct {
		name  string
		world func(*world)
		query Query
		want  []string // all in the message
		is    error
	}{
		{
			name:  "different interfaces",
			query: Query{Targets: ips("8.8.8.8", "198.51.100.7")},
			want:  []string{"8.8.8.8 by eth0", "198.51.100.7 by eth1", "-i"},
		},
		{
			name:  "no route",
			world: func(w *world) { w.routes = nil },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"no route to 8.8.8.8", "-i", "-G", "down0 (down)", "dead0 (no carrier)", "bare0 (no IPv4 address)"},
			is:    errNoRoute,
		},
		{
			name:  "one target of several without a route",
			world: func(w *world) { w.routes = w.routes[3:] },
			query: Query{Targets: ips("192.0.2.7", "8.8.8.8")},
			want:  []string{"no route to 8.8.8.8"},
		},
		{
			name:  "-G without -i and no route",
			world: func(w *world) { w.routes = nil },
			query: Query{Targets: ips("8.8.8.8"), GatewayMAC: given(mac(1))},
			want:  []string{"no route to 8.8.8.8", "-i"},
		},
		{
			name:  "-i without a route by it",
			query: Query{Targets: ips("8.8.8.8"), Interface: "dum0"},
			want:  []string{"no route to 8.8.8.8 by interface dum0", "-G"},
			is:    errNoRoute,
		},
		{name: "blackhole", query: Query{Targets: ips("203.0.113.5")}, want: []string{"blackhole", "203.0.113.5", "-i", "-G"}, is: errBlackhole},
		{name: "prohibit", query: Query{Targets: ips("203.0.113.70")}, want: []string{"prohibit", "203.0.113.70"}, is: errProhibited},
		{name: "unreachable", query: Query{Targets: ips("203.0.113.130")}, want: []string{"unreachable", "203.0.113.130"}, is: errUnreachable},
		{
			name:  "route query fails otherwise",
			world: func(w *world) { w.routes[2].refuses = os.ErrPermission },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"ask for the route to 8.8.8.8"},
			is:    os.ErrPermission,
		},
		{name: "no such interface", query: Query{Targets: ips("8.8.8.8"), Interface: "eth9"}, want: []string{"eth9", "does not exist", "eth0, eth1"}},
		{name: "interface down", query: Query{Targets: ips("8.8.8.8"), Interface: "down0"}, want: []string{"down0 is down", "ip link set down0 up"}},
		{name: "no carrier", query: Query{Targets: ips("8.8.8.8"), Interface: "dead0"}, want: []string{"dead0 has no carrier"}},
		{
			name:  "no carrier on the route's interface",
			world: func(w *world) { w.device(eth0).carrier = false },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"eth0 has no carrier", "-i"},
		},
		{name: "strange link layer", query: Query{Targets: ips("8.8.8.8"), Interface: "ib0"}, want: []string{"ib0", "infiniband"}},
		{
			name:  "no address, none to borrow",
			world: func(w *world) { w.addrs = nil },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"eth0 has no IPv4 address", "-S"},
		},
		{
			name:  "no address, another interface's is not taken",
			world: func(w *world) { w.routes = []fakeRoute{{to: pfx("0.0.0.0/0"), dev: bare0, gateway: ip("10.0.0.1")}} },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"bare0 has no IPv4 address", "192.0.2.1 of eth0", "-S"},
		},
		{
			name:  "no address with -i and -G",
			query: Query{Targets: ips("8.8.8.8"), Interface: "bare0", GatewayMAC: given(mac(1))},
			want:  []string{"bare0 has no IPv4 address", "-S"},
		},
		{
			name:  "own address by -i",
			query: Query{Targets: ips("192.0.2.1"), Interface: "eth0"},
			want:  []string{"192.0.2.1", "in spite of -i eth0", "say -i lo"},
		},
		{
			name:  "own address of another interface by -i",
			query: Query{Targets: ips("192.0.2.1"), Interface: "bare0"},
			want:  []string{"192.0.2.1", "in spite of -i bare0", "say -i lo"},
		},
		{
			name:  "-i lo for others",
			query: Query{Targets: ips("8.8.8.8"), Interface: "lo"},
			want:  []string{"no route to 8.8.8.8 by interface lo"},
		},
		{
			name:  "IPv6 gateway unknown",
			world: func(w *world) { w.routes[2].gateway = ip("fe80::1") },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"fe80::1", "eth0", "-G"},
		},
		{name: "no targets", query: Query{}, want: []string{"no target"}, is: errNoTargets},
		{
			name:  "kernel does not talk",
			world: func(w *world) { w.devicesIs = os.ErrPermission },
			query: Query{Targets: ips("8.8.8.8")},
			is:    os.ErrPermission,
		},
		{
			name:  "no right to ask",
			world: func(w *world) { w.table, w.openIs = nil, fmt.Errorf("open packet socket: %w", os.ErrPermission) },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"192.0.2.254 on eth0", "CAP_NET_RAW", "-G"},
			is:    os.ErrPermission,
		},
		{
			name:  "cannot send",
			world: func(w *world) { w.table, w.sendIs = nil, os.ErrClosed },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"192.0.2.254 on eth0"},
			is:    os.ErrClosed,
		},
		{
			name:  "cannot receive",
			world: func(w *world) { w.table, w.receiveIs = nil, os.ErrClosed },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"192.0.2.254 on eth0", "receive ARP"},
			is:    os.ErrClosed,
		},
		{
			name:  "gateway silent",
			world: func(w *world) { w.table = nil },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"gateway 192.0.2.254 on eth0 does not answer ARP", "4 requests", "-G"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := home()
				if tt.world != nil {
					tt.world(w)
				}
				got, err := find(t.Context(), w, tt.query)
				if err == nil {
					t.Fatalf("find(%+v) = %+v, want an error", tt.query, got)
				}
				for _, part := range tt.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("find(%+v): error %q lacks %q", tt.query, err, part)
					}
				}
				if tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("find(%+v): error %q does not wrap %v", tt.query, err, tt.is)
				}
				if w.opened != w.closed {
					t.Errorf("%d ARP sockets opened, %d closed", w.opened, w.closed)
				}
			})
		})
	}
}

func TestFindTakesIPv4Only(t *testing.T) {
	for _, q := range []Query{
		{Targets: ips("2001:db8::1"), Mode: DryRun},
		{Targets: ips("8.8.8.8"), Sources: ips("2001:db8::1"), Mode: DryRun},
		{Targets: []netip.Addr{{}}, Mode: DryRun},
	} {
		if _, err := Find(t.Context(), q); err == nil || !strings.Contains(err.Error(), "IPv4") {
			t.Errorf("Find(%+v): error %v, want one that says IPv4", q, err)
		}
	}
}

// Every state of the gateway's neighbour entry: only some are worth anything, and with the others the gateway is asked.
func TestFindNeighbourStates(t *testing.T) {
	for _, tt := range []struct {
		state neighbourState
		mac   packet.MAC
		asks  bool
	}{
		{doubtful, mac(0xfe), true},
		{learned, mac(0xfe), false},
		{learned, packet.MAC{}, true},
		{fixed, mac(0xfe), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := home()
			w.table[eth0] = []neighbour{{addr: ip("192.0.2.254"), mac: tt.mac, state: tt.state}}
			w.hosts[ip("192.0.2.254")] = &host{mac: mac(0xaa)}
			p, err := find(t.Context(), w, Query{Targets: ips("8.8.8.8")})
			if err != nil {
				t.Fatalf("entry %+v: %v", tt, err)
			}
			want := tt.mac
			if tt.asks {
				want = mac(0xaa)
			}
			if p.HopMAC != want || (len(w.sent) > 0) != tt.asks {
				t.Errorf("entry %+v: HopMAC %s after %d requests, want %s", tt, p.HopMAC, len(w.sent), want)
			}
		})
	}
}

// In a dry run every refusal of TestFindRefuses that concerns the host becomes a path.
func TestFindDryRun(t *testing.T) {
	blank := &Path{Ether: true, Sources: ips("0.0.0.0")}
	tests := []struct {
		name  string
		world func(*world)
		query Query
		want  *Path
	}{
		{name: "no route", world: func(w *world) { w.routes = nil }, query: Query{Targets: ips("8.8.8.8")}, want: blank},
		{name: "no targets", query: Query{}, want: blank},
		{name: "kernel does not talk", world: func(w *world) { w.devicesIs = os.ErrPermission }, query: Query{Targets: ips("8.8.8.8")}, want: blank},
		{
			name:  "no route, all given",
			world: func(w *world) { w.routes = nil },
			query: Query{Targets: ips("8.8.8.8"), Sources: ips("1.2.3.4"), SourceMAC: given(mac(1)), GatewayMAC: given(mac(2))},
			want:  &Path{Ether: true, Sources: ips("1.2.3.4"), SourceMAC: mac(1), HopMAC: mac(2)},
		},
		{name: "gateway known", query: Query{Targets: ips("8.8.8.8")}, want: viaEth0(nil)},
		{
			name:  "gateway not known: nobody is asked",
			world: func(w *world) { w.table = nil; w.hosts[ip("192.0.2.254")] = &host{mac: mac(0xaa)} },
			query: Query{Targets: ips("8.8.8.8")},
			want:  viaEth0(func(p *Path) { p.HopMAC = packet.MAC{} }),
		},
		{
			name:  "different interfaces: the first",
			query: Query{Targets: ips("8.8.8.8", "198.51.100.7")},
			want:  viaEth0(nil),
		},
		{
			name:  "blackhole for some",
			query: Query{Targets: ips("203.0.113.5", "8.8.8.8")},
			want:  viaEth0(nil),
		},
		{
			name:  "interface down",
			query: Query{Targets: ips("8.8.8.8"), Interface: "down0"},
			want:  &Path{Interface: "down0", Index: down0, MTU: 1500, Ether: true, Sources: ips("0.0.0.0"), SourceMAC: mac(down0)},
		},
		{
			name:  "-i without a route by it",
			query: Query{Targets: ips("8.8.8.8"), Interface: "bare0"},
			want:  &Path{Interface: "bare0", Index: bare0, MTU: 1500, Ether: true, Sources: ips("0.0.0.0"), SourceMAC: mac(bare0)},
		},
		{
			name:  "own address by -i",
			query: Query{Targets: ips("192.0.2.1"), Interface: "eth0"},
			want:  viaEth0(func(p *Path) { p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{} }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := home()
			if tt.world != nil {
				tt.world(w)
			}
			tt.query.Mode = DryRun
			got, err := find(t.Context(), w, tt.query)
			if err != nil {
				t.Fatalf("find(%+v): %v", tt.query, err)
			}
			if d := diff(tt.want, got); d != "" {
				t.Errorf("find(%+v): (-want +got)\n%s", tt.query, d)
			}
			if w.opened > 0 || len(w.sent) > 0 {
				t.Errorf("dry run opened %d sockets and sent %d frames", w.opened, len(w.sent))
			}
		})
	}
	if _, err := find(t.Context(), home(), Query{Targets: ips("8.8.8.8"), Interface: "eth9", Mode: DryRun}); err == nil {
		t.Error("dry run with -i that does not exist: no error")
	}
}

// The host's own addresses decide which rules apply (ip-rule(8)); the kernel must be asked with the first that it has.
func TestFindAsksWithOwnSource(t *testing.T) {
	w := &sourceSpy{world: home()}
	q := Query{Targets: ips("8.8.8.8"), Sources: ips("1.2.3.4", "192.0.2.2", "192.0.2.1"), GatewayMAC: given(mac(1))}
	if _, err := find(t.Context(), w, q); err != nil {
		t.Fatal(err)
	}
	if w.src != ip("192.0.2.2") {
		t.Errorf("asked with source %s, want 192.0.2.2", w.src)
	}
}

type sourceSpy struct {
	*world
	src netip.Addr
}

func (s *sourceSpy) lookup(dst, src netip.Addr, oif int) (hop, error) {
	s.src = src
	return s.world.lookup(dst, src, oif)
}

// Property: over random routing tables, the path is what the routes say of every single target, or find refuses.
func TestFindAgreesWithEveryTarget(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	paths, refusals := 0, 0
	for range 3000 {
		w := home()
		w.routes = randomRoutes(rng)
		var q Query
		for range 1 + rng.IntN(4) {
			q.Targets = append(q.Targets, randomTarget(rng))
		}
		q.Mode, q.GatewayMAC = Scan, given(mac(1))
		p, err := find(t.Context(), w, q)
		if err != nil {
			refusals++
			continue
		}
		paths++
		gateways := map[netip.Addr]bool{}
		for _, target := range q.Targets {
			h, err := w.lookup(target, netip.Addr{}, 0)
			if err != nil || h.to == toHost && h.index != p.Index {
				t.Fatalf("path %+v for targets %v, but the route to %s is %+v, %v", p, q.Targets, target, h, err)
			}
			gateways[h.gateway] = true
		}
		if !gateways[p.Gateway] {
			t.Fatalf("path %+v for targets %v: none of them has that gateway (%v)", p, q.Targets, gateways)
		}
	}
	if paths < 300 || refusals < 300 {
		t.Errorf("%d paths, %d refusals: the test tests little", paths, refusals)
	}
}

func randomTarget(rng *rand.Rand) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(rng.IntN(4)), byte(rng.IntN(4)), byte(rng.IntN(256))})
}

// randomRoutes makes a dozen routes within 10.0.0.0/14 by the two Ethernets, some refusing.
func randomRoutes(rng *rand.Rand) []fakeRoute {
	var routes []fakeRoute
	seen := map[string]bool{}
	for range 12 {
		p, err := randomTarget(rng).Prefix(12 + rng.IntN(21))
		if err != nil {
			panic(err)
		}
		r := fakeRoute{to: p, metric: rng.IntN(3)}
		switch rng.IntN(8) {
		case 0:
			r.refuses = []error{errBlackhole, errProhibited, errUnreachable}[rng.IntN(3)]
		case 1, 2, 3:
			r.dev, r.gateway = eth0, netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + rng.IntN(3))})
		case 4, 5:
			r.dev, r.gateway = eth1, netip.AddrFrom4([4]byte{198, 51, 100, byte(100 + rng.IntN(3))})
		case 6:
			r.dev = eth0
		case 7:
			r.dev = eth1
		}
		// The kernel allows one route per destination and metric.
		if key := fmt.Sprint(p, r.metric); !seen[key] {
			seen[key] = true
			routes = append(routes, r)
		}
	}
	return routes
}

func TestFindAsksGateway(t *testing.T) {
	gw := ip("192.0.2.254")
	tests := []struct {
		name  string
		host  *host
		query Query
		want  packet.MAC
		took  time.Duration
		asked []string // sender addresses, in order
	}{
		{name: "at once", host: &host{mac: mac(7)}, want: mac(7), asked: []string{"192.0.2.1"}},
		{name: "slow", host: &host{mac: mac(7), after: 300 * time.Millisecond}, want: mac(7), took: 300 * time.Millisecond, asked: []string{"192.0.2.1", "192.0.2.1"}},
		{
			name: "misses three", host: &host{mac: mac(7), deaf: 3}, want: mac(7), took: 1500 * time.Millisecond,
			asked: []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"},
		},
		{name: "in the last moment", host: &host{mac: mac(7), after: 2499 * time.Millisecond}, want: mac(7), took: 2499 * time.Millisecond},
		{name: "too late", host: &host{mac: mac(7), after: 2501 * time.Millisecond}, took: 2500 * time.Millisecond},
		{name: "never", host: nil, took: 2500 * time.Millisecond},
		{
			name: "own address in the gateway's network rather than a foreign -S", host: &host{mac: mac(7)},
			query: Query{Sources: ips("1.2.3.4")}, want: mac(7), asked: []string{"192.0.2.1"},
		},
		{
			name: "answers for others do not count", want: packet.MAC{}, took: 2500 * time.Millisecond,
			host: &host{mac: mac(7), twist: func(f *packet.ARPFields) { f.SenderIP = ip("192.0.2.253") }},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := home()
				w.table = nil
				if tt.host != nil {
					w.hosts[gw] = tt.host
				}
				start := time.Now()
				tt.query.Targets = ips("8.8.8.8")
				p, err := find(t.Context(), w, tt.query)
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.want.IsZero() != (err != nil) {
					t.Fatalf("error %v, want MAC %s", err, tt.want)
				}
				if err == nil && p.HopMAC != tt.want {
					t.Errorf("HopMAC %s, want %s", p.HopMAC, tt.want)
				}
				var senders []string
				for _, q := range w.sent {
					senders = append(senders, q.sender.String())
					if q.target != gw || q.from != mac(eth0) {
						t.Errorf("request %+v, want one from %s for %s", q, mac(eth0), gw)
					}
				}
				if tt.asked != nil && !cmp.Equal(senders, tt.asked) {
					t.Errorf("asked as %v, want %v", senders, tt.asked)
				}
				synctest.Wait()
			})
		})
	}
}

// An interface with a foreign source address alone asks in its name and, in case the gateway refuses that, anonymously.
func TestFindAsksWithForeignSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := home()
		w.routes = []fakeRoute{{to: pfx("0.0.0.0/0"), dev: bare0, gateway: ip("192.0.2.254")}}
		w.hosts[ip("192.0.2.254")] = &host{mac: mac(7), probesOnly: true}
		p, err := find(t.Context(), w, Query{Targets: ips("8.8.8.8"), Sources: ips("1.2.3.4")})
		if err != nil {
			t.Fatal(err)
		}
		if p.HopMAC != mac(7) {
			t.Errorf("HopMAC %s, want %s", p.HopMAC, mac(7))
		}
		got := []netip.Addr{w.sent[0].sender, w.sent[1].sender}
		if want := ips("1.2.3.4", "0.0.0.0"); got[0] != want[0] || got[1] != want[1] {
			t.Errorf("asked as %v, want %v", got, want)
		}
	})
}

func TestFindEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := home()
		w.table = nil
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := find(ctx, w, Query{Targets: ips("8.8.8.8")})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 700*time.Millisecond {
			t.Errorf("error %v after %v, want the context's after 700ms", err, time.Since(start))
		}
		if w.closed != 1 {
			t.Errorf("ARP socket closed %d times, want once", w.closed)
		}
	})
}

func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		path *Path
		want string
	}{
		{viaEth0(nil), "eth0 192.0.2.1 -> gateway 192.0.2.254 (02:00:00:00:00:fe), MTU 1500"},
		{viaEth0(func(p *Path) { p.HopMAC = packet.MAC{} }), "eth0 192.0.2.1 -> gateway 192.0.2.254, MTU 1500"},
		{viaEth0(func(p *Path) { p.Gateway = netip.Addr{} }), "eth0 192.0.2.1 -> 02:00:00:00:00:fe, MTU 1500"},
		{
			viaEth0(func(p *Path) { p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{} }),
			"eth0 192.0.2.1 -> on link 192.0.2.0/24, MTU 1500",
		},
		{
			viaEth0(func(p *Path) { p.Sources = ips("192.0.2.1", "192.0.2.2", "192.0.2.3") }),
			"eth0 192.0.2.1 and 2 more -> gateway 192.0.2.254 (02:00:00:00:00:fe), MTU 1500",
		},
		{&Path{Interface: "tun0", MTU: 1420, Sources: ips("10.8.0.2"), Gateway: ip("10.8.0.1")}, "tun0 10.8.0.2 -> no link layer, MTU 1420"},
		{&Path{Interface: "lo", Ether: true, MTU: 65536, Sources: ips("127.0.0.1")}, "lo 127.0.0.1 -> this host, MTU 65536"},
		{&Path{Ether: true, Sources: ips("0.0.0.0")}, "no interface 0.0.0.0 -> unknown"},
	} {
		if got := Describe(tt.path); got != tt.want {
			t.Errorf("Describe(%+v)\n got %q\nwant %q", tt.path, got, tt.want)
		}
	}
}
