package engine

import (
	"net/netip"
	"testing"
	"time"
)

// TestAliasAddresses: sixteen addresses in a /64, one behind each value of four bits, others in other networks and with other seeds.
func TestAliasAddresses(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for seed := range uint64(3) {
		x := newAliasing(&Aliases{Seed: seed})
		for net := range uint64(50) {
			net += 0x20010db800000000
			for i := range aliasProbes {
				a := x.addr(net, i)
				gotNet, which := netOf(a)
				if gotNet != net || which != i || seen[a] {
					t.Fatalf("address %d of network %x is %s, of %x behind %x; seen before: %v", i, net, a, gotNet, which, seen[a])
				}
				seen[a] = true
			}
		}
	}
}

// TestAliasRounds asks silent addresses once more if half of them have answered, and waits for senders that are slow.
func TestAliasRounds(t *testing.T) {
	for _, c := range []struct {
		answers, later int // addresses that answer at first, and in the second round
		asked          int
		aliased        bool
	}{{16, 0, 16, true}, {7, 9, 16, false}, {0, 0, 16, false}, {8, 8, 24, true}, {15, 0, 17, false}, {15, 1, 17, true}} {
		x := newAliasing(&Aliases{Reach: func(netip.Addr) bool { return true }})
		n := x.begin(7, 80)
		now := time.Now()
		asked, answer := 0, c.answers
		for range 10 {
			x.look(n, now)
			select {
			case a := <-x.ask:
				for i := range aliasProbes {
					if a.which>>i&1 == 0 {
						continue
					}
					if asked++; answer > 0 && x.heard(x.addr(7, i), true) {
						answer--
					}
				}
				answer = c.later
			default:
			}
			now = now.Add(aliasWait / 2)
		}
		if !n.known || n.aliased != c.aliased || asked != c.asked {
			t.Errorf("%d and %d answer: asked %d times, known %v, aliased %v; want %d and %v", c.answers, c.later, asked, n.known, n.aliased, c.asked, c.aliased)
		}
	}
	x := newAliasing(&Aliases{Reach: func(a netip.Addr) bool { _, i := netOf(a); return i != 5 }})
	if x.begin(7, 80) != nil || x.heard(x.addr(7, 1), true) || x.heard(netip.MustParseAddr("192.0.2.1"), true) {
		t.Error("a network of which an address may not be asked is asked about")
	}
}
