package permute

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestLogs asks tables of all sizes, those that need many turns included, for
// elements of all groups.
func TestLogs(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	for _, g := range groupGrids {
		c := mustCycle(t, r.Uint64(), g)
		for _, questions := range []uint64{0, 1, 200, 20000} {
			if c.prime > maxTable && questions < fewQuestions {
				continue // a solver's
			}
			l := newLogs(c, questions)
			for _, x := range sampleElements(r, c, 100) {
				checkLog(t, c, x, l.of(x))
			}
		}
	}
}

// TestLogsSolver compares the two ways to a logarithm.
func TestLogsSolver(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	for _, g := range groupGrids {
		c := mustCycle(t, r.Uint64(), g)
		questions := uint64(1000)
		if c.prime > maxTable {
			questions = fewQuestions
		}
		l, s := newLogs(c, questions), newSolver(c, 100)
		for _, x := range sampleElements(r, c, 100) {
			if got, want := l.of(x), s.log(x); got != want {
				t.Errorf("mod %d: got logarithm %d of %d by fractions, want %d", c.prime, got, x, want)
			}
		}
	}
}

// TestLogsTable checks the logarithms of all numbers in the tables.
func TestLogsTable(t *testing.T) {
	for _, g := range groupGrids {
		c := mustCycle(t, 5, g)
		for _, questions := range []uint64{1, 5000} {
			if c.prime > maxTable && questions < fewQuestions {
				continue
			}
			l := newLogs(c, questions)
			if len(l.primes) != basePrimes-1 {
				t.Errorf("mod %d: got %d odd primes from the solver, want %d", c.prime, len(l.primes), basePrimes-1)
			}
			limit := max(baseLimit, min(tableShare*questions, l.root+1))
			if l.known < limit || l.known > limit+2 {
				t.Errorf("mod %d: all numbers below %d are known, want %d", c.prime, l.known, limit)
			}
			for n := uint64(1); n < min(l.known, c.prime); n++ {
				log, ok := l.small(n)
				if !ok || log >= c.Order() || powMod(c.generator, log, c.prime) != n {
					t.Fatalf("mod %d: got logarithm %d, %v of %d in a table to %d", c.prime, log, ok, n, l.known)
				}
			}
		}
	}
}

// TestSmall takes numbers beyond the table apart, and compares with plain divisions.
func TestSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 13))
	c := mustCycle(t, 5, Grid{1 << 48, 1})
	l := newLogs(c, 1)
	found, missed := 0, 0
	for range 20000 {
		n := 1 + r.Uint64N(1<<48)>>r.IntN(48)
		rest := n
		for q := uint64(2); q < baseLimit; q++ {
			for rest%q == 0 && rest >= l.known {
				rest /= q
			}
		}
		log, ok := l.small(n)
		if ok != (rest < l.known) {
			t.Fatalf("small(%d) = %d, %v, but small primes leave %d", n, log, ok, rest)
		}
		if !ok {
			missed++
			continue
		}
		found++
		checkLog(t, c, n, log)
	}
	if found < 1000 || missed < 1000 {
		t.Errorf("%d numbers came apart and %d did not: one side is not tested", found, missed)
	}
}

// TestFraction checks what makes every first fraction serve when the table
// reaches the root.
func TestFraction(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 14))
	for _, g := range groupGrids {
		c := mustCycle(t, 1, g)
		l := &logs{cycle: c, root: rootOf(c.prime)}
		if root := new(big.Int).Sqrt(new(big.Int).SetUint64(c.prime)).Uint64(); l.root != root {
			t.Errorf("mod %d: got root %d, want %d", c.prime, l.root, root)
		}
		around := []uint64{l.root - 1, l.root, l.root + 1, c.prime / l.root}
		for _, x := range append(around, sampleElements(r, c, 2000)...) {
			a, b, sign := l.fraction(x)
			if a < 1 || a > l.root || b < 1 || b > l.root || sign > 1 {
				t.Errorf("mod %d: got the fraction %d/%d, sign %d, for %d, want both in 1..%d", c.prime, a, b, sign, x, l.root)
			}
			want := a
			if sign == 1 {
				want = c.prime - a
			}
			if got := bigMulMod(x, b, c.prime); got != want {
				t.Errorf("mod %d: got the fraction %d/%d, sign %d, for %d", c.prime, a, b, sign, x)
			}
		}
	}
}

func TestDivisor(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 15))
	for q := uint64(3); q < baseLimit; q += 2 {
		d := newDivisor(q, 0)
		for range 1000 {
			n := r.Uint64() >> r.IntN(64)
			for _, n := range []uint64{n, n / q * q, n/q*q + 1, n/q*q - 1} {
				quotient := n * d.inverse
				if (quotient <= d.most) != (n%q == 0) || n%q == 0 && quotient != n/q {
					t.Fatalf("%d by %d: got %d, at most %d", n, q, quotient, d.most)
				}
			}
		}
	}
}

func TestPowers(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 16))
	for _, g := range groupGrids {
		c := mustCycle(t, r.Uint64(), g)
		p := newPowers(c)
		steps := []uint64{0, 1, digits - 1, digits, digits + 1, c.Order() - 1, c.Order() - 2, c.Order() / 2}
		for range 1000 {
			steps = append(steps, r.Uint64N(c.Order()))
		}
		for _, step := range steps {
			step %= c.Order()
			if got, want := p.element(step), c.element(step); got != want {
				t.Errorf("mod %d: got element %d after %d steps, want %d", c.prime, got, step, want)
			}
		}
	}
}
