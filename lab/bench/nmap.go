package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
)

// nmap lets nmap scan a small network as fast as it can, and this zmap the same one, and one of 2^20 addresses.
func nmap(ctx context.Context, s *session) error {
	const share, large = 0.02, 12 // the large network has 2^20 addresses
	a, err := openArena(ctx, share)
	if err != nil {
		return err
	}
	defer a.close()
	small := 20
	if s.short {
		small = 26
	}
	cores := s.coresOr(allCores())
	t := table{
		title: fmt.Sprintf("nmap, %s answering, %s", percent(share), strings.ToLower(coreWords(cores))),
		head:  []string{"program", "network", "s", "hosts", "found", "s for 2^20 addresses"},
	}
	run := func(c contender, part netip.Prefix) error {
		hosts := 0
		for addr := part.Addr(); part.Contains(addr); addr = addr.Next() {
			if a.crowd.Has(addr) {
				hosts++
			}
		}
		f, err := a.measure(ctx, c)
		if err != nil {
			return err
		}
		took := f.whole.Seconds()
		million := "-"
		switch times := 1 << (part.Bits() - large); {
		case times == 1:
			million = fmt.Sprintf("%.1f", took)
		case c.stop > 0:
			million = fmt.Sprintf("%.0f, %d times as long", took*float64(times), times)
		}
		if c.stop > 0 && f.whole >= c.stop {
			million = "more than " + million
		}
		t.add(c.name, part.String(), fmt.Sprintf("%.1f", took), fmt.Sprint(hosts), fmt.Sprint(f.hits.found), million)
		fmt.Fprintf(os.Stderr, "nmap: %-24s %v: %.1f s, %d of %d hosts\n", c.name, part, took, f.hits.found, hosts)
		return nil
	}
	ours := func(part netip.Prefix) contender {
		c := s.ours(auto, cores, a.dir, "-r", "0", "-p80", part.String())
		c.ownXDP = true
		return c
	}
	part, most := netip.PrefixFrom(scanned().Addr(), small), netip.PrefixFrom(scanned().Addr(), large)
	list, missing := s.installed([]contender{{
		name: "nmap", path: "nmap", cores: cores, out: a.dir + "/nmap", stop: runBound - 5*time.Second,
		args: []string{"-sS", "-n", "-Pn", "-p80", "-T5", "--min-rate", "1000000", "--open", "-oG", a.dir + "/nmap", part.String()},
	}})
	for _, c := range list {
		if err := run(c, part); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		t.notes = append(t.notes, "nmap is not installed, and left out.")
	} else {
		t.notes = append(t.notes, "nmap's time for 2^20 addresses is extrapolated. This zmap's times have a cooldown of a second in them.")
	}
	for _, p := range []netip.Prefix{part, most} {
		if err := run(ours(p), p); err != nil {
			return err
		}
	}
	s.tables = append(s.tables, t)
	return nil
}
