package monitor

import (
	"encoding/csv"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// random makes samples of numbers of all sizes.
type random struct{ *rand.Rand }

func newRandom(t *testing.T) random {
	t.Helper()
	return random{rand.New(rand.NewPCG(5, 6))}
}

func (r random) count() uint64 { return r.Uint64() >> r.IntN(65) }

func (r random) time() time.Duration { return time.Duration(r.count() >> 1) }

func (r random) sample() Sample {
	return Sample{
		At: time.Unix(int64(r.Uint32()), 0), Elapsed: r.time(), Remaining: r.time(), Sending: r.IntN(2) == 0, SendTime: r.time(),
		Senders: r.IntN(256), Asked: r.count(), Sent: r.count(), Refused: r.count(), Received: r.count(), Success: r.count(),
		App: r.count(), Dropped: r.count(), IfDropped: r.count(),
	}
}

const csvHeader = "real-time,time-elapsed,time-remaining,percent-complete,hit-rate,active-send-threads," +
	"sent-total,sent-last-one-sec,sent-avg-per-sec," +
	"recv-success-total,recv-success-last-one-sec,recv-success-avg-per-sec," +
	"recv-total,recv-total-last-one-sec,recv-total-avg-per-sec," +
	"pcap-drop-total,drop-last-one-sec,drop-avg-per-sec," +
	"sendto-fail-total,sendto-fail-last-one-sec,sendto-fail-avg-per-sec"

func TestCSV(t *testing.T) {
	var w lines
	c, err := NewCSV(&w, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, 1) // the header is there before anything is sent
	readings := []*Reading{
		// Recorded from C ZMap, without the empty column that it writes before the last two.
		read(
			Sample{Elapsed: 11_050 * time.Millisecond, Sending: true, Sent: 221, Received: 221, Success: 54},
			Sample{
				At: time.Date(2026, 11, 22, 15, 30, 50, 999e6, time.UTC), Elapsed: 12_050 * time.Millisecond,
				Remaining: 1_753_051_125, Sending: true, Senders: 1, Asked: 241, Sent: 241, Received: 241, Success: 60,
			},
		),
		// Every column has a number of its own.
		read(
			Sample{Elapsed: 8 * time.Second},
			Sample{
				At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Elapsed: 10 * time.Second, Remaining: 30*time.Second + 1,
				SendTime: 5 * time.Second, Senders: 3, Asked: 1600, Sent: 3200, Success: 400, Received: 804, Dropped: 45, IfDropped: 3,
				Refused: 98,
			},
		),
	}
	for _, r := range readings {
		if err := c.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		csvHeader,
		"2026-11-22 15:30:50,12,1,87.299539,24.896266,1,241,20,20,60,6,5,241,20,20,0,0,0,0,0,0",
		"2026-01-02 03:04:05,10,30,25.000000,25.000000,3,3200,1600,640,400,200,40,804,402,80,48,24,5,98,49,10",
	}
	w.check(t, len(want))
	for i, line := range w {
		if got := strings.TrimSuffix(string(line), "\n"); got != want[i] {
			t.Errorf("line %d\n got %s\nwant %s", i, got, want[i])
		}
	}
}

func TestCSVHasAsManyColumnsAsNames(t *testing.T) {
	var text strings.Builder
	c, err := NewCSV(&text, nil)
	if err != nil {
		t.Fatal(err)
	}
	rng := newRandom(t)
	const rows = 500
	for range rows {
		if err := c.Put(read(rng.sample(), rng.sample())); err != nil {
			t.Fatal(err)
		}
	}
	r := csv.NewReader(strings.NewReader(text.String()))
	r.FieldsPerRecord = 21
	got, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != rows+1 {
		t.Errorf("%d lines, want %d", len(got), rows+1)
	}
	if diff := cmp.Diff(strings.Split(csvHeader, ","), got[0]); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	for _, row := range got[1:] {
		for i, field := range row {
			if field == "" || strings.ContainsAny(field, "NIe") {
				t.Errorf("column %s holds %q", got[0][i], field)
			}
		}
	}
}

func TestCSVTimeIsOfTheZoneAsked(t *testing.T) {
	var w lines
	c, err := NewCSV(&w, time.FixedZone("", 3600))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)
	if err := c.Put(read(Sample{At: at})); err != nil {
		t.Fatal(err)
	}
	if got, want := string(w[1][:19]), "2026-11-23 00:30:00"; got != want {
		t.Errorf("time %q, want %q", got, want)
	}
}

func TestCSVErrorIsTheWriters(t *testing.T) {
	if _, err := NewCSV(failing{}, nil); !errors.Is(err, errBroken) {
		t.Errorf("error %v, want that of the writer", err)
	}
}
