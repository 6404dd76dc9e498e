package permute

import (
	"fmt"
	"iter"
)

// walkShare is how many elements of the cycle there are to an index of a list
// that is so long that going through the walk is the better way: the bitmap then
// takes no more than the list, 8 bytes for each index, and a walk passes that
// many elements in about the time that it takes to find a position and sort it
// in, 0.2 µs, as long as the processor's caches hold the bitmap.
const walkShare = 64

// A bitmap is a set of indexes of a grid, with a bit for each that there could be.
type bitmap []uint64

// add adds v, an index of the grid.
func (b bitmap) add(v uint64) { b[v/64] |= 1 << (v % 64) }

// count returns 1 if v, an index of the grid, is in the set, and 0 if not.
func (b bitmap) count(v uint64) int { return int(b[v/64] >> (v % 64) & 1) }

// gather reads a list of indexes. One with more than an index to walkShare
// elements it returns as a set, and no list; any other as it is, and no set.
func (c *Cycle) gather(indexes iter.Seq[uint64]) (list []uint64, set bitmap, err error) {
	most := c.Order() / walkShare
	for v := range indexes {
		if !c.has(v) {
			return nil, nil, c.foreignIndex(v)
		}
		if set != nil {
			set.add(v)
			continue
		}
		if list = append(list, v); uint64(len(list)) > most {
			set = c.bitmap(list)
			list = nil
		}
	}
	return list, set, nil
}

// foreignIndex is the error for v, which is no index of the grid.
func (c *Cycle) foreignIndex(v uint64) error {
	return fmt.Errorf("read list of indexes: there is no index %d in a grid of %v", v, c.grid)
}

// ListedMemory returns how many bytes the walks of a list of n indexes take together, when Listed has made them: about, for
// which of them lie in other shards is not known before.
func (c *Cycle) ListedMemory(n uint64) uint64 {
	if n > c.Order()/walkShare {
		return 8 * c.words()
	}
	return 8 * n
}

// words is how many words a bitmap of the grid has.
func (c *Cycle) words() uint64 { return (c.grid.Rows<<c.colBits + 63) / 64 }

// bitmap returns the set of the indexes in list.
func (c *Cycle) bitmap(list []uint64) bitmap {
	set := make(bitmap, c.words())
	for _, v := range list {
		set.add(v)
	}
	return set
}
