package dedup

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// slowWindow is the obvious twin: a list of answers, the latest first.
type slowWindow struct {
	size int
	list []slowEntry
}

type slowEntry struct {
	key  uint64
	best Outcome
}

func (w *slowWindow) See(index uint64, o Outcome) bool {
	i := slices.IndexFunc(w.list, func(e slowEntry) bool { return e.key == index })
	e := slowEntry{index, o}
	repeat := false
	if i >= 0 {
		repeat = w.list[i].best >= o
		e.best = max(o, w.list[i].best)
		w.list = slices.Delete(w.list, i, i+1)
	}
	w.list = slices.Insert(w.list, 0, e)
	w.list = w.list[:min(len(w.list), w.size)]
	return repeat
}

// check fails if the ring or the table has lost or doubled something, or holds other keys or another order than the twin.
func (w *Window) check(t *testing.T, twin *slowWindow) {
	t.Helper()
	var ring []slowEntry
	for n := w.entries[0].older; n != 0; n = w.entries[n].older {
		e := w.entries[n]
		ring = append(ring, slowEntry{e.key, e.best})
		if w.entries[e.older].newer != n {
			t.Fatalf("entry %d: its older neighbour does not know it", n)
		}
		if _, found := w.find(e.key); found != n {
			t.Fatalf("key %d: got entry %d from the table, want %d", e.key, found, n)
		}
	}
	if !slices.Equal(ring, twin.list) {
		t.Fatalf("got  %v\nwant %v", ring, twin.list)
	}
	taken := 0
	for _, n := range w.table {
		if n != 0 {
			taken++
		}
	}
	if taken != len(ring) {
		t.Fatalf("got %d places taken, want %d", taken, len(ring))
	}
}

// neighbours returns n keys that all belong into the last two places of w's table: chains are long and wrap.
func neighbours(w *Window, n int) []uint64 {
	var keys []uint64
	for key := uint64(0); len(keys) < n; key++ {
		if w.home(key) >= uint64(len(w.table)-2) {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestWindowOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, size := range []int{1, 2, 3, 4, 7, 8, 50, 64, 100} {
		keySets := map[string][]uint64{"neighbours": neighbours(NewWindow(size), size+size/2+2), "spread": nil, "dense": nil}
		for i := range uint64(size + size/2 + 2) {
			keySets["spread"] = append(keySets["spread"], rng.Uint64())
			keySets["dense"] = append(keySets["dense"], i<<16) // one port of many
		}
		for name, keys := range keySets {
			w, twin := NewWindow(size), &slowWindow{size: size}
			for step := range 4000 {
				key, o := keys[rng.IntN(len(keys))], Outcome(rng.IntN(2))
				if got, want := w.See(key, o), twin.See(key, o); got != want {
					t.Fatalf("size %d, %s, step %d, See(%d, %d): got %v, want %v", size, name, step, key, o, got, want)
				}
				if step%50 == 0 || step < 50 {
					w.check(t, twin)
				}
			}
		}
	}
}

// TestWindowForgets spells out what least recently used means: answering again keeps a target.
func TestWindowForgets(t *testing.T) {
	w := NewWindow(2)
	steps := []struct {
		index  uint64
		repeat bool
	}{{1, false}, {2, false}, {1, true}, {3, false}, {1, true}, {2, false}, {3, false}}
	for i, s := range steps {
		if got := w.See(s.index, Success); got != s.repeat {
			t.Errorf("step %d, target %d: got repeat %v, want %v", i, s.index, got, s.repeat)
		}
	}
}

// TestWindowSmallSpace makes sure that a window is not larger than the space it serves.
func TestWindowSmallSpace(t *testing.T) {
	seen, err := New(Config{Method: MethodWindow, Targets: 256, Window: DefaultWindow, Receivers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(seen.(*Window).entries); got != 257 {
		t.Errorf("entries for 256 targets: got %d, want 257", got)
	}
	for i := range uint64(256) {
		seen.See(i, Success)
	}
	for i := range uint64(256) {
		if !seen.See(i, Success) {
			t.Fatalf("target %d was forgotten", i)
		}
	}
}

// TestWindowShared lets receivers see the same targets in different orders. Every target must be new to exactly one of
// them, and the window whole at the end, whether the number of receivers was told or not.
func TestWindowShared(t *testing.T) {
	const receivers, targets = 4, 5000
	for _, told := range []int{0, receivers} {
		seen, err := New(Config{Method: MethodWindow, Targets: targets, Window: targets, Receivers: told})
		if err != nil {
			t.Fatal(err)
		}
		var news [targets]atomic.Uint32
		var wg sync.WaitGroup
		for g := range receivers {
			wg.Go(func() {
				for _, i := range rand.New(rand.NewPCG(uint64(g), 1)).Perm(targets) {
					if !seen.See(uint64(i), Success) {
						news[i].Add(1)
					}
				}
			})
		}
		wg.Wait()
		for i := range news {
			if n := news[i].Load(); n != 1 {
				t.Fatalf("told %d: target %d was new to %d receivers, want 1", told, i, n)
			}
		}
		for i := range uint64(targets) {
			if !seen.See(i, Success) {
				t.Fatalf("told %d: target %d was forgotten", told, i)
			}
		}
	}
}

func TestNewWindowPanics(t *testing.T) {
	for _, size := range []int{0, -1, MaxWindow + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewWindow(%d): no panic", size)
				}
			}()
			NewWindow(size)
		}()
	}
}

// FuzzWindow plays answers made of the input, two bytes each, to the window and to its twin.
func FuzzWindow(f *testing.F) {
	f.Add(uint8(1), []byte("\x00\x01\x00\x02\x00\x01"))
	f.Add(uint8(3), []byte("abcdabcdefgabcddcba"))
	f.Fuzz(func(t *testing.T, size uint8, answers []byte) {
		w, twin := NewWindow(int(size)+1), &slowWindow{size: int(size) + 1}
		for len(answers) >= 2 {
			v := binary.BigEndian.Uint16(answers)
			answers = answers[2:]
			key, o := uint64(v>>1)<<(v%40), Outcome(v&1)
			if got, want := w.See(key, o), twin.See(key, o); got != want {
				t.Fatalf("size %d, See(%d, %d): got %v, want %v", int(size)+1, key, o, got, want)
			}
		}
		w.check(t, twin)
	})
}
