package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// cpuBars are about slow scans: a scanner should not be busy while it waits.
func cpuBars(ctx context.Context, s *session) error {
	a, err := openArena(ctx, 0)
	if err != nil {
		return err
	}
	defer a.close()
	t := table{title: "CPU time of slow scans, one core, nobody answers", head: []string{"program", "probes a second", "CPU s a s", "CPU s a million", "to C zmap"}}
	for _, r := range []struct {
		rate int
		want float64
	}{{10_000, 0.25}, {100_000, 0.5}} {
		theirs := math.NaN()
		list, _ := s.installed(s.slow(r.rate, a.net.Link(), a.dir))
		for _, c := range list {
			f, err := a.measure(ctx, c)
			if err != nil {
				return err
			}
			name, cost := c.name, f.perMillion()
			if chosen := chosenLink(c.log); c.name == ourName(auto) && chosen != "" {
				name += ": " + chosen
			}
			ratio := cost / theirs
			if c.name == baseline {
				theirs = cost
			} else {
				s.bars = append(s.bars, bar{
					what: fmt.Sprintf("%d probes a second, %s: CPU time to C zmap's", r.rate, name), got: ratio, want: r.want, unit: " x", why: noZMap,
				})
			}
			t.add(name, fmt.Sprintf("%.0f", f.rate), fmt.Sprintf("%.3f", cost*f.rate/1e6), fmt.Sprintf("%.2f", cost), ratioText(ratio))
			fmt.Fprintf(os.Stderr, "cpu, %d a second: %-26s %.0f a second, %.2f CPU s a million\n", r.rate, name, f.rate, cost)
		}
	}
	s.tables = append(s.tables, t)
	return nil
}

// slow are C zmap, and then ours over each link, at a rate.
func (s *session) slow(rate int, l lab.Link, dir string) []contender {
	seconds := s.sending(10 * time.Second)
	limit := []string{"-p80", network, "-r", strconv.Itoa(rate), "-t", strconv.Itoa(int(seconds / time.Second))}
	one := firstCores(1)
	list := []contender{s.theirs(one, l, dir, limit...), s.ours(auto, one, dir, limit...)}
	for _, link := range s.links {
		list = append(list, s.ours(link, one, dir, append([]string{"--link", link}, limit...)...))
	}
	return list
}

// chosenLink is the link that a log says was chosen: "socket".
func chosenLink(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if _, why, ok := strings.Cut(line, "link: "); ok {
			return strings.TrimSpace(why[:max(0, strings.IndexAny(why, ":,"))])
		}
	}
	return ""
}
