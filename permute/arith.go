package permute

import "math/bits"

// mulMod returns a*b mod p, exactly, for a and b below p.
func mulMod(a, b, p uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	_, rem := bits.Div64(hi, lo, p)
	return rem
}

// powMod returns base^exp mod p, for base below p.
func powMod(base, exp, p uint64) uint64 {
	result := uint64(1)
	for ; exp > 0; exp >>= 1 {
		if exp&1 == 1 {
			result = mulMod(result, base, p)
		}
		base = mulMod(base, base, p)
	}
	return result
}

// A multiplier multiplies by a constant modulo a prime below 2^63 without
// dividing. It holds the constant c and ratio = floor(c*2^64 / p); then
// q = floor(x*ratio / 2^64) is the true quotient of x*c by p or one less, so
// that x*c - q*p is the remainder or the remainder plus p. (V. Shoup's method.)
//
// That difference is small, so it is right although both products overflow:
// one path serves every group, those beyond 2^40 included.
type multiplier struct{ c, ratio uint64 }

// newMultiplier returns the multiplier by c modulo p, for c below p.
func newMultiplier(c, p uint64) multiplier {
	ratio, _ := bits.Div64(c, 0, p)
	return multiplier{c, ratio}
}

// times returns x*c mod p, or that plus p, for x below 2p: the result may go
// straight into the next times, which shortens the chain that a walk waits for,
// and reduce makes a proper element of it on the side.
func (m multiplier) times(x, p uint64) uint64 {
	q, _ := bits.Mul64(x, m.ratio)
	return x*m.c - q*p
}

// reduce returns x mod p for x below 2p. It compiles to a conditional move.
func reduce(x, p uint64) uint64 {
	if x >= p {
		x -= p
	}
	return x
}
