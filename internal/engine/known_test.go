package engine

import (
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/target"
)

// TestKnownKeepsPortsApart checks that answers from two ports that were asked are two targets, also where answers from any
// port are accepted, and that those from other ports are one.
func TestKnownKeepsPortsApart(t *testing.T) {
	space := newSpace(t, plan{network: "10.0.0.0/24", ports: []uint16{53, 123}})
	host, stranger := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("10.0.1.7")
	for _, anyPort := range []bool{false, true} {
		r := &receiver{scan: &Scan{cfg: Config{Space: space}, anyPort: anyPort, firstPort: 53}, desc: probe.Description{Ports: true}}
		index := func(a netip.Addr, port uint16) (uint64, bool) {
			asked := target.Target{Addr: a, Port: port}
			ok := r.known(&asked)
			return asked.Index, ok
		}
		dns, _ := index(host, 53)
		ntp, ok := index(host, 123)
		if !ok || dns == ntp {
			t.Errorf("any port %v: ports 53 and 123 have the indexes %d and %d (%v), want two", anyPort, dns, ntp, ok)
		}
		if other, ok := index(host, 9); ok != anyPort || ok && other != dns {
			t.Errorf("any port %v: port 9 has index %d, %v; want that of the first port, %d, if any", anyPort, other, ok, dns)
		}
		if _, ok := index(stranger, 53); ok {
			t.Errorf("any port %v: an address that is no target is known", anyPort)
		}
	}
}
