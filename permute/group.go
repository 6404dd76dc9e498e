package permute

import "fmt"

// maxBits is the width of the widest index that has a group.
const maxBits = 48

// A group is the multiplicative group modulo a prime. The factors are the
// distinct prime factors of prime-1, the order of the group: a number whose
// powers reach every element is recognised by them.
type group struct {
	prime   uint64
	factors []uint64
}

// groups are the groups of C zmap, smallest first. Nobody writes to it.
var groups = [...]group{
	{1<<8 + 1, []uint64{2}},
	{1<<16 + 1, []uint64{2}},
	{1<<24 + 43, []uint64{2, 23, 103, 3541}},
	{1<<28 + 3, []uint64{2, 3, 19, 87211}},
	{1<<32 + 15, []uint64{2, 3, 5, 131, 364289}},
	{1<<33 + 17, []uint64{2, 3, 59, 3033169}},
	{1<<34 + 25, []uint64{2, 83, 1277, 20261}},
	{1<<36 + 31, []uint64{2, 163, 883, 238727}},
	{1<<40 + 15, []uint64{2, 3, 5, 36650387593}},
	{1<<44 + 7, []uint64{2, 11, 53, 97, 155542661}},
	{1<<48 + 21, []uint64{2, 3, 7, 1361, 2462081249}},
}

// chooseGroup returns the smallest group that has an element for every index of g.
func chooseGroup(g Grid) (group, error) {
	if g.Rows == 0 || g.Cols == 0 {
		return group{}, fmt.Errorf("choose group: %d addresses x %d ports leave nothing to walk", g.Rows, g.Cols)
	}
	width := Bits(g.Rows) + Bits(g.Cols)
	for _, gr := range groups {
		if width <= maxBits && gr.prime > 1<<width {
			return gr, nil
		}
	}
	return group{}, fmt.Errorf("choose group: %d addresses x %d ports take %d bits, the largest group has %d: "+
		"walk fewer addresses or fewer ports at a time", g.Rows, g.Cols, width, maxBits)
}

// generates reports whether the powers of c reach every element.
func (g group) generates(c uint64) bool {
	if c == 0 {
		return false
	}
	for _, q := range g.factors {
		if powMod(c, (g.prime-1)/q, g.prime) == 1 {
			return false
		}
	}
	return true
}

// generator takes a word and returns the first generator after it. Generators
// stay below 2^22 whatever the group, because C zmap multiplies in 64 bits.
func (g group) generator(word uint64) uint64 {
	c := uint32(uint64(uint32(word)) % g.prime)
	for {
		c++ // wraps at 2^32, as it does in C
		c = uint32(uint64(c) % g.prime % (1 << 22))
		if g.generates(uint64(c)) {
			return uint64(c)
		}
	}
}
