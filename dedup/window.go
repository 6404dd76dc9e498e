package dedup

import (
	"math/bits"
	"sync"
)

// A Window is the memory of method window: the targets that answered last, with the best outcome of each. When one more
// comes, the one whose last answer is longest ago is forgotten.
//
// A Window is owned by one goroutine. [New] puts a lock round the window of several receivers: it stays exact, for the
// order in which they got the lock.
//
// See allocates nothing. Memory is 24 bytes for every entry and 8 to 16 for its place in the table, touched as targets
// come.
//
//	table   hash of the key -> number of an entry; open addressing, at most half full
//	entries a ring through older and newer; entry 0 is where it begins and ends:
//	        0.older is the newest, 0.newer the oldest
type Window struct {
	entries []entry
	table   []uint32 // 0 is an empty place
	shift   uint     // 64 - log2(len(table))
	used    uint32   // entries 1 to used are in the ring
	warm    uint32   // of no meaning, see Warm
}

type entry struct {
	key          uint64
	older, newer uint32
	best         Outcome
}

// NewWindow returns a window of size targets, 1 to [MaxWindow]. It panics if size is less or more.
func NewWindow(size int) *Window {
	if size < 1 || size > MaxWindow {
		panic("dedup: window size out of range")
	}
	entries, places := windowSize(size)
	return &Window{entries: make([]entry, entries), table: make([]uint32, places), shift: uint(64 - bits.TrailingZeros(uint(places)))}
}

// windowSize is how many entries a window of so many targets has, and how many places, a power of two, its table.
func windowSize(size int) (entries, places int) {
	return size + 1, 1 << max(bits.Len64(uint64(size)*2-1), 1)
}

// See implements [Seen].
func (w *Window) See(index uint64, o Outcome) bool {
	place, n := w.find(index)
	if n == 0 {
		w.insert(place, index, o)
		return false
	}
	e := &w.entries[n]
	repeat := e.best >= o
	e.best = max(e.best, o)
	if w.entries[0].older != n {
		w.unlink(n)
		w.link(n)
	}
	return repeat
}

// Warm implements [Seen].
func (w *Window) Warm(indexes []uint64) {
	var sum uint32
	for _, index := range indexes {
		sum += w.table[w.home(index)]
	}
	w.warm = sum // so that the compiler keeps the loads
}

// home returns the place in the table where a key belongs. The folding lets the high half of the key, where the address
// is when there are many ports, reach the bits that the multiplication spreads (Knuth, TAOCP 3, 6.4: Fibonacci hashing).
func (w *Window) home(key uint64) uint64 {
	return (key ^ key>>32) * 0x9e3779b97f4a7c15 >> w.shift
}

// find returns the entry of the key, or 0 and the empty place where the key may go.
func (w *Window) find(key uint64) (place uint64, n uint32) {
	mask := uint64(len(w.table) - 1)
	for place = w.home(key); ; place = (place + 1) & mask {
		n = w.table[place]
		if n == 0 || w.entries[n].key == key {
			return place, n
		}
	}
}

// insert puts a new key at an empty place of the table. In a full window it takes the entry of the oldest key.
func (w *Window) insert(place uint64, key uint64, o Outcome) {
	var n uint32
	if int(w.used) < len(w.entries)-1 {
		w.used++
		n = w.used
	} else {
		n = w.entries[0].newer
		w.unlink(n)
		w.forget(w.entries[n].key)
		place, _ = w.find(key) // forgetting may have moved the empty place
	}
	w.table[place] = n
	w.entries[n].key, w.entries[n].best = key, o
	w.link(n)
}

// forget empties the place of a key. What was pushed on by it moves back, so that no search ends at the gap (TAOCP 3, 6.4,
// algorithm R).
func (w *Window) forget(key uint64) {
	mask := uint64(len(w.table) - 1)
	gap, _ := w.find(key)
	for place := (gap + 1) & mask; w.table[place] != 0; place = (place + 1) & mask {
		home := w.home(w.entries[w.table[place]].key)
		if (place-home)&mask >= (place-gap)&mask {
			w.table[gap] = w.table[place]
			gap = place
		}
	}
	w.table[gap] = 0
}

// link makes entry n the newest.
func (w *Window) link(n uint32) {
	newest := w.entries[0].older
	w.entries[n].older, w.entries[n].newer = newest, 0
	w.entries[newest].newer = n
	w.entries[0].older = n
}

// unlink takes entry n out of the ring.
func (w *Window) unlink(n uint32) {
	e := &w.entries[n]
	w.entries[e.older].newer = e.newer
	w.entries[e.newer].older = e.older
}

// shared is a window behind a lock. What the lock guards takes ten times as long as the lock itself, and every answer moves
// the newest end of the ring, so that finer locks would meet there again.
type shared struct {
	mu     sync.Mutex
	window *Window
}

// See implements [Seen].
func (s *shared) See(index uint64, o Outcome) bool {
	s.mu.Lock()
	repeat := s.window.See(index, o)
	s.mu.Unlock()
	return repeat
}

// Warm implements [Seen].
func (s *shared) Warm(indexes []uint64) {
	s.mu.Lock()
	s.window.Warm(indexes)
	s.mu.Unlock()
}

var (
	_ Seen = (*shared)(nil)
	_ Seen = (*Bitmap)(nil)
	_ Seen = (*Window)(nil)
	_ Seen = Nothing{}
)
