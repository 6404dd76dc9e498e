package permute

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWordsVectors(t *testing.T) {
	for _, tt := range []struct {
		seed, first, second uint64
	}{
		{0, 0x3b2c8aefd44be966, 0x2e2b34ca59fa4c88},
		{1, 0xbb1a61f95dd80edc, 0x7e46c568d1cd4972},
		{2, 0x6a83538d23d217c1, 0x216a5db8cddd92cd},
		{1234, 0xcfec738f1887a336, 0x749b49a6007839d6},
		{1<<64 - 1, 0x095f6353e019be84, 0x2db485ae7b5e66f2},
		{1<<63 - 1, 0x7eb54391127ab373, 0x3b9832eec18117c6},
	} {
		w := NewWords(tt.seed)
		first, second := w.Next(), w.Next()
		if first != tt.first || second != tt.second {
			t.Errorf("words of seed %d: got %016x, %016x, want %016x, %016x", tt.seed, first, second, tt.first, tt.second)
		}
	}
}

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
