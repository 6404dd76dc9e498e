package permute

import (
	"errors"
	"fmt"
)

// A Mark is a place in a walk: with the walk it came from, or with the walk
// that another process makes from the same seed, grid, shard and number of
// threads, it continues after the last index given out, repeating none and
// missing none. It says whose walk it is, so that it continues no other; what
// the indexes stand for (lists, ports) it cannot know.
//
// Marks compare with ==, and go through JSON unchanged; the seed is a string
// there, since many readers of JSON round numbers beyond 2^53. The zero Mark
// belongs to no walk.
type Mark struct {
	Seed    uint64 `json:"seed,string"`
	Grid    Grid   `json:"grid"`
	Shard   Shard  `json:"shard"`
	Thread  uint32 `json:"thread"`  // counts from 0
	Threads uint32 `json:"threads"` // of the shard
	Step    uint64 `json:"step"`    // elements behind the walk
	Element uint64 `json:"element"` // next to be tested; follows from the rest, and proves it undamaged
}

// Mark returns the place the walk is at. It does not allocate.
func (w *Walk) Mark() Mark { return w.MarkAt(w.Step()) }

// Step returns how many elements are behind the walk. It costs nothing.
func (w *Walk) Step() uint64 { return w.length - w.left }

// MarkAt returns what Mark returned when that many elements, at most all, were behind the walk. Unlike the other methods it may be called
// while the walk's owner uses it.
func (w *Walk) MarkAt(step uint64) Mark {
	c := w.cycle
	return Mark{
		Seed: c.seed, Grid: c.grid, Shard: w.shard,
		Thread: w.thread, Threads: w.threads,
		Step: step, Element: c.element(w.start + step),
	}
}

// Locate returns how many elements of the walk come before the one that is the given number of steps from the start of the cycle (see
// [Cycle.Position]); false if that is in the walk of another shard or thread. It may be called as MarkAt may.
func (w *Walk) Locate(position uint64) (step uint64, ok bool) {
	if position < w.start || position-w.start >= w.length {
		return 0, false
	}
	return position - w.start, true
}

// Resume takes the walk to m, wherever the walk is now. It refuses a mark of
// another walk, and one that no walk has made; the walk then stays where it is.
func (w *Walk) Resume(m Mark) error {
	c := w.cycle
	switch {
	case m == Mark{}:
		return errors.New("resume walk: the mark is empty")
	case m.Seed != c.seed:
		return foreign("seed", m.Seed, c.seed)
	case m.Grid != c.grid:
		return foreign("grid (addresses x ports)", m.Grid, c.grid)
	case m.Shard != w.shard:
		return foreign("shard", m.Shard, w.shard)
	case m.Threads != w.threads:
		return foreign("number of threads", m.Threads, w.threads)
	case m.Thread != w.thread:
		return foreign("thread", m.Thread, w.thread)
	case m.Step > w.length:
		return fmt.Errorf("resume walk: the mark is damaged: step %d of a walk of %d", m.Step, w.length)
	}
	if want := c.element(w.start + m.Step); m.Element != want {
		return fmt.Errorf("resume walk: the mark is damaged: element %d at step %d, where %d belongs", m.Element, m.Step, want)
	}
	w.goTo(m.Step)
	return nil
}

// foreign is the error for a mark that differs from the walk in what.
func foreign(what string, mark, walk any) error {
	return fmt.Errorf("resume walk: the mark is of %s %v, the walk of %v: "+
		"resume with the settings of the scan that was stopped", what, mark, walk)
}

// String returns the grid as rows and columns.
func (g Grid) String() string { return fmt.Sprintf("%dx%d", g.Rows, g.Cols) }

// String returns the shard as its number and how many there are.
func (s Shard) String() string { return fmt.Sprintf("%d of %d", s.N, s.Of) }
