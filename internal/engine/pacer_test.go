package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"
)

// fakeClock is a clock that only moves when somebody sleeps, and then oversleeps by late().
type fakeClock struct {
	now  int64
	late func() int64
}

func (c *fakeClock) Now() int64 { return c.now }

func (c *fakeClock) SleepUntil(t int64, _ <-chan struct{}) bool {
	c.now = max(c.now, t) + c.late()
	return true
}

// grants runs a pacer for d and returns the moment of every probe.
func grants(c *fakeClock, p *pacer, most int, d time.Duration) []int64 {
	var at []int64
	never := make(chan struct{})
	for end := c.now + int64(d); c.now < end; {
		n := p.wait(most, never)
		for range n {
			at = append(at, c.now)
		}
		c.now += int64(n) * 200 // what sending takes: 5 million a second
	}
	return at
}

// windows returns how many of at lie in each window of 1 ms that begins with one of them, sorted.
func windows(at []int64) []int {
	var out []int
	for i, j := 0, 0; i < len(at); i++ {
		for j < len(at) && at[j] < at[i]+int64(time.Millisecond) {
			j++
		}
		out = append(out, j-i)
	}
	sort.Ints(out)
	return out
}

// TestPacerKeepsItsPromise checks the definition of pacing: the mean within 1 %, and in 99.9 % of the windows of 1 ms at
// most twice the mean, on a clock that oversleeps as clock_nanosleep does, and now and then by as much as a busy machine.
func TestPacerKeepsItsPromise(t *testing.T) {
	sleeps := map[string]func(*rand.Rand) func() int64{
		"exact":   func(*rand.Rand) func() int64 { return func() int64 { return 0 } },
		"usual":   func(r *rand.Rand) func() int64 { return func() int64 { return 55_000 + r.Int64N(20_000) } },
		"stalled": func(r *rand.Rand) func() int64 { return stalls(r) },
	}
	for name, sleep := range sleeps {
		for _, rate := range []float64{1, 7, 100, 999, 1000, 4999, 5000, 7000, 10_000, 30_000, 49_999, 50_000, 100_000, 1_000_000} {
			t.Run(fmt.Sprintf("%s/%g", name, rate), func(t *testing.T) {
				c := &fakeClock{late: sleep(rand.New(rand.NewPCG(1, 2)))}
				d := 10 * time.Second
				if rate < 100 {
					d = 200 * time.Second
				}
				at := grants(c, newPacer(c, rate), 64, d)
				mean := float64(len(at)-1) / (float64(at[len(at)-1]-at[0]) / 1e9)
				if math.Abs(mean-rate) > rate/100 {
					t.Errorf("mean rate %.3f, want %g within 1 %%", mean, rate)
				}
				most := max(2, int(2*rate/1000))
				w := windows(at)
				if got := w[len(w)*999/1000]; got > most {
					t.Errorf("99.9 %% of the windows of 1 ms hold up to %d probes, want at most %d", got, most)
				}
			})
		}
	}
}

// stalls oversleeps by 70 µs, and one time in 500 by 1 ms.
func stalls(r *rand.Rand) func() int64 {
	return func() int64 {
		if r.IntN(500) == 0 {
			return 1_000_000
		}
		return 60_000 + r.Int64N(20_000)
	}
}

func TestPacerSlowRateKeepsEachGap(t *testing.T) {
	c := &fakeClock{late: func() int64 { return 150_000 }}
	at := grants(c, newPacer(c, 1), 64, 30*time.Second)
	for i := 1; i < len(at); i++ {
		if gap := at[i] - at[i-1]; math.Abs(float64(gap-1e9)) > 1e7 {
			t.Errorf("gap %d is %v, want 1 s within 1 %%", i, time.Duration(gap))
		}
	}
}

func TestPacerCatchesUpLittle(t *testing.T) {
	c := &fakeClock{late: func() int64 { return 0 }}
	p := newPacer(c, 100_000)
	grants(c, p, 64, 100*time.Millisecond)
	c.now += int64(time.Second) // the machine stood still
	at := grants(c, p, 64, 100*time.Millisecond)
	// 100 ms of probes, and at most the 2 ms that are made good.
	if got, want := len(at), 10_000+200+64; got > want {
		t.Errorf("%d probes in 100 ms after a stall of 1 s, want at most %d", got, want)
	}
	if w := windows(at); w[len(w)-1] > 200 {
		t.Errorf("a window of 1 ms after a stall holds %d probes, want at most 200", w[len(w)-1])
	}
}

func TestPacerFollowsItsRate(t *testing.T) {
	c := &fakeClock{late: func() int64 { return 60_000 }}
	p := newPacer(c, 1)
	grants(c, p, 64, 2*time.Second)
	p.setRate(10_000)
	at := grants(c, p, 64, time.Second)
	if len(at) < 9_800 || len(at) > 10_200 {
		t.Errorf("%d probes in the second after the rate went from 1 to 10,000, want 10,000 within 2 %%", len(at))
	}
	p.setRate(0)
	if n := p.wait(64, make(chan struct{})); n != 64 {
		t.Errorf("an unlimited pacer grants %d, want the 64 asked for", n)
	}
}

func TestPacerStops(t *testing.T) {
	done := make(chan struct{})
	close(done)
	for _, rate := range []float64{0, 0.001, 1e6} {
		if n := newPacer(PlainClock(), rate).wait(64, done); n != 0 {
			t.Errorf("rate %g: a stopped pacer grants %d, want 0", rate, n)
		}
	}
}

func TestPacerDoesNotAllocate(t *testing.T) {
	c := &fakeClock{late: func() int64 { return 60_000 }}
	p := newPacer(c, 100_000)
	never := make(chan struct{})
	if n := testing.AllocsPerRun(1000, func() { p.wait(64, never) }); n != 0 {
		t.Errorf("wait allocates %v times, want 0", n)
	}
}
