package permute

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWordsModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		seed := r.Uint64()
		w := NewWords(seed)
		var got []uint64
		for range 101 {
			got = append(got, w.Next())
		}
		if want := modelWords(seed, 101); !slices.Equal(got, want) {
			t.Errorf("words of seed %d differ from the model:\ngot  %x\nwant %x", seed, got, want)
		}
	}
}
