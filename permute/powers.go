package permute

const (
	digitBits = 9 // makes the tables of the group of 2^32 fit a first-level cache: 32 KB
	digits    = 1 << digitBits
)

// powers finds an element by its steps from the start of the cycle, anywhere:
// the steps are written in digits of digitBits, and for each place and each
// digit there is the multiplier that takes an element that far. It is immutable
// and may be shared by any number of goroutines.
type powers struct {
	prime  uint64
	places [][digits]multiplier // the lowest first
	start  [digits]uint64       // elements at the first steps: the place before those
}

// newPowers returns the powers of c. It costs some 10 µs.
func newPowers(c *Cycle) *powers {
	p := &powers{prime: c.prime}
	x, step := c.element(0), c.forward
	for i := range p.start {
		p.start[i] = x
		x = reduce(step.times(x, c.prime), c.prime)
	}
	for width := digitBits; width < Bits(c.Order()); width += digitBits {
		step = newMultiplier(powMod(step.c, digits, c.prime), c.prime)
		place := [digits]multiplier{}
		y := uint64(1)
		for i := range place {
			place[i] = newMultiplier(y, c.prime)
			y = reduce(step.times(y, c.prime), c.prime)
		}
		p.places = append(p.places, place)
	}
	return p
}

// element returns the element at the given number of steps, below the order.
func (p *powers) element(steps uint64) uint64 {
	x := p.start[steps%digits]
	for i := range p.places {
		steps >>= digitBits
		x = p.places[i][steps%digits].times(x, p.prime)
	}
	return reduce(x, p.prime)
}
