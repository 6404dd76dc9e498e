package permute

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestShardsTile walks every shard with a number of threads of its own. All
// together must give each index once, and the threads of a shard, one after the
// other, what one thread gives.
func TestShardsTile(t *testing.T) {
	threads := []int{1, 3, 2, 16, 5, 1, 300}
	for _, g := range []Grid{{1, 1}, {256, 1}, {3, 5}, {100, 2}, {300, 7}, {16, 17}} {
		for _, shards := range []uint32{1, 2, 3, 5, 7, 64, 255, 256, 257, 258, 1000} {
			c := mustCycle(t, 42, g)
			var all [][]uint64
			for n := range shards {
				s := Shard{n, shards}
				alone := rest(mustWalks(t, c, s, 1)[0])
				var shared []uint64
				for _, w := range mustWalks(t, c, s, threads[int(n)%len(threads)]) {
					shared = append(shared, rest(w)...)
				}
				if !slices.Equal(shared, alone) {
					t.Fatalf("grid %v, shard %v: %d threads got\n%v\nwant\n%v", g, s, threads[int(n)%len(threads)], shared, alone)
				}
				all = append(all, shared)
			}
			exactly(t, g, fmt.Sprintf("in %d shards", shards), all...)
		}
	}
}

// TestThreadsModel compares the threads of an unshared scan with the subshards of C zmap.
func TestThreadsModel(t *testing.T) {
	for _, g := range []Grid{{256, 1}, {5, 20}, {500, 3}} {
		c, m := mustCycle(t, 7, g), newModel(t, 7, g)
		for _, threads := range []int{1, 2, 3, 8, 100, 255} {
			for i, w := range mustWalks(t, c, Shard{0, 1}, threads) {
				want := m.subshard(int64(i), int64(threads), 1<<30)
				if got := rest(w); !slices.Equal(got, want) {
					t.Fatalf("grid %v, thread %d of %d: got\n%v\nwant\n%v", g, i, threads, got, want)
				}
			}
		}
	}
}

// TestShardsBeyondOrder has more parts than elements: C zmap stops at an assertion.
func TestShardsBeyondOrder(t *testing.T) {
	g := Grid{256, 1} // group of order 256
	c := mustCycle(t, 1, g)
	for _, shards := range []uint32{256, 257, 1<<32 - 1} {
		var lists [][]uint64
		for _, n := range []uint32{0, 1, shards / 2, shards - 2, shards - 1} {
			lists = append(lists, rest(mustWalks(t, c, Shard{n, shards}, 1)[0]))
		}
		for i, list := range lists[:4] {
			if want := int(256 / shards); len(list) != want {
				t.Errorf("%d shards: one in front has %d indexes (%d), want %d", shards, len(list), i, want)
			}
		}
		if shards > 256 {
			exactly(t, g, fmt.Sprintf("in the last of %d shards", shards), lists[4])
		}
	}
	var lists [][]uint64
	for _, w := range mustWalks(t, c, Shard{0, 1}, maxThreads) {
		lists = append(lists, rest(w))
	}
	exactly(t, g, "on as many threads as there may be", lists...)
}

// TestPartsAddUp checks the cuts where walking would take too long.
func TestPartsAddUp(t *testing.T) {
	for _, g := range groups {
		for _, shards := range []uint64{1, 2, 3, 255, 256, 65537, 1 << 20} {
			next := uint64(0)
			for n := range shards {
				begin, size := part(g.prime-1, n, shards)
				if begin != next && size > 0 {
					t.Fatalf("order %d, part %d of %d begins at %d, want %d", g.prime-1, n, shards, begin, next)
				}
				next = begin + size
			}
			if next != g.prime-1 {
				t.Errorf("order %d, %d parts end at %d", g.prime-1, shards, next)
			}
		}
	}
}

func TestWalksRefuses(t *testing.T) {
	c := mustCycle(t, 1, Grid{256, 1})
	for _, tt := range []struct {
		shard   Shard
		threads int
		want    string
	}{
		{Shard{0, 0}, 1, "no shard 0 of 0"},
		{Shard{1, 1}, 1, "no shard 1 of 1"},
		{Shard{1<<32 - 1, 3}, 1, "no shard 4294967295 of 3"},
		{Shard{0, 1}, 0, "0 threads"},
		{Shard{0, 1}, -1, "-1 threads"},
		{Shard{0, 1}, maxThreads + 1, "65537 threads: choose 1 to 65536"},
	} {
		w, err := c.Walks(tt.shard, tt.threads)
		if w != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Walks(%v, %d): got %v, %v, want an error with %q", tt.shard, tt.threads, w, err, tt.want)
		}
	}
}
