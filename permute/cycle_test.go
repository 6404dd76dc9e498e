package permute

import (
	"slices"
	"testing"
)

// TestVectors holds the orders that C zmap gives (ziterate --seed).
func TestVectors(t *testing.T) {
	for _, tt := range []struct {
		seed             uint64
		grid             Grid
		prime, generator uint64
		offset, first    uint64
		targets          []uint64 // indexes
	}{
		{1, Grid{256, 1}, 257, 74, 37, 20, []uint64{19, 194, 37, 241, 174, 99}},
		{1234, Grid{256, 1}, 257, 3, 20, 123, []uint64{122, 111, 78, 236, 196, 76}},
		{1234, Grid{65536, 1}, 65537, 35504, 14686, 49086, []uint64{49085, 54976, 14936, 63380, 591, 46527}},
		{1, Grid{1, 300}, 65537, 45318, 30630, 57719, []uint64{31, 183, 281, 24, 107, 250}},
		{2, Grid{1<<32 - 1, 1}, 4294967311, 1185732, 3453850317, 4278245414, []uint64{4278245413, 2175701282, 748538139, 2041065707, 2973872109}},
		{2, Grid{1<<32 - 1, 2}, 8589934609, 1185730, 3453850317, 7822955822, []uint64{3911477910<<1 | 1, 1899907268<<1 | 1, 2270351552 << 1, 2864394792 << 1}},
		{2, Grid{3702258432, 1}, 4294967311, 1185732, 3453850317, 4278245414, []uint64{2175701282, 748538139, 2041065707, 2973872109}},
		{2, Grid{1<<32 - 1, 257}, 17592186044423, 1185732, 3453850317, 11591141514193, nil},
	} {
		c := mustCycle(t, tt.seed, tt.grid)
		got := []uint64{c.Prime(), c.Generator(), c.Offset(), c.element(0)}
		if want := []uint64{tt.prime, tt.generator, tt.offset, tt.first}; !slices.Equal(got, want) {
			t.Errorf("seed %d, grid %v: got prime, generator, offset, first element %d, want %d", tt.seed, tt.grid, got, want)
		}
		targets := make([]uint64, len(tt.targets))
		if n := mustWalk(t, c).Fill(targets); n != len(targets) || !slices.Equal(targets, tt.targets) {
			t.Errorf("seed %d, grid %v: got targets %d (%d), want %d", tt.seed, tt.grid, targets, n, tt.targets)
		}
	}
}

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
