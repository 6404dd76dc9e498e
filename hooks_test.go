package zmap

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/record"
)

// A diary is what all hooks of a scan were told.
type diary struct {
	mu      sync.Mutex // two goroutines write only if one of them was given up
	order   []string   // the hooks, without repetitions in a row
	sent    int
	answers map[netip.Addr]int
	rows    map[netip.Addr]int
	hits    map[netip.AddrPort]Hit
	last    Progress
	report  *Report
	err     error
}

// note takes note of a call.
func (d *diary) note(hook string, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.order); n == 0 || d.order[n-1] != hook {
		d.order = append(d.order, hook)
	}
	if f != nil {
		f()
	}
}

// hooks are all of them; each first writes the diary and then does what trouble says.
func (d *diary) hooks(trouble func(hook string)) Hooks {
	d.answers, d.rows, d.hits = map[netip.Addr]int{}, map[netip.Addr]int{}, map[netip.AddrPort]Hit{}
	saddr := func(r *record.Record) netip.Addr { return r.Values[0].Addr() }
	tell := func(hook string, f func()) {
		if d.note(hook, f); trouble != nil {
			trouble(hook)
		}
	}
	return Hooks{
		Start:    func(*Plan, *Control) { tell("Start", nil) },
		Sent:     func(s Sent) { tell("Sent", func() { d.sent += s.Probes }) },
		Answer:   func(r *record.Record) { tell("Answer", func() { d.answers[saddr(r)]++ }) },
		Row:      func(r *record.Record) { tell("Row", func() { d.rows[saddr(r)]++ }) },
		Progress: func(p Progress) { tell("Progress", func() { d.last = p }) },
		End:      func(r *Report, err error) { tell("End", func() { d.report, d.err = r, err }) },
		Hit: func(h Hit) {
			tell("Hit", func() {
				kept := h
				kept.Row = record.New(h.Row.Schema)
				kept.Row.Set(h.Row)
				d.hits[netip.AddrPortFrom(h.Addr, h.Port)] = kept
			})
		},
	}
}

// hookedScan is a scan of 256 hosts that accept and 256 that refuse, of which the output takes the first.
func hookedScan(t *testing.T) Config {
	t.Helper()
	startNet(t, lab.Hosts{Prefix: prefix("10.5.0.0/24"), Kind: lab.Kernel}, lab.Hosts{Prefix: prefix("10.5.1.0/24"), Kind: lab.Refuse})
	c, rows := synScan("10.5.0.0/23")
	c.Tries = 2
	c.Outputs = []Output{{Sink: rows, DefaultMode: true}}
	return c
}

// times counts each address of the prefixes n times.
func times(n int, prefixes ...string) map[netip.Addr]int {
	all := map[netip.Addr]int{}
	for _, p := range prefixes {
		for a := range addrsOf(prefix(p)) {
			all[a] = n
		}
	}
	return all
}

// TestHooksAreToldEverything has every host asked twice: what hooks hear of it is what the report counts.
func TestHooksAreToldEverything(t *testing.T) {
	c := hookedScan(t)
	var d diary
	c.Hooks = d.hooks(nil)
	begun := time.Now()
	r := run(t, c)
	if len(d.order) < 5 || d.order[0] != "Start" || d.order[len(d.order)-1] != "End" || d.order[len(d.order)-2] != "Progress" {
		t.Errorf("hooks were called in the order of %v", d.order)
	}
	if d.sent != 1024 || uint64(d.sent) != r.Sent {
		t.Errorf("told of %d probes, want 1024, and %d were sent", d.sent, r.Sent)
	}
	if !maps.Equal(d.answers, times(2, "10.5.0.0/23")) || !maps.Equal(d.rows, times(1, "10.5.0.0/24")) {
		t.Errorf("told of %d hosts that answered and of %d rows, want two answers of 512 and one row of 256", len(d.answers), len(d.rows))
	}
	for a := range addrsOf(prefix("10.5.0.0/24")) {
		h := d.hits[netip.AddrPortFrom(a, 80)]
		if h.Received.Before(begun) || h.Queued.Before(h.Received.Add(-time.Millisecond)) || h.Row == nil || h.Row.Values[0].Addr() != a {
			t.Fatalf("hit of %v is %+v", a, h)
		}
	}
	if len(d.hits) != 256 || d.last.Counts != r.Counts {
		t.Errorf("%d hits, last progress %+v; want 256 and %+v", len(d.hits), d.last.Counts, r.Counts)
	}
	if d.report.Counts != r.Counts || d.report.Reason != StopWalkDone || d.err != nil || r.Hooks != nil || d.report == r {
		t.Errorf("End was told %+v, error %v, want a copy of what Run returned; hooks that failed: %v", d.report.Counts, d.err, r.Hooks)
	}
}

// TestHooksThatFail has each hook panic, or end its goroutine, at its first call: the scan finds what it finds, all other hooks
// hear everything, and the report and the log say which failed, where, and what it missed.
func TestHooksThatFail(t *testing.T) {
	c := hookedScan(t)
	for i, bad := range hookNames() {
		var d diary
		var log bytes.Buffer
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		rows := &table{}
		c.Outputs = []Output{{Sink: rows, DefaultMode: true}}
		goexit := i%2 == 1
		c.Hooks = d.hooks(func(hook string) {
			switch {
			case hook == bad && goexit:
				runtime.Goexit()
			case hook == bad:
				panic("trouble in " + bad)
			}
		})
		r := run(t, c)
		if len(r.Hooks) != 1 || r.Hooks[0].Hook != bad {
			t.Errorf("%s: the report says of hooks that failed: %v", bad, r.Hooks)
			continue
		}
		f := r.Hooks[0]
		told := map[string]int{"Answer": len(d.answers), "Row": len(d.rows), "Hit": len(d.hits)}
		missed := map[string]int{"Answer": 1023, "Row": 255, "Hit": 255}
		if missed[bad] > 0 && (told[bad] != 1 || f.Missed != uint64(missed[bad])) {
			t.Errorf("%s was told of %d and missed %d, want 1 and %d", bad, told[bad], f.Missed, missed[bad])
		}
		if !strings.Contains(log.String(), "hook "+bad+" ") || !goexit && (f.Err.Error() != "panicked: trouble in "+bad ||
			!strings.Contains(string(f.Stack), "hooks_test.go") || !strings.Contains(log.String(), "hooks_test.go")) {
			t.Errorf("%s: fault %v with stack %q, log %q", bad, f.Err, f.Stack, log.String())
		}
		if r.SuccessUnique != 256 || len(rows.rows) != 256 || bad != "Row" && len(d.rows) != 256 || bad != "Hit" && len(d.hits) != 256 {
			t.Errorf("%s: %d hosts found, %d rows, the others were told of %d and %d", bad, r.SuccessUnique, len(rows.rows), len(d.rows), len(d.hits))
		}
	}
}

// TestAHookThatStallsIsGivenUp blocks one for ever: the scan waits for it as long as it should, and no longer.
func TestAHookThatStallsIsGivenUp(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.6.0.0/20"), Kind: lab.Kernel})
	c, rows := synScan("10.6.0.0/20")
	var d diary
	end := make(chan struct{})
	defer close(end)
	c.Hooks = d.hooks(func(hook string) {
		if hook == "Row" {
			<-end
		}
	})
	c.Hooks.Patience = time.Second
	r := run(t, c)
	if len(r.Hooks) != 1 || r.Hooks[0].Hook != "Row" || r.Hooks[0].Err.Error() != "did not return within 1s" || r.Hooks[0].Missed != 4095 {
		t.Errorf("the report says of hooks that failed: %v; want Row, with 4095 rows that it missed", r.Hooks)
	}
	if len(rows.rows) != 4096 || len(d.hits) != 4096 || len(d.answers) != 4096 || r.Lost != 0 {
		t.Errorf("%d rows, %d hits, %d answers, %d lost; want 4096 of each, none lost", len(rows.rows), len(d.hits), len(d.answers), r.Lost)
	}
	// 4,096 probes take 205 ms: the scan stands still from when the queue fills until the hook is given up.
	if r.HookWait < 500*time.Millisecond || r.HookWait > 3*time.Second || r.SendEnd.Sub(r.SendStart) < 900*time.Millisecond {
		t.Errorf("held for %v, sent for %v; want most of a second", r.HookWait, r.SendEnd.Sub(r.SendStart))
	}
}

// TestSlowHooksSlowTheScan has a hook take half a millisecond for each of 4,096 answers that would come within 205 ms.
func TestSlowHooksSlowTheScan(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.6.0.0/20"), Kind: lab.Kernel})
	c, rows := synScan("10.6.0.0/20")
	n, most := 0, 0.0
	c.Hooks.Answer = func(*record.Record) { n++; time.Sleep(500 * time.Microsecond) }
	c.Hooks.Progress = func(p Progress) { most = max(most, p.HookQueue) }
	r := run(t, c)
	if n != 4096 || len(rows.rows) != 4096 || r.Lost != 0 || len(r.Hooks) > 0 {
		t.Errorf("told of %d answers, %d rows, %d lost, hooks that failed: %v; want 4096, 4096, 0, none", n, len(rows.rows), r.Lost, r.Hooks)
	}
	if took := r.SendEnd.Sub(r.SendStart); took < time.Second || r.HookWait < time.Second || most < 0.25 {
		t.Errorf("sent for %v, held for %v, the queue was seen %.2f full; want more than a second of both", took, r.HookWait, most)
	}
}

// TestSlowHooksDoNotKeepAnEndedContext: what waits when the patience is over is counted.
func TestSlowHooksDoNotKeepAnEndedContext(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.6.0.0/20"), Kind: lab.Kernel})
	c, _ := synScan("10.6.0.0/20")
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	c.Hooks.Patience = 300 * time.Millisecond
	c.Hooks.Answer = func(*record.Record) {
		if n++; n == 100 {
			cancel()
		}
		time.Sleep(5 * time.Millisecond)
	}
	begun := time.Now()
	r, err := Run(ctx, c)
	if r.Reason != StopInterrupted || !errors.Is(err, context.Canceled) {
		t.Errorf("ended by reason of %q, error %v", r.Reason, err)
	}
	if took := time.Since(begun); took > 5*time.Second || len(r.Hooks) != 1 || uint64(n)+r.Hooks[0].Missed != r.Passed {
		t.Errorf("took %v; told of %d answers of %d, and missed: %v", took, n, r.Passed, r.Hooks)
	}
}

// TestEndIsToldOfFailures which come before the scan, but not of mistakes in its Config.
func TestEndIsToldOfFailures(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		calls  int
	}{
		{func(c *Config) { c.Interface = "nowhere" }, 1},
		{func(c *Config) { c.Ports = "x" }, 0},
	} {
		var got []error
		config, _ := synScan("10.6.0.0/20")
		config.Hooks.End = func(_ *Report, err error) { got = append(got, err) }
		c.change(&config)
		_, err := Run(t.Context(), config)
		if err == nil || len(got) != c.calls || c.calls > 0 && !slices.Equal(got, []error{err}) {
			t.Errorf("End was told %v, want it %d times; Run returned %v", got, c.calls, err)
		}
	}
}
