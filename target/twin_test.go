package target

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go4.org/netipx"
)

// The universe of the painted twin: small enough to paint each address, large enough for 64 blocks.
const (
	twinBase = 16 << 24 // 16.0.0.0/12
	twinSize = 1 << 20
)

// A paintedTwin is the slow, obvious way: a map with a mark for each address, painted entry by entry.
type paintedTwin struct {
	allowed [twinSize]bool
}

func (p *paintedTwin) paint(n netip.Prefix, allowed bool) {
	first, _ := host4(n.Masked().Addr())
	for i := range uint32(1) << (32 - n.Bits()) {
		p.allowed[first-twinBase+i] = allowed
	}
}

// order lists the addresses as section "index to address" of the C program's behaviour has it.
func (p *paintedTwin) order() []uint32 {
	var full, rest []uint32
	for block := 0; block < twinSize; block += 1 << 14 {
		var here []uint32
		for i := block; i < block+1<<14; i++ {
			if p.allowed[i] {
				here = append(here, uint32(twinBase+i))
			}
		}
		if len(here) == 1<<14 {
			full = append(full, here...)
		} else {
			rest = append(rest, here...)
		}
	}
	return append(full, rest...)
}

// build makes a space of entries, with the block entries last.
func build(t testing.TB, ports Ports, allow, block []string) *Space {
	t.Helper()
	b := Builder{Ports: ports}
	for _, e := range allow {
		if err := b.Add(Allow, e); err != nil {
			t.Fatalf("Add(Allow, %q): %v", e, err)
		}
	}
	for _, e := range block {
		if err := b.Add(Block, e); err != nil {
			t.Fatalf("Add(Block, %q): %v", e, err)
		}
	}
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return s
}

// randomPrefix returns a network of the given lengths inside the network of that base and length, host bits set.
func randomPrefix(r *rand.Rand, base uint32, baseBits, minBits, maxBits int) netip.Prefix {
	n := minBits + r.IntN(maxBits-minBits+1)
	host := uint32(uint64(1)<<(32-baseBits) - 1)
	return netip.PrefixFrom(addr4(base|r.Uint32()&host), n)
}

func TestSpaceEqualsPaintedTwin(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			twin := &paintedTwin{}
			var allow, block []string
			add := func(list *[]string, count, minBits, maxBits int, paint bool) {
				for range count {
					p := randomPrefix(r, twinBase, 12, minBits, maxBits)
					*list = append(*list, p.String())
					twin.paint(p, paint)
				}
			}
			if seed%3 == 0 { // everything allowed, by entries that overlap, nest and repeat
				twin.paint(netip.MustParsePrefix("16.0.0.0/12"), true)
				allow = append(allow, "16.0.0.0/12", "16.0.0.0/12", "16.3.0.0/16", "16.15.255.255")
			} else {
				add(&allow, 1+r.IntN(20), 13, 20, true)
				add(&allow, r.IntN(100), 20, 32, true)
			}
			add(&block, r.IntN(4), 15, 19, false)
			add(&block, r.IntN(40), 17, 24, false)
			add(&block, r.IntN(2)*r.IntN(3000), 28, 32, false) // seeds without and with crowded blocks
			compareWithTwin(t, twin, allow, block)
		})
	}
}

func compareWithTwin(t *testing.T, twin *paintedTwin, allow, block []string) {
	t.Helper()
	s := build(t, Ports{}, allow, block)
	want := twin.order()
	if got := s.Addrs(); got != uint64(len(want)) {
		t.Fatalf("Addrs() = %d, want %d", got, len(want))
	}
	if got := s.Allowed() + s.Denied(); got != 1<<32 || s.Allowed() != s.Addrs() {
		t.Errorf("Allowed() = %d, Denied() = %d: want %d and a sum of 2^32", s.Allowed(), s.Denied(), s.Addrs())
	}
	for i, a := range want {
		if got := s.At(uint64(i)); got != (Target{Index: uint64(i), Addr: addr4(a)}) {
			t.Fatalf("At(%d) = %v, want address %v", i, got, addr4(a))
		}
		if got, ok := s.Index(addr4(a), 0); got != uint64(i) || !ok {
			t.Fatalf("Index(%v, 0) = %d, %v, want %d, true", addr4(a), got, ok, i)
		}
	}
	for i := range uint32(twinSize) {
		a := addr4(twinBase + i)
		if got := s.Contains(a); got != twin.allowed[i] {
			t.Fatalf("Contains(%v) = %v, want %v", a, got, twin.allowed[i])
		}
		// The same place in the networks around: nothing there is allowed.
		for _, out := range []uint32{twinBase - twinSize + i, twinBase + twinSize + i, twinBase + i ^ 1<<31} {
			if _, ok := s.Index(addr4(out), 0); ok {
				t.Fatalf("Index(%v, 0): got a target outside the universe", addr4(out))
			}
		}
	}
	compareRanges(t, s, twin)
}

// compareRanges paints what Ranges and Prefixes yield and checks that ranges cannot be larger.
func compareRanges(t *testing.T, s *Space, twin *paintedTwin) {
	t.Helper()
	var byRange, byPrefix paintedTwin
	last := int64(-2)
	for first, to := range s.Ranges() {
		lo, _ := host4(first)
		hi, _ := host4(to)
		if int64(lo) <= last+1 {
			t.Errorf("Ranges(): %v-%v touches or precedes the range before, which ends at %d", first, to, last)
		}
		last = int64(hi)
		for a := lo; a <= hi; a++ {
			byRange.allowed[a-twinBase] = true
		}
	}
	for p := range s.Prefixes() {
		byPrefix.paint(p, true)
	}
	if byRange.allowed != twin.allowed {
		t.Error("Ranges() does not cover exactly what is allowed")
	}
	if byPrefix.allowed != twin.allowed {
		t.Error("Prefixes() does not cover exactly what is allowed")
	}
}

// wholeLists are random lists over all of IPv4, as text.
type wholeLists struct{ allow, block []netip.Prefix }

func randomLists(r *rand.Rand, allow, block int) wholeLists {
	var l wholeLists
	for range allow {
		l.allow = append(l.allow, randomPrefix(r, 0, 0, 2, 32))
	}
	for range block {
		l.block = append(l.block, randomPrefix(r, 0, 0, 8+r.IntN(16), 32))
	}
	return l
}

func (l wholeLists) ipset(t *testing.T) *netipx.IPSet {
	t.Helper()
	var b netipx.IPSetBuilder
	if len(l.allow) == 0 {
		b.AddPrefix(netip.MustParsePrefix("0.0.0.0/0"))
	}
	for _, p := range l.allow {
		b.AddPrefix(p)
	}
	for _, p := range l.block {
		b.RemovePrefix(p)
	}
	b.Remove(netip.MustParseAddr("0.0.0.0"))
	set, err := b.IPSet()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (l wholeLists) build(t testing.TB, ports Ports) *Space {
	t.Helper()
	b := Builder{Ports: ports}
	for v, list := range [][]netip.Prefix{Allow: l.allow, Block: l.block} {
		for _, p := range list {
			if err := b.AddPrefix(Verdict(v), p, Origin{Name: "test"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWholeIPv4EqualsIPSet(t *testing.T) {
	for _, c := range []struct{ allow, block int }{{0, 0}, {0, 1}, {0, 50}, {0, 20000}, {3, 100}, {2000, 3000}, {1, 5}} {
		t.Run(fmt.Sprintf("%d allowed %d blocked", c.allow, c.block), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(c.allow), uint64(c.block)))
			lists := randomLists(r, c.allow, c.block)
			set := lists.ipset(t)
			s := lists.build(t, NewPorts(443, 80, 8080))
			var want, got []netipx.IPRange
			want = set.Ranges()
			count := uint64(0)
			for first, last := range s.Ranges() {
				got = append(got, netipx.IPRangeFrom(first, last))
				lo, _ := host4(first)
				hi, _ := host4(last)
				count += uint64(hi-lo) + 1
			}
			if !slices.Equal(got, want) {
				t.Errorf("Ranges(): got %d ranges, want the %d of netipx", len(got), len(want))
			}
			if !slices.Equal(slices.Collect(s.Prefixes()), set.Prefixes()) {
				t.Error("Prefixes() differs from netipx")
			}
			if s.Addrs() != count || s.Rows() != count || s.Cols() != 3 || s.Targets() != 3*count {
				t.Errorf("Addrs %d, Rows %d, Cols %d, Targets %d, want %d rows and 3 columns", s.Addrs(), s.Rows(), s.Cols(), s.Targets(), count)
			}
			checkInverse(t, s, r)
			checkMembers(t, s, set, r)
		})
	}
}

// checkInverse checks At and Index against each other, and the order of At, with random indexes and at the seams.
func checkInverse(t *testing.T, s *Space, r *rand.Rand) {
	t.Helper()
	rows, whole := s.Rows(), uint64(len(s.blocks))<<14
	at := []uint64{0, rows - 1, min(whole, rows-1), max(whole, 1) - 1}
	for range 20000 {
		at = append(at, r.Uint64N(rows))
	}
	for _, row := range at {
		col := r.Uint64N(s.Cols())
		index := row<<2 | col
		got := s.At(index)
		if got.Index != index || got.Port != s.Ports().At(int(col)) || got.Addr != s.AddrAt(row) {
			t.Fatalf("At(%d) = %v: want port %d and address %v", index, got, s.Ports().At(int(col)), s.AddrAt(row))
		}
		if back, ok := s.Index(got.Addr, got.Port); back != index || !ok {
			t.Fatalf("Index(At(%d)) = %d, %v", index, back, ok)
		}
		if _, ok := s.Index(got.Addr, got.Port+1); ok {
			t.Fatalf("Index(%v, %d): port is not in the list", got.Addr, got.Port+1)
		}
		if row+1 != whole && row+1 < rows && !got.Addr.Less(s.AddrAt(row+1)) {
			t.Fatalf("rows %d and %d do not ascend: %v, %v", row, row+1, got.Addr, s.AddrAt(row+1))
		}
	}
}

// checkMembers asks both about random addresses and about those around the ends of ranges.
func checkMembers(t *testing.T, s *Space, set *netipx.IPSet, r *rand.Rand) {
	t.Helper()
	var addrs []netip.Addr
	for range 5000 {
		addrs = append(addrs, addr4(r.Uint32()))
	}
	ranges := set.Ranges()
	for range 2000 {
		x := ranges[r.IntN(len(ranges))]
		addrs = append(addrs, x.From(), x.To())
		for _, a := range []netip.Addr{x.From().Prev(), x.To().Next()} {
			if a.IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	for _, a := range addrs {
		index, ok := s.Index(a, 80)
		if want := set.Contains(a); ok != want || s.Contains(a) != want {
			t.Fatalf("Index(%v, 80) = %v, Contains = %v, netipx says %v", a, ok, s.Contains(a), want)
		}
		if ok && s.At(index).Addr != a {
			t.Fatalf("At(Index(%v)) = %v", a, s.At(index).Addr)
		}
		// A block is numbered first exactly if netipx has all of it.
		block, _ := a.Prefix(18)
		if ok && (index>>2 < uint64(len(s.blocks))<<14) != set.ContainsPrefix(block) {
			t.Fatalf("row %d of %v: %v allowed entirely: %v", index>>2, a, block, set.ContainsPrefix(block))
		}
	}
}

func TestIntersectEqualsTwin(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 9))
		twin := &paintedTwin{}
		var text strings.Builder
		for range 1 + r.IntN(3000) {
			// Some spans of many, so that pages become bitmaps and blocks whole, and many single addresses.
			first, n := r.IntN(twinSize), 1
			if r.IntN(300) == 0 {
				n = 1 + r.IntN(70000)
			}
			for a := first; a < min(first+n, twinSize); a++ {
				twin.allowed[a] = true
				fmt.Fprintln(&text, addr4(uint32(twinBase+a)))
			}
		}
		list, err := ReadList(strings.NewReader(text.String()), "list")
		if err != nil {
			t.Fatal(err)
		}
		block := []string{"16.1.0.0/16", "16.2.3.0/24", "16.15.0.0/18"}
		space := build(t, Ports{}, nil, block)
		for _, b := range block {
			twin.paint(netip.MustParsePrefix(b), false)
		}
		s, err := space.Intersect(list)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range twin.order() {
			if got := s.AddrAt(uint64(i)); got != addr4(a) {
				t.Fatalf("seed %d: AddrAt(%d) = %v, want %v", seed, i, got, addr4(a))
			}
			if got, ok := s.Index(addr4(a), 0); got != uint64(i) || !ok {
				t.Fatalf("seed %d: Index(%v) = %d, %v, want %d", seed, addr4(a), got, ok, i)
			}
		}
		if got, want := s.Addrs(), uint64(len(twin.order())); got != want {
			t.Errorf("seed %d: Addrs() = %d, want %d", seed, got, want)
		}
		if s.Allowed() != space.Addrs() {
			t.Errorf("seed %d: Allowed() = %d, want what the lists allow, %d", seed, s.Allowed(), space.Addrs())
		}
		compareRanges(t, s, twin)
	}
}
