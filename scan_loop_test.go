package zmap

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/link"
)

// leftovers fails the test unless f leaves as many goroutines and descriptors as there were, or will soon have.
func leftovers(t *testing.T, what string, f func()) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	f()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		g, n := runtime.NumGoroutine(), openFiles(t)
		if g <= goroutines && n <= files {
			return
		}
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%s left %d goroutines, where %d were, and %d descriptors, where %d were:\n%s", what, g, goroutines, n, files,
				stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// loopScan is a scan of 4,096 hosts, all of which answer, for a loop. It begins once, so that what lasts for the process is there.
func loopScan(t *testing.T) Config {
	t.Helper()
	startNet(t, lab.Hosts{Prefix: prefix("10.6.0.0/20"), Kind: lab.Kernel})
	c, _ := synScan("10.6.0.0/20")
	c.Outputs = nil
	c.MaxResults = 1
	for _, err := range Scan(t.Context(), c) {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.MaxResults = 0
	return c
}

// TestScanIsRunAsALoop sees each host once, and another output gets the same rows.
func TestScanIsRunAsALoop(t *testing.T) {
	c, rows, got := loopScan(t), &table{}, map[netip.Addr]int{}
	var report *Report
	c.Outputs, c.Hooks.End = to(rows), func(r *Report, _ error) { report = r }
	leftovers(t, "a loop", func() {
		for row, err := range Scan(t.Context(), c) {
			if err != nil {
				t.Fatal(err)
			}
			got[row.Values[0].Addr()]++
		}
	})
	if !maps.Equal(got, times(1, "10.6.0.0/20")) || len(rows.rows) != 4096 || report.Rows != 4096 || report.Reason != StopWalkDone {
		t.Errorf("%d hosts in the loop, %d rows in the other output, %d in the report; want 4096", len(got), len(rows.rows), report.Rows)
	}
	checkReport(t, report, c)
}

// TestScanChoosesRows has the loop's own output in the Config.
func TestScanChoosesRows(t *testing.T) {
	c := hookedScan(t)
	c.Outputs = []Output{{Name: "mine", Filter: "success = 0"}}
	n := 0
	for row, err := range Scan(t.Context(), c) {
		if err != nil || !prefix("10.5.1.0/24").Contains(row.Values[0].Addr()) {
			t.Fatalf("row of %v, error %v; want hosts that refuse", row, err)
		}
		n++
	}
	if n < 256 {
		t.Errorf("%d rows, want 256 or more", n)
	}
	if c.Outputs[0].Sink != nil {
		t.Error("the caller's Config was changed")
	}
}

// TestLeavingALoop ends the scan at once, however the loop is left, and with whatever else there is.
func TestLeavingALoop(t *testing.T) {
	c := loopScan(t)
	c.Cooldown = time.Hour
	for name, body := range map[string]func(){
		"break":   nil,
		"panic":   func() { panic("in the loop") },
		"Goexit":  runtime.Goexit,
		"at once": nil,
	} {
		last := 100
		if name == "at once" {
			last = 1
		}
		other, n := &table{}, 0
		var report *Report
		var why error
		c.Outputs = to(other)
		c.Hooks.End = func(r *Report, err error) { report, why = r, err }
		begun := time.Now()
		leftovers(t, name, func() {
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { _ = recover() }()
				for _, err := range Scan(t.Context(), c) {
					if err != nil {
						t.Error(err)
					}
					if n++; n < last {
						continue
					}
					if body != nil {
						body()
					}
					break
				}
			})
			wg.Wait()
		})
		if n != last || report.Rows != uint64(last) || len(other.rows) != last || other.closed != 1 {
			t.Errorf("%s: %d rows seen, %d counted, %d in the other output, closed %d times; want %d", name, n, report.Rows, len(other.rows), other.closed, last)
		}
		var stop *StopError
		if !errors.As(why, &stop) || stop.Reason != StopInterrupted || !errors.Is(why, ErrLoopLeft) || time.Since(begun) > 5*time.Second {
			t.Errorf("%s: ended with %v after %v", name, why, time.Since(begun))
		}
	}
}

// TestErrorsEndALoop as its last pair, and once.
func TestErrorsEndALoop(t *testing.T) {
	c := loopScan(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name   string
		ctx    context.Context
		change func(*Config)
		want   func(error) bool
	}{
		{"mistake", t.Context(), func(c *Config) { c.Ports = "x" }, func(err error) bool { return errors.As(err, new(*ConfigError)) }},
		{"ended context", ended, func(*Config) {}, func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"no such interface", t.Context(), func(c *Config) { c.Interface = "nowhere" }, func(err error) bool { return err != nil }},
		{"another output", t.Context(), func(c *Config) { c.Outputs = to(&badSink{open: errFull}) }, func(err error) bool { return errors.Is(err, errFull) }},
	} {
		c, n := c, 0
		c.Rate = 500
		test.change(&c)
		leftovers(t, test.name, func() {
			var last error
			for row, err := range Scan(test.ctx, c) {
				if n++; (row == nil) != (err != nil) || last != nil {
					t.Errorf("%s: pair %d is %v, %v, after %v", test.name, n, row, err, last)
				}
				last = err
			}
			if !test.want(last) {
				t.Errorf("%s: the loop ended with %v", test.name, last)
			}
		})
	}
}

// TestALostLinkEndsALoop after the rows that came before.
func TestALostLinkEndsALoop(t *testing.T) {
	net, c, _ := stopScan(t)
	c.Outputs, c.LinkWait = nil, -1
	var last error
	n := 0
	for _, err := range Scan(t.Context(), c) {
		if last = err; n == 100 {
			if err := net.LinkDown(); err != nil {
				t.Fatal(err)
			}
		}
		n++
	}
	if !errors.Is(last, link.ErrDown) || n < 100 {
		t.Errorf("the loop ended with %v after %d pairs", last, n)
	}
}

// TestCancelAtAnyMoment ends the context of 50 scans at random moments, from before their beginning to after their end, half of
// them loops: nothing is left of any, and rows and report agree.
func TestCancelAtAnyMoment(t *testing.T) {
	c := loopScan(t)
	c.Cooldown = 50 * time.Millisecond
	rng := rand.New(rand.NewPCG(50, 1))
	reasons := map[Stop]int{}
	for i := range 50 {
		c := c
		c.Link = []string{"auto", "socket"}[i%2]
		after := time.Duration(rng.IntN(500)) * time.Millisecond
		leftovers(t, "a scan that was interrupted after "+after.String(), func() {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			var report *Report
			n, rows := 0, &table{}
			var err error
			if i%4 < 2 {
				c.Outputs = to(rows)
				report, err = Run(ctx, c)
				n = len(rows.rows)
			} else {
				c.Hooks.End = func(r *Report, _ error) { report = r }
				for row, end := range Scan(ctx, c) {
					if err = end; row != nil {
						n++
					}
				}
			}
			reasons[report.Reason]++
			if (err == nil) != report.Reason.Clean() || err != nil && !errors.Is(err, context.DeadlineExceeded) || uint64(n) != report.Rows {
				t.Errorf("after %v: reason %q, error %v, %d rows, %d counted", after, report.Reason, err, n, report.Rows)
			}
		})
	}
	if reasons[StopInterrupted] < 10 || reasons[StopWalkDone] < 3 {
		t.Errorf("the scans ended by reason of %v: the moments prove nothing", reasons)
	}
}
