package permute

import "math"

// maxBaby bounds the table of baby steps: with its hash table it takes 12 MB.
const maxBaby = 1 << 19

// A solver finds the logarithm of an element, the exponent that takes the
// generator to it, from nothing but the factors of the order: modulo each prime
// power that divides the order by itself, as the element is raised into the
// subgroup of that order, and then put together by the Chinese remainder
// theorem (S. Pohlig and M. Hellman, 1978).
//
// It takes time like the square root of the order's largest prime factor: 30 µs
// in the group of 2^32, some milliseconds in that of 2^40, whose factor is the
// largest. For the logarithms of many elements see logs.
type solver struct {
	prime, order uint64
	subgroups    []subgroup
}

// newSolver returns a solver that is to be asked the given number of times, at
// least once: for many questions it prepares more.
func newSolver(c *Cycle, questions uint64) *solver {
	s := &solver{prime: c.prime, order: c.Order()}
	for _, q := range c.factors {
		s.subgroups = append(s.subgroups, newSubgroup(c, q, questions))
	}
	return s
}

// log returns the logarithm of x, which is an element.
func (s *solver) log(x uint64) uint64 {
	sum := uint64(0)
	for i := range s.subgroups {
		g := &s.subgroups[i]
		sum = reduce(sum+mulMod(g.log(x), g.share, s.order), s.order)
	}
	return sum
}

// A subgroup is the one whose order is a power of the prime q, as high as
// divides the order of the group.
type subgroup struct {
	prime    uint64 // modulus of the group
	q, size  uint64 // size is that power
	cofactor uint64 // order of the group divided by size: what raises an element into the subgroup
	backward uint64 // inverse of the subgroup's generator
	share    uint64 // logarithm that is 1 modulo size, and 0 modulo the other subgroups' sizes

	baby  exponents  // of the first powers of base, a number of order q
	giant multiplier // takes a power of base back by as many exponents
}

// newSubgroup prepares the subgroup of c for q.
func newSubgroup(c *Cycle, q, questions uint64) subgroup {
	p, order := c.prime, c.Order()
	g := subgroup{prime: p, q: q, size: q}
	for order/g.size%q == 0 {
		g.size *= q
	}
	g.cofactor = order / g.size
	g.backward = powMod(c.backward.c, g.cofactor, p)
	// The inverse modulo size, by Euler: size - size/q numbers below size have one.
	inverse := powMod(g.cofactor%g.size, g.size-g.size/q-1, g.size)
	g.share = mulMod(g.cofactor, inverse, order)

	// A baby step is made once, a giant step for each question: this many of
	// the first make the sum of both least.
	n := min(q, maxBaby, uint64(math.Sqrt(float64(q)*float64(questions)))+1)
	base := powMod(c.generator, order/q, p)
	g.baby = newExponents(base, n, p)
	g.giant = newMultiplier(powMod(base, q-n%q, p), p)
	return g
}

// log returns the logarithm of x modulo size, digit by digit to the base q.
func (g *subgroup) log(x uint64) uint64 {
	y := powMod(x, g.cofactor, g.prime)
	log := uint64(0)
	for unit := uint64(1); unit < g.size; unit *= g.q {
		digit := g.digit(powMod(y, g.size/g.q/unit, g.prime)) * unit
		log += digit
		y = mulMod(y, powMod(g.backward, digit, g.prime), g.prime)
	}
	return log
}

// digit returns the exponent that takes base to y, one of its powers, by baby
// steps and giant steps (D. Shanks, 1971).
func (g *subgroup) digit(y uint64) uint64 {
	for back := uint64(0); ; back += g.baby.n {
		if e, ok := g.baby.find(y); ok {
			return back + e
		}
		y = reduce(g.giant.times(y, g.prime), g.prime)
	}
}

// exponents maps the powers base^0 .. base^(n-1) to their exponents. It is a
// hash table half full at most, whose places are searched one after the other.
type exponents struct {
	n      uint64
	shift  int
	powers []uint64 // 0 where there is none
	values []uint32
}

// newExponents makes the table for n powers of base modulo p, all of them different.
func newExponents(base, n, p uint64) exponents {
	width := Bits(2 * n)
	e := exponents{n: n, shift: 64 - width, powers: make([]uint64, 1<<width), values: make([]uint32, 1<<width)}
	step := newMultiplier(base, p)
	x := uint64(1)
	for i := range n {
		at := e.place(x)
		e.powers[at], e.values[at] = x, uint32(i)
		x = reduce(step.times(x, p), p)
	}
	return e
}

// find returns the exponent of x, or false when x is not in the table.
func (e *exponents) find(x uint64) (exponent uint64, ok bool) {
	at := e.place(x)
	return uint64(e.values[at]), e.powers[at] != 0
}

// place returns where x is in the table, or the empty place where it belongs.
// The factor is 2^64 divided by the golden ratio (Knuth, TAOCP volume 3, 6.4).
func (e *exponents) place(x uint64) int {
	mask := len(e.powers) - 1
	at := int(x * 0x9e3779b97f4a7c15 >> e.shift)
	for e.powers[at] != 0 && e.powers[at] != x {
		at = (at + 1) & mask
	}
	return at
}
