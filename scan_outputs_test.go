package zmap

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// TestOutputs has one scan write to three places that want different rows, of which one fails after the first: the others get
// all of theirs, and the scan says which failed.
func TestOutputs(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.5.0.0/25"), Kind: lab.Kernel}, lab.Hosts{Prefix: prefix("10.5.0.128/25"), Kind: lab.Refuse})
	c, all := synScan("10.5.0.0/24")
	first, some, bad := &table{}, &table{}, &badSink{}
	bad.onRow = func(int) { bad.write = errFull }
	c.Outputs = []Output{
		{Name: "all", Sink: all},
		{Name: "bad", Sink: bad},
		{Name: "first", Sink: first, DefaultMode: true},
		{Sink: some, Filter: "success = 0"},
	}
	r, err := Run(t.Context(), c)
	var failed *OutputError
	if !errors.As(err, &failed) || failed.Name != "bad" || !errors.Is(err, errFull) || strings.Count(err.Error(), errFull.Error()) != 1 {
		t.Errorf("error %v, want one of output bad, once", err)
	}
	if r.Reason != engine.SinkFailed || r.Targets != 256 || r.Rows != 256 {
		t.Errorf("scan ended by reason of %q after %d targets and %d rows, want sink failed after 256 and 256", r.Reason, r.Targets, r.Rows)
	}
	for i, want := range []struct {
		name string
		rows uint64
		got  int
		bad  bool
	}{{"all", 256, len(all.rows), false}, {"bad", 0, 0, true}, {"first", 128, len(first.rows), false}, {"4", 128, len(some.rows), false}} {
		o := r.Outputs[i]
		if o.Name != want.name || (o.Err != nil) != want.bad || !want.bad && (o.Rows != want.rows || want.got != int(want.rows)) {
			t.Errorf("output %d: %s has %d rows, %d of them written, error %v; want %+v", i, o.Name, want.got, o.Rows, o.Err, want)
		}
	}
	for _, row := range some.rows {
		if row.flag("success") {
			t.Errorf("a success passed a filter of failures")
		}
	}
}

// TestAllOutputsFail ends the scan, which has nowhere to go on to.
func TestAllOutputsFail(t *testing.T) {
	_, c, _ := stopScan(t)
	c.Outputs = nil
	for range 2 {
		s := &badSink{}
		s.onRow = func(n int) {
			if n == 10 {
				s.write = errFull
			}
		}
		c.Outputs = append(c.Outputs, Output{Sink: s})
	}
	r := runStopped(t.Context(), t, c, engine.SinkFailed, errFull)
	for _, o := range r.Outputs {
		if !errors.Is(o.Err, errFull) || o.Rows > 10 {
			t.Errorf("output %s has %d rows and error %v", o.Name, o.Rows, o.Err)
		}
	}
}

// TestOutputThatDoesNotOpen is a scan without a probe: nothing is lost, and somebody should look.
func TestOutputThatDoesNotOpen(t *testing.T) {
	_, c, rows := stopScan(t)
	c.Outputs = append(c.Outputs, Output{Name: "disk", Sink: &badSink{open: errFull}})
	r, err := Run(t.Context(), c)
	var failed *OutputError
	if !errors.As(err, &failed) || failed.Name != "disk" || r.Sent != 0 || len(rows.rows) != 0 || rows.closed != 1 {
		t.Errorf("error %v after %d probes, closed %d times; want one of output disk, 0 probes, and closed once", err, r.Sent, rows.closed)
	}
}

// A storing is a store that notes what it is told, in order.
type storing struct {
	badSink
	begin   error
	calls   []string
	scan    sink.Scan
	outcome sink.Outcome
}

func (k *storing) Begin(s sink.Scan) error {
	k.calls, k.scan = append(k.calls, "begin"), s
	return k.begin
}

func (k *storing) Open(s *record.Schema) error {
	k.calls = append(k.calls, "open")
	return k.badSink.Open(s)
}

func (k *storing) End(o sink.Outcome) error {
	k.calls, k.outcome = append(k.calls, "end"), o
	return nil
}

func (k *storing) Close() error {
	k.calls = append(k.calls, "close")
	return k.badSink.Close()
}

// TestStores: a store learns which scan its rows are of before the first, and how it ended after the last; one that fails is not
// told that the scan went well.
func TestStores(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.5.0.0/28"), Kind: lab.Kernel})
	c, _ := synScan("10.5.0.0/28")
	for _, k := range []struct {
		name  string
		store storing
		calls string
		rows  int
	}{
		{"good", storing{}, "begin open end close", 16},
		{"no begin", storing{begin: errFull}, "begin close", 0},
		{"no open", storing{badSink: badSink{open: errFull}}, "begin open close", 0},
		{"no write", storing{badSink: badSink{write: errFull}}, "begin open close", 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c.Outputs = to(&k.store)
			r, err := Run(t.Context(), c)
			if got := strings.Join(k.store.calls, " "); got != k.calls {
				t.Errorf("calls %s, want %s", got, k.calls)
			}
			var scope Scope
			if jerr := json.Unmarshal(k.store.scan.Config, &scope); jerr != nil || k.store.scan.ID != r.ID || len(r.ID) != 32 ||
				k.store.scan.Probe != "tcp_synscan" || scope.Ports != "80" || !slices.Equal(scope.Networks, c.Networks) || scope.Seed != r.Seed {
				t.Errorf("the scan is %+v, error %v; want that of %s", k.store.scan, jerr, r.ID)
			}
			if k.rows == 0 {
				if !errors.Is(err, errFull) || r.Reason != engine.SinkFailed {
					t.Errorf("error %v, reason %q, want sink failed", err, r.Reason)
				}
				return
			}
			var counts Counts
			if jerr := json.Unmarshal(k.store.outcome.Counts, &counts); jerr != nil || err != nil || counts.Rows != 16 || k.store.outcome.Reason != "walk done" {
				t.Errorf("the outcome is %+v, errors %v and %v; want 16 rows", k.store.outcome, err, jerr)
			}
		})
	}
}
