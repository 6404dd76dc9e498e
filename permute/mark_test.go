package permute

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// restart makes the walk of m anew, as another process would from its JSON.
func restart(t *testing.T, c *Cycle, m Mark) *Walk {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatalf("marshal %+v: %v", m, err)
	}
	var back Mark
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("unmarshal %s: %v", text, err)
	}
	if back != m {
		t.Fatalf("JSON %s changed the mark: %s", text, cmp.Diff(m, back))
	}
	w := mustWalks(t, mustCycle(t, c.seed, c.grid), m.Shard, int(m.Threads))[m.Thread]
	if err := w.Resume(back); err != nil {
		t.Fatalf("resume at %s: %v", text, err)
	}
	if got := w.Mark(); got != m {
		t.Fatalf("mark after Resume: %s", cmp.Diff(m, got))
	}
	return w
}

// TestResumeEverywhere stops and restarts every walk of every shard again and
// again at random places; what comes out must be what comes without a stop.
func TestResumeEverywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, g := range smallGrids {
		c := mustCycle(t, r.Uint64(), g)
		const shards, threads = 3, 2
		var all [][]uint64
		for n := range uint32(shards) {
			whole := mustWalks(t, c, Shard{n, shards}, threads)
			for i, w := range mustWalks(t, c, Shard{n, shards}, threads) {
				got := []uint64{}
				for over := false; !over; w = restart(t, c, w.Mark()) {
					dst := make([]uint64, 1+r.IntN(2+int(g.Rows*g.Cols)/8))
					k := w.Fill(dst)
					got, over = append(got, dst[:k]...), k < len(dst)
				}
				if want := rest(whole[i]); !slices.Equal(got, want) {
					t.Fatalf("grid %v, shard %d, thread %d: with restarts\n%v\nwant\n%v", g, n, i, got, want)
				}
				all = append(all, got)
			}
		}
		exactly(t, g, "with restarts", all...)
	}
}

// TestResumeLarge restarts in the group in which 64 bits overflow.
func TestResumeLarge(t *testing.T) {
	c := mustCycle(t, 2, Grid{1<<32 - 1, 60000})
	straight := mustWalks(t, c, Shard{4, 5}, 3)[2]
	want := make([]uint64, 5000)
	straight.Fill(want)
	w, got := mustWalks(t, c, Shard{4, 5}, 3)[2], make([]uint64, 5000)
	for i := 0; i < len(got); i += 500 {
		w.Fill(got[i : i+500])
		w = restart(t, c, w.Mark())
	}
	if !slices.Equal(got, want) {
		t.Error("order with restarts differs")
	}
	if a, b := straight.Mark(), w.Mark(); a != b {
		t.Errorf("marks differ: %s", cmp.Diff(a, b))
	}
}

func TestResumeBothWays(t *testing.T) {
	w := mustWalk(t, mustCycle(t, 3, Grid{90, 2}))
	start := w.Mark()
	all := rest(w)
	end := w.Mark()
	for range 2 {
		if err := w.Resume(start); err != nil {
			t.Fatal(err)
		}
		if got := rest(w); !slices.Equal(got, all) {
			t.Fatalf("again from the start: got %v, want %v", got, all)
		}
	}
	if err := mustWalk(t, w.cycle).Resume(end); err != nil {
		t.Fatal(err)
	}
	if v, ok := w.Next(); ok {
		t.Errorf("at the end got %d, want nothing", v)
	}
}

func TestRewind(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, g := range append([]Grid{{1<<32 - 1, 257}, {3702258432, 1}, {1 << 48, 1}}, smallGrids...) {
		w := mustWalks(t, mustCycle(t, 8, g), Shard{1, 2}, 3)[1]
		var given []uint64
		for range 50 {
			dst := make([]uint64, r.IntN(20))
			given = append(given, dst[:w.Fill(dst)]...)
			n := r.IntN(30)
			want := min(n, len(given))
			if got := w.Rewind(uint64(n)); got != uint64(want) {
				t.Fatalf("grid %v: Rewind(%d) after %d indexes = %d, want %d", g, n, len(given), got, want)
			}
			again := make([]uint64, want)
			if k := w.Fill(again); k != want || !slices.Equal(again, given[len(given)-want:]) {
				t.Fatalf("grid %v: after Rewind(%d) got %v, want %v", g, n, again[:k], given[len(given)-want:])
			}
			if n%3 == 0 { // a mark taken after going back is as good as any
				w.Rewind(uint64(want))
				if err := w.Resume(w.Mark()); err != nil {
					t.Fatalf("grid %v: resume after Rewind(%d): %v", g, want, err)
				}
				given = given[:len(given)-want]
			}
		}
	}
}

func TestResumeRefuses(t *testing.T) {
	w := mustWalks(t, mustCycle(t, 1, Grid{300, 7}), Shard{1, 4}, 3)[2]
	w.Fill(make([]uint64, 20))
	good := w.Mark()
	for _, tt := range []struct {
		change func(m *Mark)
		want   string
	}{
		{func(m *Mark) { *m = Mark{} }, "the mark is empty"},
		{func(m *Mark) { m.Seed = 2 }, "the mark is of seed 2, the walk of 1"},
		{func(m *Mark) { m.Grid.Rows = 299 }, "the mark is of grid (addresses x ports) 299x7, the walk of 300x7"},
		{func(m *Mark) { m.Grid.Cols = 8 }, "300x8, the walk of 300x7"},
		{func(m *Mark) { m.Shard.N = 0 }, "the mark is of shard 0 of 4, the walk of 1 of 4"},
		{func(m *Mark) { m.Shard.Of = 5 }, "the mark is of shard 1 of 5, the walk of 1 of 4"},
		{func(m *Mark) { m.Threads = 4 }, "the mark is of number of threads 4, the walk of 3"},
		{func(m *Mark) { m.Thread = 0 }, "the mark is of thread 0, the walk of 2"},
		{func(m *Mark) { m.Step++ }, "damaged: element"},
		{func(m *Mark) { m.Step = 1<<64 - 1 }, "damaged: step 18446744073709551615"},
		{func(m *Mark) { m.Step = w.length + 1 }, "damaged: step"},
		{func(m *Mark) { m.Element++ }, "damaged: element"},
		{func(m *Mark) { m.Element += w.cycle.prime }, "damaged: element"},
		{func(m *Mark) { m.Element = 0 }, "damaged: element 0"},
	} {
		bad := good
		tt.change(&bad)
		if err := w.Resume(bad); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Resume(%+v): got error %v, want %q", bad, err, tt.want)
		}
		if got := w.Mark(); got != good {
			t.Errorf("a refused mark moved the walk: %s", cmp.Diff(good, got))
		}
	}
}

// TestResumeForeign offers the marks of all walks to all walks.
func TestResumeForeign(t *testing.T) {
	var walks []*Walk
	for _, seed := range []uint64{1, 2} {
		for _, g := range []Grid{{256, 1}, {128, 2}} {
			c := mustCycle(t, seed, g)
			for _, threads := range []int{1, 2} {
				walks = append(walks, mustWalks(t, c, Shard{0, 1}, threads)...)
				walks = append(walks, mustWalks(t, c, Shard{1, 2}, threads)...)
			}
		}
	}
	for i, from := range walks {
		for j, to := range walks {
			if err := to.Resume(from.Mark()); (err == nil) != (i == j) {
				t.Errorf("mark %+v offered to walk %+v: error %v", from.Mark(), to.Mark(), err)
			}
		}
	}
}

func TestMarkJSON(t *testing.T) {
	w := mustWalks(t, mustCycle(t, 1<<64-1, Grid{256, 1}), Shard{1, 2}, 1)[0]
	w.Next()
	got, err := json.Marshal(w.Mark())
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(t, 1<<64-1, Grid{256, 1})
	second := m.subshard(1, 2, 2)[1] + 1 // the element of the second index
	want := `{"seed":"18446744073709551615","grid":{"rows":256,"cols":1},"shard":{"n":1,"of":2},` +
		`"thread":0,"threads":1,"step":1,"element":` + jsonNumber(t, second) + `}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func jsonNumber(t *testing.T, v uint64) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzResume offers marks that nobody made: each is refused, or it continues
// inside the grid and is the very mark of where the walk then is.
func FuzzResume(f *testing.F) {
	g := Grid{300, 7}
	c, err := New(1, g)
	if err != nil {
		f.Fatal(err)
	}
	walks, err := c.Walks(Shard{0, 2}, 2)
	if err != nil {
		f.Fatal(err)
	}
	for range 3 {
		text, err := json.Marshal(walks[0].Mark())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		walks[0].Fill(make([]uint64, 100))
	}
	f.Add([]byte(`{"seed":"1"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m Mark
		if json.Unmarshal(text, &m) != nil {
			return
		}
		w := mustWalks(t, c, Shard{0, 2}, 2)[0]
		if w.Resume(m) != nil {
			return
		}
		if got := w.Mark(); got != m {
			t.Fatalf("mark after Resume: %s", cmp.Diff(m, got))
		}
		for i, v := range rest(w) {
			if v>>3 >= g.Rows || v&7 >= g.Cols || i >= int(w.length) {
				t.Fatalf("index %d (number %d) is outside the walk", v, i)
			}
		}
	})
}

// TestListedOf gives what Listed gives, of lists of both ways.
func TestListedOf(t *testing.T) {
	c := mustCycle(t, 9, Grid{5000, 3})
	r := rand.New(rand.NewPCG(8, 8))
	for _, n := range []int{0, 1, 100, 3000} {
		list := randomIndexes(r, Grid{5000, 3}, n)
		want, err := c.Listed(slices.Values(list), Shard{1, 2}, 2)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.ListedOf(list, Shard{1, 2}, 2)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			a, b := make([]uint64, 5000), make([]uint64, 5000)
			a, b = a[:want[i].Fill(a)], b[:got[i].Fill(b)]
			if d := cmp.Diff(a, b); d != "" {
				t.Errorf("%d indexes, thread %d:\n%s", n, i, d)
			}
		}
	}
	if _, err := c.ListedOf([]uint64{1 << 40}, Shard{0, 1}, 1); err == nil {
		t.Error("an index that is not in the grid is taken")
	}
}

// TestMarkAt makes marks of steps of a walk that has gone on since, and finds where indexes come in it.
func TestMarkAt(t *testing.T) {
	c := mustCycle(t, 5, Grid{1000, 3})
	walks, err := c.Walks(Shard{1, 3}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var list []uint64
	for i := range uint64(300) {
		list = append(list, i*3<<2)
	}
	for _, indexes := range [][]uint64{list, list[:3]} { // a bitmap, and jumps
		listed, err := c.Listed(slices.Values(indexes), Shard{1, 3}, 2)
		if err != nil {
			t.Fatal(err)
		}
		for n, l := range listed {
			marks := map[uint64]Mark{l.Step(): l.Mark()}
			for one := make([]uint64, 1); l.Fill(one) == 1; {
				marks[l.Step()] = l.Mark()
				position, _ := c.Position(one[0])
				if step, ok := l.Locate(position); !ok || step != l.Step()-1 {
					t.Fatalf("index %d comes at step %d, %v, want %d", one[0], step, ok, l.Step()-1)
				}
				if _, ok := walks[1-n].Locate(position); ok {
					t.Fatalf("index %d is in both walks", one[0])
				}
			}
			for step, want := range marks {
				if got := l.MarkAt(step); got != want {
					t.Errorf("mark at %d: %+v, want %+v", step, got, want)
				}
			}
		}
	}
}
