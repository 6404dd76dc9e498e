package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// page measures, and writes performance.md with its pictures.
func page(ctx context.Context, s *session) error {
	start := time.Now()
	s.peers, s.often, s.long = true, 3, time.Second // or it would take half an hour
	where := s.machine(ctx)
	speed := calibrate()
	byCores, byShare, err := s.pageComparisons(ctx)
	if err != nil {
		return err
	}
	for _, f := range []func(context.Context, *session) error{rateBars, answerBars, costBars, kernel, linear, slash8, cpuBars, startBars, memoryBars, nmap} {
		if err := f(ctx, s); err != nil {
			return err
		}
	}
	where.add("AES blocks", fmt.Sprintf("%.0f million a second on one core before, %.0f after", speed, calibrate()))
	where.add("Took", time.Since(start).Round(time.Second).String())
	for name, c := range map[string]chart{
		"performance-cores.svg": coresChart(byCores), "performance-share.svg": shareChart(byShare),
	} {
		if err := os.WriteFile(filepath.Join(s.docs, name), []byte(c.svg()), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.docs, "performance.md"), []byte(s.markdown(where, byCores, byShare)), 0o644)
}

// pageComparisons measures what the pictures show: nobody answers, on 1, 2, 4 ... cores; and on all cores, more and more
// hosts answer.
func (s *session) pageComparisons(ctx context.Context) (byCores, byShare []*comparison, err error) {
	for n := 1; n <= runtime.NumCPU(); n *= 2 {
		c, err := s.compared(ctx, setting{firstCores(n), 0})
		if err != nil {
			return nil, nil, err
		}
		byCores = append(byCores, c)
	}
	often := s.often
	defer func() { s.often = often }()
	for _, p := range []struct {
		share float64
		often int
	}{{0, often}, {0.02, often}, {0.1, 1}, {0.5, 1}, {1, 5}} { // the bar for all of them is about five runs
		s.often = p.often
		c, err := s.compared(ctx, setting{allCores(), p.share})
		if err != nil {
			return nil, nil, err
		}
		byShare = append(byShare, c)
	}
	return byCores, byShare, nil
}

// coresChart is rate against cores.
func coresChart(list []*comparison) chart {
	c := chart{
		title: "Probes a second by cores, nobody answers", x: "cores", y: "million probes a second (logarithmic)",
		about: "Lines of the rate of each program with nobody answering, against the number of cores.",
	}
	for _, l := range list {
		c.places = append(c.places, fmt.Sprint(countCores(l.cores)))
	}
	c.lines = rateLines(list)
	return c
}

// shareChart is rate against the share that answers.
func shareChart(list []*comparison) chart {
	c := chart{
		title: "Probes a second by share of hosts that answer, " + strings.ToLower(coreWords(list[0].cores)),
		x:     "hosts that answer", y: "million probes a second (logarithmic)",
		about: "Lines of the rate of each program on all cores, against the share of the hosts that answer.",
	}
	for _, l := range list {
		c.places = append(c.places, percent(l.share))
	}
	c.lines = rateLines(list)
	return c
}

// rateLines are the rates of every program, in the order in which they come up. Resets of the link's own make no difference
// where nobody answers.
func rateLines(list []*comparison) []line {
	var lines []line
	seen := make(map[string]bool)
	for _, l := range list {
		for _, p := range l.list {
			if seen[p.name] {
				continue
			}
			seen[p.name] = true
			one := line{name: p.name}
			for _, c := range list {
				fs, v := c.of(p.name), math.NaN()
				if len(fs) == 0 && p.name == ourName(reset) {
					fs = c.of(ourName("xdp"))
				}
				if len(fs) > 0 {
					v = median(fs, rateOf) / 1e6
				}
				one.values = append(one.values, v)
			}
			lines = append(lines, one)
		}
	}
	return lines
}

// markdown is the page.
func (s *session) markdown(where table, byCores, byShare []*comparison) string {
	var b strings.Builder
	b.WriteString("# Performance\n\n" +
		"Made by `make bench-page` (`go run ./lab/bench page`); do not edit. Each program runs as a whole process against the same\n" +
		"test Internet on this machine: a veth pair, at whose other end a BPF program answers for a chosen share of the hosts. It is\n" +
		"confined to the cores named, takes its turn with the others, and sends as fast as it can. Probes are counted where they\n" +
		"arrive, answers where they leave; both ends of the cable are paid for by the sender's cores. CPU time is that of the process\n" +
		"and of the kernel's softirq threads. Ratios travel, absolute figures do not.\n\n" +
		"The cable has a queue for each core of the machine in either direction, and each processor sends on one of its own (XPS), as\n" +
		"drivers of network cards set it. All scanners gain by that: where it was tried, C zmap went from 1.14 to 1.68 Mpps on two cores.\n\n" +
		"Hosts found are rows with a host that is there, each counted once, in a second of sending. They fall behind the answers where\n" +
		"a scanner loses some.\n\n" +
		"`go run ./lab/bench help` lists the benchmarks, each of which can be run alone, with more runs.\n\n")
	where.markdown(&b)
	t := barTable(s.bars, s.remarks)
	b.WriteString("## Bars\n\n")
	t.markdown(&b)
	b.WriteString("C zmap 2.1.1, which Debian 12 has, reaches 0.78 of the rate of 4.3. The bars for rates are 9 and 8 times that of 4.3, on one\n" +
		"core and on two, or 11 and 10 times that of 2.1.1.\n\n")
	fmt.Fprintf(&b, "## Rate and cores\n\n![Rate against cores](performance-cores.svg)\n\n")
	for _, c := range byCores {
		t := c.table()
		t.markdown(&b)
	}
	fmt.Fprintf(&b, "## Rate and answers\n\n![Rate against the share of hosts that answer](performance-share.svg)\n\n")
	for _, c := range byShare {
		if c.share == 0 {
			continue // above
		}
		t := c.table()
		t.markdown(&b)
	}
	b.WriteString("## Single questions\n\n")
	for _, t := range s.tables {
		t.markdown(&b)
	}
	return b.String()
}
