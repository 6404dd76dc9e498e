package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"os"
	"strings"
	"time"
)

// linear is about the cost of a target, which should not depend on how many there are, nor on how they are made up of
// addresses and ports. One core, nobody answers.
func linear(ctx context.Context, s *session) error {
	const most = 15 // percent
	a, err := openArena(ctx, 0)
	if err != nil {
		return err
	}
	defer a.close()
	order := 24
	if s.short {
		order = 16
	}
	all := 1 << order
	works := []struct {
		name         string
		addrs, ports int
	}{
		{fmt.Sprintf("2^%d targets", order-2), all / 4, 1},
		{fmt.Sprintf("2^%d targets", order), all, 1},
		{fmt.Sprintf("2^%d targets, 10 ports", order), all / 10, 10},
		{fmt.Sprintf("2^%d targets, 100 ports", order), all / 100, 100},
	}
	cores := s.coresOr(firstCores(1))
	cost, took := make([][]float64, len(works)), make([][]float64, len(works))
	for round := range min(s.rounds(), 5) {
		for i, w := range works {
			args := append([]string{"-r", "0", "--link", "xdp", fmt.Sprintf("-p1-%d", w.ports)}, firstAddrs(w.addrs)...)
			f, err := a.measure(ctx, s.ours("xdp", cores, a.dir, args...))
			if err != nil {
				return err
			}
			cost[i] = append(cost[i], 1000*f.perMillion())
			took[i] = append(took[i], (f.whole-s.listen.Truncate(time.Second)).Seconds()*1e9/float64(f.probes))
			fmt.Fprintf(os.Stderr, "linear, run %d: %-24s %d probes, %.1f CPU ns and %.1f ns a probe\n", round+1, w.name, f.probes, cost[i][round], took[i][round])
		}
	}
	t := table{title: "Cost by number of targets, xdp, " + strings.ToLower(coreWords(cores)), head: []string{"scan", "CPU ns a probe", "to the first", "ns a probe", "to the first"}}
	for i, w := range works {
		c, d := middle(cost[i]), middle(took[i])
		t.add(w.name, fmt.Sprintf("%.1f", c), fmt.Sprintf("%.3f", c/middle(cost[0])), fmt.Sprintf("%.1f", d), fmt.Sprintf("%.3f", d/middle(took[0])))
	}
	s.tables = append(s.tables, t)
	differ := func(what string, i, than int) {
		s.bars = append(s.bars, bar{what: what, got: 100 * math.Abs(middle(cost[i])/middle(cost[than])-1), want: most, unit: " %"})
	}
	differ(fmt.Sprintf("CPU time a target, 2^%d and 2^%d targets: difference", order, order-2), 1, 0)
	differ(fmt.Sprintf("CPU time a target, 2^%d targets with 10 ports and with 1: difference", order), 2, 1)
	differ(fmt.Sprintf("CPU time a target, 2^%d targets with 100 ports and with 1: difference", order), 3, 1)
	return nil
}

// firstAddrs is the first n addresses of the network, in as few prefixes as can be.
func firstAddrs(n int) []string {
	var list []string
	b := scanned().Addr().As4()
	for at := binary.BigEndian.Uint32(b[:]); n > 0; {
		order := bits.Len(uint(n)) - 1 // the prefixes become smaller, so each begins where one of its size may
		binary.BigEndian.PutUint32(b[:], at)
		list = append(list, netip.PrefixFrom(netip.AddrFrom4(b), 32-order).String())
		at, n = at+1<<order, n-1<<order
	}
	return list
}
