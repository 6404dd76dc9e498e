package permute

import (
	"math"
	"math/bits"
)

const (
	// baseLimit is above the primes whose logarithms a solver finds; these are
	// as many as basePrimes, two included.
	baseLimit  = 256
	basePrimes = 54
	// tableShare is how many numbers the table holds for each question: two
	// take 8 bytes, so the table is no larger than the list of questions.
	tableShare = 2
	// marked is set in logs.odd where the rest is a factor of the number, its
	// logarithm not yet known. Logarithms are below 2^63.
	marked = 1 << 63
)

// logs finds the logarithms of many elements. It knows those of all numbers
// below a limit, and makes a fraction of an element x: by Euclid's algorithm,
//
//	x = r/t or x = -r/t (mod p), with r and t no larger than the root of p
//
// so that log x = log r - log t, and half the order more for the sign. If r or t
// are beyond the limit, even without their small prime factors, x*generator
// gets a turn, whose logarithm is one more, and so on.
//
// The table grows by the same rule: a composite number has the logarithms of
// its factors, a prime is an element whose logarithm follows from the numbers
// below it. Only the smallest primes need a solver.
//
// With a limit above the root of p every first fraction serves: 2^16 in the
// group of 2^32, 2^24 in that of 2^48. The factors of the order do not matter
// then, not even the 36,650,387,593 in that of 2^40. A logarithm takes about
// 70 ns, a tenth of what a solver takes in the groups that suit it best.
type logs struct {
	cycle  *Cycle
	root   uint64     // the root of the prime, rounded down
	known  uint64     // all numbers below have their logarithm in the tables
	odd    []uint64   // of the odd number n at n/2
	twos   [64]uint64 // of the powers of two
	primes []divisor  // the odd primes below baseLimit
}

// A divisor is an odd prime prepared for divisions that leave no remainder:
// n*inverse is the quotient if q divides n, and above most if not (T. Granlund
// and P. Montgomery, 1994).
type divisor struct{ inverse, most, log uint64 }

// fewQuestions is how many logarithms a solver finds in less time than it takes to make the table of a group beyond maxTable,
// where a small table serves few fractions.
const (
	fewQuestions = 1 << 13
	maxTable     = 1 << 49
)

// logarithm returns what finds the logarithms of so many elements.
func (c *Cycle) logarithm(questions uint64) func(x uint64) uint64 {
	if c.prime > maxTable && questions < fewQuestions {
		return newSolver(c, questions).log
	}
	return newLogs(c, questions).of
}

// newLogs returns the logarithms of c for the given number of questions. The
// more questions, the larger the table, until every first fraction serves:
// beyond the smallest primes, making it costs no more than the questions do.
func newLogs(c *Cycle, questions uint64) *logs {
	l := &logs{cycle: c, root: rootOf(c.prime), known: 3}
	limit := max(baseLimit, min(l.root+1, tableShare*questions))
	l.odd = make([]uint64, limit/2+1)
	base := newSolver(c, basePrimes)
	two := base.log(2)
	for i := range l.twos[1:] {
		l.twos[i+1] = reduce(l.twos[i]+two, c.Order())
	}
	for n := uint64(3); n < limit; n += 2 {
		switch v := l.odd[n/2]; {
		case v&marked != 0:
			q := v &^ marked
			v = reduce(l.odd[q/2]+l.odd[n/q/2], c.Order())
			l.odd[n/2] = v
		case n < baseLimit:
			l.addPrime(n, base.log(n))
			l.primes = append(l.primes, newDivisor(n, l.odd[n/2]))
		default:
			l.addPrime(n, l.of(n))
		}
		l.known = n + 2
	}
	return l
}

// rootOf returns the root of p, rounded down: a float64 rounds it rightly, for no prime of the table is close below a square.
func rootOf(p uint64) uint64 { return uint64(math.Sqrt(float64(p))) }

// addPrime enters the logarithm of the prime n and marks its multiples.
func (l *logs) addPrime(n, log uint64) {
	l.odd[n/2] = log
	for m := n * n / 2; m < uint64(len(l.odd)); m += n {
		l.odd[m] = marked | n
	}
}

// of returns the logarithm of x, which is an element.
func (l *logs) of(x uint64) uint64 {
	c := l.cycle
	order := c.Order()
	// This ends: after at most order-1 turns x is 1, which is a small fraction.
	for turns := uint64(0); ; turns++ {
		r, t, sign := l.fraction(x)
		if a, ok := l.small(r); ok {
			if b, ok := l.small(t); ok {
				log := reduce(a+order-b, order)
				log = reduce(log+sign*(order/2), order)
				return reduce(log+order-turns, order)
			}
		}
		x = reduce(c.forward.times(x, c.prime), c.prime)
	}
}

// fraction returns r and t, from 1 to root, such that x*t is r if sign is 0, and
// -r if sign is 1. All rows of Euclid's algorithm for p and x have that form;
// t times the r of the row before is at most p, so that in the first row whose
// r is no larger than root, t is not either.
func (l *logs) fraction(x uint64) (r, t, sign uint64) {
	r, t = x, 1
	rBefore, tBefore := l.cycle.prime, uint64(0)
	for r > l.root {
		q := rBefore / r
		rBefore, r = r, rBefore-q*r
		tBefore, t = t, tBefore+q*t
		sign ^= 1
	}
	return r, t, sign
}

// small returns the logarithm of n if n is below known, or gets there by taking
// small primes out of it.
func (l *logs) small(n uint64) (log uint64, ok bool) {
	twos := bits.TrailingZeros64(n)
	log = l.twos[twos&63]
	n >>= twos
	if n < l.known {
		return reduce(log+l.odd[n/2], l.cycle.Order()), true
	}
	return l.divide(n, log)
}

// divide goes on where small cannot: n is odd, log that of what was taken out.
func (l *logs) divide(n, log uint64) (uint64, bool) {
	for i := range l.primes {
		d := &l.primes[i]
		for q := n * d.inverse; q <= d.most; q = n * d.inverse {
			log = reduce(log+d.log, l.cycle.Order())
			if n = q; n < l.known {
				return reduce(log+l.odd[n/2], l.cycle.Order()), true
			}
		}
	}
	return 0, false
}

// newDivisor prepares the prime q, whose logarithm is log. Each round of
// Newton's method doubles the bits in which inverse*q is 1; q is its own
// inverse in the lowest three.
func newDivisor(q, log uint64) divisor {
	inverse := q
	for range 5 {
		inverse *= 2 - q*inverse
	}
	return divisor{inverse, math.MaxUint64 / q, log}
}
