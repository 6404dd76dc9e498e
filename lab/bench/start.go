package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// startStamps is how many of the first probes the Internet's end times: some come from another processor than the first.
const startStamps = 64

// startBars are about the time from the start of a process to its first probe's arrival: by each link, without a blocklist and with a
// long one.
func startBars(ctx context.Context, s *session) error {
	a, err := openCrowd(ctx, &lab.Crowd{Prefix: scanned(), Stamps: startStamps})
	if err != nil {
		return err
	}
	defer a.close()
	blocklist, lines := filepath.Join(a.dir, "blocklist"), s.size(blockLines)
	if err := writeBlocklist(blocklist, lines, rand.New(rand.NewPCG(1, 2))); err != nil {
		return err
	}
	cores := s.coresOr(allCores())
	list, _ := s.installed(s.starters(cores, a.net.Link(), a.dir))
	bare, blocked := make([][]float64, len(list)), make([][]float64, len(list)) // milliseconds, by program, then by run
	for round := range s.rounds() {
		for i, c := range list {
			one, err := a.startUp(ctx, c)
			if err != nil {
				return err
			}
			two, err := a.startUp(ctx, c.blocking(blocklist))
			if err != nil {
				return err
			}
			bare[i], blocked[i] = append(bare[i], one), append(blocked[i], two)
			fmt.Fprintf(os.Stderr, "start, run %d of %d: %-18s %6.1f ms, with a blocklist %6.1f ms\n", round+1, s.rounds(), c.name, one, two)
		}
	}
	t := table{
		title: fmt.Sprintf("Start-up to the first probe's arrival, %s, medians of %d runs", strings.ToLower(coreWords(cores)), s.rounds()),
		head:  []string{"program", "ms", fmt.Sprintf("ms with %d networks blocked", lines), "ms more"},
		notes: []string{"C zmap is told the gateway's hardware address; this zmap asks for it."},
	}
	for i, c := range list {
		one, two := middle(bare[i]), middle(blocked[i])
		t.add(c.name, fmt.Sprintf("%.1f", one), fmt.Sprintf("%.1f", two), fmt.Sprintf("%.1f", two-one))
		if c.name == baseline {
			continue
		}
		most := 100.0
		if c.ownXDP {
			most = 250
		}
		s.bars = append(s.bars,
			bar{what: "Start-up to the first probe, " + c.name, got: one, want: most, unit: " ms"},
			bar{what: fmt.Sprintf("Start-up with %d networks blocked, %s: more", lines, c.name), got: two - one, want: 1000, unit: " ms"},
		)
	}
	s.tables = append(s.tables, t)
	return nil
}

// starters are ours over each link, and C zmap. They send little, at a rate for which every link does.
func (s *session) starters(cores string, l lab.Link, dir string) []contender {
	some := []string{"-p80", network, "-r", "10000", "-n", "1000"}
	var list []contender
	for _, link := range s.links {
		list = append(list, s.ours(link, cores, dir, append([]string{"--link", link}, some...)...))
	}
	return append(list, s.theirs(cores, l, dir, some...))
}

// startUp runs one program, and returns the milliseconds from the start of its process to its first probe's arrival.
func (a *arena) startUp(ctx context.Context, c contender) (float64, error) {
	f, err := a.measure(ctx, c)
	if err != nil {
		return 0, err
	}
	seen, err := a.net.Arrivals(ctx, time.Millisecond)
	if err != nil {
		return 0, err
	}
	now, err := lab.Uptime()
	if err != nil {
		return 0, err
	}
	began := now.Add(-time.Since(f.start))
	return float64(seen.First.Sub(began)) / float64(time.Millisecond), nil
}

// blocking is c with that blocklist.
func (c contender) blocking(path string) contender {
	c.args = slices.Clone(c.args)
	c.args[slices.Index(c.args, "-b")+1] = path
	return c
}

// writeBlocklist writes n networks of random sizes, from /16 to single addresses.
func writeBlocklist(path string, n int, r *rand.Rand) error {
	return writeAddrs(path, n, r, func() string { return "/" + strconv.Itoa(16+r.IntN(17)) })
}

// size is how much work there is: n, or a part of it if it has to be short.
func (s *session) size(n int) int {
	if s.short {
		return n / shortPart
	}
	return n
}
