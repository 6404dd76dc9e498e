package dedup

import "math/bits"

// Recall returns seen for a scan that is carried on: the targets with those indexes, each at most once, gave a failure before, which full
// dedup does not write down, and are asked again because the walk goes back a little. The first failure that each gives now is the same
// answer once more, and so a repeat, as are all that follow. It takes 16 to 32 bytes for each of them, and may be shared as seen may.
func Recall(seen Seen, failures []uint64) Seen {
	if len(failures) == 0 {
		return seen
	}
	r := &recalled{Seen: seen, shift: uint(64 - bits.Len(uint(2*len(failures)-1)))}
	r.table = make([]uint64, 1<<(64-r.shift))
	for _, index := range failures {
		r.table[r.place(index)] = index + 1
	}
	return r
}

// recalled is a Seen that knows of failures besides. The table has each index plus one, 0 where it is empty; it is at most half full.
type recalled struct {
	Seen
	table []uint64
	shift uint
}

// See implements [Seen].
func (r *recalled) See(index uint64, o Outcome) bool {
	repeat := r.Seen.See(index, o)
	return repeat || o == Failure && r.table[r.place(index)] != 0
}

// place returns where index is, or where it would be.
func (r *recalled) place(index uint64) uint64 {
	mask := uint64(len(r.table) - 1)
	at := index * 0x9E3779B97F4A7C15 >> r.shift
	for r.table[at] != 0 && r.table[at] != index+1 {
		at = (at + 1) & mask
	}
	return at
}
