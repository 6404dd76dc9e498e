package permute

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

func bigMulMod(a, b, p uint64) uint64 {
	x := new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
	return x.Mod(x, new(big.Int).SetUint64(p)).Uint64()
}

// checkTimes compares every way to multiply x, below 2p, by c, below p.
func checkTimes(t *testing.T, x, c, p uint64) {
	t.Helper()
	want := bigMulMod(x, c, p)
	got := newMultiplier(c, p).times(x, p)
	if got != want && got != want+p {
		t.Errorf("%d times %d mod %d = %d, want %d or %d", x, c, p, got, want, want+p)
	}
	if got >= 2*p {
		t.Errorf("%d times %d mod %d = %d is not below 2p", x, c, p, got)
	}
	if r := reduce(got, p); r != want {
		t.Errorf("%d times %d mod %d reduced = %d, want %d", x, c, p, r, want)
	}
	if got := mulMod(reduce(x, p), c, p); got != want {
		t.Errorf("mulMod(%d, %d, %d) = %d, want %d", reduce(x, p), c, p, got, want)
	}
}

func TestTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, g := range groups {
		p := g.prime
		edges := []uint64{0, 1, 2, p / 2, p/2 + 1, p - 2, p - 1}
		consts := append([]uint64{min(1<<22-1, p-1)}, edges...)
		for range 100 {
			consts = append(consts, r.Uint64N(p), r.Uint64N(min(1<<22, p)))
		}
		for _, c := range consts {
			for _, x := range edges {
				checkTimes(t, x, c, p)
				checkTimes(t, x+p, c, p)
			}
			for range 20 {
				checkTimes(t, r.Uint64N(2*p), c, p)
			}
		}
	}
}

// TestTimesAll multiplies everything with everything in the smallest group.
func TestTimesAll(t *testing.T) {
	p := groups[0].prime
	for c := range p {
		m := newMultiplier(c, p)
		for x := range 2 * p {
			if got := m.times(x, p); got >= 2*p || got%p != x*c%p {
				t.Fatalf("%d times %d mod %d = %d, want %d or that plus p", x, c, p, got, x*c%p)
			}
		}
	}
}

func FuzzTimes(f *testing.F) {
	f.Add(uint64(1), uint64(1), uint8(0))
	f.Add(uint64(1<<49), uint64(1<<48), uint8(10))
	f.Fuzz(func(t *testing.T, x, c uint64, which uint8) {
		p := groups[int(which)%len(groups)].prime
		checkTimes(t, x%(2*p), c%p, p)
	})
}

func TestPowMod(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, g := range groups {
		p := g.prime
		for range 200 {
			base, exp := r.Uint64N(p), r.Uint64()>>r.IntN(64)
			want := new(big.Int).Exp(new(big.Int).SetUint64(base), new(big.Int).SetUint64(exp), new(big.Int).SetUint64(p)).Uint64()
			if got := powMod(base, exp, p); got != want {
				t.Errorf("powMod(%d, %d, %d) = %d, want %d", base, exp, p, got, want)
			}
		}
		if got := powMod(5, 0, p); got != 1 {
			t.Errorf("powMod(5, 0, %d) = %d, want 1", p, got)
		}
	}
}
