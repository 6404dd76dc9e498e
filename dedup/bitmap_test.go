package dedup

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestBitmapOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, targets := range []uint64{1, 63, 64, 65, 1000, 1 << 16, 1<<16 + 1, 1 << 20, 1 << 36} {
		b, succeeded := NewBitmap(targets), map[uint64]bool{}
		for range 20000 {
			index, o := rng.Uint64N(targets), Outcome(rng.IntN(2))
			if rng.IntN(2) == 0 {
				index = max(targets, 500) - 1 - rng.Uint64N(500) // the edges matter
				index = min(index, targets-1)
			}
			if got, want := b.See(index, o), succeeded[index]; got != want {
				t.Fatalf("%d targets, See(%d, %d): got %v, want %v", targets, index, o, got, want)
			}
			succeeded[index] = succeeded[index] || o == Success
		}
	}
}

func TestBitmapOutside(t *testing.T) {
	b := NewBitmap(100)
	for _, index := range []uint64{100, 1 << 16, 1 << 63} {
		for range 2 {
			if b.See(index, Success) {
				t.Errorf("See(%d) of 100 targets: got a repeat", index)
			}
		}
	}
	if NewBitmap(0).See(0, Success) {
		t.Error("See(0) of no targets: got a repeat")
	}
}

// TestBitmapMemory: a /16 is one page of 8 KiB, and all of IPv4 is 512 MiB and a directory of half a MiB.
func TestBitmapMemory(t *testing.T) {
	const page, dirOfAll = 8 << 10, 512 << 10
	small := NewBitmap(1 << 16)
	for i := range uint64(1 << 16) {
		small.See(i, Success)
	}
	if got, want := small.Memory(), uint64(8+page); got != want {
		t.Errorf("a /16, all answering: got %d bytes, want %d", got, want)
	}
	all := NewBitmap(1 << 32)
	if got, want := all.Memory(), uint64(dirOfAll); got != want {
		t.Errorf("IPv4, none answering: got %d bytes, want %d", got, want)
	}
	for i := range uint64(1000) {
		all.See(i<<16, Failure)
	}
	if got, want := all.Memory(), uint64(dirOfAll); got != want {
		t.Errorf("IPv4, failures alone: got %d bytes, want %d", got, want)
	}
	for i := range uint64(1000) {
		all.See(i<<16, Success)
		all.See(i<<16+i, Success)
	}
	if got, want := all.Memory(), uint64(dirOfAll+1000*page); got != want {
		t.Errorf("IPv4, successes in 1000 /16s: got %d bytes, want %d", got, want)
	}
	if got, want := uint64(len(all.pages))*page+dirOfAll, uint64(512<<20+512<<10); got != want {
		t.Errorf("IPv4, all answering: got %d bytes, want %d", got, want)
	}
}

// TestBitmapRace lets several receivers see the first success of one target at the same time, in a new page, over and over.
// Exactly one is told that it is new.
func TestBitmapRace(t *testing.T) {
	const receivers, rounds, targets = 4, 3000, 64
	bitmaps := make([]*Bitmap, rounds)
	for i := range bitmaps {
		bitmaps[i] = NewBitmap(targets)
	}
	var arrived, news [rounds]atomic.Uint32
	var wg sync.WaitGroup
	for range receivers {
		wg.Go(func() {
			for i, b := range bitmaps {
				arrived[i].Add(1)
				for spins := 0; arrived[i].Load() < receivers && spins < 1000; spins++ {
					runtime.Gosched()
				}
				for index := range uint64(targets) {
					if !b.See(index, Success) {
						news[i].Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range news {
		if n := news[i].Load(); n != targets {
			t.Fatalf("round %d: got %d first successes of %d targets", i, n, targets)
		}
	}
}

// TestBitmapShared lets several receivers see the same answers in different orders. Every target must be new exactly once.
func TestBitmapShared(t *testing.T) {
	const receivers, targets = 4, 5 << 16
	b := NewBitmap(targets)
	news := make([]atomic.Uint32, targets)
	var wg sync.WaitGroup
	for g := range uint64(receivers) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 9))
			stride := []uint64{1, 3, 7, 11}[g] // coprime to the number of targets: each walk meets every target
			index := rng.Uint64N(targets)
			for range targets {
				b.See(index, Failure)
				if !b.See(index, Success) {
					news[index].Add(1)
				}
				if !b.See(index, Failure) {
					t.Errorf("target %d: a failure after its success is no repeat", index)
				}
				index = (index + stride) % targets
			}
		})
	}
	wg.Wait()
	for i := range news {
		if n := news[i].Load(); n != 1 {
			t.Fatalf("target %d: new to %d receivers, want 1", i, n)
		}
	}
}
