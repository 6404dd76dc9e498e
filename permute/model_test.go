package permute

import (
	"crypto/aes"
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"
)

// The model is the oracle of this package: the rules of C zmap's order, one by
// one, in big integers and lists, with nothing shared with the code under test.

// modelPrimes are all primes a cycle may use, and the distinct prime factors of each less one.
var modelPrimes = []struct {
	p       uint64
	root    int64
	factors []int64
}{
	{257, 3, []int64{2}},
	{65537, 3, []int64{2}},
	{16777259, 2, []int64{2, 23, 103, 3541}},
	{268435459, 2, []int64{2, 3, 19, 87211}},
	{4294967311, 3, []int64{2, 3, 5, 131, 364289}},
	{8589934609, 19, []int64{2, 3, 59, 3033169}},
	{17179869209, 3, []int64{2, 83, 1277, 20261}},
	{68719476767, 5, []int64{2, 163, 883, 238727}},
	{1099511627791, 3, []int64{2, 3, 5, 36650387593}},
	{17592186044423, 5, []int64{2, 11, 53, 97, 155542661}},
	{281474976710677, 6, []int64{2, 3, 7, 1361, 2462081249}},
	{562949953421641, 52, []int64{2, 3, 5, 167, 153067, 183523}},
	{1125899906842769, 3, []int64{2, 44053, 1597365541}},
	{2251799813685269, 2, []int64{2, 7, 11, 179, 3517, 11613247}},
	{4503599627370517, 2, []int64{2, 3, 23, 612229, 987127}},
	{9007199254740997, 11, []int64{2, 3, 307, 2857, 6529, 43691}},
	{18014398509482143, 3, []int64{2, 3, 7724869, 388666753}},
	{36028797018963971, 2, []int64{2, 5, 13, 37, 109, 246241, 279073}},
	{72057594037928017, 10, []int64{2, 3, 7, 61, 34501, 14557303}},
	{144115188075855881, 7, []int64{2, 5, 13, 37, 109, 246241, 279073}},
	{288230376151711813, 5, []int64{2, 3, 7, 13, 26813, 33829, 290993}},
	{576460752303423649, 11, []int64{2, 3, 10427867, 575841589}},
	{1152921504606847009, 13, []int64{2, 3, 11, 683, 2971, 48912491}},
	{2305843009213693973, 3, []int64{2, 11, 743, 44797, 1574487853}},
	{4611686018427388039, 3, []int64{2, 3, 953, 7691, 15467, 6779953}},
}

// modelWords returns the first n words of the stream of seed.
func modelWords(seed uint64, n int) []uint64 {
	key := make([]byte, 16)
	binary.LittleEndian.PutUint64(key, seed)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	var words []uint64
	out := make([]byte, 16)
	for len(words) < n {
		next := make([]byte, 16)
		block.Encrypt(next, out)
		out = next
		words = append(words, binary.LittleEndian.Uint64(out[:8]), binary.LittleEndian.Uint64(out[8:]))
	}
	return words[:n]
}

// modelBits returns how many bits hold the numbers 0..n-1.
func modelBits(n uint64) uint {
	b := uint(0)
	for b < 64 && new(big.Int).Lsh(big.NewInt(1), b).Cmp(new(big.Int).SetUint64(n)) < 0 {
		b++
	}
	return b
}

type model struct {
	rows, cols *big.Int
	portBits   uint
	p, q       *big.Int // the prime, and the order of the group
	gen, off   *big.Int
}

func newModel(t testing.TB, seed uint64, g Grid) *model {
	t.Helper()
	m := &model{
		rows: new(big.Int).SetUint64(g.Rows), cols: new(big.Int).SetUint64(g.Cols),
		portBits: modelBits(g.Cols),
	}
	size := new(big.Int).Lsh(big.NewInt(1), modelBits(g.Rows)+m.portBits)
	var factors []int64
	for _, row := range modelPrimes {
		if m.p = new(big.Int).SetUint64(row.p); m.p.Cmp(size) > 0 {
			factors = row.factors
			break
		}
	}
	if factors == nil {
		t.Fatalf("model: no prime for %v", g)
	}
	m.q = new(big.Int).Sub(m.p, big.NewInt(1))

	words := modelWords(seed, 2)
	c := uint32((words[0] & 0xffffffff) % m.p.Uint64())
	for {
		c++
		c = uint32(uint64(c) % m.p.Uint64())
		c %= 1 << 22
		if c != 0 && m.primitive(int64(c), factors) {
			break
		}
	}
	m.gen = big.NewInt(int64(c))
	m.off = new(big.Int).SetUint64((words[1] & 0xffffffff) % m.p.Uint64())
	return m
}

func (m *model) primitive(c int64, factors []int64) bool {
	for _, f := range factors {
		e := new(big.Int).Div(m.q, big.NewInt(f))
		if new(big.Int).Exp(big.NewInt(c), e, m.p).Cmp(big.NewInt(1)) == 0 {
			return false
		}
	}
	return true
}

// at returns the element with exponent (steps + offset) mod q.
func (m *model) at(steps *big.Int) *big.Int {
	e := new(big.Int).Add(steps, m.off)
	return new(big.Int).Exp(m.gen, e.Mod(e, m.q), m.p)
}

// next returns the element after x.
func (m *model) next(x *big.Int) *big.Int {
	y := new(big.Int).Mul(x, m.gen)
	return y.Mod(y, m.p)
}

// index returns x-1, and whether it is a target.
func (m *model) index(x *big.Int) (uint64, bool) {
	v := new(big.Int).Sub(x, big.NewInt(1))
	ip := new(big.Int).Rsh(v, m.portBits)
	port := new(big.Int).Sub(v, new(big.Int).Lsh(ip, m.portBits))
	return v.Uint64(), ip.Cmp(m.rows) < 0 && port.Cmp(m.cols) < 0
}

// subshard returns the targets of subshard i of s, at most limit of them.
func (m *model) subshard(i, s int64, limit int) []uint64 {
	part := new(big.Int).Div(m.q, big.NewInt(s))
	first := m.at(new(big.Int).Mul(part, big.NewInt(i)))
	last := m.at(new(big.Int).Mul(part, big.NewInt((i+1)%s)))
	targets := []uint64{}
	for x := first; len(targets) < limit; {
		if v, ok := m.index(x); ok {
			targets = append(targets, v)
		}
		if x = m.next(x); x.Cmp(last) == 0 {
			break
		}
	}
	return targets
}

// mustCycle returns the cycle of a grid that has one.
func mustCycle(t testing.TB, seed uint64, g Grid) *Cycle {
	t.Helper()
	c, err := New(seed, g)
	if err != nil {
		t.Fatalf("New(%d, %v): %v", seed, g, err)
	}
	return c
}

// mustWalks returns the walks of a shard that exists.
func mustWalks(t testing.TB, c *Cycle, s Shard, threads int) []*Walk {
	t.Helper()
	walks, err := c.Walks(s, threads)
	if err != nil {
		t.Fatalf("Walks(%v, %d): %v", s, threads, err)
	}
	return walks
}

// mustWalk returns the only walk of a whole cycle.
func mustWalk(t testing.TB, c *Cycle) *Walk {
	t.Helper()
	return mustWalks(t, c, Shard{0, 1}, 1)[0]
}

// rest returns all indexes that w still has.
func rest(w *Walk) []uint64 {
	indexes := []uint64{}
	for {
		v, ok := w.Next()
		if !ok {
			return indexes
		}
		indexes = append(indexes, v)
	}
}

func TestModelBits(t *testing.T) {
	// Guards the oracle itself, and Bits by it.
	for n, want := range map[uint64]uint{0: 0, 1: 0, 2: 1, 3: 2, 255: 8, 256: 8, 257: 9, 1 << 32: 32, 1<<32 + 1: 33, 1<<64 - 1: 64} {
		if got := modelBits(n); got != want {
			t.Errorf("modelBits(%d) = %d, want %d", n, got, want)
		}
		if got := Bits(n); got != int(want) {
			t.Errorf("Bits(%d) = %d, want %d", n, got, want)
		}
	}
}

// exactly fails the test unless the lists together hold every index of g once.
func exactly(t *testing.T, g Grid, what string, lists ...[]uint64) {
	t.Helper()
	seen := make(map[uint64]int)
	for _, list := range lists {
		for _, v := range list {
			seen[v]++
		}
	}
	var bad []string
	for row := range g.Rows {
		for col := range g.Cols {
			v := row<<modelBits(g.Cols) | col
			if seen[v] != 1 && len(bad) < 5 {
				bad = append(bad, fmt.Sprintf("index %d came %d times", v, seen[v]))
			}
			delete(seen, v)
		}
	}
	if len(bad) > 0 || len(seen) > 0 {
		t.Errorf("%v %s: want every index once: %v; %d outside the grid", g, what, bad, len(seen))
	}
}
