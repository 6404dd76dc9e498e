package permute

// A Walk goes through one run of a cycle. It belongs to one goroutine; walks of
// the same cycle share nothing that is written to. Cycle.Walks makes it.
type Walk struct {
	cycle *Cycle
	x     uint64 // the next element to test, or that plus the prime (see multiplier.times)
	left  uint64 // how many elements are still to be tested, x included

	start   uint64 // steps from the start of the cycle to the first element
	length  uint64 // elements in this walk
	shard   Shard
	thread  uint32
	threads uint32

	_ [72]byte // takes the allocator's 128 bytes: no two walks share a pair of cache lines
}

// Next returns the next index of the walk; ok is false when the walk is over,
// then and ever after. It does not allocate.
func (w *Walk) Next() (index uint64, ok bool) {
	c := w.cycle
	for w.left > 0 {
		v := reduce(w.x, c.prime) - 1
		w.x = c.forward.times(w.x, c.prime)
		w.left--
		if c.has(v) {
			return v, true
		}
	}
	return 0, false
}

// has reports whether v, an element less one, is an index of the grid.
func (c *Cycle) has(v uint64) bool {
	return v>>(c.colBits&63) < c.grid.Rows && v&(1<<(c.colBits&63)-1) < c.grid.Cols
}

// Fill stores the next indexes of the walk in dst and returns how many it
// stored. Fewer than len(dst) means that the walk is over. Next and Fill may be
// mixed; Fill is the faster way to get many. It does not allocate.
func (w *Walk) Fill(dst []uint64) int {
	n := w.fillPairs(dst)
	for n < len(dst) {
		v, ok := w.Next()
		if !ok {
			break
		}
		dst[n] = v
		n++
	}
	return n
}

// fillPairs does what Fill does for as long as there is room for two indexes
// and there are two elements to test.
//
// A step must wait for the three multiplications of the step before it, so two
// chains run side by side, x through the even elements and y through the odd
// ones, each by the square of the generator. That takes 30 % off a step.
func (w *Walk) fillPairs(dst []uint64) int {
	c := w.cycle
	p, twice := c.prime, c.forward2
	x, y := w.x, c.forward.times(w.x, c.prime)
	left, n := w.left, 0
	for len(dst)-n >= 2 && left >= 2 {
		// Whether an element is an index is a coin toss that no branch
		// predictor wins: store each, and let the next overwrite it if not.
		v := reduce(x, p) - 1
		x = twice.times(x, p)
		dst[n] = v
		n += c.count(v)

		v = reduce(y, p) - 1
		y = twice.times(y, p)
		dst[n] = v
		n += c.count(v)
		left -= 2
	}
	w.x, w.left = x, left
	return n
}

// count returns 1 when has is true and 0 when it is not, without a branch: all
// four numbers are far below 2^63, so each difference has its top bit set
// exactly when the first is less than the second.
func (c *Cycle) count(v uint64) int {
	shift := c.colBits & 63
	row, col := v>>shift, v&(1<<shift-1)
	return int(((row - c.grid.Rows) & (col - c.grid.Cols)) >> 63)
}

// Rewind takes the walk back by n indexes, so that the last n come once more,
// or back to its beginning when it has not given out so many. It returns by
// how many indexes the walk went back. It takes as long as the way forward did.
func (w *Walk) Rewind(n uint64) uint64 {
	c := w.cycle
	back := uint64(0)
	for back < n && w.left < w.length {
		w.x = c.backward.times(w.x, c.prime)
		w.left++
		if c.has(reduce(w.x, c.prime) - 1) {
			back++
		}
	}
	return back
}

// goTo puts the walk on the element that lies the given number of steps, at
// most its length, after its first.
func (w *Walk) goTo(step uint64) {
	w.x = w.cycle.element(w.start + step)
	w.left = w.length - step
}
