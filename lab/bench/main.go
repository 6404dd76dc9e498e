// Command bench compares scanners in a lab: it builds a test Internet in network namespaces, lets each scanner loose on
// it as a whole process, confined to the same cores, one after the other in turn, and prints medians, ratios, and the bars
// that this project holds itself to.
//
//	go run ./lab/bench help
//
// What is sent is counted where it arrives, and answers where they leave, so nobody's word is taken for anything. Peers that
// are not installed are named and left out. Every run is bounded in time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// A benchmark is one word of the command line.
type benchmark struct {
	name, help string
	run        func(ctx context.Context, s *session) error
}

// benchmarks are all that there are, in the order of the help. Those behind "bars" belong to it, and can be named alone.
func benchmarks() []benchmark {
	return append([]benchmark{
		{"send", "programs beside each other: rate, CPU time, answers lost; with -share of the hosts answering, on -cores", sendTable},
		{"nmap", "nmap, and this zmap, on a /20 of which 2 % answer: hosts found, and the time for 2^20 addresses", nmap},
		{"loss", "answers of a real kernel lost, 100,000 probes a second for a minute", loss},
		{"tools", "dry runs into a pipe, lists of addresses, ziterate and zblocklist", tools},
		{"page", "write performance.md and its pictures into -docs, in nine minutes or less", page},
		{"all", "all but the page", all},
		{"chaos", "scans killed at random moments (-count kills, 100) and carried on: targets and rows lost or doubled", chaos},
		{"bars", "every bar below", bars},
	}, barBenchmarks()...)
}

// barBenchmarks measure what a bar is set for.
func barBenchmarks() []benchmark {
	return []benchmark{
		{"rate", "nobody answers: rate against C zmap's, on one core and on two", rateBars},
		{"ipv6", "nobody answers: rate over IPv6 against that over IPv4, by XDP and by socket", ipv6Bars},
		{"answers", "2 % of the hosts answer, and all of them: rate against C zmap's, answers lost", answerBars},
		{"cost", "CPU time a probe of each link against C zmap's", costBars},
		{"slash8", "10.0.0.0/8 from beginning to end, 2 % answering, and every row of the output", slash8},
		{"cpu", "CPU time of slow scans, 10,000 and 100,000 probes a second, against C zmap's", cpuBars},
		{"linear", "cost of a target from 2^22 to 2^24 targets, and with 1, 10 and 100 ports", linear},
		{"kernel", "the kernel's part of the cost, and the whole, against a program that only redirects", kernel},
		{"start", "start-up to the first probe, without a blocklist and with one of 100,000 networks, beside C zmap's", startBars},
		{"grab", "from SYN to certificate in one command, 10.0.0.0/12 with 2 % of it accepting: hosts lost, SYNs on the wire, time and memory", grabs},
		{"grabpace", "grabs a second on one core, each way, of hosts that answer without a server", grabPace},
		{"memory", "memory of a /16 with every host answering and all fields, and of all IPv4 with full deduplication", memoryBars},
	}
}

// options are the command line.
type options struct {
	zmap   string
	cores  string
	runs   int
	count  int
	rate   int
	share  float64
	time   time.Duration
	listen time.Duration
	only   []string
	short  bool
	docs   string
}

func main() {
	inside, status, err := lab.Enter()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	case !inside:
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run parses the command line and runs the benchmarks that it names. What they measured is printed also if one of them fails.
func run(ctx context.Context, args []string) error {
	var o options
	fs := flags(&o)
	var chosen []benchmark
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		i := slices.IndexFunc(benchmarks(), func(b benchmark) bool { return b.name == args[0] })
		if i < 0 {
			fs.Usage()
			if args[0] == "help" {
				return nil
			}
			return fmt.Errorf("no benchmark is called %q", args[0])
		}
		chosen, args = append(chosen, benchmarks()[i]), args[1:]
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if len(chosen) == 0 || fs.NArg() > 0 {
		fs.Usage()
		return errors.New("name one or more benchmarks, then options")
	}
	s, err := newSession(ctx, o)
	if err != nil {
		return err
	}
	for _, b := range chosen {
		if err = b.run(ctx, s); err != nil {
			err = fmt.Errorf("%s: %w", b.name, err)
			break
		}
	}
	s.print(os.Stdout)
	return err
}

// flags are the options, and the help.
func flags(o *options) *flag.FlagSet {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.zmap, "zmap", "bin/zmap", "this project's `program`")
	fs.StringVar(&o.cores, "cores", "", "`list` of the cores that programs are confined to: 0,1 (default: what the benchmark says)")
	fs.IntVar(&o.runs, "runs", 0, "runs of each program (default 7; page 3)")
	fs.DurationVar(&o.time, "time", 0, "how long a run sends, in whole seconds (default 2s; cpu 10s, loss 1m)")
	fs.IntVar(&o.count, "count", 0, "most targets of a run; 0 means as many as there is time for")
	fs.DurationVar(&o.listen, "listen", time.Second, "cooldown of each scanner, in whole seconds")
	fs.Float64Var(&o.share, "share", 0, "share of the hosts that answer, 0 to 1 (send)")
	fs.Func("only", "run only programs whose `name` has this in it; may be repeated (send)", func(s string) error {
		o.only = append(o.only, s)
		return nil
	})
	fs.IntVar(&o.rate, "rate", 100_000, "probes a second (loss)")
	fs.BoolVar(&o.short, "short", false, "one short run of everything: whether it works, not how well")
	fs.StringVar(&o.docs, "docs", "docs", "`folder` to write to (page)")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), "Usage: go run ./lab/bench BENCHMARK ... [options]\n\nBenchmarks:\n")
		for _, b := range benchmarks() {
			fmt.Fprintf(fs.Output(), "  %-8s %s\n", b.name, b.help)
		}
		fmt.Fprint(fs.Output(), "\nOptions:\n")
		fs.PrintDefaults()
	}
	return fs
}

// all runs every benchmark.
func all(ctx context.Context, s *session) error {
	s.peers = true
	for _, f := range []func(context.Context, *session) error{bars, nmap, loss, tools} {
		if err := f(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// bars runs every benchmark with a bar of its own.
func bars(ctx context.Context, s *session) error {
	for _, b := range barBenchmarks() {
		if err := b.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}
