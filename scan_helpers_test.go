package zmap

import (
	"bytes"
	"context"
	"iter"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// A table is a sink that keeps every row whole.
type table struct {
	schema *record.Schema
	rows   []row
	closed int
	onRow  func(n int) // called, if set, when there are n rows
}

// A row is one row of a table. Text values are constants of the program, bytes are copies.
type row struct {
	schema *record.Schema
	values []record.Value
}

func (s *table) Open(schema *record.Schema) error {
	s.schema = schema
	return nil
}

func (s *table) Write(r *record.Record) error {
	v := slices.Clone(r.Values)
	for i := range v {
		if v[i].Kind() == record.KindBytes {
			v[i] = record.Bytes(bytes.Clone(v[i].Bytes()))
		}
	}
	s.rows = append(s.rows, row{schema: s.schema, values: v})
	if s.onRow != nil {
		s.onRow(len(s.rows))
	}
	return nil
}

func (s *table) Close() error {
	s.closed++
	return nil
}

// get returns the field called name, null if the schema has none.
func (r row) get(name string) *record.Value {
	i, ok := r.schema.Lookup(name)
	if !ok {
		return &record.Value{}
	}
	return &r.values[i]
}

func (r row) addr(name string) netip.Addr { return r.get(name).Addr() }
func (r row) num(name string) uint64      { return r.get(name).Uint() }
func (r row) flag(name string) bool       { return r.get(name).Bool() }
func (r row) class() string               { return r.get("classification").Text() }

// first says that the row is a target's first success.
func (r row) first() bool { return r.flag("success") && !r.flag("repeat") }

// count returns how many of the rows that keep wants each address has.
func (s *table) count(keep func(row) bool) map[netip.Addr]int {
	n := make(map[netip.Addr]int)
	for _, r := range s.rows {
		if keep(r) {
			n[r.addr("saddr")]++
		}
	}
	return n
}

// eachOnce fails the test unless got has exactly the keys of want, each counted once.
func eachOnce[K comparable](t *testing.T, what string, got map[K]int, want iter.Seq[K]) {
	t.Helper()
	const shown = 5
	wanted, missed, wrong := 0, 0, 0
	seen := make(map[K]bool, len(got))
	for k := range want {
		wanted++
		seen[k] = true
		if got[k] == 1 {
			continue
		}
		if missed++; missed <= shown {
			t.Errorf("%s: %v has %d rows, want 1", what, k, got[k])
		}
	}
	for k, n := range got {
		if seen[k] {
			continue
		}
		if wrong++; wrong <= shown {
			t.Errorf("%s: %v has %d rows, want none", what, k, n)
		}
	}
	if missed+wrong > 0 {
		t.Errorf("%s: %d of %d are missing or doubled, %d are wrong", what, missed, wanted, wrong)
	}
	if wanted == 0 {
		t.Errorf("%s: nothing is wanted: the test proves nothing", what)
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// addrsOf yields the addresses of a prefix.
func addrsOf(p netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := p.Masked().Addr(); p.Contains(a) && yield(a); {
			a = a.Next()
		}
	}
}

// startNet starts a test Internet for the test.
func startNet(t *testing.T, hosts ...lab.Hosts) *lab.Net {
	t.Helper()
	return startWorld(t, lab.World{Ports: []uint16{80}, Tally: true, Hosts: hosts})
}

// startWorld starts a test Internet for the test, which it skips if the Internet needs BPF programs and none can be loaded.
func startWorld(t *testing.T, w lab.World) *lab.Net {
	t.Helper()
	if w.Crowd != nil {
		if err := lab.MayLoad(); err != nil {
			t.Skip(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := lab.New(ctx, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close test Internet: %v", err)
		}
	})
	return n
}

// private are the classes of the networks that test Internets are made of.
func private() []citizen.Class { return []citizen.Class{citizen.Private} }

// synScan is a quick scan of port 80 of the networks, and the sink that its rows go to.
func synScan(networks ...string) (Config, *table) {
	s := &table{}
	return Config{Networks: networks, AllowSpecial: private(), Ports: "80", Rate: 20_000, Cooldown: 400 * time.Millisecond, Outputs: to(s)}, s
}

// run scans, and fails the test unless the scan ends without an error and its figures agree with each other.
func run(t *testing.T, c Config) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatalf("scan of %v: %v", c.Networks, err)
	}
	checkReport(t, r, c)
	return r
}

// checkReport fails the test unless the report is complete and its figures agree with each other and with the sink, also
// after a scan that ended early.
func checkReport(t *testing.T, r *Report, c Config) {
	t.Helper()
	n := &r.Counts
	if r.Reason == Stop(0) || r.Space == nil || r.Path == nil || r.Schema == nil || r.Link == "" && c.DryRun == nil {
		t.Errorf("report is not complete: %+v", r)
	}
	for i, at := range []time.Time{r.RecvStart, r.SendStart, r.SendEnd, r.RecvEnd} {
		if at.IsZero() || i > 0 && at.Before(r.RecvStart) {
			t.Errorf("time %d of receive start, send start, send end, receive end is %v", i, at)
		}
	}
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"frames looked at, of answers, segments and others", n.Passed + n.Failed + n.Segments + n.Deferred, n.Frames},
		{"answers, of successes and failures", n.SuccessTotal + n.FailureTotal, n.Passed},
		{"frames queued, of sent and refused ones", n.Sent + n.Refused, n.Queued},
		{"senders at work after the end", uint64(n.ActiveSenders), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	if n.Received < n.Frames+n.Lost || n.SuccessUnique > n.SuccessTotal || n.CooldownTotal > n.SuccessTotal || n.Rows > n.Passed {
		t.Errorf("counts contradict each other: %+v", *n)
	}
	if s, ok := c.Outputs[0].Sink.(*table); ok && (uint64(len(s.rows)) != n.Rows || s.closed != 1) {
		t.Errorf("sink has %d rows and was closed %d times, want %d and once", len(s.rows), s.closed, n.Rows)
	}
}

// to is where rows go: all of them, to one sink.
func to(s sink.Sink) []Output { return []Output{{Sink: s}} }
