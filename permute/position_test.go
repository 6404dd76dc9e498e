package permute

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// checkPosition goes with the model to where index should be.
func checkPosition(t *testing.T, c *Cycle, m *model, index uint64) {
	t.Helper()
	step, ok := c.Position(index)
	if !ok || step >= c.Order() {
		t.Fatalf("seed %d, grid %v: Position(%d) = %d, %v, want a step below %d", c.seed, c.grid, index, step, ok, c.Order())
	}
	if got := m.at(new(big.Int).SetUint64(step)).Uint64() - 1; got != index {
		t.Errorf("seed %d, grid %v: Position(%d) = %d, where the index is %d", c.seed, c.grid, index, step, got)
	}
}

func TestPosition(t *testing.T) {
	r := rand.New(rand.NewPCG(20, 20))
	for _, g := range groupGrids {
		for _, seed := range []uint64{2, r.Uint64()} {
			c, m := mustCycle(t, seed, g), newModel(t, seed, g)
			last := (g.Rows-1)<<c.colBits | (g.Cols - 1)
			for _, index := range append([]uint64{0, last}, randomIndexes(r, g, 10)...) {
				checkPosition(t, c, m, index)
			}
		}
	}
}

// TestPositionWalk asks for the indexes of whole walks.
func TestPositionWalk(t *testing.T) {
	for _, g := range smallGrids {
		for _, seed := range []uint64{0, 1, 1234} {
			c := mustCycle(t, seed, g)
			w := mustWalk(t, c)
			for v, ok := w.Next(); ok; v, ok = w.Next() {
				want := w.Mark().Step - 1
				if got, ok := c.Position(v); got != want || !ok {
					t.Fatalf("seed %d, grid %v: Position(%d) = %d, %v, want %d", seed, g, v, got, ok, want)
				}
			}
		}
	}
}

// TestPositionOffset has an offset equal to the order, as one seed in 257 does.
func TestPositionOffset(t *testing.T) {
	seed := uint64(0)
	c := mustCycle(t, seed, Grid{256, 1})
	for c.offset != c.Order() {
		seed++
		c = mustCycle(t, seed, Grid{256, 1})
	}
	m := newModel(t, seed, Grid{256, 1})
	for index := range uint64(256) {
		checkPosition(t, c, m, index)
	}
}

func TestPositionOutside(t *testing.T) {
	for _, tt := range []struct {
		grid    Grid
		indexes []uint64
	}{
		{Grid{256, 1}, []uint64{256, 257, 258, 1<<64 - 1}},
		{Grid{200, 1}, []uint64{200, 255}},
		{Grid{3, 5}, []uint64{5, 7, 8 + 5, 3 << 3}},
		{Grid{3702258432, 1}, []uint64{3702258432, 1 << 32, 1<<32 + 14}},
	} {
		c := mustCycle(t, 1, tt.grid)
		for _, index := range tt.indexes {
			if step, ok := c.Position(index); step != 0 || ok {
				t.Errorf("grid %v: Position(%d) = %d, %v, want 0, false", tt.grid, index, step, ok)
			}
		}
	}
}

// FuzzPosition goes from an index to its position, by both ways, and back.
func FuzzPosition(f *testing.F) {
	for which := range groupGrids {
		f.Add(uint64(which), uint64(1<<40-1), uint8(which))
	}
	f.Fuzz(func(t *testing.T, seed, index uint64, which uint8) {
		g := groupGrids[int(which)%len(groupGrids)]
		c := mustCycle(t, seed, g)
		step, ok := c.Position(index)
		if ok != (index>>Bits(g.Cols) < g.Rows && index%(1<<Bits(g.Cols)) < g.Cols) {
			t.Fatalf("grid %v: Position(%d) = %d, %v", g, index, step, ok)
		}
		if !ok {
			return
		}
		if got := c.element(step) - 1; got != index || step >= c.Order() {
			t.Errorf("seed %d, grid %v: Position(%d) = %d, where the index is %d", seed, g, index, step, got)
		}
		if got := c.since(newLogs(c, 1).of(index + 1)); got != step {
			t.Errorf("seed %d, grid %v: Position(%d) = %d, but %d by fractions", seed, g, index, step, got)
		}
	})
}
