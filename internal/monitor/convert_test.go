package monitor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/dedup"
)

func TestSampleOf(t *testing.T) {
	at := time.Date(2026, 11, 22, 15, 30, 50, 0, time.UTC)
	p := zmap.Progress{
		At: at, Elapsed: 1, Remaining: 2, Sending: true, SendTime: 3, Tries: 4, Rate: 5,
		Counts: zmap.Counts{
			Targets: 11, Probes: 12, Queued: 13, Sent: 14, Refused: 15, Received: 16, Lost: 17, Frames: 18, Passed: 19, Failed: 20,
			SuccessTotal: 21, SuccessUnique: 22, CooldownTotal: 23, CooldownUnique: 24, AppTotal: 25, AppUnique: 26, FailureTotal: 27,
			Fragments: 28, Rows: 29, ActiveSenders: 30,
		},
	}
	want := Sample{
		At: at, Elapsed: 1, Remaining: 2, Sending: true, SendTime: 3, Senders: 30, Asked: 11, Sent: 13, Refused: 15, Received: 16,
		Success: 22, App: 26, Dropped: 17,
	}
	for method, asked := range map[dedup.Method]uint64{
		dedup.MethodFull: 11, dedup.MethodWindow: 11, dedup.MethodNone: 13,
	} {
		want.Asked = asked
		if diff := cmp.Diff(want, SampleOf(&p, &zmap.Plan{Dedup: method})); diff != "" {
			t.Errorf("dedup method %v (-want +got):\n%s", method, diff)
		}
	}
}
