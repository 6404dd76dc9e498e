package permute

import "math/bits"

// Grid is the shape of what is walked: Rows addresses by Cols ports, neither
// of them zero. Bits(Rows)+Bits(Cols) is at most 62: all of IPv4 with 65536 ports
// takes 48, one address in each /64 of a /2 of IPv6 all 62.
//
// An index into the grid is row<<Bits(Cols) | column. It has holes unless Cols
// is a power of two: it tells targets apart, it does not number them.
type Grid struct {
	Rows uint64 `json:"rows"`
	Cols uint64 `json:"cols"`
}

// Bits returns the number of bits that the numbers 0..n-1 take: none for one
// number, 8 for 256 and 9 for 257. Bits(0) is 0.
func Bits(n uint64) int {
	if n == 0 {
		return 0
	}
	return bits.Len64(n - 1)
}

// A Cycle is one order of all indexes of a grid. It is immutable and may be
// shared by any number of goroutines. Make it with New.
type Cycle struct {
	seed      uint64
	grid      Grid
	colBits   uint // Bits(grid.Cols)
	prime     uint64
	factors   []uint64 // distinct primes that divide the order
	generator uint64
	offset    uint64
	forward   multiplier // by the generator
	forward2  multiplier // by its square
	backward  multiplier // by its inverse
}

// New returns the cycle that seed fixes for grid g. It costs some microseconds.
// It fails when the grid is empty, or larger than the largest group.
func New(seed uint64, g Grid) (*Cycle, error) {
	gr, err := chooseGroup(g)
	if err != nil {
		return nil, err
	}
	words := NewWords(seed)
	c := &Cycle{seed: seed, grid: g, colBits: uint(Bits(g.Cols)), prime: gr.prime, factors: gr.factors}
	c.generator = gr.generator(words.Next())
	c.offset = uint64(uint32(words.Next())) % c.prime
	c.forward = newMultiplier(c.generator, c.prime)
	c.forward2 = newMultiplier(mulMod(c.generator, c.generator, c.prime), c.prime)
	// The inverse of g is g^(order-1), as g^order is 1 (Fermat).
	c.backward = newMultiplier(powMod(c.generator, c.Order()-1, c.prime), c.prime)
	return c, nil
}

// Prime returns the modulus p of the group.
func (c *Cycle) Prime() uint64 { return c.prime }

// Order returns p-1, the number of elements of the cycle. A walk over the whole
// cycle makes that many steps to find the Rows*Cols indexes among them.
func (c *Cycle) Order() uint64 { return c.prime - 1 }

// Generator returns the number that takes an element to the next. It is below 2^22.
func (c *Cycle) Generator() uint64 { return c.generator }

// Offset returns the exponent of the generator at which the first shard starts.
// It is below 2^32 and below the prime.
func (c *Cycle) Offset() uint64 { return c.offset }

// element returns the element that lies the given number of steps, at most
// Order, after the start of the first shard.
func (c *Cycle) element(steps uint64) uint64 {
	return powMod(c.generator, (steps+c.offset)%c.Order(), c.prime)
}

// since returns the steps from the start of the first shard to the element that
// the generator reaches with this exponent: the inverse of what element does.
// The offset is no larger than the order.
func (c *Cycle) since(exponent uint64) uint64 {
	return reduce(exponent+c.Order()-c.offset, c.Order())
}

// Position returns how many steps after the start of the first shard the cycle
// comes to index, or false when index is not in the grid. It takes 30 µs in the
// group of 2^32 and no more than 0.5 ms in most others; 2 ms in that of 2^48 and
// some beyond, and 8 ms and 6 MB in that of 2^40. Listed finds many positions for much less.
func (c *Cycle) Position(index uint64) (step uint64, ok bool) {
	if !c.has(index) {
		return 0, false
	}
	return c.since(newSolver(c, 1).log(index + 1)), true
}
