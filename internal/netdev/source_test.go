package netdev

import (
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/packet"
)

func TestFindSource(t *testing.T) {
	checkPaths(t, []pathCase{
		{
			name:  "-S and --source-mac",
			query: Query{Targets: ips("8.8.8.8"), Sources: ips("192.0.2.2", "192.0.2.1"), SourceMAC: new(mac(0x55))},
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
			query: Query{Targets: ips("8.8.8.8"), Interface: "bare0", Sources: ips("192.0.2.1"), GatewayMAC: new(mac(0x77))},
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
	})
}

// The host's own addresses decide which rules apply (ip-rule(8)); the kernel must be asked with the first that it has.
func TestFindAsksWithOwnSource(t *testing.T) {
	w := &sourceSpy{world: home()}
	q := Query{Targets: ips("8.8.8.8"), Sources: ips("1.2.3.4", "192.0.2.2", "192.0.2.1"), GatewayMAC: new(mac(1))}
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
