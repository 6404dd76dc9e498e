package permute

import "fmt"

// maxBits is the width of the widest index that has a group.
const maxBits = 62

// A group is the multiplicative group modulo a prime. The factors are the
// distinct prime factors of prime-1, the order of the group: a number whose
// powers reach every element is recognised by them.
type group struct {
	prime   uint64
	factors []uint64
}

// groups are the groups of C zmap, which end at 48 bits, and behind them one for each width that windows of IPv6 networks
// may have: that of the smallest prime above 2^width whose order has no prime factor of more than 32 bits, so that
// logarithms are found in milliseconds. Smallest first; nobody writes to it.
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
	{1<<49 + 329, []uint64{2, 3, 5, 167, 153067, 183523}},
	{1<<50 + 145, []uint64{2, 44053, 1597365541}},
	{1<<51 + 21, []uint64{2, 7, 11, 179, 3517, 11613247}},
	{1<<52 + 21, []uint64{2, 3, 23, 612229, 987127}},
	{1<<53 + 5, []uint64{2, 3, 307, 2857, 6529, 43691}},
	{1<<54 + 159, []uint64{2, 3, 7724869, 388666753}},
	{1<<55 + 3, []uint64{2, 5, 13, 37, 109, 246241, 279073}},
	{1<<56 + 81, []uint64{2, 3, 7, 61, 34501, 14557303}},
	{1<<57 + 9, []uint64{2, 5, 13, 37, 109, 246241, 279073}},
	{1<<58 + 69, []uint64{2, 3, 7, 13, 26813, 33829, 290993}},
	{1<<59 + 161, []uint64{2, 3, 10427867, 575841589}},
	{1<<60 + 33, []uint64{2, 3, 11, 683, 2971, 48912491}},
	{1<<61 + 21, []uint64{2, 11, 743, 44797, 1574487853}},
	{1<<62 + 135, []uint64{2, 3, 953, 7691, 15467, 6779953}},
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
