package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"
)

// slash8 scans all of 10.0.0.0/8, of which 2 % answer, by the link that this zmap chooses itself, and looks at every row.
func slash8(ctx context.Context, s *session) error {
	const share, most = 0.02, 10 // seconds
	a, err := openArena(ctx, share)
	if err != nil {
		return err
	}
	defer a.close()
	part := scanned()
	if s.short {
		part = netip.PrefixFrom(part.Addr(), 16)
	}
	hosts := 0
	for addr := part.Addr(); part.Contains(addr); addr = addr.Next() {
		if a.crowd.Has(addr) {
			hosts++
		}
	}
	cores := s.coresOr(allCores())
	c := s.ours(auto, cores, a.dir, "-r", "0", "-p80", part.String())
	c.ownXDP = true
	t := table{
		title: fmt.Sprintf("%v from beginning to end, %s answering, %s", part, percent(share), coreWords(cores)),
		head:  []string{"run", "s without cooldown", "hosts", "found", "missing", "twice", "wrong"},
	}
	var seconds []float64
	mistakes := 0
	for round := range s.rounds() {
		f, err := a.measure(ctx, c)
		if err != nil {
			return err
		}
		took := (f.whole - s.listen.Truncate(time.Second)).Seconds()
		seconds = append(seconds, took)
		missing := hosts - f.hits.found
		mistakes += missing + f.hits.twice + f.hits.nobody
		t.add(fmt.Sprint(round+1), fmt.Sprintf("%.2f", took), fmt.Sprint(hosts), fmt.Sprint(f.hits.found), fmt.Sprint(missing),
			fmt.Sprint(f.hits.twice), fmt.Sprint(f.hits.nobody))
		fmt.Fprintf(os.Stderr, "slash8, run %d of %d: %.2f s, %d of %d hosts\n", round+1, s.rounds(), took, f.hits.found, hosts)
	}
	s.tables = append(s.tables, t)
	s.bars = append(s.bars,
		bar{what: fmt.Sprintf("%v, %s answering: whole scan without cooldown", part, percent(share)), got: middle(seconds), want: most, unit: " s"},
		bar{what: fmt.Sprintf("%v, %s answering: hosts that are not in the output exactly once, sum of %d", part, percent(share), s.rounds()), got: float64(mistakes)},
	)
	return nil
}
