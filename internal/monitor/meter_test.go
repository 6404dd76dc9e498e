package monitor

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFirstRatesCountFromTheStart(t *testing.T) {
	var m Meter
	r := m.Read(Sample{Elapsed: 500 * time.Millisecond, Sending: true, Sent: 1001, Received: 31, Success: 11, App: 3})
	want := Reading{
		Sample:       r.Sample,
		Fresh:        true,
		SentRate:     Rate{Last: 2002, Avg: 2002},
		SuccessRate:  Rate{Last: 22, Avg: 22},
		AppRate:      Rate{Last: 6, Avg: 6},
		ReceivedRate: Rate{Last: 62, Avg: 62},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("first reading (-want +got):\n%s", diff)
	}
}

func TestRatesOfAVeryYoungScanAreItsAverages(t *testing.T) {
	var m Meter
	r := m.Read(Sample{Elapsed: 20 * time.Millisecond, Sending: true, Sent: 64, Dropped: 1})
	if r.Fresh || r.SentRate != (Rate{3200, 3200}) || r.DropRate != (Rate{50, 50}) {
		t.Errorf("after 20 ms: fresh %v, sent %v, drops %v; want false, {3200 3200}, {50 50}", r.Fresh, r.SentRate, r.DropRate)
	}
	r = m.Read(Sample{Sending: true, Sent: 64})
	if r.SentRate != (Rate{}) {
		t.Errorf("at 0 s: sent %v, want no rate", r.SentRate)
	}
}

func TestOnlySentAndSuccessAreRoundedUp(t *testing.T) {
	var m Meter
	m.Read(Sample{Elapsed: time.Second, Sending: true})
	r := m.Read(Sample{
		Elapsed: 5 * time.Second, Sending: true,
		Sent: 5, Success: 5, App: 5, Received: 5, Dropped: 3, IfDropped: 2, Refused: 5,
	})
	up, as := Rate{Last: 2, Avg: 1}, Rate{Last: 1.25, Avg: 1}
	want := Reading{
		Sample: r.Sample, Fresh: true,
		SentRate: up, SuccessRate: up, AppRate: as, ReceivedRate: as, DropRate: as, RefusedRate: as,
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("reading (-want +got):\n%s", diff)
	}
}

func TestLastSampleCloseToTheOneBeforeKeepsItsRates(t *testing.T) {
	var m Meter
	m.Read(Sample{Elapsed: time.Second, Sending: true, Sent: 1000})
	r := m.Read(Sample{Elapsed: 1003 * time.Millisecond, Sending: true, Sent: 1064})
	if r.Fresh || r.SentRate.Last != 1000 || r.Sent != 1064 {
		t.Errorf("3 ms later: fresh %v, last %v, sent %d; want false, 1000, 1064", r.Fresh, r.SentRate.Last, r.Sent)
	}
	r = m.Read(Sample{Elapsed: 2 * time.Second, Sending: true, Sent: 3000})
	if !r.Fresh || r.SentRate.Last != 2000 {
		t.Errorf("a second after the last rates: fresh %v, last %v, want true, 2000: nothing sent meanwhile is forgotten", r.Fresh, r.SentRate.Last)
	}
}

func TestSentAverageIsOverTheTimeOfSending(t *testing.T) {
	t.Run("told", func(t *testing.T) {
		var m Meter
		r := m.Read(Sample{Elapsed: 8 * time.Second, SendTime: 2 * time.Second, Sent: 2000, Success: 80})
		if r.SentRate.Avg != 1000 || r.SuccessRate.Avg != 10 {
			t.Errorf("averages %v, %v, want 1000, 10", r.SentRate.Avg, r.SuccessRate.Avg)
		}
	})
	t.Run("noticed", func(t *testing.T) {
		var m Meter
		m.Read(Sample{Elapsed: time.Second, Sending: true, Sent: 1000})
		m.Read(Sample{Elapsed: 2 * time.Second, Sent: 2000})
		r := m.Read(Sample{Elapsed: 8 * time.Second, Sent: 2000})
		if r.SentRate.Avg != 1000 {
			t.Errorf("average %v, want 1000", r.SentRate.Avg)
		}
	})
}

func TestCountsThatShrinkHaveNotGrown(t *testing.T) {
	var m Meter
	m.Read(Sample{Elapsed: time.Second, IfDropped: 100})
	if r := m.Read(Sample{Elapsed: 2 * time.Second, IfDropped: 3}); r.DropRate.Last != 0 {
		t.Errorf("drop rate %v, want 0", r.DropRate.Last)
	}
}

// TestRatesAddUp checks that rates times the time that they cover make the total, however samples are spaced.
func TestRatesAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var m Meter
		var s Sample
		var sum float64
		var covered time.Duration
		for range 50 {
			s.Elapsed += time.Duration(rng.Int64N(int64(400 * time.Millisecond)))
			s.Received += rng.Uint64N(1000)
			if r := m.Read(s); r.Fresh {
				sum += r.ReceivedRate.Last * (s.Elapsed - covered).Seconds()
				covered = s.Elapsed
				if math.Abs(sum-float64(s.Received)) > 1e-6 {
					t.Fatalf("at %v the rates make %v packets, want %d", s.Elapsed, sum, s.Received)
				}
			}
		}
	}
}

func TestNoNumberIsEverNaN(t *testing.T) {
	samples := []Sample{
		{}, {Sent: 1, Success: 1}, {Elapsed: -1, Remaining: 1}, {Remaining: -1}, {Elapsed: math.MaxInt64, Remaining: math.MaxInt64},
	}
	for _, s := range samples {
		var m Meter
		r := m.Read(s)
		for _, v := range []float64{
			r.Percent(), r.HitRate(), r.AppHitRate(), r.SentRate.Last, r.SentRate.Avg, r.DropRate.Last, r.DropRate.Avg,
		} {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
				t.Errorf("%+v: %v among the numbers", s, v)
			}
		}
	}
}

func TestPercent(t *testing.T) {
	tests := []struct {
		elapsed, remaining time.Duration
		want               float64
	}{
		{0, 0, 0},
		{0, time.Second, 0},
		{time.Second, 3 * time.Second, 25},
		{time.Second, 0, 100},
		{time.Second, -time.Second, 100},
		{math.MaxInt64, math.MaxInt64, 50},
	}
	for _, tt := range tests {
		s := Sample{Elapsed: tt.elapsed, Remaining: tt.remaining}
		if got := s.Percent(); got != tt.want {
			t.Errorf("Percent of %v and %v left = %v, want %v", tt.elapsed, tt.remaining, got, tt.want)
		}
	}
}
