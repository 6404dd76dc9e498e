package dedup

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRecall compares with a map: failures of recalled targets are repeats, and nothing else changes.
func TestRecall(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	const targets = 1 << 17
	for _, n := range []int{0, 1, 2, 3, 1000, 60_000} {
		failed := map[uint64]bool{}
		var list []uint64
		for range n {
			index := r.Uint64N(targets)
			failed[index] = true
			list = append(list, index)
		}
		slices.Sort(list)
		seen, plain := Recall(NewBitmap(targets), slices.Compact(list)), NewBitmap(targets)
		for range 200_000 {
			index, o := r.Uint64N(targets), Outcome(r.IntN(2))
			want := plain.See(index, o) || o == Failure && failed[index]
			if got := seen.See(index, o); got != want {
				t.Fatalf("%d recalled: See(%d, %d) = %v, want %v", n, index, o, got, want)
			}
		}
	}
}
