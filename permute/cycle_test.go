package permute

import (
	"slices"
	"testing"
)

// TestSubshardVectors holds three subshards of a /24, as C zmap cuts them.
func TestSubshardVectors(t *testing.T) {
	c := mustCycle(t, 1234, Grid{256, 1})
	want := []struct{ first, last, size uint64 }{{123, 90, 85}, {90, 116, 85}, {116, 123, 86}}
	threads := mustWalks(t, c, Shard{0, 1}, 3)
	for i, want := range want {
		shard := mustWalks(t, c, Shard{uint32(i), 3}, 1)[0]
		for name, w := range map[string]*Walk{"shard": shard, "thread": threads[i]} {
			first := w.Mark().Element
			size := uint64(len(rest(w)))
			if last := w.Mark().Element; first != want.first || last != want.last || size != want.size {
				t.Errorf("%s %d of 3: got first %d, last %d, size %d, want %v", name, i, first, last, size, want)
			}
		}
	}
}

func TestCycleModel(t *testing.T) {
	seeds := []uint64{0, 1, 2, 3, 1234, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1<<64 - 1}
	grids := []Grid{
		{1, 1},
		{200, 1},
		{300, 1},
		{1 << 17, 1},
		{1 << 26, 1},
		{1<<32 - 1, 1},
		{1 << 32, 2},
		{1 << 32, 4},
		{1 << 32, 13},
		{1 << 32, 256},
		{1 << 32, 4096},
		{1 << 32, 65535},
		{1 << 48, 1},
	}
	for _, seed := range seeds {
		for _, g := range grids {
			c, m := mustCycle(t, seed, g), newModel(t, seed, g)
			got := []uint64{c.Prime(), c.Order(), c.Generator(), c.Offset()}
			want := []uint64{m.p.Uint64(), m.q.Uint64(), m.gen.Uint64(), m.off.Uint64()}
			if !slices.Equal(got, want) {
				t.Errorf("seed %d, grid %v: got prime, order, generator, offset %d, want %d", seed, g, got, want)
			}
			if one := mulMod(c.generator, c.backward.c, c.prime); one != 1 {
				t.Errorf("seed %d, grid %v: generator times its inverse is %d, want 1", seed, g, one)
			}
		}
	}
}
