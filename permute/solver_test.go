package permute

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// groupGrids has one grid for each group, the large ones with several columns.
var groupGrids = []Grid{
	{200, 1},
	{300, 7},
	{1<<16 + 1, 3},
	{3 << 18, 200},
	{3702258432, 1},
	{3702258432, 2},
	{3702258432, 3},
	{3702258432, 9},
	{3702258432, 200},
	{3702258432, 257},
	{3702258432, 65535},
	{1<<49 - 5, 1},
	{1<<48 - 5, 3},
	{1<<51 - 5, 1},
	{1<<50 - 5, 3},
	{1<<53 - 5, 1},
	{1<<52 - 5, 3},
	{1<<55 - 5, 1},
	{1<<54 - 5, 3},
	{1<<57 - 5, 1},
	{1<<56 - 5, 3},
	{1<<59 - 5, 1},
	{1<<58 - 5, 3},
	{1<<61 - 5, 1},
	{1<<60 - 5, 3},
}

func TestGroupGrids(t *testing.T) {
	for i, g := range groupGrids {
		if c := mustCycle(t, 1, g); c.prime != groups[i].prime {
			t.Errorf("grid %v: got the group mod %d, want %d", g, c.prime, groups[i].prime)
		}
	}
}

// checkLog compares the generator to the power of log, in big integers, with x.
func checkLog(t *testing.T, c *Cycle, x, log uint64) {
	t.Helper()
	e, p := new(big.Int).SetUint64(log), new(big.Int).SetUint64(c.prime)
	got := new(big.Int).Exp(new(big.Int).SetUint64(c.generator), e, p)
	if log >= c.Order() || got.Uint64() != x {
		t.Errorf("mod %d: got logarithm %d of %d to base %d, which gives %v", c.prime, log, x, c.generator, got)
	}
}

// sampleElements returns the odd corners of a group, and n other elements.
func sampleElements(r *rand.Rand, c *Cycle, n int) []uint64 {
	p := c.prime
	all := []uint64{1, 2, 3, 255, 256, p / 2, p/2 + 1, p - 3, p - 2, p - 1, c.generator, c.backward.c, c.element(0)}
	for range n {
		all = append(all, r.Uint64N(p-1)+1)
	}
	return all
}

func TestSolver(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	for _, g := range groupGrids {
		for _, questions := range []uint64{1, basePrimes, 1e5} {
			c := mustCycle(t, r.Uint64(), g)
			s := newSolver(c, questions)
			for _, x := range sampleElements(r, c, 20) {
				checkLog(t, c, x, s.log(x))
			}
		}
	}
}

// TestSolverAll goes once around the two smallest groups.
func TestSolverAll(t *testing.T) {
	for _, g := range groupGrids[:2] {
		c := mustCycle(t, 6, g)
		s, x := newSolver(c, 1), uint64(1)
		for want := range c.Order() {
			if got := s.log(x); got != want {
				t.Fatalf("mod %d: got logarithm %d of %d, want %d", c.prime, got, x, want)
			}
			x = mulMod(x, c.generator, c.prime)
		}
	}
}

// TestSubgroups checks what the Chinese remainder theorem needs.
func TestSubgroups(t *testing.T) {
	for _, g := range groupGrids {
		c := mustCycle(t, 7, g)
		s := newSolver(c, 1)
		product := uint64(1)
		for i := range s.subgroups {
			sub := &s.subgroups[i]
			product *= sub.size
			if sub.size*sub.cofactor != c.Order() || sub.cofactor%sub.q == 0 {
				t.Errorf("mod %d, factor %d: got size %d and cofactor %d of order %d", c.prime, sub.q, sub.size, sub.cofactor, c.Order())
			}
			for j := range s.subgroups {
				want := uint64(0)
				if i == j {
					want = 1
				}
				if got := sub.share % s.subgroups[j].size; got != want {
					t.Errorf("mod %d, factor %d: share %d is %d mod %d, want %d", c.prime, sub.q, sub.share, got, s.subgroups[j].size, want)
				}
			}
			if n := sub.baby.n; n < 1 || n > min(sub.q, maxBaby) {
				t.Errorf("mod %d, factor %d: %d baby steps", c.prime, sub.q, n)
			}
		}
		if product != c.Order() {
			t.Errorf("mod %d: the sizes of the subgroups make %d, want %d", c.prime, product, c.Order())
		}
	}
}

func TestExponents(t *testing.T) {
	c := mustCycle(t, 8, Grid{1 << 32, 1})
	for _, n := range []uint64{1, 2, 3, 100, 4096, 5000} {
		e := newExponents(c.generator, n, c.prime)
		x := uint64(1)
		for i := range 3 * n {
			got, ok := e.find(x)
			if ok != (i < n) || ok && got != i {
				t.Fatalf("table of %d: got exponent %d, %v of the power %d", n, got, ok, i)
			}
			x = mulMod(x, c.generator, c.prime)
		}
		if load := len(e.powers); uint64(load) < 2*n || uint64(load) > 4*n {
			t.Errorf("table of %d has %d places, want it half full or a little less", n, load)
		}
	}
}
