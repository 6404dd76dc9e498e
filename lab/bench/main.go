// Command bench compares scanners in a lab: it builds a test Internet in network namespaces, lets each scanner loose on
// it as a whole process, confined to the same cores, one after the other in turn, and prints medians and ratios.
//
//	go run ./lab/bench send  -zmap bin/zmap          frames per second that reach the Internet's end
//	go run ./lab/bench loss  -zmap bin/zmap          answers lost at 100,000 probes a second for a minute
//	go run ./lab/bench tools -zmap bin/zmap          records and lines per second of dry runs and companion tools
//
// Rates are counted by the receiving interface, so nobody's word is taken for what left. Peers that are not installed
// are named and left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// options are the command line.
type options struct {
	zmap   string
	cores  string
	runs   int
	count  int
	rate   int
	share  float64
	listen time.Duration
	only   []string
	time   time.Duration
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
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run parses the command line and runs one benchmark.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("name a benchmark: send, loss or tools")
	}
	var o options
	fs := flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	fs.StringVar(&o.zmap, "zmap", "bin/zmap", "this project's `program`")
	fs.StringVar(&o.cores, "cores", "0", "`list` of the cores that all programs are confined to")
	fs.IntVar(&o.runs, "runs", 7, "runs of each program")
	fs.IntVar(&o.count, "count", 2_000_000, "targets of each run")
	fs.Float64Var(&o.share, "share", 0, "share of the hosts that answer, 0 to 1 (send)")
	fs.DurationVar(&o.listen, "listen", time.Second, "cooldown of each scanner, in whole seconds (send)")
	fs.Func("only", "run only contenders whose `name` has this in it; may be repeated (send)", func(s string) error {
		o.only = append(o.only, s)
		return nil
	})
	fs.IntVar(&o.rate, "rate", 100_000, "probes a second (loss)")
	fs.DurationVar(&o.time, "time", time.Minute, "how long to send (loss)")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "send":
		return send(ctx, &o)
	case "loss":
		return loss(ctx, &o)
	case "tools":
		return tools(ctx, &o)
	default:
		return fmt.Errorf("no benchmark is called %q: name send, loss or tools", args[0])
	}
}
