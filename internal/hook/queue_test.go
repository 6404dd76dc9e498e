package hook

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An event of the tests is a number.
type event struct{ n int }

// set returns a function that makes an event number n.
func set(n int) func(*event) { return func(e *event) { e.n = n } }

// A book is what two hooks, a and b, were told.
type book struct {
	mu     sync.Mutex
	told   [2][]int
	faults []Fault
	holds  []bool
	then   func(hook, n int) // called, if set, by each hook
	fails  int               // 1 + the hook that has no room for its third event
}

func (b *book) call(hook int, e *event) error {
	b.mu.Lock()
	b.told[hook] = append(b.told[hook], e.n)
	b.mu.Unlock()
	if b.then != nil {
		b.then(hook, e.n)
	}
	if hook == b.fails-1 && e.n == 2 {
		return errFull
	}
	return nil
}

var errFull = errors.New("full")

// queue returns a queue for the two hooks.
func (b *book) queue(length int, patience time.Duration) *Queue[event] {
	return New(Config[event]{
		Names: []string{"a", "b"}, Call: b.call, Len: length, Patience: patience,
		Hold:  func(on bool) { b.holds = append(b.holds, on) },
		Fault: func(f Fault) { b.faults = append(b.faults, f) },
	})
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// TestEveryEventOnceInOrder has several producers: each one's events come in its order, whatever the length of the queue.
func TestEveryEventOnceInOrder(t *testing.T) {
	for _, length := range []int{4, 5, 64, 1024} {
		var b book
		q := b.queue(length, time.Minute)
		const each = 2000
		var wg sync.WaitGroup
		for hook := range 2 {
			wg.Go(func() {
				for n := range each {
					q.Put(hook, set(n))
				}
			})
		}
		wg.Wait()
		q.Close()
		for hook, got := range b.told {
			if !slices.Equal(got, numbers(each)) {
				t.Errorf("queue of %d: hook %d was told %d events, want %d in order", length, hook, len(got), each)
			}
		}
		if f := q.Faults(); len(f) != 0 {
			t.Errorf("queue of %d: faults %+v, want none", length, f)
		}
	}
}

// TestBackPressure has a hook take 10 ms for each event: the producer is held at half a queue, released at a quarter, and
// waits when it goes on all the same.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book{then: func(int, int) { time.Sleep(10 * time.Millisecond) }}
		q := b.queue(16, time.Second)
		start := time.Now()
		for n := range 48 {
			q.Put(0, set(n))
		}
		if d := time.Since(start); d != 320*time.Millisecond {
			t.Errorf("48 events were put into a queue of 16 within %v, want 320ms: one waits for each that is done", d)
		}
		if full, waited := q.Load(); full != 1 || waited != 320*time.Millisecond {
			t.Errorf("the queue is %v full and waited %v, want 1 and 320ms", full, waited)
		}
		q.Close()
		// It was held at the 9th event, before the first call was over, and released when 4 were left.
		if full, waited := q.Load(); full != 0 || waited != 440*time.Millisecond || !slices.Equal(b.holds, []bool{true, false}) {
			t.Errorf("at the end the queue is %v full, waited %v, told %v; want 0, 440ms, one true and one false", full, waited, b.holds)
		}
	})
}

// TestRefreshKeepsTheNewest never waits and never lets two states wait.
func TestRefreshKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book{then: func(int, int) { time.Sleep(time.Second) }}
		q := b.queue(4, 0)
		start := time.Now()
		for n := range 4 {
			q.Put(0, set(n))
		}
		for n := range 100 {
			q.Refresh(1, set(n))
			if n == 0 {
				synctest.Wait()
			}
		}
		if time.Since(start) != 0 {
			t.Error("a state waited for room")
		}
		time.Sleep(4500 * time.Millisecond) // b has been called with the 99th
		q.Refresh(1, set(100))
		q.Refresh(1, set(101))
		q.Close()
		if !slices.Equal(b.told[0], numbers(4)) || !slices.Equal(b.told[1], []int{99, 101}) || len(q.Faults()) != 0 {
			t.Errorf("told %v, faults %+v; want 0 to 3, and 99, 101", b.told, q.Faults())
		}
	})
}

// TestDoWaits for the hook to return, and not for one that is off.
func TestDoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book{then: func(_, n int) {
			if time.Sleep(time.Second); n == 1 {
				panic("enough")
			}
		}}
		q := b.queue(4, time.Minute)
		for n, want := range []time.Duration{time.Second, time.Second, 0} {
			start := time.Now()
			if q.Do(0, set(n)); time.Since(start) != want {
				t.Errorf("event %d took %v, want %v", n, time.Since(start), want)
			}
		}
		q.Close()
		if f := q.Faults(); len(f) != 1 || f[0].Missed != 1 {
			t.Errorf("faults %+v, want one with one event missed", f)
		}
	})
}

// TestAPanicIsContained lets one hook panic at its third event: the other gets all of its own.
func TestAPanicIsContained(t *testing.T) {
	cause := errors.New("no more")
	b := book{then: func(hook, n int) {
		if hook == 0 && n == 2 {
			panic(cause)
		}
	}}
	q := b.queue(4, time.Minute)
	for n := range 10 {
		q.Put(0, set(n))
		q.Put(1, set(n))
	}
	q.Close()
	f := q.Faults()
	if len(f) != 1 || f[0].Hook != "a" || f[0].Missed != 7 || f[0].Err.Error() != "panicked: no more" ||
		!strings.Contains(string(f[0].Stack), "TestAPanicIsContained") {
		t.Errorf("faults %+v, want one of a that names the panic, its stack and 7 events missed", f)
	}
	if len(b.faults) != 1 || b.faults[0].Hook != "a" || !slices.Equal(b.told[1], numbers(10)) {
		t.Errorf("told of %d faults; b was told %v", len(b.faults), b.told[1])
	}
}

// TestAnErrorIsTheEnd of a hook, and of no other.
func TestAnErrorIsTheEnd(t *testing.T) {
	b := book{fails: 1}
	q := b.queue(4, time.Minute)
	for n := range 10 {
		q.Put(0, set(n))
		q.Put(1, set(n))
	}
	q.Close()
	if f := q.Faults(); len(f) != 1 || f[0].Missed != 8 || f[0].Err != errFull || f[0].Stack != nil || len(b.faults) != 1 || !slices.Equal(b.told[1], numbers(10)) {
		t.Errorf("faults %+v, told of %d, b was told %v", f, len(b.faults), b.told[1])
	}
}

// TestAGoroutineThatEnds goes on with another one.
func TestAGoroutineThatEnds(t *testing.T) {
	b := book{then: func(hook, n int) {
		if hook == 0 && n == 2 {
			runtime.Goexit()
		}
	}}
	q := b.queue(4, time.Minute)
	for n := range 10 {
		q.Put(0, set(n))
		q.Put(1, set(n))
	}
	q.Close()
	if f := q.Faults(); len(f) != 1 || f[0].Missed != 7 || f[0].Err != errExited || !slices.Equal(b.told[1], numbers(10)) {
		t.Errorf("faults %+v, b was told %v", f, b.told[1])
	}
}

// TestAStallIsGivenUp lets one hook never return: after the patience the other goes on, and what the first keeps is its own.
func TestAStallIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, kept := make(chan struct{}), make(chan *event, 1)
		var b book
		q := New(Config[event]{
			Names: []string{"a", "b"}, Len: 4, Patience: 10 * time.Second, Fault: func(f Fault) { b.faults = append(b.faults, f) },
			Call: func(hook int, e *event) error {
				err := b.call(hook, e)
				if hook == 0 && e.n == 2 {
					kept <- e
					<-end
					panic("late: nobody listens any more")
				}
				return err
			},
		})
		start := time.Now()
		for n := range 10 {
			q.Put(0, set(n))
			q.Put(1, set(n))
		}
		q.Close()
		if d := time.Since(start); d < 10*time.Second || d > 13*time.Second {
			t.Errorf("the hook was given up after %v, want 10s and little more", d)
		}
		f := q.Faults()
		if len(f) != 1 || f[0].Hook != "a" || f[0].Missed != 7 || f[0].Err.Error() != "did not return within 10s" || len(b.faults) != 1 {
			t.Errorf("faults %+v, told of %d; want one of a, 7 events missed", f, len(b.faults))
		}
		if !slices.Equal(b.told[1], numbers(10)) || len(kept) != 1 || (<-kept).n != 2 {
			t.Errorf("b was told %v, or the event of a is another now", b.told[1])
		}
		close(end)
	})
}

// TestDrainGivesUp drops what waits when there is no more time, and counts it.
func TestDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book{then: func(int, int) { time.Sleep(time.Second) }}
		q := b.queue(16, time.Minute)
		for n := range 10 {
			q.Put(n%2, set(n))
		}
		give := make(chan struct{})
		time.AfterFunc(3500*time.Millisecond, func() { close(give) })
		start := time.Now()
		q.Drain(give)
		if d := time.Since(start); d != 4*time.Second {
			t.Errorf("drained within %v, want 4s: the call that runs is awaited", d)
		}
		q.Do(1, set(77))
		q.Close()
		q.Put(0, set(78))
		f := q.Faults()
		if len(f) != 2 || f[0].Missed != 4 || f[1].Missed != 3 || f[0].Err != ErrDropped || !slices.Equal(b.told[1], []int{1, 3, 77}) {
			t.Errorf("faults %+v, b was told %v", f, b.told[1])
		}
	})
}

// TestAccount has hooks panic, stall and exit at random: what was put was told or missed.
func TestAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(200) {
			rng := rand.New(rand.NewPCG(seed, 1))
			bad, at := rng.IntN(4), rng.IntN(20)
			b := book{then: func(hook, n int) {
				switch {
				case hook != 0 || n != at:
				case bad == 1:
					panic(n)
				case bad == 2:
					time.Sleep(time.Minute)
				case bad == 3:
					runtime.Goexit()
				}
			}}
			q := b.queue(4+rng.IntN(8), time.Second)
			var put [2]int
			for n := range 40 {
				hook := rng.IntN(2)
				put[hook]++
				q.Put(hook, set(n))
			}
			q.Close()
			var missed [2]int
			for _, f := range q.Faults() {
				missed[slices.Index([]string{"a", "b"}, f.Hook)] = int(f.Missed)
			}
			for hook := range 2 {
				if got := len(b.told[hook]) + missed[hook]; got != put[hook] {
					t.Errorf("seed %d, hook %d: %d events put, %d told, %d missed", seed, hook, put[hook], len(b.told[hook]), missed[hook])
				}
			}
			time.Sleep(2 * time.Minute) // those who stalled go home
		}
	})
}

// TestPutAllocs: an event costs no allocation once the ring has gone round.
func TestPutAllocs(t *testing.T) {
	q := New(Config[event]{Names: []string{"a"}, Call: func(int, *event) error { return nil }, Len: 8})
	defer q.Close()
	n := 0
	put := func() { q.Put(0, func(e *event) { e.n = n }) }
	for range 100 {
		put()
	}
	if n := testing.AllocsPerRun(1000, put); n != 0 {
		t.Errorf("got %v allocations per event, want 0", n)
	}
}

func BenchmarkPut(b *testing.B) {
	q := New(Config[event]{Names: []string{"a"}, Call: func(int, *event) error { return nil }, Len: 1024})
	defer q.Close()
	b.ReportAllocs()
	for b.Loop() {
		q.Put(0, func(e *event) { e.n++ })
	}
}
