package permute

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestGroupsMatchModel(t *testing.T) {
	if len(groups) != len(modelPrimes) {
		t.Fatalf("got %d groups, want %d", len(groups), len(modelPrimes))
	}
	for i, want := range modelPrimes {
		if groups[i].prime != want.p {
			t.Errorf("group %d: got prime %d, want %d", i, groups[i].prime, want.p)
		}
	}
}

// TestGroupsArithmetic checks what makes the table true: the primes are prime
// and the factors are all the prime factors of the order.
func TestGroupsArithmetic(t *testing.T) {
	for _, g := range groups {
		if !new(big.Int).SetUint64(g.prime).ProbablyPrime(20) { // exact below 2^64
			t.Errorf("%d is not prime", g.prime)
		}
		left, before := g.prime-1, uint64(1)
		for _, q := range g.factors {
			if q <= before || !new(big.Int).SetUint64(q).ProbablyPrime(20) {
				t.Errorf("factor %d of %d is not prime, or not in order", q, g.prime-1)
			}
			if left%q != 0 {
				t.Errorf("%d does not divide %d", q, g.prime-1)
			}
			for left%q == 0 {
				left /= q
			}
			before = q
		}
		if left != 1 {
			t.Errorf("the factors of %d leave %d", g.prime-1, left)
		}
	}
}

func TestGenerates(t *testing.T) {
	for i, g := range groups {
		root := uint64(modelPrimes[i].root)
		if !g.generates(root) {
			t.Errorf("mod %d: %d generates, got false", g.prime, root)
		}
		for _, q := range g.factors {
			if c := powMod(root, q, g.prime); g.generates(c) {
				t.Errorf("mod %d: %d = %d^%d misses elements, got true", g.prime, c, root, q)
			}
		}
		for _, c := range []uint64{0, 1, g.prime - 1} {
			if g.generates(c) {
				t.Errorf("mod %d: %d does not generate, got true", g.prime, c)
			}
		}
	}
}

// TestGeneratesByOrbit compares the test by factors with the orbits themselves, for every number.
func TestGeneratesByOrbit(t *testing.T) {
	g := groups[0]
	for c := uint64(1); c < g.prime; c++ {
		seen := make(map[uint64]bool)
		for x := c; !seen[x]; x = x * c % g.prime {
			seen[x] = true
		}
		if got, want := g.generates(c), uint64(len(seen)) == g.prime-1; got != want {
			t.Errorf("generates(%d) = %v, want %v: its orbit has %d elements", c, got, want, len(seen))
		}
	}
}

// TestGeneratorModel draws words that also reach the odd corners: the wrap at
// 2^32, at the prime and at 2^22.
func TestGeneratorModel(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	words := []uint64{0, 1, 255, 256, 257, 1<<22 - 2, 1<<22 - 1, 1 << 22, 1<<32 - 2, 1<<32 - 1, 1 << 32, 1<<64 - 1}
	for range 30 {
		words = append(words, r.Uint64())
	}
	for i, g := range groups {
		words := append([]uint64{g.prime - 2, g.prime - 1, g.prime}, words...)
		m := &model{p: new(big.Int).SetUint64(g.prime), q: new(big.Int).SetUint64(g.prime - 1)}
		for _, word := range words {
			want := uint32((word & 0xffffffff) % g.prime)
			for {
				want = uint32(uint64(want+1)%g.prime) % (1 << 22)
				if want != 0 && m.primitive(int64(want), modelPrimes[i].factors) {
					break
				}
			}
			got := g.generator(word)
			if got != uint64(want) {
				t.Errorf("mod %d, word %#x: got generator %d, want %d", g.prime, word, got, want)
			}
			if got == 0 || got >= 1<<22 || got >= g.prime {
				t.Errorf("mod %d, word %#x: generator %d out of range", g.prime, word, got)
			}
		}
	}
}

func TestChooseGroup(t *testing.T) {
	for _, tt := range []struct {
		rows, cols uint64
		want       uint64
	}{
		{1, 1, 257},
		{256, 1, 257},
		{1, 256, 257},
		{257, 1, 65537},
		{1, 300, 65537},
		{129, 2, 65537 /* 8+1 bits, though 258 indexes */},
		{65536, 1, 65537},
		{65537, 1, 16777259},
		{1 << 24, 1, 16777259},
		{1<<24 + 1, 1, 268435459},
		{1 << 28, 1, 268435459},
		{1<<28 + 1, 1, 4294967311},
		{1 << 32, 1, 4294967311},
		{1 << 32, 2, 8589934609},
		{1 << 32, 3, 17179869209},
		{1 << 32, 5, 68719476767},
		{1 << 32, 16, 68719476767},
		{1 << 32, 17, 1099511627791},
		{1 << 32, 256, 1099511627791},
		{1 << 32, 257, 17592186044423},
		{1 << 32, 4096, 17592186044423},
		{1 << 32, 4097, 281474976710677},
		{1 << 32, 65536, 281474976710677},
		{1 << 48, 1, 281474976710677},
		{1<<48 + 1, 1, 1<<49 + 329},
		{1 << 48, 4, 1<<50 + 145},
		{1 << 32, 1<<16 + 1, 1<<49 + 329},
		{1 << 60, 1, 1<<60 + 33},
		{1<<61 + 1, 1, 1<<62 + 135},
		{1 << 62, 1, 1<<62 + 135},
	} {
		g := Grid{tt.rows, tt.cols}
		if c := mustCycle(t, 1, g); c.Prime() != tt.want || c.Order() != tt.want-1 {
			t.Errorf("grid %v: got prime %d, order %d, want %d, %d", g, c.Prime(), c.Order(), tt.want, tt.want-1)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	const most = 1<<64 - 1
	for _, tt := range []struct {
		grid Grid
		want string
	}{
		{Grid{0, 1}, "nothing to walk"},
		{Grid{1, 0}, "nothing to walk"},
		{Grid{0, 0}, "nothing to walk"},
		{Grid{1<<62 + 1, 1}, "take 63 bits, the largest group has 62"},
		{Grid{1 << 62, 2}, "take 63 bits"},
		{Grid{1 << 47, 1<<16 + 1}, "take 64 bits"},
		{Grid{most, 1}, "take 64 bits"},
		{Grid{most, most}, "take 128 bits"},
		{Grid{1 << 33, 1 << 31}, "take 64 bits"},
	} {
		c, err := New(1, tt.grid)
		if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(1, %v): got %v, %v, want an error with %q", tt.grid, c, err, tt.want)
		}
	}
}
