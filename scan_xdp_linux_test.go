package zmap

import (
	"fmt"
	"iter"
	"net/netip"
	"testing"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/link"
)

// crowdNetwork is where a BPF program answers for some of the addresses. Its presence makes the test Internet take what is
// sent past the kernel's stack.
const crowdNetwork = "10.99.0.0/16"

func startCrowd(t *testing.T, hosts ...lab.Hosts) (*lab.Net, *lab.Crowd) {
	t.Helper()
	crowd := &lab.Crowd{Prefix: prefix(crowdNetwork), Share: 0.3}
	return startWorld(t, lab.World{Ports: []uint16{80}, Tally: true, Hosts: hosts, Crowd: crowd}), crowd
}

// members yields the hosts of a crowd.
func members(c *lab.Crowd) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := range addrsOf(c.Prefix) {
			if c.Has(a) && !yield(a) {
				return
			}
		}
	}
}

// TestXDPFindsExactlyTheCrowd scans as fast as it goes, with one sender and with two, and at a rate at which the cable's queue
// never fills; with both ways to end connections.
func TestXDPFindsExactlyTheCrowd(t *testing.T) {
	const easy = 100_000 // probes/s
	net, crowd := startCrowd(t)
	for _, c := range []struct {
		name    string
		link    string
		rst     link.RSTPolicy
		senders int
		rate    float64
	}{
		{"kernel resets", "auto", link.RSTPass, 1, Unlimited},
		{"link resets", "auto", link.RSTReset, 1, Unlimited},
		{"two senders", "auto", link.RSTReset, 2, Unlimited},
		{"kernel resets in time", "xdp", link.RSTPass, 1, easy},
		{"link resets in time", "xdp", link.RSTReset, 1, easy},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, err := net.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			cfg, rows := synScan(crowdNetwork)
			cfg.Rate, cfg.Link, cfg.RST, cfg.Senders = c.rate, c.link, c.rst, c.senders
			r := run(t, cfg)
			if r.Link != "xdp" || r.Reason != engine.WalkDone || r.Lost != 0 || r.Refused != 0 {
				t.Errorf("link %s (%s), %v, %d answers lost, %d probes refused: want xdp, walk done, none", r.Link, r.Why, r.Reason, r.Lost, r.Refused)
			}
			eachOnce(t, "hosts of the crowd", rows.count(row.first), members(crowd))
			after, err := net.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			hosts := after.Crowd.Answered - before.Crowd.Answered
			if n := after.Crowd.SYNs - before.Crowd.SYNs; n != 1<<16 || r.Sent != n || hosts != r.SuccessTotal {
				t.Errorf("%d SYNs arrived, %d sent by our count; %d hosts answered, %d by our count", n, r.Sent, hosts, r.SuccessTotal)
			}
			// Probes can fill the cable's queue, and neither the kernel nor the program sends a second time what finds it full: then
			// up to a third is missing. A real host repeats its SYN-ACK, and gets another RST.
			if n := after.Crowd.Resets - before.Crowd.Resets; n > hosts || n < hosts/2 || c.rate == easy && n != hosts {
				t.Errorf("%d of %d connections were reset", n, hosts)
			}
		})
	}
}

// TestXDPPacing is TestPacing at rates for which a socket is no match, with the time stamps of the other end's driver.
func TestXDPPacing(t *testing.T) {
	const most = 3_000_000
	crowd := &lab.Crowd{Prefix: prefix("10.64.0.0/10"), Stamps: most}
	net := startWorld(t, lab.World{Crowd: crowd})
	for _, rate := range []float64{300_000, 1_000_000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			config, _ := synScan(crowd.Prefix.String())
			config.Link, config.Rate, config.Cooldown, config.MaxTargets.N = "xdp", rate, -1, most
			if testing.Short() {
				config.MaxTargets.N = uint64(rate)
			}
			wellPaced(t, rate, func() lab.Captured {
				r := run(t, config)
				got, err := net.Arrivals(t.Context(), time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				if got.Frames != r.Sent || got.Lost != 0 {
					t.Errorf("%d sent, %d arrived, %d without a time: want all and none", r.Sent, got.Frames, got.Lost)
				}
				return got
			})
		})
	}
}

// TestXDPFindsHostsOfEveryKind goes by the socket's tests: what is there does not depend on the way to it.
func TestXDPFindsHostsOfEveryKind(t *testing.T) {
	net, _ := startCrowd(t, kinds()...)
	c, rows := synScan(kindsNetwork)
	c.Link, c.Cooldown = "xdp", 1500*time.Millisecond
	r := run(t, c)
	if r.Link != "xdp" || r.Lost != 0 {
		t.Errorf("link %s, %d answers lost: want xdp and none", r.Link, r.Lost)
	}
	eachOnce(t, "hosts that accept", rows.count(row.first), net.Truth().Addrs(lab.SYN(80), lab.SYNACK))
	refused := rows.count(func(r row) bool { return r.class() == "rst" })
	eachOnce(t, "hosts that refuse", refused, net.Truth().Addrs(lab.SYN(80), lab.RST))
	unreachable := rows.count(func(r row) bool { return r.class() == "icmp" })
	eachOnce(t, "hosts that routers answer for", unreachable, net.Truth().Addrs(lab.SYN(80), lab.Unreachable))
}

// TestXDPSlowly is chosen at a rate for which sockets would do, because they cannot reset connections.
func TestXDPSlowly(t *testing.T) {
	net, _ := startCrowd(t)
	c, rows := synScan("10.99.7.0/24")
	c.RST = link.RSTReset
	r := run(t, c)
	if r.Link != "xdp" || r.Rows != uint64(len(rows.rows)) || r.Rows == 0 {
		t.Errorf("link %s (%s), %d rows", r.Link, r.Why, r.Rows)
	}
	s, err := net.Stats(t.Context())
	if err != nil || s.Crowd.Resets != r.Rows {
		t.Errorf("%d of %d connections were reset; error %v", s.Crowd.Resets, r.Rows, err)
	}
}

// TestXDPLeavesTheInterfaceAsItWas opens and closes, and lets sockets have their turn where sending past the stack is of no use.
func TestXDPLeavesTheInterfaceAsItWas(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.1.0.0/24"), Kind: lab.Kernel}) // the other end listens to sockets alone
	c, rows := synScan("10.1.0.0/24")
	c.Rate = Unlimited
	r := run(t, c)
	if r.Link != "socket" {
		t.Errorf("link %s (%s), want socket", r.Link, r.Why)
	}
	eachOnce(t, "hosts", rows.count(row.first), addrsOf(prefix("10.1.0.0/24")))
	c, _ = synScan("10.1.0.0/24")
	c.Link = "xdp"
	if _, err := Run(t.Context(), c); err == nil {
		t.Error("a scan over XDP where nothing leaves: no error")
	} else {
		t.Log(err)
	}
}
