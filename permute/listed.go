package permute

import (
	"iter"
	"math/bits"
	"slices"
)

// A Listed is a Walk that passes over every index that is not on a list. What
// it gives out, its marks included, is what one gets by going through the walk
// of the same shard and thread and asking of each index whether it is listed.
// It belongs to one goroutine. Cycle.Listed makes it.
//
// It works in one of two ways, which differ in nothing but their cost. For a
// list that is short against the cycle, it knows the steps at which the walk
// comes to the listed indexes, and jumps from one to the next. For a long one
// it does go through the walk, with the list in a bitmap.
type Listed struct {
	walk *Walk  // in the first way it stays behind: only Resume moves it
	set  bitmap // of the second way; nil in the first

	powers *powers
	steps  []uint64 // from the start of the cycle to the listed indexes, ascending
	at     int      // the first of them that is still to come
	behind uint64   // elements of the walk behind the Listed

	_ [112 - 9*bits.UintSize/8]byte // with nine words before it, takes the allocator's 128 bytes, as in Walk
}

// Listed cuts a shard as Walks does, with the same bounds between shards and
// between threads, into walks that pass over what is not listed. Indexes may
// come in any order and more than once; it ranges over them once. It fails when
// Walks would, and when there is an index that is not in the grid.
//
// The cost is that of the list. Before Listed returns it takes about 0.15 µs for
// each index in the group of 2^32, and 0.5 µs in that of 2^48 (in that of 2^40
// 50 ms come on top), half of it for indexes of other shards. It takes 8 bytes
// for each index, of whatever shard, and while it runs tables as large again:
// at most 256 KB in the group of 2^32, 64 MB in that of 2^48.
//
// A list of more than one index to 64 elements of the cycle becomes a bitmap of
// the grid instead, which is no larger. Then there is nothing to wait for, and
// the walks together pass all elements of the shard, in 3 ns each while caches
// hold the bitmap and 30 ns when it is that of 2^32 indexes.
func (c *Cycle) Listed(indexes iter.Seq[uint64], s Shard, threads int) ([]*Listed, error) {
	walks, err := c.Walks(s, threads)
	if err != nil {
		return nil, err
	}
	list, set, err := c.gather(indexes)
	if err != nil {
		return nil, err
	}
	if set != nil {
		return c.sift(walks, set), nil
	}
	return c.jump(walks, list), nil
}

// ListedOf is Listed for a list in memory, which it keeps and overwrites: then
// nothing is taken for it besides.
func (c *Cycle) ListedOf(list []uint64, s Shard, threads int) ([]*Listed, error) {
	walks, err := c.Walks(s, threads)
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if !c.has(v) {
			return nil, c.foreignIndex(v)
		}
	}
	if uint64(len(list)) > c.Order()/walkShare {
		return c.sift(walks, c.bitmap(list)), nil
	}
	return c.jump(walks, list), nil
}

// sift returns the Listed that go through walks and ask set.
func (c *Cycle) sift(walks []*Walk, set bitmap) []*Listed {
	all := make([]*Listed, len(walks))
	for i, w := range walks {
		all[i] = &Listed{walk: w, set: set}
	}
	return all
}

// jump returns the Listed that jump to the indexes of list. It keeps and
// overwrites list.
func (c *Cycle) jump(walks []*Walk, list []uint64) []*Listed {
	last := walks[len(walks)-1]
	steps := c.steps(list, walks[0].start, last.start+last.length)
	powers := newPowers(c)
	all := make([]*Listed, len(walks))
	for i, w := range walks {
		n, _ := slices.BinarySearch(steps, w.start+w.length)
		all[i] = &Listed{walk: w, powers: powers, steps: steps[:n:n]}
		steps = steps[n:]
	}
	return all
}

// steps returns the positions of the indexes of list, as far as they are from
// begin to end-1, ascending and each once. It overwrites list.
func (c *Cycle) steps(list []uint64, begin, end uint64) []uint64 {
	steps := list[:0]
	if len(list) > 0 {
		log := c.logarithm(uint64(len(list)))
		for _, v := range list {
			if step := c.since(log(v + 1)); begin <= step && step < end {
				steps = append(steps, step)
			}
		}
	}
	slices.Sort(steps)
	return slices.Compact(steps)
}

// Fill stores the next listed indexes of the walk in dst and returns how many it
// stored. Fewer than len(dst) means that the walk is over. It does not allocate.
func (l *Listed) Fill(dst []uint64) int {
	if l.set != nil {
		return l.fillSifted(dst)
	}
	steps := l.steps[l.at:]
	n := min(len(dst), len(steps))
	for i, step := range steps[:n] {
		dst[i] = l.powers.element(step) - 1
	}
	l.at += n
	switch {
	case n < len(dst):
		l.behind = l.walk.length
	case n > 0:
		l.behind = steps[n-1] + 1 - l.walk.start
	}
	return n
}

// fillSifted does what Fill does, by the walk and the set.
func (l *Listed) fillSifted(dst []uint64) int {
	n := 0
	for n < len(dst) {
		room := dst[n:]
		got := l.walk.Fill(room)
		for _, v := range room[:got] {
			dst[n] = v // never beyond where v was read
			n += l.set.count(v)
		}
		if got < len(room) {
			break
		}
	}
	return n
}

// Rewind takes the walk back by n listed indexes, so that the last n come once
// more, or back to its beginning when it has not given out so many. It returns
// by how many the walk went back.
func (l *Listed) Rewind(n uint64) uint64 {
	if l.set != nil {
		return l.rewindSifted(n)
	}
	back := min(n, uint64(l.at))
	l.at -= int(back)
	switch {
	case back < n:
		l.behind = 0
	case back > 0:
		l.behind = l.steps[l.at] - l.walk.start
	}
	return back
}

// rewindSifted does what Rewind does, by the walk and the set.
func (l *Listed) rewindSifted(n uint64) uint64 {
	back := uint64(0)
	for back < n && l.walk.Rewind(1) == 1 {
		v := reduce(l.walk.x, l.walk.cycle.prime) - 1
		back += uint64(l.set.count(v))
	}
	return back
}

// Mark returns the place the walk is at, the same as a Walk would return there:
// a mark does not know whether there was a list, nor which. It does not allocate.
func (l *Listed) Mark() Mark { return l.walk.MarkAt(l.Step()) }

// Step returns how many elements are behind the walk, listed or not. It costs
// nothing.
func (l *Listed) Step() uint64 {
	if l.set != nil {
		return l.walk.Step()
	}
	return l.behind
}

// MarkAt is that of Walk.
func (l *Listed) MarkAt(step uint64) Mark { return l.walk.MarkAt(step) }

// Locate is that of Walk.
func (l *Listed) Locate(position uint64) (step uint64, ok bool) { return l.walk.Locate(position) }

// Resume takes the walk to m, wherever the walk is now. It refuses what
// Walk.Resume refuses. The mark of a scan that had another list, or none, is
// accepted: what is on this list continues from that place.
func (l *Listed) Resume(m Mark) error {
	if err := l.walk.Resume(m); err != nil {
		return err
	}
	if l.set == nil {
		l.behind = m.Step
		l.at, _ = slices.BinarySearch(l.steps, l.walk.start+m.Step)
	}
	return nil
}
