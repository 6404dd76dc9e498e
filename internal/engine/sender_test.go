package engine

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/permute"
)

// TestEveryTargetOnce sends with all sorts of senders, batches, tries, ports and shards: every target gets its probes, each
// from another source port, and nothing else is sent.
func TestEveryTargetOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		bits, shards := 24+r.IntN(6), 1+r.IntN(3)
		senders, batch, tries := 1+r.IntN(4), 1+r.IntN(100), 1+r.IntN(3)
		ports := []uint16{80, 443, 8080, 22, 1}[:1+r.IntN(5)]
		rate := []float64{0, 100, 10_000, 1e6}[r.IntN(4)]
		options := linktest.Options{Queue: 1 + r.IntN(64), Gap: []time.Duration{0, 50 * time.Microsecond}[r.IntN(2)]}
		network := fmt.Sprintf("10.0.0.0/%d", bits)
		what := fmt.Sprintf("%s, %d ports, %d shards, %d senders, batches of %d, %d tries, rate %g, %+v",
			network, len(ports), shards, senders, batch, tries, rate, options)
		asked := make(map[netip.AddrPort]map[netip.AddrPort]int) // probes by target and source
		for shard := range shards {
			p := plan{
				network: network, ports: ports, options: options, senders: senders,
				shard:  permute.Shard{N: uint32(shard), Of: uint32(shards)},
				change: func(c *Config) { c.Batch, c.Tries, c.Rate = batch, tries, rate },
			}
			bubble(t, p, func(t *testing.T, x *trial) {
				res := x.end(t, WalkDone)
				if res.Probes != res.Targets*uint64(tries) || res.Sent != res.Probes || res.Sent != uint64(len(x.frames)) {
					t.Errorf("%s: %d targets, %d probes, %d sent, %d arrived", what, res.Targets, res.Probes, res.Sent, len(x.frames))
				}
				for _, f := range x.frames {
					if asked[f.dst] == nil {
						asked[f.dst] = make(map[netip.AddrPort]int)
					}
					asked[f.dst][f.src]++
				}
			})
		}
		if want := (1 << (32 - bits)) * len(ports); len(asked) != want {
			t.Errorf("%s: %d targets were asked, want %d", what, len(asked), want)
		}
		for target, sources := range asked {
			if len(sources) != tries {
				t.Errorf("%s: %v was asked from %v, want %d different ports, once each", what, target, sources, tries)
				break
			}
		}
	}
}

// TestMaxTargets asks as many as wanted, each with all its probes.
func TestMaxTargets(t *testing.T) {
	for _, c := range []struct {
		most    uint64
		senders int
		want    uint64
		why     Stop
	}{{1, 1, 1, MaxTargets}, {63, 1, 63, MaxTargets}, {64, 1, 64, MaxTargets}, {65, 3, 65, MaxTargets}, {257, 1, 256, WalkDone}, {1000, 3, 256, WalkDone}} {
		p := plan{network: "10.0.0.0/24", senders: c.senders, change: func(cfg *Config) {
			cfg.Limits.MaxTargets, cfg.Tries, cfg.Rate = c.most, 2, 0
		}}
		bubble(t, p, func(t *testing.T, x *trial) {
			if res := x.end(t, c.why); res.Targets != c.want || res.Sent != 2*c.want {
				t.Errorf("at most %d targets with %d senders: %d targets, %d frames; want %d, %d",
					c.most, c.senders, res.Targets, res.Sent, c.want, 2*c.want)
			}
		})
	}
}

// TestMaxTargetsOfUnevenWalks asks exactly as many as wanted, though the senders' parts of the walk hold unlike numbers of
// targets: 1,024 addresses lie scattered over a cycle of 65,536.
func TestMaxTargetsOfUnevenWalks(t *testing.T) {
	for _, most := range []uint64{1000, 1023} {
		p := plan{network: "10.0.0.0/22", senders: 3, change: func(cfg *Config) { cfg.Limits.MaxTargets, cfg.Rate = most, 0 }}
		bubble(t, p, func(t *testing.T, x *trial) {
			if res := x.end(t, MaxTargets); res.Targets != most || res.Sent != most {
				t.Errorf("at most %d targets: %d targets, %d frames", most, res.Targets, res.Sent)
			}
		})
	}
}

// TestUnreachableTargets passes over targets that have no next hop: they count as asked and get no frame.
func TestUnreachableTargets(t *testing.T) {
	for _, reachable := range []func(a netip.Addr) bool{
		func(a netip.Addr) bool { return a.As4()[3]%2 == 0 },
		func(netip.Addr) bool { return false },
	} {
		want := 0
		p := plan{network: "10.0.0.0/24", hosts: everyone, change: func(c *Config) {
			c.Tries = 2
			c.Hop = func(a netip.Addr) (uint16, bool) { return 0, reachable(a) }
		}}
		for a := netip.MustParseAddr("10.0.0.0"); a.As4()[2] == 0; a = a.Next() {
			if reachable(a) {
				want++
			}
		}
		bubble(t, p, func(t *testing.T, x *trial) {
			res := x.end(t, WalkDone)
			if res.Targets != 256 || int(res.Unreachable) != 256-want || int(res.Sent) != 2*want || len(x.rows) != 2*want {
				t.Errorf("%d targets, %d of them unreachable, %d frames, %d rows; want 256, %d, %d, %[5]d",
					res.Targets, res.Unreachable, res.Sent, len(x.rows), 256-want, 2*want)
			}
			for _, f := range x.frames {
				if !reachable(f.dst.Addr()) {
					t.Errorf("a frame went to %v, which cannot be reached", f.dst)
				}
			}
		})
	}
}

// TestCooldownBeginsWhenTheQueueIsEmpty sends through a link that takes its time: what is queued is not yet sent.
func TestCooldownBeginsWhenTheQueueIsEmpty(t *testing.T) {
	hosts := func(netip.AddrPort) []reply { return []reply{{after: 990 * time.Millisecond, flags: synack}} }
	p := plan{network: "10.0.0.0/24", hosts: hosts, options: linktest.Options{Gap: 10 * time.Millisecond}, change: func(c *Config) { c.Rate = 0 }}
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		if d := res.SendEnd.Sub(res.SendStart); d != 2560*time.Millisecond || len(x.rows) != 256 {
			t.Errorf("sent for %v and got %d rows; want 2.56 s and 256", d, len(x.rows))
		}
	})
}

// TestStopDiscardsWhatIsQueued ends a scan at once while its frames wait in a slow link's queue, and while its sender waits
// for room in a short one.
func TestStopDiscardsWhatIsQueued(t *testing.T) {
	for _, queue := range []int{256, 16} {
		options := linktest.Options{Gap: 10 * time.Millisecond, Queue: queue}
		p := plan{network: "10.0.0.0/24", hosts: everyone, options: options, change: func(c *Config) {
			c.Rate, c.Limits.MaxResults = 0, 5
		}}
		bubble(t, p, func(t *testing.T, x *trial) {
			x.end(t, MaxResults)
			st := x.cfg.Link.TX[0].Stats()
			if st.Queued != st.Sent+st.Aborted || st.Aborted == 0 || st.Sent > 10 || x.left() > 10 {
				t.Errorf("queue of %d: %+v; want a few sent, and the others discarded", queue, st)
			}
		})
	}
}

// TestDrainIsBounded has a link that would need half a minute to send what is queued.
func TestDrainIsBounded(t *testing.T) {
	p := plan{network: "10.0.0.0/24", options: linktest.Options{Gap: 100 * time.Millisecond}, change: func(c *Config) { c.Rate = 0 }}
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		st, took := x.cfg.Link.TX[0].Stats(), res.SendEnd.Sub(res.SendStart)
		if took < drainTime || took > drainTime+time.Second || st.Queued != 256 || st.Aborted == 0 || st.Aborted != 256-st.Sent {
			t.Errorf("sent for %v: %+v; want hardly more than %v, and the others discarded", took, st, drainTime)
		}
	})
}

// TestSourcesTakeTurns has four source addresses: each target is asked from as many as there are tries.
func TestSourcesTakeTurns(t *testing.T) {
	p := plan{network: "10.0.0.0/24", change: func(c *Config) {
		for range 3 {
			c.Sources = append(c.Sources, c.Sources[len(c.Sources)-1].Next())
		}
		c.Tries = 2
	}}
	bubble(t, p, func(t *testing.T, x *trial) {
		x.end(t, WalkDone)
		by, targets := make(map[netip.Addr]int), make(map[netip.Addr]map[netip.Addr]bool)
		for _, f := range x.frames {
			by[f.src.Addr()]++
			if targets[f.dst.Addr()] == nil {
				targets[f.dst.Addr()] = make(map[netip.Addr]bool)
			}
			targets[f.dst.Addr()][f.src.Addr()] = true
		}
		for _, s := range x.cfg.Sources {
			if by[s] != 128 {
				t.Errorf("%d probes were sent from %v, want 128", by[s], s)
			}
		}
		for target, sources := range targets {
			if len(sources) != 2 {
				t.Errorf("%v was asked from %d addresses, want 2", target, len(sources))
			}
		}
	})
}

// TestSetRate changes the rate while the scan runs.
func TestSetRate(t *testing.T) {
	p := plan{network: "10.0.0.0/16", senders: 2, change: func(c *Config) { c.Rate, c.Limits.MaxRuntime = 100, 6*time.Second }}
	bubble(t, p, func(t *testing.T, x *trial) {
		s, err := New(x.cfg)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(2*time.Second, func() { s.SetRate(2000) })
		time.AfterFunc(4*time.Second, func() { s.SetRate(50) })
		if _, err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got [3]int
		for _, f := range x.frames {
			got[min(f.at/(2*time.Second), 2)]++
		}
		for i, want := range []int{200, 4000, 100} {
			if d := got[i] - want; d < -want/50-2 || d > want/50+2 {
				t.Errorf("%d probes in the two seconds from %d on, want %d within 2%%", got[i], 2*i, want)
			}
		}
		if s.Rate() != 50 {
			t.Errorf("rate %v, want 50", s.Rate())
		}
	})
}
