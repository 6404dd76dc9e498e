package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
)

// noZMap is why a ratio cannot be had.
const noZMap = "no C zmap is installed"

// rateBars are about rates when nobody answers. C zmap 4.3 is faster than the 2.1.1 of Debian 12, which reaches 0.78 of
// its rate: the bars are for the one that is installed.
func rateBars(ctx context.Context, s *session) error {
	old := strings.HasPrefix(s.version, "2.")
	for _, c := range []struct {
		cores    int
		new, old float64
	}{{1, 9, 11}, {2, 8, 10}} {
		if c.cores > runtime.NumCPU() {
			continue
		}
		cmp, err := s.compared(ctx, setting{firstCores(c.cores), 0})
		if err != nil {
			return err
		}
		want := c.new
		if old {
			want = c.old
		}
		s.barAgainst(cmp, ourName("xdp"), "rate", rateOf, bar{want: want, atLeast: true})
		if c.cores == 1 {
			s.barAgainst(cmp, ourName("socket"), "rate", rateOf, bar{want: 1.2, atLeast: true})
		}
	}
	return nil
}

// barAgainst adds a bar about a ratio to C zmap.
func (s *session) barAgainst(c *comparison, name, what string, of func(figure) float64, b bar) {
	b.what = fmt.Sprintf("%s, %s answering, %s: %s to C zmap's", coreWords(c.cores), percent(c.share), name, what)
	b.got, b.unit, b.why = c.ratio(name, of), " x", noZMap
	if len(c.of(name)) == 0 {
		b.why = "there is no such link"
	}
	s.bars = append(s.bars, b)
}

// answerBars are about scans of which much comes back.
func answerBars(ctx context.Context, s *session) error {
	for _, c := range []struct{ share, want float64 }{{0.02, 6}, {1, 15}} {
		cmp, err := s.compared(ctx, setting{s.coresOr(allCores()), c.share})
		if err != nil {
			return err
		}
		for _, name := range []string{ourName("xdp"), ourName(reset)} {
			s.barAgainst(cmp, name, "rate", rateOf, bar{want: c.want, atLeast: true})
			if c.share == 1 {
				s.bars = append(s.bars, lostBar(cmp, name))
			}
		}
		s.remark(foundText(cmp))
	}
	return nil
}

// foundText says how many hosts ours finds by xdp in a second of sending, to C zmap; nothing if one of them was not there.
func foundText(c *comparison) string {
	var parts []string
	for _, name := range []string{ourName("xdp"), ourName(reset)} {
		if found, probes := c.ratio(name, foundOf), c.ratio(name, rateOf); !math.IsNaN(found) {
			parts = append(parts, fmt.Sprintf("%s %s x, in probes %s x", name, figures(found), figures(probes)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("For information, %s, %s answering, hosts found in a second of sending, to C zmap's: %s.",
		coreWords(c.cores), percent(c.share), strings.Join(parts, "; "))
}

// lostBar is that each answer is in the output, in every run, and nothing else is.
func lostBar(c *comparison, name string) bar {
	fs := c.of(name)
	b := bar{
		what: fmt.Sprintf("%s, %s answering, %s: answers lost, or rows wrong, worst of %d", coreWords(c.cores), percent(c.share), name, len(fs)),
		got:  math.NaN(), why: "there is no such link",
	}
	if len(fs) > 0 {
		b.got = 0
		for _, f := range fs {
			b.got = max(b.got, math.Abs(f.lost())+float64(f.hits.twice+f.hits.nobody))
		}
	}
	return b
}

// costBars are about the CPU time of a probe, of every link.
func costBars(ctx context.Context, s *session) error {
	c, err := s.compared(ctx, setting{firstCores(1), 0})
	if err != nil {
		return err
	}
	for _, l := range s.links {
		s.barAgainst(c, ourName(l), "CPU time a probe", figure.perMillion, bar{want: 1})
	}
	return nil
}

// coresOr are the cores of the command line, or the usual ones.
func (s *session) coresOr(usual string) string {
	if s.cores == "" {
		return usual
	}
	return s.cores
}
