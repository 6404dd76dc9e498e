package zmap

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
)

// TestTwoScansAtOnce runs two scans in this process over the same interface: each gets its own answers and no others.
func TestTwoScansAtOnce(t *testing.T) {
	net := startNet(t,
		lab.Hosts{Prefix: prefix("10.13.0.0/22"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.14.0.0/22"), Kind: lab.Twice},
	)
	networks := []string{"10.13.0.0/22", "10.14.0.0/22"}
	var scans sync.WaitGroup
	reports, tables := make([]*Report, 2), make([]*table, 2)
	for i, network := range networks {
		var c Config
		c, tables[i] = synScan(network)
		c.Rate, c.Cooldown = 3000, time.Second
		scans.Go(func() { reports[i] = run(t, c) })
	}
	scans.Wait()
	for i, network := range networks {
		eachOnce(t, "hosts found in "+network, tables[i].count(row.first), addrsOf(prefix(network)))
		if reports[i] == nil || reports[i].Sent != 1024 {
			t.Errorf("scan of %s: %+v", network, reports[i])
		}
	}
	if n := tally(t, net).SYNs; n != 2048 {
		t.Errorf("%d SYNs arrived, want 2048", n)
	}
	if a, b := reports[0], reports[1]; a.SendStart.After(b.SendEnd) || b.SendStart.After(a.SendEnd) {
		t.Error("the scans were not at the same time: the test proves nothing")
	}
}

// TestRunLeavesNothingBehind counts goroutines and open files before and after scans that end in different ways.
func TestRunLeavesNothingBehind(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.0.0/22"), Kind: lab.Kernel})
	scans := func() {
		c, _ := synScan("10.13.0.0/24")
		c.Cooldown, c.Senders = 100*time.Millisecond, 3
		run(t, c)

		c, rows := synScan("10.13.0.0/22")
		c.Cooldown = 100 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		rows.onRow = func(int) { cancel() }
		if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}

		c, _ = synScan("10.13.0.0/24")
		c.Outputs = to(&badSink{open: errFull})
		if _, err := Run(t.Context(), c); !errors.Is(err, errFull) {
			t.Errorf("error %v, want %v", err, errFull)
		}

		c, _ = synScan("10.13.0.0/24")
		c.DryRun = &DryRun{W: io.Discard}
		run(t, c)
	}
	scans() // what a process makes once and keeps
	leftovers(t, "scans", func() {
		scans()
		scans()
	})
}

// openFiles counts the open file descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestHooks follows a scan of a bit more than a second.
func TestHooks(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.0.0/24"), Kind: lab.Kernel})
	c, _ := synScan("10.13.0.0/20")
	c.Rate = 3000
	var plans []Plan
	var reports []Progress
	c.Hooks = Hooks{
		Start:    func(p *Plan, _ *Control) { plans = append(plans, *p) },
		Progress: func(p Progress) { reports = append(reports, p) },
	}
	r := run(t, c)
	if len(plans) != 1 || len(reports) < 2 {
		t.Fatalf("started %d times, %d reports of progress in %v; want once, and one a second and at the end",
			len(plans), len(reports), r.RecvEnd.Sub(r.SendStart))
	}
	if p := plans[0]; p.Space.Targets() != 4096 || p.Senders != 1 || p.Rate != 3000 || p.Probe != "tcp_synscan" ||
		p.Path.Interface != "scan0" || p.Seed != r.Seed {
		t.Errorf("plan at the start: %+v, in the report: %+v", p, r.Plan)
	}
	first, last := reports[0], reports[len(reports)-1]
	if !first.Sending || first.Targets == 0 || first.Targets >= 4096 || first.Remaining <= 0 || first.Tries != 1 || first.Rate != 3000 {
		t.Errorf("first report of progress: %+v", first)
	}
	if last.Sending || last.Counts != r.Counts || last.HitRate() != 100*256.0/4096 || last.HitRate() != r.HitRate() {
		t.Errorf("last report of progress: %+v, in the report of the scan: %+v", last, r.Counts)
	}
}

// TestSeedIsDrawnAndReported runs the order of a scan without a seed again with the one that it drew.
func TestSeedIsDrawnAndReported(t *testing.T) {
	c := Config{Networks: []string{"10.0.0.0/24"}, AllowSpecial: private(), Ports: "80"}
	r, first := dryRun(t, c, true)
	c.Seed = &r.Seed
	if _, again := dryRun(t, c, true); again != first {
		t.Errorf("seed %d, which was reported, gives another order", r.Seed)
	}
	c.Seed = nil
	if other, order := dryRun(t, c, true); other.Seed == r.Seed || order == first {
		t.Error("two scans without a seed have the same order")
	}
}

// TestAnInterruptBeforeTheFirstProbe ends the context before Run begins.
func TestAnInterruptBeforeTheFirstProbe(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.0.0/22"), Kind: lab.Kernel})
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("never mind")
	cancel(cause)
	c, _ := synScan("10.13.0.0/22")
	c.Rate = 100
	r, err := Run(ctx, c)
	if !errors.Is(err, cause) {
		t.Errorf("error %v does not wrap %v", err, cause)
	}
	if r.Reason != engine.Interrupted || r.Targets > 10 {
		t.Errorf("reason %q after %d targets, want interrupted after none", r.Reason, r.Targets)
	}
}
