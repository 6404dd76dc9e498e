package lab

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// slowSummary is the slow twin of summarise.
func slowSummary(at []int64, window time.Duration) Captured {
	at = slices.Clone(at)
	slices.Sort(at)
	var c Captured
	c.First, c.Last = time.Unix(0, at[0]), time.Unix(0, at[len(at)-1])
	var counts, gaps []int
	for i, end := range at {
		n := 0
		for _, other := range at[:i+1] {
			if end-other < int64(window) {
				n++
			}
		}
		counts = append(counts, n)
		if i > 0 {
			gaps = append(gaps, int(end-at[i-1]))
		}
	}
	slices.Sort(counts)
	c.MaxInWindow = counts[len(counts)-1]
	for _, n := range counts { // the smallest number that 99.9 % of the windows do not exceed
		below := 0
		for _, other := range counts {
			if other <= n {
				below++
			}
		}
		if below*1000 >= 999*len(counts) {
			c.P999InWindow = n
			break
		}
	}
	if len(gaps) > 0 {
		total := 0
		for _, g := range gaps {
			total += g
		}
		c.MinGap, c.MaxGap, c.MeanGap = time.Duration(slices.Min(gaps)), time.Duration(slices.Max(gaps)), time.Duration(total/len(gaps))
	}
	return c
}

func TestSummary(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	for range 100 {
		at := make([]int64, 1+random.IntN(1500))
		now := int64(1e18)
		for i := range at {
			now += random.Int64N(int64(time.Millisecond) / (1 + random.Int64N(50)))
			at[i] = now
		}
		random.Shuffle(min(10, len(at)), func(i, j int) { at[i], at[j] = at[j], at[i] })
		window := time.Duration(1 + random.Int64N(int64(3*time.Millisecond)))
		want := slowSummary(at, window)
		var got Captured
		got.summarise(at, window)
		if !got.First.Equal(want.First) || !got.Last.Equal(want.Last) || got.MaxInWindow != want.MaxInWindow ||
			got.P999InWindow != want.P999InWindow || got.MinGap != want.MinGap || got.MaxGap != want.MaxGap || got.MeanGap != want.MeanGap {
			t.Fatalf("%d frames, window %v:\n got %+v\nwant %+v", len(at), window, got, want)
		}
	}
}

func TestSummaryOfKnownTimes(t *testing.T) {
	var none Captured
	none.summarise(nil, time.Millisecond)
	if !none.First.IsZero() || none.MaxInWindow != 0 {
		t.Errorf("no frames: %+v", none)
	}
	// A frame exactly one window after another is not in the same window.
	var c Captured
	c.summarise([]int64{0, 1e6, 2e6 - 1, 2e6}, time.Millisecond)
	if c.MaxInWindow != 2 || c.MinGap != 1 || c.MaxGap != time.Millisecond {
		t.Errorf("got %+v, want at most 2 a window, gaps of 1 ns to 1 ms", c)
	}
}
