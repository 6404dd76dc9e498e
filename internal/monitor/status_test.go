package monitor

import (
	"bytes"
	"errors"
	"regexp"
	"testing"
	"time"
)

// read returns the reading of the last of samples.
func read(samples ...Sample) *Reading {
	var m Meter
	var r Reading
	for _, s := range samples {
		r = m.Read(s)
	}
	return &r
}

func TestStatusLine(t *testing.T) {
	tests := []struct {
		name    string
		form    Form
		reading *Reading
		want    string
	}{
		{
			"recorded from C ZMap, first seconds", Plain,
			read(
				Sample{Elapsed: 115 * time.Millisecond, Sending: true, Sent: 2911, Success: 522},
				Sample{
					Elapsed: 1015 * time.Millisecond, Remaining: 2260 * time.Millisecond, Sending: true,
					Asked: 29011, Sent: 29011, Success: 5148,
				},
			),
			" 0:01 31%; send: 29011 29.0 Kp/s (28.6 Kp/s avg); recv: 5148 5.14 Kp/s (5.07 Kp/s avg); " +
				"drops: 0 p/s (0 p/s avg); hitrate: 17.74%",
		},
		{
			"recorded from C ZMap, application successes", AppSuccess,
			read(
				Sample{Elapsed: 4_049_870 * time.Microsecond, Sending: true, Sent: 81, Success: 21, App: 21},
				Sample{
					Elapsed: 5050 * time.Millisecond, Remaining: 8600 * time.Millisecond, Sending: true,
					Asked: 101, Sent: 101, Success: 25, App: 25,
				},
			),
			" 0:05 37% (9s left); sent: 101 20 p/s (20 p/s avg); recv: 25 4 p/s (4 p/s avg); " +
				"app success: 25 3 p/s (4 p/s avg); drops: 0 p/s (0 p/s avg); hitrate: 24.75% app hitrate: 24.75%",
		},
		{
			"done", Plain,
			read(
				Sample{Elapsed: time.Hour, Sent: 1_000_000, SendTime: 1000 * time.Second, Success: 10, Dropped: 2},
				Sample{
					Elapsed: time.Hour + time.Second, Remaining: 61 * time.Second, SendTime: 1000 * time.Second,
					Asked: 500_000, Sent: 1_000_000, Success: 30, Dropped: 4002, IfDropped: 1000,
				},
			),
			"1:00:01 98% (1m01s left); send: 1000000 done (1.00 Kp/s avg); recv: 30 20 p/s (0 p/s avg); " +
				"drops: 5.00 Kp/s (1 p/s avg); hitrate: 0.01%",
		},
		{
			"done with application successes", AppSuccess,
			read(Sample{Elapsed: 2 * time.Second, SendTime: time.Second, Asked: 4, Sent: 4, Success: 2, App: 1}),
			" 0:02 100%; sent: 4 done (4 p/s avg); recv: 2 1 p/s (1 p/s avg); app success: 1 0 p/s (0 p/s avg); " +
				"drops: 0 p/s (0 p/s avg); hitrate: 50.00% app hitrate: 25.00%",
		},
		{
			"before anything happened", Plain, read(Sample{Sending: true}),
			" 0:00 0%; send: 0 0 p/s (0 p/s avg); recv: 0 0 p/s (0 p/s avg); drops: 0 p/s (0 p/s avg); hitrate: 0.00%",
		},
		{
			"just before the estimate is shown", Plain,
			read(Sample{Sending: true, Elapsed: 5*time.Second - 1, Remaining: 5*time.Second + 1}),
			" 0:04 50%; send: 0 0 p/s (0 p/s avg); recv: 0 0 p/s (0 p/s avg); drops: 0 p/s (0 p/s avg); hitrate: 0.00%",
		},
		{
			"the estimate is shown", Plain, read(Sample{Sending: true, Elapsed: 5 * time.Second, Remaining: 5 * time.Second}),
			" 0:05 50% (5s left); send: 0 0 p/s (0 p/s avg); recv: 0 0 p/s (0 p/s avg); drops: 0 p/s (0 p/s avg); hitrate: 0.00%",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendStatus(nil, tt.reading, tt.form)); got != tt.want {
				t.Errorf("line of %+v\n got %q\nwant %q", tt.reading.Sample, got, tt.want)
			}
		})
	}
}

// TestStatusShape checks lines of random readings against the shape that programs which read them rely on.
func TestStatusShape(t *testing.T) {
	const rate = `\d+(\.\d{1,2})? [KM]?p/s`
	const both = rate + ` \(` + rate + ` avg\)`
	shape := map[Form]*regexp.Regexp{
		Plain: regexp.MustCompile(`^ *[\d:d]{4,} \d+%( \([\dyearsdhm ]+ left\))?; send: \d+ (` + both + `|done \(` + rate +
			` avg\)); recv: \d+ ` + both + `; drops: ` + both + `; hitrate: \d+\.\d\d%$`),
		AppSuccess: regexp.MustCompile(`^ *[\d:d]{4,} \d+%( \([\dyearsdhm ]+ left\))?; sent: \d+ (` + both + `|done \(` + rate +
			` avg\)); recv: \d+ ` + both + `; app success: \d+ ` + both + `; drops: ` + both +
			`; hitrate: \d+\.\d\d% app hitrate: \d+\.\d\d%$`),
	}
	rng := newRandom(t)
	for range 2000 {
		r := read(rng.sample(), rng.sample())
		for form, want := range shape {
			if line := AppendStatus(nil, r, form); !want.Match(line) {
				t.Fatalf("form %d: %q does not match %s", form, line, want)
			}
		}
	}
}

func TestStatusIsOneWritePerLine(t *testing.T) {
	var w lines
	s := NewStatus(&w, Plain)
	for range 3 {
		if err := s.Put(read(Sample{Elapsed: time.Second})); err != nil {
			t.Fatal(err)
		}
	}
	w.check(t, 3)
	broken := NewStatus(failing{}, Plain)
	if err := broken.Put(read()); !errors.Is(err, errBroken) {
		t.Errorf("error %v, want that of the writer", err)
	}
}

var errBroken = errors.New("broken")

// failing is a writer that cannot write.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errBroken }

// lines keeps what each Write wrote.
type lines [][]byte

func (l *lines) Write(p []byte) (int, error) {
	*l = append(*l, bytes.Clone(p))
	return len(p), nil
}

// check fails unless there were n writes of one line each.
func (l *lines) check(t *testing.T, n int) {
	t.Helper()
	if len(*l) != n {
		t.Errorf("%d writes, want %d", len(*l), n)
	}
	for _, line := range *l {
		if bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Errorf("a write of %q, want one line", line)
		}
	}
}
