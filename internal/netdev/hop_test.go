package netdev

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// Frames that need no question, or that none can be asked about.
func TestFindHopWithoutAsking(t *testing.T) {
	checkPaths(t, []pathCase{
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
			query: Query{Targets: ips("8.8.8.8"), Layer: Packets, GatewayMAC: new(mac(9))},
			want: viaEth0(func(p *Path) {
				p.Layer, p.Ether, p.HopMAC, p.Gateway = Packets, false, packet.MAC{}, netip.Addr{}
				p.Warnings = []string{"the gateway's MAC address (-G) is not used: with IP packets (-X) the kernel finds every next hop itself."}
			}),
		},
		{
			name:  "-X: the kernel finds the next hop, of several gateways the right one",
			world: func(w *world) { w.table, w.routes[2].also = nil, ip("192.0.2.253") },
			query: Query{Targets: ips("8.8.8.8", "8.8.8.9"), Layer: Packets},
			want:  viaEth0(func(p *Path) { p.Layer, p.Ether, p.HopMAC, p.Gateway = Packets, false, packet.MAC{}, netip.Addr{} }),
		},
		{
			name:  "-X where neighbours are not resolved",
			query: Query{Targets: ips("10.9.0.7"), Interface: "dum0", Layer: Packets},
			want:  &Path{Interface: "dum0", Index: dum0, MTU: 1500, Layer: Packets, Sources: ips("10.9.0.1"), SourceMAC: mac(dum0)},
		},
		{
			name:  "answers by another interface",
			query: Query{Targets: ips("8.8.8.8"), Receive: "eth1"},
			want:  viaEth0(func(p *Path) { p.Receive = "eth1" }),
		},
		{
			name:  "answers by the same interface",
			query: Query{Targets: ips("8.8.8.8"), Receive: "eth0"},
			want:  viaEth0(nil),
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
	})
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

// checkQuestions holds the requests on the wire against whom they should be for and, if not nil, in whose names.
func checkQuestions(t *testing.T, sent []question, target netip.Addr, as []string) {
	t.Helper()
	senders := make([]string, 0, len(sent))
	for _, q := range sent {
		senders = append(senders, q.sender.String())
		if q.target != target || q.from != mac(eth0) {
			t.Errorf("request %+v, want one from %s for %s", q, mac(eth0), target)
		}
	}
	if as != nil && !slices.Equal(senders, as) {
		t.Errorf("asked as %v, want %v", senders, as)
	}
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
				checkQuestions(t, w.sent, gw, tt.asked)
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
