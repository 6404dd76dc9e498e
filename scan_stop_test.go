package zmap

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/link"
)

// stopNetwork is where all hosts listen: every answer is a row. At stopRate it takes four seconds to ask.
const (
	stopNetwork = "10.5.0.0/18"
	stopTargets = 1 << 14
	stopRate    = 4000
)

// stopScan is a scan to be stopped early, in a world made for it.
func stopScan(t *testing.T) (*lab.Net, Config, *table) {
	t.Helper()
	net := startNet(t, lab.Hosts{Prefix: prefix(stopNetwork), Kind: lab.Kernel})
	c, rows := synScan(stopNetwork)
	c.Rate = stopRate
	return net, c, rows
}

// runStopped scans and fails the test unless the scan ends early for that reason, with an error that wraps cause unless
// that is nil, with rows and a complete report.
func runStopped(ctx context.Context, t *testing.T, c Config, why Stop, cause error) *Report {
	t.Helper()
	r, err := Run(ctx, c)
	if r.Reason != why {
		t.Errorf("scan ended by reason of %q (error %v), want %q", r.Reason, err, why)
	}
	var stopped *engine.StopError
	switch {
	case why.Clean() && err != nil:
		t.Errorf("error %v, want none", err)
	case !why.Clean() && (!errors.As(err, &stopped) || stopped.Reason != why):
		t.Errorf("error %v is no *StopError of %q", err, why)
	case cause != nil && !errors.Is(err, cause):
		t.Errorf("error %v does not wrap %v", err, cause)
	}
	if r.Rows == 0 || r.Targets == 0 || r.Targets >= stopTargets {
		t.Errorf("%d rows from %d targets, want some from less than %d", r.Rows, r.Targets, stopTargets)
	}
	checkReport(t, r, c)
	return r
}

func TestStopWalkDone(t *testing.T) {
	net, c, rows := stopScan(t)
	c.Networks = []string{"10.5.0.0/24"}
	if r := run(t, c); r.Reason != engine.WalkDone || r.Reason.String() != "walk done" || r.Targets != 256 || len(rows.rows) != 256 {
		t.Errorf("%q after %d targets with %d rows, want walk done, 256, 256", r.Reason, r.Targets, len(rows.rows))
	}
	if n := tally(t, net).SYNs; n != 256 {
		t.Errorf("%d SYNs arrived, want 256", n)
	}
}

func TestStopMaxTargets(t *testing.T) {
	net, c, rows := stopScan(t)
	c.Tries = 2
	for i, limit := range []TargetLimit{{N: 300}, {Percent: 300 * 100.0 / (1 << 32)}} {
		rows.rows, rows.closed = nil, 0
		c.MaxTargets = limit
		r := runStopped(t.Context(), t, c, engine.MaxTargets, nil)
		if r.Targets != 300 || r.Sent != 600 || r.SuccessUnique != 300 {
			t.Errorf("%+v: %d targets, %d frames, %d hosts; want 300, 600, 300", limit, r.Targets, r.Sent, r.SuccessUnique)
		}
		if n := tally(t, net).SYNs; n != uint64(600*(i+1)) {
			t.Errorf("%+v: %d SYNs arrived so far, want %d", limit, n, 600*(i+1))
		}
	}
}

func TestStopMaxResults(t *testing.T) {
	_, c, rows := stopScan(t)
	c.MaxResults = 10
	c.Outputs[0].Filter = "success = 1 && sport = 80"
	r := runStopped(t.Context(), t, c, engine.MaxResults, nil)
	if len(rows.rows) != 10 || r.Rows != 10 || len(rows.count(row.first)) != 10 {
		t.Errorf("%d rows in the sink and %d in the report, want exactly 10, each another host's", len(rows.rows), r.Rows)
	}
}

func TestStopMaxRuntime(t *testing.T) {
	_, c, rows := stopScan(t)
	c.MaxRuntime = 300 * time.Millisecond
	r := runStopped(t.Context(), t, c, engine.MaxRuntime, nil)
	if r.SendEnd.Sub(r.SendStart) < c.MaxRuntime {
		t.Errorf("sent for %v, want %v at least", r.SendEnd.Sub(r.SendStart), c.MaxRuntime)
	}
	// The cooldown comes after it: no answer is lost.
	if uint64(len(rows.rows)) != r.Sent {
		t.Errorf("%d rows of %d probes, want all", len(rows.rows), r.Sent)
	}
}

func TestStopInterrupted(t *testing.T) {
	_, c, rows := stopScan(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	rows.onRow = func(n int) {
		if n == 100 {
			cancel(cause)
		}
	}
	c.Cooldown = 30 * time.Second
	r := runStopped(ctx, t, c, engine.Interrupted, cause)
	if uint64(len(rows.rows)) != r.Sent {
		t.Errorf("%d rows of %d probes, want all: answers on their way are awaited", len(rows.rows), r.Sent)
	}
	if d := r.RecvEnd.Sub(r.SendEnd); d < DefaultGrace || d > c.Cooldown/2 {
		t.Errorf("listened for %v after the interrupt, want about %v", d, DefaultGrace)
	}
}

// TestStopInterruptedCooldown cuts the cooldown short: late answers may be missing, so the scan did not end cleanly.
func TestStopInterruptedCooldown(t *testing.T) {
	_, c, rows := stopScan(t)
	c.Networks = []string{"10.5.0.0/24"}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	c.Cooldown = 30 * time.Second
	c.Hooks.Progress = func(p Progress) {
		if !p.Sending {
			cancel(cause)
		}
	}
	r := runStopped(ctx, t, c, engine.Interrupted, cause)
	if d := r.RecvEnd.Sub(r.SendEnd); d > c.Cooldown/2 || len(rows.rows) != 256 {
		t.Errorf("listened for %v and got %d rows, want a few seconds and 256", d, len(rows.rows))
	}
}

func TestStopLinkLost(t *testing.T) {
	net, c, rows := stopScan(t)
	rows.onRow = func(n int) {
		if n != 100 {
			return
		}
		if err := net.LinkDown(); err != nil {
			t.Error(err)
		}
	}
	c.Cooldown, c.LinkWait = 30*time.Second, -1
	r := runStopped(t.Context(), t, c, engine.LinkLost, link.ErrDown)
	if d := r.RecvEnd.Sub(r.SendStart); len(rows.rows) < 100 || d > c.Cooldown/2 {
		t.Errorf("%d rows after %v, want the 100 from before, and no cooldown on a dead link", len(rows.rows), d)
	}
}

// TestStopLinkLostInCooldown takes the link down when nobody sends any more: the receiver must see it.
func TestStopLinkLostInCooldown(t *testing.T) {
	net, c, rows := stopScan(t)
	c.Networks = []string{"10.5.0.0/24"}
	c.Cooldown, c.LinkWait = 30*time.Second, -1
	c.Hooks.Progress = func(p Progress) {
		if p.Sending || p.Elapsed > 10*time.Second {
			return
		}
		if err := net.LinkDown(); err != nil {
			t.Error(err)
		}
	}
	r := runStopped(t.Context(), t, c, engine.LinkLost, link.ErrDown)
	if d := r.RecvEnd.Sub(r.SendEnd); d > c.Cooldown/2 || len(rows.rows) != 256 {
		t.Errorf("listened for %v and got %d rows, want a few seconds and 256", d, len(rows.rows))
	}
}
