package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"text/tabwriter"

	"github.com/zmap-go/zmap/lab"
)

// send compares how fast programs scan an Internet of which a share answers, and what they lose of the answers.
func send(ctx context.Context, o *options) error {
	net, err := lab.New(ctx, lab.World{Crowd: &lab.Crowd{Prefix: netip.MustParsePrefix(network), Share: o.share}})
	if err != nil {
		return err
	}
	defer func() { _ = net.Close() }()
	dir, err := os.MkdirTemp("", "zmap-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	list, missing := contenders(o, net.Link(), dir)
	figures := make([][]figure, len(list))
	for round := range o.runs {
		for i, c := range list {
			f, err := measure(ctx, o, net, c)
			if err != nil {
				return fmt.Errorf("run %s: %w", c.name, err)
			}
			figures[i] = append(figures[i], f)
			fmt.Fprintf(os.Stderr, "run %d of %d: %-30s %6.3f Mpps, %.3f CPU s a million, %d answers, %d lost\n",
				round+1, o.runs, c.name, f.rate()/1e6, f.perMillion(), f.answered, f.lost())
		}
	}
	printSend(o, list, figures)
	for _, m := range missing {
		fmt.Printf("not installed, left out: %s\n", m)
	}
	return nil
}

// printSend prints medians and ratios, and the losses of every run.
func printSend(o *options, list []contender, figures [][]figure) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "cores %s, %g of the hosts answer, medians of %d runs\n", o.cores, o.share, o.runs)
	base := -1
	for i, c := range list {
		if c.name == baseline {
			base = i
		}
	}
	fmt.Fprintf(w, "program\tMpps\tratio\tCPU s per million\tratio\tanswers lost, each run\n")
	for i, c := range list {
		rate, cpu := median(figures[i], figure.rate), median(figures[i], figure.perMillion)
		faster, cheaper := "-", "-"
		if base >= 0 {
			faster = fmt.Sprintf("%.2f", rate/median(figures[base], figure.rate))
			cheaper = fmt.Sprintf("%.2f", cpu/median(figures[base], figure.perMillion))
		}
		var lost []string
		for _, f := range figures[i] {
			share := 0.0
			if f.answered > 0 {
				share = 100 * float64(f.lost()) / float64(f.answered)
			}
			lost = append(lost, fmt.Sprintf("%d (%.1f %%)", f.lost(), share))
		}
		fmt.Fprintf(w, "%s\t%.3f\t%s\t%.3f\t%s\t%v\n", c.name, rate/1e6, faster, cpu, cheaper, lost)
	}
	_ = w.Flush() // to standard output
}
