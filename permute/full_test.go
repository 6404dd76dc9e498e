package permute

import (
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFullWalk walks 2^32 indexes, as many as IPv4 has addresses, on two
// goroutines, and ticks each one off in a bitmap of 512 MB.
func TestFullWalk(t *testing.T) {
	if os.Getenv("ZMAP_FULL_WALK") != "1" {
		t.Skip("walking all 2^32 indexes takes a minute or two and 512 MB: set ZMAP_FULL_WALK=1 to do it")
	}
	const size = 1 << 32
	began := time.Now()
	c := mustCycle(t, 1, Grid{size, 1})
	seen := make([]uint64, size/64)
	var count, again, outside atomic.Uint64 // each goroutine adds at its end
	var wg sync.WaitGroup
	for _, w := range mustWalks(t, c, Shard{0, 1}, 2) {
		wg.Go(func() {
			mine, twice, out := uint64(0), uint64(0), uint64(0)
			batch := make([]uint64, 1024)
			for n := len(batch); n == len(batch); {
				n = w.Fill(batch)
				for _, v := range batch[:n] {
					if v >= size {
						out++
						continue
					}
					if bit := uint64(1) << (v % 64); atomic.OrUint64(&seen[v/64], bit)&bit != 0 {
						twice++
					}
				}
				mine += uint64(n)
			}
			count.Add(mine)
			again.Add(twice)
			outside.Add(out)
		})
	}
	wg.Wait()
	if count.Load() != size || again.Load() != 0 || outside.Load() != 0 {
		t.Errorf("got %d indexes, %d of them again, %d outside; want %d, 0, 0", count.Load(), again.Load(), outside.Load(), uint64(size))
	}
	t.Logf("%d indexes in %v", count.Load(), time.Since(began).Round(time.Second))
}

// TestFullListed compares all of a list of a million indexes with what the walk
// over 2^32 elements gives of them, and of each of three threads.
func TestFullListed(t *testing.T) {
	if os.Getenv("ZMAP_FULL_WALK") != "1" || testing.Short() {
		t.Skip("walking all 2^32 elements takes a minute or two and 512 MB: set ZMAP_FULL_WALK=1 to do it")
	}
	g, threads := Grid{3702258432, 1}, 3
	c := mustCycle(t, 2, g)
	list := randomIndexes(rand.New(rand.NewPCG(40, 40)), g, 1e6)
	on := make([]uint64, 1<<32/64)
	for _, v := range list {
		on[v/64] |= 1 << (v % 64)
	}
	began := time.Now()
	listed := mustListed(t, c, list, Shard{0, 1}, threads)
	t.Logf("%d indexes listed in %v", len(list), time.Since(began).Round(time.Millisecond))
	var wg sync.WaitGroup
	for i, w := range mustWalks(t, c, Shard{0, 1}, threads) {
		wg.Go(func() {
			want, batch := []uint64{}, make([]uint64, 1024)
			for n := len(batch); n == len(batch); {
				n = w.Fill(batch)
				for _, v := range batch[:n] {
					if on[v/64]>>(v%64)&1 == 1 {
						want = append(want, v)
					}
				}
			}
			if got := drain(listed[i], 64); !slices.Equal(got, want) {
				t.Errorf("thread %d: got %d indexes, want %d; the first at which they differ is number %d",
					i, len(got), len(want), firstDifference(got, want))
			}
		})
	}
	wg.Wait()
	t.Logf("compared with the walk after %v", time.Since(began).Round(time.Second))
}
