package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// scanned is the network that is scanned.
func scanned() netip.Prefix { return netip.MustParsePrefix(network) }

// A setting is what is the same for all programs of a comparison.
type setting struct {
	cores string
	share float64
}

// A comparison is programs that send as fast as they can, one after the other in turn.
type comparison struct {
	setting
	sent    time.Duration // in a run
	list    []contender
	figures [][]figure // by contender, then by run
	missing []string
}

// compare measures.
func compare(ctx context.Context, s *session, set setting) (*comparison, error) {
	a, err := openArena(ctx, set.share)
	if err != nil {
		return nil, err
	}
	defer a.close()
	c := &comparison{setting: set, sent: s.sending(s.long)}
	c.list, c.missing = s.contenders(set, a.net.Link(), a.dir)
	if len(c.list) == 0 {
		return nil, errors.New("there is no program to run: see -only and -zmap")
	}
	c.figures = make([][]figure, len(c.list))
	for round := range s.rounds() {
		for i, p := range c.list {
			f, err := a.measure(ctx, p)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(os.Stderr, "cores %s, share %g, run %d of %d: %-26s %6.3f Mpps, %.3f CPU s a million, %d answers, %.0f lost, %d refused\n",
				set.cores, set.share, round+1, s.rounds(), p.name, f.rate/1e6, f.perMillion(), f.answered, f.lost(), f.refused)
			f.hits.seen = nil // a lot of memory, and only its numbers count
			c.figures[i] = append(c.figures[i], f)
		}
	}
	return c, nil
}

// of returns the figures of a program; nil if it was not there.
func (c *comparison) of(name string) []figure {
	i := slices.IndexFunc(c.list, func(p contender) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return c.figures[i]
}

// ratio is a median of one program to that of C zmap; NaN if one of them was not there, or C zmap's is 0.
func (c *comparison) ratio(name string, of func(figure) float64) float64 {
	ours, theirs := c.of(name), c.of(baseline)
	if len(ours) == 0 || len(theirs) == 0 {
		return math.NaN()
	}
	base := median(theirs, of)
	if base == 0 {
		return math.NaN()
	}
	return median(ours, of) / base
}

// rateOf is the rate of a figure, for median and ratio.
func rateOf(f figure) float64 { return f.rate }

// foundOf is the rate of hosts found, of those that are there each once: in a second of sending, as the rate of probes is.
func foundOf(f figure) float64 { return f.rate * float64(f.hits.found) / float64(f.probes) }

// answersOf is the rate of answers that were sent to the scanner.
func answersOf(f figure) float64 { return f.rate * float64(f.answered) / float64(f.probes) }

// table has medians and ratios, and what was lost.
func (c *comparison) table() table {
	t := table{
		title: fmt.Sprintf("%s, %s of the hosts answer, medians of %d runs of %v", coreWords(c.cores), percent(c.share), len(c.figures[0]), c.sent),
		head:  []string{"program", "Mpps", "rate to C zmap", "CPU s a million", "CPU to C zmap", "answers a second", "answers lost", "hosts found a second", "found to C zmap"},
	}
	for i, p := range c.list {
		fs := c.figures[i]
		t.add(p.name, fmt.Sprintf("%.3f", median(fs, rateOf)/1e6), ratioText(c.ratio(p.name, rateOf)),
			fmt.Sprintf("%.3f", median(fs, figure.perMillion)), ratioText(c.ratio(p.name, figure.perMillion)),
			fmt.Sprintf("%.0f", median(fs, answersOf)), lostText(fs),
			fmt.Sprintf("%.0f", median(fs, foundOf)), ratioText(c.ratio(p.name, foundOf)))
	}
	if len(c.missing) > 0 {
		t.notes = append(t.notes, "Not installed, and left out: "+strings.Join(c.missing, ", ")+".")
	}
	return t
}

// lostText says what was lost in the runs.
func lostText(fs []figure) string {
	var lost, share []float64
	full := uint64(0)
	for _, f := range fs {
		lost = append(lost, f.lost())
		share = append(share, 100*f.lost()/float64(max(f.answered, 1)))
		full += f.refused
	}
	least, most := slices.Min(lost), slices.Max(lost)
	text := fmt.Sprintf("%.0f to %.0f (%.1f to %.1f %%)", least, most, slices.Min(share), slices.Max(share))
	switch {
	case least == 0 && most == 0:
		return "0"
	case least == most:
		text = fmt.Sprintf("%.0f (%.1f %%)", most, slices.Max(share))
	}
	if full > 0 {
		text += fmt.Sprintf("; the cable was full for %d", full)
	}
	return text
}

func ratioText(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return figures(v)
}

func percent(share float64) string { return figures(100*share) + " %" }

func coreWords(list string) string {
	if n := countCores(list); n > 1 {
		return fmt.Sprintf("%d cores", n)
	}
	return "One core"
}

// sendTable is the comparison that the options ask for.
func sendTable(ctx context.Context, s *session) error {
	s.peers = true
	_, err := s.compared(ctx, setting{s.coresOr(firstCores(1)), s.share})
	return err
}
