package monitor

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// output notes the readings it is given; it fails from the failFrom-th on, if that is not 0.
type output struct {
	name     string
	journal  *[]string
	failFrom int
	seen     int
}

func (o *output) Put(r *Reading) error {
	o.seen++
	if o.failFrom > 0 && o.seen >= o.failFrom {
		return errBroken
	}
	*o.journal = append(*o.journal, o.name+" "+string(appendQuantity(nil, r.SentRate.Last)))
	return nil
}

func TestMonitorShowsOneReadingToAllAndGivesUpTheBroken(t *testing.T) {
	var journal []string
	m := New(
		&output{name: "a", journal: &journal},
		&output{name: "b", journal: &journal, failFrom: 2},
		&output{name: "c", journal: &journal},
	)
	var errs []bool
	for i := range 3 {
		err := m.Observe(Sample{Elapsed: time.Duration(i+1) * time.Second, Sending: true, Sent: uint64(i+1) * 100})
		errs = append(errs, errors.Is(err, errBroken))
	}
	if diff := cmp.Diff([]bool{false, true, false}, errs); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	want := []string{"a 100 ", "b 100 ", "c 100 ", "a 100 ", "c 100 ", "a 100 ", "c 100 "}
	if diff := cmp.Diff(want, journal); diff != "" {
		t.Errorf("readings shown (-want +got):\n%s", diff)
	}
}

func TestMonitorLeavesTheCallersOutputsAlone(t *testing.T) {
	var journal []string
	mine := []Output{&output{journal: &journal, failFrom: 1}, &output{name: "b", journal: &journal}}
	m := New(mine...)
	if err := m.Observe(Sample{}); err == nil {
		t.Error("no error from the broken output")
	}
	if mine[0] == nil || mine[1] == nil || mine[0] == mine[1] {
		t.Error("the caller's outputs changed")
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name string
		s    Sample // after one second without anything
		want string
	}{
		{"nothing lost", Sample{Sent: 1000, Success: 100}, ""},
		{"nothing at all", Sample{}, ""},
		{"drops of 5 %", Sample{Sent: 1000, Success: 100, Dropped: 3, IfDropped: 2}, ""},
		{
			"drops of more than 5 %",
			Sample{Sent: 1000, Success: 100, Dropped: 4, IfDropped: 2},
			"[WARN] monitor: Dropped 6 packets in the last second total=6 kernel=4 interface=2\n",
		},
		{
			"drops and no answers",
			Sample{Sent: 1000, Dropped: 1},
			"[WARN] monitor: Dropped 1 packets in the last second total=1 kernel=1 interface=0\n",
		},
		{"refusals of 1 %", Sample{Sent: 1000, Refused: 10}, ""},
		{
			"refusals of more than 1 %",
			Sample{Sent: 1000, Refused: 11},
			"[WARN] monitor: Failed to send 11 packets/sec total=11\n",
		},
		{
			"both",
			Sample{Sent: 1000, Refused: 1000, Dropped: 7},
			"[WARN] monitor: Dropped 7 packets in the last second total=7 kernel=7 interface=0\n" +
				"[WARN] monitor: Failed to send 1000 packets/sec total=1000\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var text strings.Builder
			m := New(NewWarnings(slog.New(withoutTime{NewLogHandler(&text, LogOptions{})})))
			tt.s.Elapsed, tt.s.Sending = 2*time.Second, true
			again := tt.s
			again.Elapsed += time.Millisecond // too soon for new rates: nothing new to warn of
			for _, s := range []Sample{{Elapsed: time.Second, Sending: true}, tt.s, again} {
				if err := m.Observe(s); err != nil {
					t.Fatal(err)
				}
			}
			if got := text.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
