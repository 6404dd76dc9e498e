package netdev

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

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
		q.Mode, q.GatewayMAC = Scan, new(mac(1))
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
