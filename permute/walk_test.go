package permute

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
)

var smallGrids = []Grid{
	{1, 1},
	{2, 1},
	{1, 2},
	{3, 5},
	{7, 16},
	{255, 1},
	{256, 1},
	{1, 256},
	{16, 16},
	{128, 2},
	{257, 1},
	{1, 257},
	{16, 17},
	{85, 3},
	{1, 1000},
	{300, 7},
	{100, 80},
}

// TestWalkModel compares whole walks with the model, through Next and through
// Fill, over grids, seeds and every number of shards that C zmap allows.
func TestWalkModel(t *testing.T) {
	for _, g := range smallGrids {
		for _, seed := range []uint64{0, 1, 1234, 1<<64 - 1} {
			c, m := mustCycle(t, seed, g), newModel(t, seed, g)
			for _, shards := range []uint32{1, 2, 3, 7, 64, 255} {
				step := max(1, shards/4) // the model is slow: not every shard of many
				for n := uint32(0); n < shards; n += step {
					name := fmt.Sprintf("seed %d, grid %v, shard %d of %d", seed, g, n, shards)
					want := m.subshard(int64(n), int64(shards), 1<<30)
					if got := rest(mustWalks(t, c, Shard{n, shards}, 1)[0]); !slices.Equal(got, want) {
						t.Fatalf("%s, Next:\ngot  %v\nwant %v", name, got, want)
					}
					got := make([]uint64, len(want)+1)
					w := mustWalks(t, c, Shard{n, shards}, 1)[0]
					if k := w.Fill(got); k != len(want) || !slices.Equal(got[:k], want) {
						t.Fatalf("%s, Fill: %d of %d\ngot  %v\nwant %v", name, k, len(want), got, want)
					}
					if _, ok := w.Next(); ok || w.Fill(got) != 0 {
						t.Fatalf("%s: the walk goes on after its end", name)
					}
				}
			}
		}
	}
}

// TestWalkModelLarge compares the beginning of walks in each group with the
// model, from all quarters of the cycle and across the end of each.
func TestWalkModelLarge(t *testing.T) {
	grids := []Grid{
		{1 << 16, 1},
		{1 << 23, 1},
		{1<<24 + 1, 1},
		{3702258432, 1},
		{1<<32 - 1, 2},
		{1<<32 - 1, 3},
		{1<<32 - 1, 9},
		{1<<32 - 1, 200},
		{1<<32 - 1, 257},
		{1<<32 - 1, 65535},
		{1 << 32, 1 << 16},
		{1 << 48, 1},
		{1, 1 << 48},
		{1<<47 + 1, 1},
		{1 << 20, 1 << 28},
	}
	for _, g := range grids {
		for _, seed := range []uint64{1, 2, 77} {
			c, m := mustCycle(t, seed, g), newModel(t, seed, g)
			for n := range 4 {
				want := m.subshard(int64(n), 4, 300)
				for name, w := range map[string]*Walk{
					"shard":  mustWalks(t, c, Shard{uint32(n), 4}, 1)[0],
					"thread": mustWalks(t, c, Shard{0, 1}, 4)[n],
				} {
					got := make([]uint64, len(want))
					if k := w.Fill(got); k != len(got) || !slices.Equal(got, want) {
						t.Fatalf("seed %d, grid %v, %s %d of 4: got %d\n%v\nwant\n%v", seed, g, name, n, k, got, want)
					}
				}
				// The end: the last step must arrive at the model's last element.
				w := mustWalks(t, c, Shard{uint32(n), 4}, 1)[0]
				w.goTo(w.length - 1000)
				rest(w)
				part := new(big.Int).Div(m.q, big.NewInt(4))
				last := m.at(part.Mul(part, big.NewInt(int64((n+1)%4)))).Uint64()
				if got := w.Mark().Element; got != last {
					t.Errorf("seed %d, grid %v, shard %d of 4 ends at %d, want %d", seed, g, n, got, last)
				}
			}
		}
	}
}

// TestWalkLong steps where C zmap overflows and falls into a loop of 99,860
// elements after 9.2 million (seed 2, the whole of IPv4 with 257 ports).
func TestWalkLong(t *testing.T) {
	for _, g := range []Grid{{1<<32 - 1, 257}, {1<<32 - 1, 65535}} {
		c, m := mustCycle(t, 2, g), newModel(t, 2, g)
		w := mustWalk(t, c)
		targets := make([]uint64, 1_000_000)
		for done := 0; done < len(targets); {
			batch := targets[done:min(done+100_000, len(targets))]
			if n := w.Fill(batch); n != len(batch) {
				t.Fatalf("grid %v: the walk ends after %d indexes", g, done+n)
			}
			done += len(batch)
			mark := w.Mark()
			if want := m.at(new(big.Int).SetUint64(mark.Step)).Uint64(); mark.Element != want {
				t.Fatalf("grid %v: element %d at step %d, want %d", g, mark.Element, mark.Step, want)
			}
		}
		slices.Sort(targets)
		if n := len(slices.Compact(targets)); n != len(targets) {
			t.Errorf("grid %v: %d of the first %d indexes are distinct, want all", g, n, len(targets))
		}
		if last := targets[len(targets)-1]; last>>Bits(g.Cols) >= g.Rows {
			t.Errorf("grid %v: index %d is outside", g, last)
		}
	}
}

// TestReductions goes far enough through the largest group, forth and back, to
// meet products that times leaves unreduced: about one in 2^18.
func TestReductions(t *testing.T) {
	g := Grid{1 << 48, 1}
	c := mustCycle(t, 2, g)
	w := mustWalk(t, c)
	batch := make([]uint64, 1024)
	w.Fill(batch)
	start := w.Mark()
	x, unreduced := start.Element, 0
	for range 4096 {
		w.Fill(batch)
		for i, v := range batch {
			for x > g.Rows { // one of the few elements that are no index
				x = mulMod(x, c.generator, c.prime)
			}
			if v != x-1 {
				t.Fatalf("number %d of a batch: got %d, want %d", i, v, x-1)
			}
			if c.forward.times(x, c.prime) >= c.prime {
				unreduced++
			}
			x = mulMod(x, c.generator, c.prime)
		}
	}
	if unreduced == 0 {
		t.Error("every product was reduced: this test has tested nothing")
	}
	for range 4096 {
		if n := w.Rewind(uint64(len(batch))); n != uint64(len(batch)) {
			t.Fatalf("Rewind(%d) = %d", len(batch), n)
		}
	}
	if got := w.Mark(); got != start {
		t.Errorf("back at %+v, want %+v", got, start)
	}
}

// TestUnreduced puts the prime on top of the element, as times may do.
// Nothing that a walk does may show it.
func TestUnreduced(t *testing.T) {
	for _, g := range append([]Grid{{1 << 32, 1 << 16}, {1 << 48, 1}, {1 << 32, 1}}, smallGrids...) {
		c := mustCycle(t, 4, g)
		plain, odd := mustWalk(t, c), mustWalk(t, c)
		for range 20 {
			odd.x = reduce(odd.x, c.prime) + c.prime
			if a, b := plain.Mark(), odd.Mark(); a != b {
				t.Fatalf("grid %v: got mark %+v, want %+v", g, b, a)
			}
			want, got := make([]uint64, 7), make([]uint64, 7)
			if a, b := plain.Fill(want), odd.Fill(got); a != b || !slices.Equal(got, want) {
				t.Fatalf("grid %v, Fill: got %v (%d), want %v (%d)", g, got, b, want, a)
			}
			odd.x = reduce(odd.x, c.prime) + c.prime
			a, _ := plain.Next()
			if b, _ := odd.Next(); a != b {
				t.Fatalf("grid %v, Next: got %d, want %d", g, b, a)
			}
			odd.x = reduce(odd.x, c.prime) + c.prime
			if a, b := plain.Rewind(3), odd.Rewind(3); a != b {
				t.Fatalf("grid %v, Rewind(3): got %d, want %d", g, b, a)
			}
		}
	}
}

// TestCount compares the test without branches with the plain one, most of all at the edges.
func TestCount(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	grids := append([]Grid{{1<<32 - 1, 257}, {1 << 32, 1 << 16}, {1 << 48, 1}, {1, 1 << 48}, {1<<47 + 1, 1}}, smallGrids...)
	for _, g := range grids {
		c := mustCycle(t, 1, g)
		for range 1000 {
			row := g.Rows + uint64(r.IntN(5)) - 3
			col := g.Cols + uint64(r.IntN(5)) - 3
			for _, v := range []uint64{row<<c.colBits | col, row << c.colBits, col, r.Uint64()} {
				v %= c.Order()
				want := 0
				if v>>Bits(g.Cols) < g.Rows && v%(1<<Bits(g.Cols)) < g.Cols {
					want = 1
				}
				if got := c.count(v); got != want || c.has(v) != (want == 1) {
					t.Fatalf("grid %v, %d: count %d, has %v, want %d", g, v, got, c.has(v), want)
				}
			}
		}
	}
}

// TestFillAnySize mixes Next with fills of all sizes: the order must not depend on them.
func TestFillAnySize(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, g := range smallGrids {
		c := mustCycle(t, 9, g)
		want := rest(mustWalk(t, c))
		for range 5 {
			w, got := mustWalk(t, c), []uint64{}
			for over := false; !over; {
				dst := make([]uint64, r.IntN(40))
				n := w.Fill(dst)
				over = n < len(dst)
				got = append(got, dst[:n]...)
				if v, ok := w.Next(); ok {
					got = append(got, v)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("grid %v: mixed calls got\n%v\nwant\n%v", g, got, want)
			}
		}
	}
}

// TestWalksShareNothing runs walks of one cycle side by side, for the race detector.
func TestWalksShareNothing(t *testing.T) {
	g := Grid{500, 11}
	c := mustCycle(t, 5, g)
	walks := mustWalks(t, c, Shard{0, 1}, 8)
	lists := make([][]uint64, len(walks))
	var wg sync.WaitGroup
	for i, w := range walks {
		wg.Go(func() { lists[i] = rest(w) })
	}
	wg.Wait()
	exactly(t, g, "on 8 goroutines", lists...)
}

func TestWalkSize(t *testing.T) {
	// The allocator's sizes are 112 and 128 bytes here; 128 is aligned to itself.
	if size := reflect.TypeFor[Walk]().Size(); size <= 112 || size > 128 {
		t.Errorf("a Walk is %d bytes, want 113 to 128: neighbours would share a cache line", size)
	}
}

func TestNoAllocations(t *testing.T) {
	w := mustWalk(t, mustCycle(t, 1, Grid{3702258432, 3}))
	words := NewWords(1)
	batch := make([]uint64, 64)
	for name, f := range map[string]func(){
		"Next":       func() { w.Next() },
		"Fill":       func() { w.Fill(batch) },
		"Mark":       func() { w.Mark() },
		"Rewind":     func() { w.Rewind(10) },
		"Words.Next": func() { words.Next() },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}
