package target

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// shippedBlocklist is the blocklist that C zmap comes with.
var shippedBlocklist = []string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"240.0.0.0/4", "255.255.255.255/32", "224.0.0.0/4",
}

func addrsAt(s *Space, indexes ...uint64) []string {
	var addrs []string
	for _, i := range indexes {
		addrs = append(addrs, s.At(i).Addr.String())
	}
	return addrs
}

// TestOrderOfCZMap compares with what ziterate 4.3 printed; the indexes are those its permutation visits.
func TestOrderOfCZMap(t *testing.T) {
	whole := build(t, Ports{}, nil, nil)
	for _, c := range []struct {
		name    string
		space   *Space
		indexes []uint64
		want    []string
	}{
		{
			"ziterate --seed 2", whole,
			[]uint64{4278245413, 2175701282, 748538139, 2041065707, 2973872109},
			[]string{"255.1.24.37", "129.174.209.34", "44.158.9.27", "121.168.112.235", "177.65.239.237"},
		},
		{
			"ziterate --seed 1234 10.0.0.0/24", build(t, Ports{}, []string{"10.0.0.0/24"}, nil),
			[]uint64{122, 111, 78, 236, 196, 76},
			[]string{"10.0.0.122", "10.0.0.111", "10.0.0.78", "10.0.0.236", "10.0.0.196", "10.0.0.76"},
		},
		{
			"without lists, block 0.0.0.0/18 comes last", whole,
			[]uint64{0, 1, (1<<18-1)<<14 - 1, (1<<18 - 1) << 14, (1<<18-1)<<14 + 1, 1<<32 - 2},
			[]string{"0.0.64.0", "0.0.64.1", "255.255.255.255", "0.0.0.1", "0.0.0.2", "0.0.63.255"},
		},
		{
			"whole blocks before fragments", build(t, Ports{}, []string{"192.168.1.0/24", "10.0.0.0/17", "172.16.64.0/18"}, nil),
			[]uint64{0, 32767, 32768, 49151, 49152, 49407},
			[]string{"10.0.0.0", "10.0.127.255", "172.16.64.0", "172.16.127.255", "192.168.1.0", "192.168.1.255"},
		},
		{
			"halves of a block make it whole", build(t, Ports{}, []string{"20.0.0.0/24", "20.64.32.0/19", "20.64.0.0/19"}, nil),
			[]uint64{0, 1<<14 - 1, 1 << 14},
			[]string{"20.64.0.0", "20.64.63.255", "20.0.0.0"},
		},
	} {
		if got := addrsAt(c.space, c.indexes...); !slices.Equal(got, c.want) {
			t.Errorf("%s: indexes %d: got %v, want %v", c.name, c.indexes, got, c.want)
		}
	}
}

func TestCounts(t *testing.T) {
	for _, c := range []struct {
		allow, block []string
		want         uint64
	}{
		{nil, nil, 1<<32 - 1},
		{nil, shippedBlocklist, 3702258432},
		{nil, append(slices.Clone(shippedBlocklist), shippedBlocklist...), 3702258432},
		{[]string{"0.0.0.0/0"}, nil, 1<<32 - 1},
		{[]string{"0.0.0.0/30"}, nil, 3},
		{[]string{"10.0.0.0/8", "10.1.0.0/16"}, []string{"10.1.0.0/16"}, 1<<24 - 1<<16},
		{[]string{"1.2.3.4", "1.2.3.4/32"}, nil, 1},
		{[]string{"255.255.255.255"}, nil, 1},
		{nil, []string{"128.0.0.0/1"}, 1<<31 - 1},
		{nil, []string{"0.0.0.0/1"}, 1 << 31},
	} {
		s := build(t, Ports{}, c.allow, c.block)
		if s.Addrs() != c.want || s.Allowed() != c.want || s.Denied() != 1<<32-c.want {
			t.Errorf("allow %v block %v: %d addresses, %d allowed, %d denied, want %d",
				c.allow, c.block, s.Addrs(), s.Allowed(), s.Denied(), c.want)
		}
	}
}

func TestIndexBits(t *testing.T) {
	for _, c := range []struct{ ports, bits int }{{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {256, 8}, {257, 9}, {65536, 16}} {
		list := make([]uint16, c.ports)
		for i := range list {
			list[i] = uint16(i * 7) // 7 is odd: all different
		}
		s := build(t, NewPorts(list...), []string{"10.0.0.0/30"}, nil)
		seen := map[Target]bool{}
		for row := range s.Rows() {
			for col := range s.Cols() {
				index := row<<c.bits | col
				got := s.At(index)
				want := Target{Index: index, Addr: addr4(10<<24 + uint32(row)), Port: list[col]}
				if got != want {
					t.Fatalf("%d ports: At(%d) = %v, want %v", c.ports, index, got, want)
				}
				if back, ok := s.Index(got.Addr, got.Port); back != index || !ok {
					t.Fatalf("%d ports: Index(%v) = %d, %v, want %d", c.ports, got, back, ok, index)
				}
				seen[got] = true
			}
		}
		if uint64(len(seen)) != s.Targets() {
			t.Errorf("%d ports: %d different targets, want %d", c.ports, len(seen), s.Targets())
		}
	}
}

func TestIndexRefuses(t *testing.T) {
	s := build(t, NewPorts(80), []string{"10.0.0.0/24"}, nil)
	for _, c := range []struct {
		addr netip.Addr
		port uint16
	}{
		{netip.Addr{}, 80},
		{netip.MustParseAddr("::ffff:10.0.0.1"), 80},
		{netip.MustParseAddr("::"), 80},
		{netip.MustParseAddr("10.0.1.0"), 80},
		{netip.MustParseAddr("9.255.255.255"), 80},
		{netip.MustParseAddr("10.0.64.0"), 80},
		{netip.MustParseAddr("10.0.0.1"), 0},
		{netip.MustParseAddr("10.0.0.1"), 81},
	} {
		if i, ok := s.Index(c.addr, c.port); ok || i != 0 {
			t.Errorf("Index(%v, %d) = %d, %v, want 0, false", c.addr, c.port, i, ok)
		}
	}
}

func TestAtPanicsBeyondTheSpace(t *testing.T) {
	for _, c := range []struct {
		space *Space
		index uint64
	}{
		{build(t, Ports{}, []string{"10.0.0.0/24"}, nil), 256},
		{build(t, Ports{}, []string{"10.0.0.0/18"}, nil), 1 << 14},
		{build(t, Ports{}, nil, nil), 1<<32 - 1},
		{build(t, Ports{}, nil, nil), 1 << 63},
		{build(t, NewPorts(1, 2, 3), []string{"10.0.0.0/24"}, nil), 3},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("At(%d) of %d targets: want a panic", c.index, c.space.Targets())
				}
			}()
			c.space.At(c.index)
		}()
	}
}

// TestCrowdedSlots has all short runs in one place, so that one slot holds thousands of them.
func TestCrowdedSlots(t *testing.T) {
	var block []string
	for i := range 4000 {
		block = append(block, addr4(20<<24+uint32(i)*3).String())
	}
	for i := range 256 {
		block = append(block, fmt.Sprintf("%d.0.0.0/32", i)) // fragments far apart
	}
	s := build(t, Ports{}, nil, block)
	for row := uint64(len(s.blocks)) << 14; row < s.Rows(); row++ {
		a, _ := host4(s.AddrAt(row))
		if got, ok := s.row(a); got != row || !ok {
			t.Fatalf("row %d is %v, whose row is %d, %v", row, addr4(a), got, ok)
		}
		if a>>24 == 20 && a < 20<<24+12000 && (a-20<<24)%3 == 0 {
			t.Fatalf("row %d is %v, which is blocked", row, addr4(a))
		}
	}
}

// TestContainsAll compares many look-ups at once with one after the other: in spaces of every kind, random addresses and
// those around their edges.
func TestContainsAll(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 8))
	for name, s := range map[string]*Space{
		"one address":    build(t, Ports{}, []string{"10.0.0.1"}, nil),
		"a whole block":  build(t, Ports{}, []string{"10.0.0.0/18"}, nil),
		"all":            build(t, Ports{}, nil, nil),
		"the last /8":    build(t, Ports{}, []string{"255.0.0.0/8"}, []string{"255.255.255.255"}),
		"shipped":        build(t, Ports{}, nil, shippedBlocklist),
		"holes":          randomLists(r, 0, 20000).build(t, Ports{}),
		"islands":        randomLists(r, 300, 300).build(t, Ports{}),
		"islands of one": build(t, Ports{}, []string{"10.0.0.1", "10.0.0.3", "10.0.64.0", "200.0.0.0"}, nil),
	} {
		addrs := []uint32{0, 1, 1<<32 - 1}
		for first, last := range s.Ranges() {
			lo, _ := host4(first)
			hi, _ := host4(last)
			if addrs = append(addrs, lo-1, lo, hi, hi+1); len(addrs) > 5000 {
				break
			}
		}
		for range 5000 {
			addrs = append(addrs, r.Uint32())
		}
		in := make([]bool, len(addrs)+1)
		in[len(addrs)] = true
		s.ContainsAll(addrs, in)
		inside := 0
		for i, a := range addrs {
			if want := s.Contains(addr4(a)); in[i] != want {
				t.Fatalf("%s: %v is in the space: %v, want %v", name, addr4(a), in[i], want)
			} else if want {
				inside++
			}
		}
		if inside == 0 || inside == len(addrs) || !in[len(addrs)] {
			t.Errorf("%s: %d of %d are inside: the test says nothing", name, inside, len(addrs))
		}
	}
}

func TestSample(t *testing.T) {
	for _, c := range []struct {
		allow string
		n     int
		want  int
	}{{"0.0.0.0/0", 100, 100}, {"10.0.0.0/30", 100, 4}, {"10.0.0.0/24", 256, 256}, {"10.0.0.0/24", 255, 255}, {"10.0.0.0/8", 1, 1}, {"10.0.0.0/8", 0, 0}, {"10.0.0.0/8", -1, 0}} {
		s := build(t, Ports{}, []string{c.allow}, nil)
		seen := map[netip.Addr]bool{}
		slash8 := map[byte]bool{}
		for _, a := range s.Sample(c.n) {
			if !s.Contains(a) {
				t.Errorf("%s: Sample(%d): %v is not in the space", c.allow, c.n, a)
			}
			seen[a] = true
			slash8[a.As4()[0]] = true
		}
		if len(seen) != c.want || (c.n == 100 && c.want == 100 && len(slash8) != 100) {
			t.Errorf("%s: Sample(%d): %d different addresses in %d /8s, want %d", c.allow, c.n, len(seen), len(slash8), c.want)
		}
	}
}

func TestRangesStop(t *testing.T) {
	for _, s := range []*Space{
		build(t, Ports{}, nil, shippedBlocklist),
		build(t, Ports{}, []string{"10.0.0.0", "10.0.0.2", "10.0.0.4", "10.0.0.6"}, nil),
	} {
		n := 0
		for range s.Ranges() {
			if n++; n == 2 {
				break
			}
		}
		for range s.Prefixes() {
			if n++; n == 4 {
				break
			}
		}
		if n != 4 {
			t.Errorf("stopped after %d, want 4", n)
		}
	}
}

func TestMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		space *Space
		limit int
	}{
		{"a /16", build(t, Ports{}, []string{"10.0.0.0/16"}, nil), 1 << 10},
		{"a /16 with holes", build(t, Ports{}, []string{"10.0.0.0/16"}, []string{"10.0.1.0/24", "10.0.77.7"}), 1 << 10},
		{"all", build(t, Ports{}, nil, nil), 5 << 20},
		{"all, 100,000 blocked networks", randomLists(r, 0, 100000).build(t, Ports{}), 10 << 20},
	} {
		if got := c.space.bytes(); got > c.limit {
			t.Errorf("%s: %d bytes, want at most %d", c.name, got, c.limit)
		}
		if l := c.space.layout; len(l.blocks) != cap(l.blocks) || len(l.marks) != cap(l.marks) {
			t.Errorf("%s: room for %d blocks and %d marks, used %d and %d", c.name, cap(l.blocks), cap(l.marks), len(l.blocks), len(l.marks))
		}
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := randomLists(r, 0, 10000).build(t, NewPorts(80, 443))
	rows := s.Rows()
	var shot Target
	if n := testing.AllocsPerRun(1000, func() {
		s.Fill(r.Uint64N(rows)<<1, &shot)
		if i, ok := s.Index(shot.Addr, shot.Port); !ok || s.At(i) != shot || !s.Contains(shot.Addr) {
			t.Errorf("At(Index(%v)) = %v", shot, s.At(i))
		}
	}); n != 0 {
		t.Errorf("Fill, Index, At and Contains: %v allocations, want 0", n)
	}
}
