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

func mustSuffixes(t testing.TB, text string) Suffixes {
	t.Helper()
	s, err := ParseSuffixes(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sixSpace builds a space of IPv6.
func sixSpace(t testing.TB, suffixes string, allow, block []string) *Space {
	t.Helper()
	b := Builder{Ports: NewPorts(80), Suffixes: mustSuffixes(t, suffixes), Seed: 7}
	for _, a := range allow {
		if err := b.Add(Allow, a); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range block {
		if err := b.Add(Block, a); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func allAddrs(s *Space) []netip.Addr {
	var all []netip.Addr
	for row := range s.Rows() {
		all = append(all, s.AddrAt(row))
	}
	return all
}

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		suffixes     string
		allow, block []string
		want         string // all addresses, in the order of the rows
	}{
		{"", []string{"2001:db8::/62-64"}, nil, "2001:db8::1 2001:db8:0:1::1 2001:db8:0:2::1 2001:db8:0:3::1"},
		{"", []string{"2001:db8::9/126"}, nil, "2001:db8::8 2001:db8::9 2001:db8::a 2001:db8::b"},
		{"", []string{"2001:db8::9"}, nil, "2001:db8::9"},
		{"low:1-2,53", []string{"2001:db8::/63-64"}, nil, "2001:db8::1 2001:db8:0:1::1 2001:db8::2 2001:db8:0:1::2 2001:db8::53 2001:db8:0:1::53"},
		{"::1", []string{"2001:db8::/62-64"}, []string{"2001:db8:0:1::/64", "2001:db8:0:2::/65", "2001:db8:0:3:8000::/65"}, "2001:db8::1 2001:db8:0:3::1"},
		{"::1,::8000:0:0:2", []string{"2001:db8::/63-64"}, []string{"2001:db8::1/128", "2001:db8:0:1:8000::/65"}, "2001:db8:0:1::1 2001:db8::8000:0:0:2"},
		{"", []string{"2001:db8::/63-64", "2001:db8::1", "2001:db8::2", "2001:db8:5::1"}, nil, "2001:db8::1 2001:db8:0:1::1 2001:db8::2 2001:db8:5::1"},
		{"", []string{"198.51.100.7", "2001:db8::/64-64", "198.51.100.6"}, nil, "198.51.100.6 198.51.100.7 2001:db8::1"},
		{"", []string{"2001:db8::/62-64", "2001:db8::/63-64", "2001:db8:0:2::/64-64"}, nil, "2001:db8::1 2001:db8:0:1::1 2001:db8:0:2::1 2001:db8:0:3::1"},
		{"", []string{"ffff:ffff:ffff:ffff::/63-64", "::/64-64"}, nil, "::1 ffff:ffff:ffff:fffe::1 ffff:ffff:ffff:ffff::1"},
		{"", []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"}, nil, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	} {
		s := sixSpace(t, c.suffixes, c.allow, c.block)
		if got := strings.Trim(fmt.Sprint(allAddrs(s)), "[]"); got != c.want {
			t.Errorf("%v without %v, suffixes %q:\ngot  %s\nwant %s", c.allow, c.block, c.suffixes, got, c.want)
		}
	}
}

func TestWindowsRefused(t *testing.T) {
	for _, c := range []struct {
		suffixes string
		allow    []string
		block    string
		want     string
	}{
		{"", []string{"2001:db8::/32"}, "", "a network of length /32 holds 2^96 of length /128, and a scan asks 2^62 at most: name the networks in which one address is asked, as in 2001:db8::/32-64"},
		{"", []string{"2000::/1-64"}, "", "holds 2^63 of length /64"},
		{"", []string{"2000::/2-64", "4000::/2-64"}, "", "there are more than 2^62 addresses"},
		{"", nil, "2001:db8::/32-64", "leave out the second length"},
		{"", []string{"2001:db8::/32-64", "2001:db8::/32-48"}, "", "around 2001:db8:: two windows may name the same addresses, one of networks of length /64 and one of length /48"},
		{"random,::1", []string{"2001:db8::/112-120"}, "", "may name the same addresses"},
		{"", []string{"2001:db8::/32-64", "2001:db8::/100"}, "", "may name the same addresses"},
	} {
		b := Builder{Suffixes: mustSuffixes(t, c.suffixes)}
		var err error
		for _, a := range c.allow {
			if err == nil {
				err = b.Add(Allow, a)
			}
		}
		if err == nil && c.block != "" {
			err = b.Add(Block, c.block)
		}
		if err == nil {
			_, err = b.Build(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, block %q: error %v, want one that says %q", c.allow, c.block, err, c.want)
		}
	}
}

func TestSuffixes(t *testing.T) {
	for text, want := range map[string]int{"": 1, "::1": 1, "::1,::2": 2, "low:1-16": 0x16, "low:1-3,5,ff": 5, "low:1,2,::1:0,random": 4, "::1,low:1": 1} {
		s, err := ParseSuffixes(text)
		if err != nil || len(s.list) != want || s.String() != text {
			t.Errorf("ParseSuffixes(%q) = %v, %v, want %d suffixes", text, s.list, err, want)
		}
	}
	for _, text := range []string{"x", "1", "low:", "low:1-", "low:2-1", "low:100", "low:g", "192.0.2.1", "::1%lo", ",", "low:0-ff,::100", "random,1"} {
		if s, err := ParseSuffixes(text); err == nil {
			t.Errorf("ParseSuffixes(%q) = %v, want an error", text, s.list)
		}
	}
}

// TestWindowsOracle compares random windows and blocked networks with sets of addresses, one by one, in a small corner of the space of
// addresses that begins and ends at odd places.
func TestWindowsOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	corners := []netip.Prefix{netip.MustParsePrefix("2001:db8::/112"), netip.MustParsePrefix("::/112"), netip.MustParsePrefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff::/112"), netip.MustParsePrefix("2001:db8:0:0:ffff:ffff:ffff::/112")}
	within := func(p netip.Prefix, least int) netip.Prefix {
		b := p.Addr().As16()
		b[14], b[15] = byte(r.Uint32()), byte(r.Uint32())
		return netip.PrefixFrom(netip.AddrFrom16(b), least+r.IntN(129-least))
	}
	for range 300 {
		corner := corners[r.IntN(len(corners))]
		asked := 112 + r.IntN(17)
		suffixes := []string{"", "::1", "::ffff", "low:0-3", "low:5,ff,::1234", "random"}[r.IntN(6)]
		b := Builder{Suffixes: mustSuffixes(t, suffixes), Seed: r.Uint64()}
		var windows []netip.Prefix
		var block netipx.IPSetBuilder
		for range 1 + r.IntN(4) {
			p := within(corner, 112)
			if p.Bits() > asked {
				p = netip.PrefixFrom(p.Addr(), asked)
			}
			windows = append(windows, p)
			if err := b.Add(Allow, fmt.Sprintf("%s-%d", p, asked)); err != nil {
				t.Fatal(err)
			}
		}
		for range r.IntN(6) {
			p := within(corner, 114)
			block.AddPrefix(p.Masked())
			if err := b.Add(Block, p.String()); err != nil {
				t.Fatal(err)
			}
		}
		blocked, err := block.IPSet()
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Build(t.Context())
		want := map[netip.Addr]bool{}
		for _, p := range windows {
			for net := p.Masked().Addr(); p.Contains(net); {
				for _, x := range b.Suffixes.all() {
					x.value = x.value.and(mask(uint8(128 - asked)))
					a := wideOf(net).or(x.behind(wideOf(net), uint8(128-asked), b.Seed)).addr()
					if !blocked.Contains(a) {
						want[a] = true
					}
				}
				next := netipx.PrefixLastIP(netip.PrefixFrom(net, asked)).Next()
				if !next.IsValid() {
					break
				}
				net = next
			}
		}
		if len(want) == 0 {
			if err == nil {
				t.Fatalf("windows %v/%d without %v: %d addresses, want none", windows, asked, blocked.Prefixes(), s.Rows())
			}
			continue
		}
		if err != nil {
			t.Fatalf("windows %v-%d without %v: %v", windows, asked, blocked.Prefixes(), err)
		}
		checkRows(t, s, want)
		for row := range uint64(1 << 12) {
			a := wideOf(corner.Addr()).add(wide{0, row << 4}).addr()
			if s.Contains(a) != want[a] || s.Excludes(a) != blocked.Contains(a) {
				t.Fatalf("Contains(%s) = %v, Excludes %v, want %v and %v", a, s.Contains(a), s.Excludes(a), want[a], blocked.Contains(a))
			}
		}
		checkForms(t, s, &b)
		n := 0
		p := within(corner, 112).Masked()
		for a := range s.Within(p) {
			if !want[a] || !p.Contains(a) {
				t.Fatalf("Within(%s) yields %s", p, a)
			}
			n++
		}
		for a := range want {
			if p.Contains(a) {
				n--
			}
		}
		if n != 0 {
			t.Fatalf("Within(%s) yields %d addresses more than there are", p, n)
		}
	}
}

// checkForms builds the space once more of what it says that it is made of.
func checkForms(t *testing.T, s *Space, of *Builder) {
	t.Helper()
	forms, err := s.Forms()
	if err != nil {
		if len(of.Suffixes.all()) == 1 || !strings.Contains(err.Error(), "blocked at one suffix") {
			t.Fatalf("Forms: %v", err)
		}
		return
	}
	b := Builder{Suffixes: of.Suffixes, Seed: of.Seed}
	for _, w := range forms {
		if err := b.Add(Allow, w); err != nil {
			t.Fatal(err)
		}
	}
	again, err := b.Build(t.Context())
	if err != nil || !slices.Equal(allAddrs(s), allAddrs(again)) {
		t.Fatalf("a space of %v is another: error %v", forms, err)
	}
}

// checkRows goes from all rows to addresses and back.
func checkRows(t *testing.T, s *Space, want map[netip.Addr]bool) {
	t.Helper()
	if s.Rows() != uint64(len(want)) || s.IPv4()+s.IPv6() != s.Rows() {
		t.Fatalf("%d rows, want %d", s.Rows(), len(want))
	}
	seen := map[netip.Addr]bool{}
	for row := range s.Rows() {
		a := s.AddrAt(row)
		if !want[a] || seen[a] {
			t.Fatalf("row %d is %s: wanted %v, seen before %v", row, a, want[a], seen[a])
		}
		seen[a] = true
		if i, ok := s.Index(a, 0); !ok || i != row {
			t.Fatalf("Index(%s) = %d, %v, want %d", a, i, ok, row)
		}
	}
}

func TestOnlyIPv6(t *testing.T) {
	list := readList(t, "2001:db8::5\n198.51.100.1\n2001:db8:1::5\n2001:db8::6\n2001:db8::5 again\n")
	if list.Len() != 4 || list.Lines() != 5 || !list.Contains(netip.MustParseAddr("2001:db8::6")) || list.Contains(netip.MustParseAddr("2001:db8::7")) {
		t.Fatalf("%d addresses in %d lines: %v", list.Len(), list.Lines(), slices.Collect(list.All()))
	}
	for _, c := range []struct{ allow, block, want string }{
		{"", "", "[2001:db8::5 2001:db8::6 2001:db8:1::5]"},
		{"", "2001:db8::4/127", "[2001:db8::6 2001:db8:1::5]"},
		{"2001:db8::/48", "", "[2001:db8::5 2001:db8::6]"},
		{"2001:db8:1::/48-64", "", "[2001:db8:1::5]"},
		{"198.51.100.0/24", "", "[]"},
	} {
		b := Builder{}
		b.OnlyIPv6(list)
		if c.allow != "" {
			if err := b.Add(Allow, c.allow); err != nil {
				t.Fatal(err)
			}
		}
		if c.block != "" {
			if err := b.Add(Block, c.block); err != nil {
				t.Fatal(err)
			}
		}
		s, err := b.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(slices.Collect(s.Within(netip.MustParsePrefix("::/0")))); got != c.want {
			t.Errorf("allow %q, block %q: got %s, want %s", c.allow, c.block, got, c.want)
		}
	}
}

// TestWindowAllocates is about the sender's and the receiver's side.
func TestWindowAllocates(t *testing.T) {
	s := sixSpace(t, "low:1-3,random", []string{"2001:db8::/32-64", "198.51.100.0/24"}, []string{"2001:db8:5::/48"})
	var target Target
	row := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		s.Fill(row, &target)
		if i, ok := s.Index(target.Addr, target.Port); !ok || i != row {
			t.Fatalf("row %d is %s, whose index is %d, %v", row, target.Addr, i, ok)
		}
		row = (row + 982451653) % s.Rows()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWindow(b *testing.B) {
	s := sixSpace(b, "", []string{"2001:db8::/32-64"}, []string{"2001:db8:5::/48"})
	var target Target
	b.Run("fill", func(b *testing.B) {
		row := uint64(0)
		for b.Loop() {
			s.Fill(row, &target)
			row = (row + 982451653) % s.Rows()
		}
	})
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			s.Index(target.Addr, target.Port)
		}
	})
}

func FuzzSuffixes(f *testing.F) {
	for _, s := range []string{"", "::1", "low:1-16,53", "random", "::1,low:a,random", "low:0-ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSuffixes(text)
		if err == nil && (len(s.all()) == 0 || len(s.list) > maxSuffixes || !slices.IsSortedFunc(s.list, suffix.compare)) {
			t.Errorf("ParseSuffixes(%q) = %v", text, s.list)
		}
	})
}

// TestReplaceIPv6 leaves entries alone that are not replaced, whatever comes back.
func TestReplaceIPv6(t *testing.T) {
	var b Builder
	for _, n := range []string{"2001:db8::/32", "fe80::/10"} {
		if err := b.Add(Block, n); err != nil {
			t.Fatal(err)
		}
	}
	half := netip.MustParsePrefix("2001:db8::/33")
	b.Replace(Block, func(p netip.Prefix, _ Origin) ([]netip.Prefix, bool) {
		return []netip.Prefix{half}, p.Bits() == 32
	})
	if six := b.lists[Block].six; len(six) != 2 || six[0].prefix != half || six[1].String() != "fe80::/10" {
		t.Errorf("got %v", six)
	}
}

// TestReach holds what lists let one contact against another library's sets.
func TestReach(t *testing.T) {
	var b Builder
	for v, list := range map[Verdict][]string{Allow: {"2600::/16", "2a00:1::/32-64", "2a00:5::1"}, Block: {"2600:1::/32", "2a00:1:2::/48"}} {
		for _, n := range list {
			if err := b.Add(v, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := b.Reach()
	for a, want := range map[string]bool{
		"2600::1": true, "2600:1::1": false, "2600:2::": true, "2601::": false, "2a00:1::7": true, "2a00:1:2::7": false, "2a00:1:3::7": true, "2a00:5::1": true, "2a00:5::2": false,
		"10.0.0.1": false, "::ffff:10.0.0.1": false,
	} {
		if got := r.Has(netip.MustParseAddr(a)); got != want {
			t.Errorf("Has(%s) = %v, want %v", a, got, want)
		}
	}
	if all := (&Builder{}).Reach(); !all.Has(netip.MustParseAddr("2600::1")) || all.Has(netip.Addr{}) {
		t.Error("without lists everything of IPv6 is within reach")
	}
}
