package netdev

import (
	"net/netip"
	"os"
	"testing"

	"github.com/zmap-go/zmap/packet"
)

// In a dry run every refusal of TestFindRefuses that concerns the host becomes a path, which says what is missing.
func TestFindDryRun(t *testing.T) {
	blank := &Path{Ether: true, Sources: ips("0.0.0.0")}
	tests := []struct {
		name  string
		world func(*world)
		query Query
		want  *Path

		misses bool
	}{
		{misses: true, name: "no route", world: func(w *world) { w.routes = nil }, query: Query{Targets: ips("8.8.8.8")}, want: blank},
		{misses: true, name: "no targets", query: Query{}, want: blank},
		{misses: true, name: "kernel does not talk", world: func(w *world) { w.devicesIs = os.ErrPermission }, query: Query{Targets: ips("8.8.8.8")}, want: blank},
		{
			misses: true,
			name:   "no route, all given",
			world:  func(w *world) { w.routes = nil },
			query:  Query{Targets: ips("8.8.8.8"), Sources: ips("1.2.3.4"), SourceMAC: new(mac(1)), GatewayMAC: new(mac(2))},
			want:   &Path{Ether: true, Sources: ips("1.2.3.4"), SourceMAC: mac(1), HopMAC: mac(2)},
		},
		{name: "gateway known", query: Query{Targets: ips("8.8.8.8")}, want: viaEth0(nil)},
		{
			name:  "gateway not known: nobody is asked",
			world: func(w *world) { w.table = nil; w.hosts[ip("192.0.2.254")] = &host{mac: mac(0xaa)} },
			query: Query{Targets: ips("8.8.8.8")},
			want:  viaEth0(func(p *Path) { p.HopMAC = packet.MAC{} }),
		},
		{
			misses: true,
			name:   "different interfaces: the first",
			query:  Query{Targets: ips("8.8.8.8", "198.51.100.7")},
			want:   viaEth0(nil),
		},
		{
			misses: true,
			name:   "blackhole for some",
			query:  Query{Targets: ips("203.0.113.5", "8.8.8.8")},
			want:   viaEth0(nil),
		},
		{
			misses: true,
			name:   "interface down",
			query:  Query{Targets: ips("8.8.8.8"), Interface: "down0"},
			want:   &Path{Interface: "down0", Index: down0, MTU: 1500, Ether: true, Sources: ips("0.0.0.0"), SourceMAC: mac(down0)},
		},
		{
			misses: true,
			name:   "-i without a route by it",
			query:  Query{Targets: ips("8.8.8.8"), Interface: "bare0"},
			want:   &Path{Interface: "bare0", Index: bare0, MTU: 1500, Ether: true, Sources: ips("0.0.0.0"), SourceMAC: mac(bare0)},
		},
		{
			misses: true,
			name:   "own address by -i",
			query:  Query{Targets: ips("192.0.2.1"), Interface: "eth0"},
			want:   viaEth0(func(p *Path) { p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{} }),
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
			if (got.Missing != nil) != tt.misses {
				t.Errorf("find(%+v) misses %v, want something missing: %v", tt.query, got.Missing, tt.misses)
			}
			got.Missing = nil // checkRefusals knows what it should be
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
