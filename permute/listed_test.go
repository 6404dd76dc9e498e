package permute

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func mustListed(t testing.TB, c *Cycle, list []uint64, s Shard, threads int) []*Listed {
	t.Helper()
	l, err := c.Listed(slices.Values(list), s, threads)
	if err != nil {
		t.Fatalf("Listed(%v, %d): %v", s, threads, err)
	}
	return l
}

// ways makes the listed walks as Listed does, and in both of its ways.
func ways(t testing.TB, c *Cycle, list []uint64, s Shard, threads int) map[string][]*Listed {
	t.Helper()
	return map[string][]*Listed{
		"Listed": mustListed(t, c, list, s, threads),
		"jump":   c.jump(mustWalks(t, c, s, threads), slices.Clone(list)),
		"sift":   c.sift(mustWalks(t, c, s, threads), c.bitmap(list)),
	}
}

// A filler is what Walk and Listed have in common.
type filler interface{ Fill(dst []uint64) int }

// drain returns all that f still gives, in fills of the given size.
func drain(f filler, size int) []uint64 {
	all, dst := []uint64{}, make([]uint64, size)
	for {
		n := f.Fill(dst)
		if all = append(all, dst[:n]...); n < size {
			return all
		}
	}
}

// filtered is the oracle: what w still gives, without what is not on the list.
func filtered(w *Walk, list []uint64) []uint64 {
	on := make(map[uint64]bool)
	for _, v := range list {
		on[v] = true
	}
	kept := []uint64{}
	for v, ok := w.Next(); ok; v, ok = w.Next() {
		if on[v] {
			kept = append(kept, v)
		}
	}
	return kept
}

// checkListed compares every thread of the listed walks, made in all ways, with the oracle.
func checkListed(t *testing.T, c *Cycle, list []uint64, s Shard, threads int) {
	t.Helper()
	var want [][]uint64
	for _, w := range mustWalks(t, c, s, threads) {
		want = append(want, filtered(w, list))
	}
	for name, listed := range ways(t, c, list, s, threads) {
		if len(listed) != threads {
			t.Fatalf("grid %v, shard %v: %s gave %d walks, want %d", c.grid, s, name, len(listed), threads)
		}
		for i, l := range listed {
			if got := drain(l, 1+len(list)/3); !slices.Equal(got, want[i]) {
				t.Fatalf("seed %d, grid %v, shard %v, thread %d of %d, list %v, %s:\ngot  %v\nwant %v",
					c.seed, c.grid, s, i, threads, list, name, got, want[i])
			}
			if n := l.Fill(make([]uint64, 3)); n != 0 {
				t.Fatalf("grid %v, shard %v, thread %d: %s goes on after its end by %d", c.grid, s, i, name, n)
			}
		}
	}
}

// TestListedSmall compares whole cycles, for lists from none to all, in any
// order and with indexes that come again.
func TestListedSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(30, 30))
	for _, g := range smallGrids {
		for _, seed := range []uint64{0, 1234, r.Uint64()} {
			c := mustCycle(t, seed, g)
			for _, n := range []int{0, 1, 2, int(g.Rows * g.Cols / 2), 2 * int(g.Rows*g.Cols)} {
				list := randomIndexes(r, g, n)
				for _, of := range []uint32{1, 3, 300} {
					checkListed(t, c, list, Shard{r.Uint32N(of), of}, 1+r.IntN(4))
				}
			}
			checkListed(t, c, rest(mustWalk(t, c)), Shard{0, 1}, 2)
		}
	}
}

// TestListedWide compares lists of groups that nobody walks, by either way to a logarithm, with the order of positions.
func TestListedWide(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 32))
	for i, g := range groupGrids {
		c := mustCycle(t, r.Uint64(), g)
		if c.prime < maxTable {
			continue
		}
		n := 500
		if i == len(groupGrids)-1 { // by the other way, which is slow to check
			n = fewQuestions
		}
		list := randomIndexes(r, g, n)
		var got []uint64
		for _, l := range mustListed(t, c, list, Shard{0, 1}, 3) {
			got = append(got, drain(l, 100)...)
		}
		want := slices.Clone(list)
		slices.Sort(want)
		want = slices.Compact(want)
		position := map[uint64]uint64{}
		for _, index := range want {
			position[index], _ = c.Position(index)
			if c.element(position[index])-1 != index {
				t.Fatalf("grid %v: position %d of index %d has another element", g, position[index], index)
			}
		}
		slices.SortFunc(want, func(a, b uint64) int { return cmp.Compare(position[a], position[b]) })
		if !slices.Equal(got, want) {
			t.Errorf("grid %v: %d indexes come in another order than that of their positions", g, len(want))
		}
	}
}

// TestListedGroups compares a piece of the cycle of each group, from which half
// of the indexes are listed, among many others. Where the bitmap would be large,
// that way is left to the small grids.
func TestListedGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 31))
	for _, g := range groupGrids {
		c := mustCycle(t, r.Uint64(), g)
		if c.prime > maxTable {
			continue // no shard is small enough to be walked: see TestListedWide
		}
		of := uint32(min(max(1, c.Order()/5000), 1<<32-1))
		for _, n := range []uint32{0, of / 2, of - 1} {
			s := Shard{n, of}
			list := randomIndexes(r, g, 1000)
			for _, w := range mustWalks(t, c, s, 3) {
				here := drain(w, 100)
				r.Shuffle(len(here), func(i, j int) { here[i], here[j] = here[j], here[i] })
				list = append(list, here[:len(here)/2]...)
			}
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			if c.prime < 1<<28 {
				checkListed(t, c, list, s, 3)
				continue
			}
			for i, l := range mustListed(t, c, list, s, 3) {
				if l.set != nil {
					t.Fatalf("grid %v: a list of %d has become a bitmap", g, len(list))
				}
				if got, want := drain(l, 100), filtered(mustWalks(t, c, s, 3)[i], list); !slices.Equal(got, want) {
					t.Errorf("grid %v, shard %v, thread %d: got %d indexes\n%v\nwant %d\n%v", g, s, i, len(got), got, len(want), want)
				}
			}
		}
	}
}

// TestListedWhole compares a whole cycle of 2^24 elements, on both sides of
// where a list becomes a bitmap.
func TestListedWhole(t *testing.T) {
	g := Grid{3 << 16, 5}
	c := mustCycle(t, 32, g)
	most := int(c.Order() / walkShare)
	list := randomIndexes(rand.New(rand.NewPCG(32, 32)), g, most+1)
	for _, n := range []int{most, most + 1} {
		listed := mustListed(t, c, list[:n], Shard{0, 1}, 3)
		for i, w := range mustWalks(t, c, Shard{0, 1}, 3) {
			if (listed[i].set != nil) != (n > most) {
				t.Errorf("list of %d of %d elements: bitmap %v", n, c.Order(), listed[i].set != nil)
			}
			if got, want := drain(listed[i], 1000), filtered(w, list[:n]); !slices.Equal(got, want) {
				t.Errorf("list of %d, thread %d: got %d indexes, want %d; the first at which they differ is number %d",
					n, i, len(got), len(want), firstDifference(got, want))
			}
		}
	}
}

func firstDifference(a, b []uint64) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// TestListedShardsTile walks all shards, each with a number of threads of its
// own: together they must give each listed index once.
func TestListedShardsTile(t *testing.T) {
	g := Grid{3702258432, 3}
	c := mustCycle(t, 33, g)
	list := randomIndexes(rand.New(rand.NewPCG(33, 33)), g, 3000)
	slices.Sort(list)
	list = slices.Compact(list)
	var all []uint64
	for n := range uint32(7) {
		for _, l := range mustListed(t, c, list, Shard{n, 7}, 1+int(n)) {
			all = append(all, drain(l, 64)...)
		}
	}
	slices.Sort(all)
	if !slices.Equal(all, list) {
		t.Errorf("7 shards gave %d indexes, want the %d of the list", len(all), len(list))
	}
}

// TestListedAsWalk lists everything, and does the same things at random to the
// walk and to what is listed of it: nothing may tell them apart.
func TestListedAsWalk(t *testing.T) {
	r := rand.New(rand.NewPCG(34, 34))
	for _, g := range smallGrids {
		c := mustCycle(t, r.Uint64(), g)
		s, threads := Shard{1, 2}, 2
		all := rest(mustWalk(t, c))
		for name, listed := range ways(t, c, all, s, threads) {
			for i, w := range mustWalks(t, c, s, threads) {
				compareAtRandom(t, r, fmt.Sprintf("grid %v, thread %d, %s", g, i, name), w, listed[i])
			}
		}
	}
}

// TestListedWaysAlike does the same with the two ways, and a list of a few.
func TestListedWaysAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 35))
	for _, g := range smallGrids {
		c := mustCycle(t, r.Uint64(), g)
		list := randomIndexes(r, g, 20)
		made := ways(t, c, list, Shard{1, 2}, 2)
		for i := range 2 {
			compareAtRandom(t, r, fmt.Sprintf("grid %v, thread %d", g, i), made["sift"][i], made["jump"][i])
		}
	}
}

// A place is what can be told about where a Walk or a Listed is.
type place interface {
	filler
	Rewind(n uint64) uint64
	Mark() Mark
	Resume(m Mark) error
}

var (
	_ place = (*Walk)(nil)
	_ place = (*Listed)(nil)
)

func compareAtRandom(t *testing.T, r *rand.Rand, name string, want, got place) {
	t.Helper()
	marks := []Mark{want.Mark()}
	for range 100 {
		did := ""
		switch r.IntN(4) {
		case 0, 1:
			a := make([]uint64, r.IntN(12))
			b := slices.Clone(a)
			did = fmt.Sprintf("Fill(%d)", len(a))
			if n, k := want.Fill(a), got.Fill(b); n != k || !slices.Equal(a[:n], b[:k]) {
				t.Fatalf("%s, %s: got %v, want %v", name, did, b[:k], a[:n])
			}
		case 2:
			back := r.Uint64N(15)
			did = fmt.Sprintf("Rewind(%d)", back)
			if a, b := want.Rewind(back), got.Rewind(back); a != b {
				t.Fatalf("%s, %s: got %d, want %d", name, did, b, a)
			}
		case 3:
			m := marks[r.IntN(len(marks))]
			did = fmt.Sprintf("Resume(%+v)", m)
			if a, b := want.Resume(m), got.Resume(m); a != nil || b != nil {
				t.Fatalf("%s, %s: got error %v, want %v", name, did, b, a)
			}
		}
		m := want.Mark()
		if n := got.Mark(); n != m {
			t.Fatalf("%s, mark after %s:\ngot  %+v\nwant %+v", name, did, n, m)
		}
		marks = append(marks, m)
	}
}

// TestListedResume stops in a walk of everything and continues with a list, and
// the other way round; and it takes a mark to another process.
func TestListedResume(t *testing.T) {
	g, s := Grid{3702258432, 3}, Shard{123456, 1 << 20}
	c := mustCycle(t, 36, g)
	all := rest(mustWalks(t, c, s, 2)[1])
	list := append(slices.Clone(all[:len(all)/2]), all[len(all)*3/4:]...)
	w := mustWalks(t, c, s, 2)[1]
	w.Fill(make([]uint64, 1000))
	l := mustListed(t, c, list, s, 2)[1]
	if err := l.Resume(w.Mark()); err != nil {
		t.Fatal(err)
	}
	got := make([]uint64, len(list)-1000-500)
	if n := l.Fill(got); n != len(got) || !slices.Equal(got, list[1000:len(list)-500]) {
		t.Errorf("with a list after the walk's mark: got %d indexes, want %d, those from number 1000 on", n, len(got))
	}
	if w = restart(t, c, l.Mark()); !slices.Equal(rest(w), list[len(list)-500:]) {
		t.Error("the walk does not continue where the listed one was stopped")
	}
	again := mustListed(t, mustCycle(t, 36, g), list, s, 2)[1]
	if err := again.Resume(l.Mark()); err != nil {
		t.Fatal(err)
	}
	if got := drain(again, 64); !slices.Equal(got, list[len(list)-500:]) {
		t.Errorf("continued in another process: got %d indexes, want 500", len(got))
	}
}

func TestListedResumeRefuses(t *testing.T) {
	c := mustCycle(t, 1, Grid{300, 7})
	for name, listed := range ways(t, c, randomIndexes(rand.New(rand.NewPCG(1, 1)), c.grid, 500), Shard{1, 4}, 3) {
		l := listed[2]
		l.Fill(make([]uint64, 20))
		good := l.Mark()
		bad := good
		bad.Element++
		for _, m := range []Mark{{}, listed[0].Mark(), bad} {
			if err := l.Resume(m); err == nil || !strings.Contains(err.Error(), "resume walk: the mark is") {
				t.Errorf("%s, Resume(%+v): got error %v", name, m, err)
			}
			if got := l.Mark(); got != good {
				t.Errorf("%s: a refused mark moved the walk to %+v", name, got)
			}
		}
	}
}

func TestListedRefuses(t *testing.T) {
	for _, tt := range []struct {
		list    []uint64
		shard   Shard
		threads int
		want    string
	}{
		{nil, Shard{1, 1}, 1, "no shard 1 of 1"},
		{nil, Shard{0, 1}, 0, "0 threads"},
		{[]uint64{0, 5}, Shard{0, 1}, 1, "no index 5 in a grid of 3x5"},
		{[]uint64{24}, Shard{0, 1}, 1, "no index 24 in a grid of 3x5"},
		{[]uint64{1<<64 - 1}, Shard{0, 1}, 1, "no index 18446744073709551615"},
		{[]uint64{0, 1, 2, 3, 4, 8, 9, 7}, Shard{0, 1}, 1, "no index 7"}, // a bitmap by then
	} {
		c := mustCycle(t, 1, Grid{3, 5})
		l, err := c.Listed(slices.Values(tt.list), tt.shard, tt.threads)
		if l != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Listed(%v, %v, %d): got %v, %v, want an error with %q", tt.list, tt.shard, tt.threads, l, err, tt.want)
		}
	}
}

func TestListedNoAllocations(t *testing.T) {
	c := mustCycle(t, 1, Grid{50000, 3})
	list := randomIndexes(rand.New(rand.NewPCG(1, 1)), c.grid, 20000)
	for name, listed := range ways(t, c, list, Shard{0, 1}, 1) {
		l, batch := listed[0], make([]uint64, 64)
		for method, f := range map[string]func(){
			"Fill":   func() { l.Fill(batch) },
			"Mark":   func() { l.Mark() },
			"Rewind": func() { l.Rewind(10) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s, %s allocates %v times, want 0", name, method, n)
			}
		}
	}
}

// TestListedShareNothing runs listed walks side by side, for the race detector.
func TestListedShareNothing(t *testing.T) {
	g := Grid{500, 11}
	c := mustCycle(t, 5, g)
	for name, listed := range ways(t, c, rest(mustWalk(t, c)), Shard{0, 1}, 8) {
		lists := make([][]uint64, len(listed))
		var wg sync.WaitGroup
		for i, l := range listed {
			wg.Go(func() {
				lists[i] = drain(l, 10)
				l.Mark()
			})
		}
		wg.Wait()
		exactly(t, g, name+" on 8 goroutines", lists...)
	}
}

func TestListedSize(t *testing.T) {
	if size := reflect.TypeFor[Listed]().Size(); size <= 112 || size > 128 {
		t.Errorf("a Listed is %d bytes, want 113 to 128: neighbours would share a cache line", size)
	}
}

// TestListedMemory says that the heap grows by what ListedMemory says, in either way of keeping a list.
func TestListedMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	c := mustCycle(t, 3, Grid{Rows: 1 << 24, Cols: 1})
	for _, every := range []uint64{100, 8} {
		n := uint64(0)
		indexes := func(yield func(uint64) bool) {
			for i := uint64(0); i < 1<<24 && yield(i); i += every {
				n++
			}
		}
		before := heap()
		l, err := c.Listed(indexes, Shard{N: 0, Of: 1}, 2)
		if err != nil {
			t.Fatal(err)
		}
		got, want := float64(heap()-before), float64(c.ListedMemory(n))
		runtime.KeepAlive(l)
		if got < 0.9*want || got > 1.4*want { // a list grows by a quarter at a time
			t.Errorf("list of %d indexes: %.0f bytes of the heap, ListedMemory says %.0f", n, got, want)
		}
	}
}
