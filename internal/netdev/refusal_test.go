package netdev

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

// A refusalCase is a question to the usual world, changed by world, that has no good answer.
type refusalCase struct {
	name  string
	world func(*world)
	query Query
	want  []string // all in the message
	is    error
}

func checkRefusals(t *testing.T, tests []refusalCase) {
	t.Helper()
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
				checkError(t, err, tt.is, tt.want)
				if w.opened != w.closed {
					t.Errorf("%d ARP sockets opened, %d closed", w.opened, w.closed)
				}
				checkMissing(t, tt, err, w.opened > 0 || w.openIs != nil)
			})
		})
	}
}

// checkMissing says that a dry run tells why a scan would fail, unless that would turn out only when the scan asks by ARP.
func checkMissing(t *testing.T, tt refusalCase, scanErr error, asked bool) {
	t.Helper()
	w := home()
	if tt.world != nil {
		tt.world(w)
	}
	tt.query.Mode = DryRun
	p, err := find(t.Context(), w, tt.query)
	if err == nil {
		err = p.Missing
	}
	if asked && err != nil || !asked && fmt.Sprint(err) != scanErr.Error() {
		t.Errorf("dry run misses %v; the scan fails with %v, having asked: %v", err, scanErr, asked)
	}
	if w.opened > 0 {
		t.Errorf("dry run opened %d sockets", w.opened)
	}
}

func TestFindRefusesRoutes(t *testing.T) {
	checkRefusals(t, []refusalCase{
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
			name:  "no route for IP packets",
			world: func(w *world) { w.routes = nil },
			query: Query{Targets: ips("8.8.8.8"), Layer: Packets, Interface: "eth0", GatewayMAC: new(mac(1))},
			want:  []string{"no route to 8.8.8.8, without which the kernel sends no IP packets (-X)", "-i"},
			is:    errNoRoute,
		},
		{
			name:  "prohibit for IP packets",
			query: Query{Targets: ips("203.0.113.70"), Layer: Packets},
			want:  []string{"prohibit", "203.0.113.70: exclude it (-b) or change the route"},
			is:    errProhibited,
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
			query: Query{Targets: ips("8.8.8.8"), GatewayMAC: new(mac(1))},
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
	})
}

func TestFindRefusesInterfaces(t *testing.T) {
	checkRefusals(t, []refusalCase{
		{name: "no such interface", query: Query{Targets: ips("8.8.8.8"), Interface: "eth9"}, want: []string{"eth9", "does not exist", "eth0, eth1"}},
		{name: "interface down", query: Query{Targets: ips("8.8.8.8"), Interface: "down0"}, want: []string{"down0 is down", "ip link set down0 up"}},
		{name: "no carrier", query: Query{Targets: ips("8.8.8.8"), Interface: "dead0"}, want: []string{"dead0 has no carrier"}},
		{
			name:  "no carrier on the route's interface",
			world: func(w *world) { w.device(eth0).carrier = false },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"eth0 has no carrier", "-i"},
		},
		{
			name:  "unknown interface to receive on",
			query: Query{Targets: ips("8.8.8.8"), Receive: "nosuch0"},
			want:  []string{"nosuch0 (--receive-interface) does not exist", "eth0", "down0 (down)"},
		},
		{
			name:  "interface to receive on down",
			query: Query{Targets: ips("8.8.8.8"), Receive: "down0"},
			want:  []string{"down0 is down", "ip link set down0 up", "--receive-interface"},
		},
		{
			name:  "interface to receive on without carrier",
			query: Query{Targets: ips("8.8.8.8"), Receive: "dead0"},
			want:  []string{"dead0 has no carrier", "--receive-interface"},
		},
		{
			name:  "interface to receive on of a strange link layer",
			query: Query{Targets: ips("8.8.8.8"), Receive: "ib0"},
			want:  []string{"ib0", "infiniband", "--receive-interface"},
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
			query: Query{Targets: ips("8.8.8.8"), Interface: "bare0", GatewayMAC: new(mac(1))},
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
	})
}

func TestFindRefusesGateways(t *testing.T) {
	checkRefusals(t, []refusalCase{
		{
			name:  "IPv6 gateway unknown",
			world: func(w *world) { w.routes[2].gateway = ip("fe80::1") },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"fe80::1", "eth0", "-G"},
		},
		{name: "no targets", query: Query{}, want: []string{"no target"}, is: errNoTargets},
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
			want:  []string{"192.0.2.254 on eth0", "receive answers"},
			is:    os.ErrClosed,
		},
		{
			name:  "gateway silent",
			world: func(w *world) { w.table = nil },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"gateway 192.0.2.254 on eth0 does not answer ARP", "4 requests", "-G"},
		},
	})
}

func TestFindKernelFails(t *testing.T) {
	checkRefusals(t, []refusalCase{
		{
			name:  "kernel does not talk",
			world: func(w *world) { w.devicesIs = os.ErrPermission },
			query: Query{Targets: ips("8.8.8.8")},
			is:    os.ErrPermission,
		},
		{
			name:  "no addresses",
			world: func(w *world) { w.addrsIs = os.ErrClosed },
			query: Query{Targets: ips("8.8.8.8")},
			is:    os.ErrClosed,
		},
		{
			name:  "no neighbour table",
			world: func(w *world) { w.tableIs = os.ErrClosed },
			query: Query{Targets: ips("8.8.8.8")},
			is:    os.ErrClosed,
		},
		{
			name:  "no neighbour table on Ethernet without ARP",
			world: func(w *world) { w.tableIs = os.ErrClosed },
			query: Query{Targets: ips("10.9.1.4")},
			is:    os.ErrClosed,
		},
		{
			name:  "no connected routes",
			world: func(w *world) { w.linkIs = os.ErrClosed },
			query: Query{Targets: ips("8.8.8.8")},
			is:    os.ErrClosed,
		},
		{
			name:  "interface gone meanwhile",
			world: func(w *world) { w.routes[2].dev = 99 },
			query: Query{Targets: ips("8.8.8.8")},
			want:  []string{"8.8.8.8", "number 99", "gone"},
		},
	})
}

// checkError holds an error against what it should wrap, if not nil, and say.
func checkError(t *testing.T, err, is error, parts []string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("error %q does not wrap %v", err, is)
	}
}

func TestFindTakesOneFamily(t *testing.T) {
	for _, q := range []Query{
		{Targets: ips("2001:db8::1", "192.0.2.1"), Mode: DryRun},
		{Targets: ips("8.8.8.8"), Sources: ips("2001:db8::1"), Mode: DryRun},
		{Targets: []netip.Addr{{}}, Mode: DryRun},
	} {
		if _, err := Find(t.Context(), q); err == nil || !strings.Contains(err.Error(), "family") && !strings.Contains(err.Error(), "IPv4") {
			t.Errorf("Find(%+v): error %v, want one about the family", q, err)
		}
	}
}
