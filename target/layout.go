package target

import (
	"encoding/binary"
	"net/netip"
)

// A layout numbers the allowed addresses in the order of C zmap: first the blocks of 2^14 addresses (a /18) that are
// allowed entirely, ascending, then all other allowed addresses, ascending. C zmap keeps a radix tree; here both
// directions are arrays, built so that a number costs one look for whole blocks and two for the rest:
//
//	row -> address    row < full<<14:  blocks[row>>14] | row&0x3fff
//	                  otherwise q = row - full<<14, the rank among the rest:
//	                  slots[q>>shift] -> runs[j], and at most a few runs on
//	address -> row    marks[address>>14] -> how many whole blocks and runs come before this block
//
// Runs never cross a block. There are about as many slots as runs, so that a slot holds one start of a run on average.
// With a blocklist of 100,000 random networks all of it takes 5 MB, and 12 to 16 bytes for each run beyond.
type layout struct {
	blocks []uint32 // first addresses of whole blocks, ascending
	runs   []run    // ascending, with runPad sentinels at the end
	slots  []uint32 // slots[i] is the run that holds rank i<<shift
	shift  uint8
	rest   uint32 // number of addresses in runs
	first  uint32 // number of the block that marks begins with
	marks  []mark // one for each block from first on, and one more
}

// A run is a range of allowed addresses within a block. It ends where the rank of the next run begins.
type run struct {
	rank uint32 // number of addresses in all runs before
	addr uint32
}

// A mark counts what comes before a block. A block is whole, or has runs, if the counts of the next mark differ.
type mark struct{ blocks, runs uint32 }

const (
	blockBits = 14
	blockMask = 1<<blockBits - 1
	runPad    = 4 // at looks at this many runs after the one a slot names
)

// reserve makes room for the given spans, all that will be added. Without it the arrays grow, which leaves garbage.
func (l *layout) reserve(spans []span) {
	if len(spans) == 0 {
		return
	}
	blocks := 0
	for _, s := range spans {
		whole := int64(uint64(s.hi)+1)>>blockBits - int64(uint64(s.lo)+blockMask)>>blockBits
		blocks += int(max(whole, 0))
	}
	l.blocks = make([]uint32, 0, blocks)
	l.marks = make([]mark, 0, spans[len(spans)-1].hi>>blockBits-spans[0].lo>>blockBits+2)
}

// add adds the next span; spans come ascending and do not touch. After the last one comes finish.
func (l *layout) add(s span) {
	for lo, end := uint64(s.lo), uint64(s.hi)+1; lo < end; {
		block := lo >> blockBits
		next := min((block+1)<<blockBits, end)
		l.markTo(uint32(block))
		if next-lo == 1<<blockBits {
			l.blocks = append(l.blocks, uint32(lo))
		} else {
			l.runs = append(l.runs, run{l.rest, uint32(lo)})
			l.rest += uint32(next - lo)
		}
		lo = next
	}
}

// markTo writes the marks of all blocks up to and including the given one that have none yet.
func (l *layout) markTo(block uint32) {
	if len(l.marks) == 0 {
		l.first = block
	}
	for l.first+uint32(len(l.marks)) <= block {
		l.marks = append(l.marks, mark{uint32(len(l.blocks)), uint32(len(l.runs))})
	}
}

// finish completes the arrays.
func (l *layout) finish() {
	if len(l.marks) == 0 {
		return
	}
	l.markTo(l.first + uint32(len(l.marks)))
	n := uint32(len(l.runs))
	for range runPad {
		l.runs = append(l.runs, run{rank: l.rest})
	}
	if n == 0 {
		return
	}
	for l.rest>>l.shift > n {
		l.shift++
	}
	j := uint32(0)
	l.slots = make([]uint32, 0, (l.rest-1)>>l.shift+1)
	for q := uint64(0); q < uint64(l.rest); q += 1 << l.shift {
		for uint64(l.runs[j+1].rank) <= q {
			j++
		}
		l.slots = append(l.slots, j)
	}
}

// count returns the number of addresses.
func (l *layout) count() uint64 { return uint64(len(l.blocks))<<blockBits + uint64(l.rest) }

// at returns the address with the given number, and panics if there is none. No branch depends on memory that is slow
// to come, except the one for crowded slots: such a branch costs more than the look itself.
func (l *layout) at(row uint64) uint32 {
	if b := row >> blockBits; b < uint64(len(l.blocks)) {
		return l.blocks[b] | uint32(row)&blockMask
	}
	row -= uint64(len(l.blocks)) << blockBits
	if row >= uint64(l.rest) {
		panic("target: no such target")
	}
	q := uint32(row)
	j := l.slots[q>>(l.shift&31)]
	w := l.runs[j : j+runPad+1 : j+runPad+1]
	if w[4].rank <= q {
		return l.atCrowded(q)
	}
	k := one(w[1].rank <= q) + one(w[2].rank <= q) + one(w[3].rank <= q)
	r := w[k&3]
	return r.addr + q - r.rank
}

// atCrowded is at for a rank that the run of its slot is far from.
func (l *layout) atCrowded(q uint32) uint32 {
	slot := q >> l.shift
	lo, hi := l.slots[slot], uint32(len(l.runs)-runPad)
	if int(slot)+1 < len(l.slots) {
		hi = l.slots[slot+1] + 1
	}
	// Invariant: runs[lo] begins at or before q, runs[hi] after it.
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; l.runs[mid].rank <= q {
			lo = mid
		} else {
			hi = mid
		}
	}
	return l.runs[lo].addr + q - l.runs[lo].rank
}

// row returns the number of address a, or false when it is not in the layout.
func (l *layout) row(a uint32) (uint64, bool) {
	b := uint64(a>>blockBits - l.first) // wraps to a large number below first
	if b+1 >= uint64(len(l.marks)) {
		return 0, false
	}
	m, next := l.marks[b], l.marks[b+1]
	if m.blocks != next.blocks {
		return uint64(m.blocks)<<blockBits | uint64(a&blockMask), true
	}
	if m.runs == next.runs || a < l.runs[m.runs].addr {
		return 0, false
	}
	return l.rowInRuns(a, m.runs, next.runs)
}

// rowInRuns is row for an address in a block that has the runs from lo to before hi, the first of which begins at or before
// it.
func (l *layout) rowInRuns(a, lo, hi uint32) (uint64, bool) {
	// Invariant: runs[lo] begins at or before a, runs[hi] after it or in a later block.
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; l.runs[mid].addr <= a {
			lo = mid
		} else {
			hi = mid
		}
	}
	q := l.runs[lo].rank + a - l.runs[lo].addr
	return uint64(len(l.blocks))<<blockBits + uint64(q), q < l.runs[lo+1].rank
}

// lookBatch is how many look-ups contains has under way at once.
const lookBatch = 64

// contains stores in in[i] whether addrs[i] is in the layout, for at most lookBatch addresses. Each look goes to memory that
// is mostly far from the processor, twice, so that it looks in rounds in which no look waits for another.
func (l *layout) contains(addrs []uint32, in []bool) {
	if len(l.marks) == 0 {
		clear(in)
		return
	}
	var before [lookBatch]mark
	var after [lookBatch]mark
	last := uint32(len(l.marks) - 2)
	for i, a := range addrs {
		b := min(a>>blockBits-l.first, last) // of those out of range, of which the last round knows, anyone's will do
		before[i%lookBatch], after[i%lookBatch] = l.marks[b], l.marks[b+1]
	}
	var addr [lookBatch]uint32
	for i := range addrs {
		addr[i%lookBatch] = l.runs[before[i%lookBatch].runs].addr
	}
	for i, a := range addrs {
		m, next := before[i%lookBatch], after[i%lookBatch]
		switch {
		case a>>blockBits-l.first > last:
			in[i] = false
		case m.blocks != next.blocks:
			in[i] = true
		case m.runs == next.runs || a < addr[i%lookBatch]:
			in[i] = false
		default:
			_, in[i] = l.rowInRuns(a, m.runs, next.runs)
		}
	}
}

// spans yields what the layout holds, ascending; spans do not touch.
func (l *layout) spans(yield func(span) bool) {
	pending, have := span{}, false
	emit := func(s span) bool {
		if have && pending.hi+1 == s.lo {
			pending.hi = s.hi
			return true
		}
		ok := !have || yield(pending)
		pending, have = s, true
		return ok
	}
	for b := range len(l.marks) - 1 {
		m, next := l.marks[b], l.marks[b+1]
		if m.blocks != next.blocks {
			lo := l.blocks[m.blocks]
			if !emit(span{lo, lo | blockMask}) {
				return
			}
		}
		for j := m.runs; j < next.runs; j++ {
			r := l.runs[j]
			if !emit(span{r.addr, r.addr + l.runs[j+1].rank - r.rank - 1}) {
				return
			}
		}
	}
	if have {
		yield(pending)
	}
}

func one(b bool) uint32 {
	var n uint32
	if b {
		n = 1
	}
	return n
}

// addr4 returns the address of a host-order integer.
func addr4(a uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b)
}

// host4 is the inverse of addr4, false for anything but IPv4.
func host4(a netip.Addr) (uint32, bool) {
	if !a.Is4() {
		return 0, false
	}
	b := a.As4()
	return binary.BigEndian.Uint32(b[:]), true
}
