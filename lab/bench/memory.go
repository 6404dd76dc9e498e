package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/lab"
)

// allOrder is the binary logarithm of how many addresses a scan of all asks: 16 in each of the 2^16 /16s, on average.
const allOrder = 20

// memoryBars are about the most memory that scans take: one of a /16 that writes everything, and one of all IPv4 addresses
// that finds hosts all over. In both every host answers.
func memoryBars(ctx context.Context, s *session) error {
	t := table{
		title: fmt.Sprintf("Memory at the peak, every host answering, %s, worst of %d runs", strings.ToLower(coreWords(s.coresOr(allCores()))), s.memoryRounds()),
		head:  []string{"program", "scan", "hosts answered", "rows", "/16s with a row", "MB"},
		notes: []string{fmt.Sprintf("Memory is what is resident, rings that are shared with the kernel with it. Of all IPv4 addresses 2^%d are asked, in "+
			"a whole scan's order, and each of them answers: there are hosts in every /16. A bitmap with one bit for each of the 2^32 "+
			"addresses, which both programs have, is made in pages of a /16 as hosts are found, so that it is all there by then and "+
			"the rest of such a scan would add nothing to it.", allOrder)},
	}
	if err := smallMemory(ctx, s, &t); err != nil {
		return err
	}
	if err := allMemory(ctx, s, &t); err != nil {
		return err
	}
	s.tables = append(s.tables, t)
	return nil
}

// memoryRounds is how often each program runs for its memory, which varies little.
func (s *session) memoryRounds() int { return min(s.rounds(), 2) }

// smallMemory scans a /16 by each link, and writes all fields.
func smallMemory(ctx context.Context, s *session, t *table) error {
	a, err := openArena(ctx, 1)
	if err != nil {
		return err
	}
	defer a.close()
	part, cores := netip.PrefixFrom(scanned().Addr(), 16).String(), s.coresOr(allCores())
	what := []string{"-p80", part, "-f", "*"}
	var list []contender
	for _, link := range s.links {
		list = append(list, s.ours(link, cores, a.dir, append([]string{"-r", "0", "--link", link}, what...)...))
	}
	list = append(list, s.theirs(cores, a.net.Link(), a.dir, append([]string{"-B", "100G"}, what...)...))
	return s.memoryOf(ctx, a, list, part+", all fields", 60, 1, t)
}

// allMemory scans all of IPv4 until there are hosts in every /16, by the link that this zmap chooses itself.
func allMemory(ctx context.Context, s *session, t *table) error {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	a, err := openCrowd(ctx, &lab.Crowd{Prefix: all, Share: 1})
	if err != nil {
		return err
	}
	defer a.close()
	cores := s.coresOr(allCores())
	what := []string{"-p80", all.String(), "-n", strconv.Itoa(s.size(1 << allOrder))}
	ours := s.ours(auto, cores, a.dir, append([]string{"-r", "0", "--dedup-method", "full"}, what...)...)
	ours.ownXDP = true
	theirs := s.theirs(cores, a.net.Link(), a.dir, append([]string{"-B", "100G"}, what...)...)
	// A page is missing by chance, or because its rows were lost, in so few cases that they make no difference.
	return s.memoryOf(ctx, a, []contender{ours, theirs}, "all IPv4, full deduplication", 650, 1<<16-1<<6, t)
}

// memoryOf runs programs, and adds a row for each, and a bar in megabytes for ours. A scan without rows in as many /16s as it
// should have is not what the bar is about.
func (s *session) memoryOf(ctx context.Context, a *arena, list []contender, scan string, most float64, sixteens int, t *table) error {
	list, _ = s.installed(list)
	worst := make([]peak, len(list))
	for round := range s.memoryRounds() {
		for i, c := range list {
			p, err := a.peak(ctx, c)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "memory of %s, run %d of %d: %-18s %6.1f MB, %d rows\n", scan, round+1, s.memoryRounds(), c.name, p.megabytes(), p.rows)
			if p.peak > worst[i].peak {
				worst[i] = p
			}
		}
	}
	for i, c := range list {
		p := worst[i]
		t.add(c.name, scan, fmt.Sprint(p.answered), fmt.Sprint(p.rows), fmt.Sprint(p.sixteens), fmt.Sprintf("%.1f", p.megabytes()))
		if c.name == baseline {
			continue
		}
		b := bar{what: fmt.Sprintf("Memory of %s, every host answering, %s", scan, c.name), got: p.megabytes(), want: most, unit: " MB"}
		if p.sixteens < sixteens {
			b.got, b.why = math.NaN(), fmt.Sprintf("rows in %d /16s, not in %d", p.sixteens, sixteens)
		}
		s.bars = append(s.bars, b)
	}
	return nil
}

// A peak is the memory of a run, and what there was to remember.
type peak struct {
	figure
	rows     int // in the output, with an address
	sixteens int // different /16s in them
}

func (p peak) megabytes() float64 { return float64(p.peak) / 1e6 }

// peak runs a program and looks at its memory, and counts in its output afterwards.
func (a *arena) peak(ctx context.Context, c contender) (p peak, err error) {
	out := c.out
	c.memory, c.out = true, "" // hits know one /8 only
	if p.figure, err = a.measure(ctx, c); err != nil {
		return p, err
	}
	p.rows, p.sixteens, err = countRows(out)
	return p, err
}

// countRows is the number of rows in a scanner's output, and of different /16s in them.
func countRows(path string) (rows, sixteens int, err error) {
	var seen [1 << 16]bool
	err = eachAddr(path, func(a netip.Addr) {
		b := a.As4()
		net := int(b[0])<<8 | int(b[1])
		if !seen[net] {
			seen[net] = true
			sixteens++
		}
		rows++
	})
	return rows, sixteens, err
}
