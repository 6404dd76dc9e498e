package zmap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/validate"
)

// TestPacing measures probes where they arrive, by the kernel's clock. Whatever delays a sender, it must not make up for it by a
// burst; a machine that is busy with other things may send more slowly, and may hand on late what was sent in time, so that one
// measurement of three must be good.
func TestPacing(t *testing.T) {
	net := startNet(t)
	for _, c := range []struct {
		rate, seconds float64
	}{{1000, 1}, {10_000, 10}, {100_000, 1}} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			if testing.Short() {
				c.seconds = min(c.seconds, 1)
			}
			wellPaced(t, c.rate, func() lab.Captured { return paced(t, net, c.rate, c.seconds) })
		})
	}
}

// wellPaced fails the test unless one of three measurements shows the rate.
func wellPaced(t *testing.T, rate float64, measure func() lab.Captured) {
	t.Helper()
	var err error
	for range 3 {
		if err = checkPacing(t, rate, measure()); err == nil {
			return
		}
		t.Log(err)
	}
	t.Error(err)
}

// paced records the probes of a scan of so many seconds.
func paced(t *testing.T, net *lab.Net, rate, seconds float64) lab.Captured {
	t.Helper()
	config, _ := synScan("10.64.0.0/10")
	config.Rate, config.Cooldown = rate, -1
	config.MaxTargets.N = uint64(rate * seconds)
	capture, err := net.Capture(t.Context(), lab.CaptureSpec{})
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, config)
	got, err := capture.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Frames != r.Sent || r.Sent != config.MaxTargets.N || got.Lost > got.Frames/100 {
		t.Errorf("%d sent, %d arrived, %d not recorded; want %d, all and hardly any",
			r.Sent, got.Frames, got.Lost, config.MaxTargets.N)
	}
	return got
}

// checkPacing is an error unless probes came as docs/architecture.md has it under Pacing, or more slowly.
func checkPacing(t *testing.T, rate float64, got lab.Captured) error {
	t.Helper()
	mean := float64(got.Frames-1) / got.Last.Sub(got.First).Seconds()
	t.Logf("%.0f a second asked: mean %.1f (%+.3f%%), 1 ms windows p99.9 %d, most %d, gaps %v to %v",
		rate, mean, 100*(mean/rate-1), got.P999InWindow, got.MaxInWindow, got.MinGap, got.MaxGap)
	if mean > 1.01*rate || mean < rate/4 {
		return fmt.Errorf("mean rate %.1f, want %.0f", mean, rate)
	}
	if most := max(2, int(2*rate/1000)); got.P999InWindow > most {
		return fmt.Errorf("99.9%% of the windows of 1 ms hold up to %d probes, want at most %d", got.P999InWindow, most)
	}
	return nil
}

// TestSourcesAndTries sends several probes to each target, from several addresses.
func TestSourcesAndTries(t *testing.T) {
	net := startWorld(t, lab.World{Ports: []uint16{80}, Sources: 3, Tally: true, Hosts: []lab.Hosts{
		{Prefix: prefix("10.10.0.0/24"), Kind: lab.Kernel},
	}})
	c, rows := synScan("10.10.0.0/24")
	c.Sources = []netip.Addr{net.Link().Scanner}
	for range 3 {
		c.Sources = append(c.Sources, c.Sources[len(c.Sources)-1].Next())
	}
	c.Tries, c.SourcePorts = 2, validate.Ports{First: 40000, Last: 40099}
	var r *Report
	probes := watched(t, net, lab.Probes, func() { r = run(t, c) })

	sources := make(map[netip.Addr]int)
	ports := make(map[netip.Addr]map[netip.AddrPort]bool) // by target
	for _, p := range probes {
		sources[p.src.Addr()]++
		if p.src.Port() < 40000 || p.src.Port() > 40099 {
			t.Fatalf("a probe was sent from port %d", p.src.Port())
		}
		if ports[p.dst.Addr()] == nil {
			ports[p.dst.Addr()] = make(map[netip.AddrPort]bool)
		}
		ports[p.dst.Addr()][p.src] = true
	}
	for _, s := range c.Sources {
		if sources[s] != 128 {
			t.Errorf("%d probes were sent from %v, want 128", sources[s], s)
		}
	}
	for a := range addrsOf(prefix("10.10.0.0/24")) {
		if len(ports[a]) != 2 {
			t.Fatalf("%v was asked from %v, want two different sources", a, ports[a])
		}
	}
	eachOnce(t, "hosts found", rows.count(row.first), net.Truth().Addrs(lab.SYN(80), lab.SYNACK))
	eachOnce(t, "repeats", rows.count(func(r row) bool { return r.flag("repeat") }), net.Truth().Addrs(lab.SYN(80), lab.SYNACK))
	for _, row := range rows.rows {
		if !slices.Contains(c.Sources, row.addr("daddr")) {
			t.Errorf("%v answered to %v", row.addr("saddr"), row.addr("daddr"))
		}
	}
	if r.Targets != 256 || r.Sent != 512 || r.Probes != 512 {
		t.Errorf("%d targets, %d probes, %d frames sent; want 256, 512, 512", r.Targets, r.Probes, r.Sent)
	}
}

// TestHundredsOfSources probes from as many addresses as there are, in no order: each target gets those that C ZMap would take,
// which depend on the target, on the try, and on the order of the list.
func TestHundredsOfSources(t *testing.T) {
	const extra = 252
	net := startWorld(t, lab.World{Ports: []uint16{80}, Sources: extra, Hosts: []lab.Hosts{
		{Prefix: prefix("10.11.0.0/22"), Kind: lab.Kernel},
		{Prefix: prefix("10.11.2.0/24"), Kind: lab.ICMPError, Type: 3, Code: 1},
	}})
	c, rows := synScan("10.11.0.0/22")
	c.Sources = []netip.Addr{net.Link().Scanner}
	for range extra {
		c.Sources = append(c.Sources, c.Sources[len(c.Sources)-1].Next())
	}
	random := rand.New(rand.NewPCG(8, 8))
	random.Shuffle(len(c.Sources), func(i, j int) { c.Sources[i], c.Sources[j] = c.Sources[j], c.Sources[i] })
	c.Tries, c.Dedup = 2, dedup.MethodNone
	probes := watched(t, net, lab.Probes, func() { run(t, c) })

	// What C ZMap's source has: the address as a number, plus the number of the try, modulo the number of addresses.
	source := func(target netip.Addr, try uint32) netip.Addr {
		b := target.As4()
		return c.Sources[(binary.BigEndian.Uint32(b[:])+try)%uint32(len(c.Sources))]
	}
	type pair struct{ us, them netip.Addr }
	asked, answered := make(map[pair]int), make(map[pair]int)
	for _, p := range probes {
		asked[pair{p.src.Addr(), p.dst.Addr()}]++
	}
	for _, row := range rows.rows {
		answered[pair{row.addr("daddr"), row.addr("saddr")}]++
	}
	want := func(yield func(pair) bool) {
		for a := range addrsOf(prefix("10.11.0.0/22")) {
			if !yield(pair{source(a, 0), a}) || !yield(pair{source(a, 1), a}) {
				return
			}
		}
	}
	eachOnce(t, "pairs of source and target", asked, want)
	eachOnce(t, "pairs of source and target answered", answered, want)
}

// TestTriesFromOneAddressUseTwoPorts is the same with one source address: what differs is the port alone.
func TestTriesFromOneAddressUseTwoPorts(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.10.0.0/26"), Kind: lab.Kernel})
	c, rows := synScan("10.10.0.0/26")
	c.Tries = 3
	ports := make(map[netip.Addr]map[uint16]bool)
	for _, p := range watched(t, net, lab.Probes, func() { run(t, c) }) {
		if ports[p.dst.Addr()] == nil {
			ports[p.dst.Addr()] = make(map[uint16]bool)
		}
		ports[p.dst.Addr()][p.src.Port()] = true
	}
	for a := range addrsOf(prefix("10.10.0.0/26")) {
		if len(ports[a]) != 3 {
			t.Errorf("%v was asked from %d ports, want 3", a, len(ports[a]))
		}
	}
	eachOnce(t, "hosts found", rows.count(row.first), net.Truth().Addrs(lab.SYN(80), lab.SYNACK))
}
