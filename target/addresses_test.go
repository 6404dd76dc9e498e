package target

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func readList(t testing.TB, text string) *List {
	t.Helper()
	l, err := ReadList(strings.NewReader(text), "list")
	if err != nil {
		t.Fatalf("ReadList(%.200q): %v", text, err)
	}
	return l
}

func TestReadAddresses(t *testing.T) {
	l := readList(t, "# comment\n\n  10.0.0.1\n10.0.0.1 # again\r\n20.0.0 rest\n\t#\n255.255.255.255\n0.0.0.0")
	var got []string
	for a := range l.All() {
		got = append(got, a.String())
		if !l.Contains(a) {
			t.Errorf("Contains(%v) = false", a)
		}
	}
	if want := []string{"0.0.0.0", "10.0.0.1", "20.0.0.0", "255.255.255.255"}; !slices.Equal(got, want) {
		t.Errorf("All() = %v, want %v", got, want)
	}
	if l.Len() != 4 || l.Lines() != 5 {
		t.Errorf("Len() = %d, Lines() = %d, want 4 and 5", l.Len(), l.Lines())
	}
	for _, a := range []string{"10.0.0.0", "10.0.0.2", "10.1.0.1", "::ffff:10.0.0.1", "::"} {
		if l.Contains(netip.MustParseAddr(a)) {
			t.Errorf("Contains(%s) = true", a)
		}
	}
}

func TestReadAddressesErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"10.0.0.1\n10.0.0.0/24\n", `list:2: "10.0.0.0/24": networks are not allowed in a list of addresses: name the file as an allowlist instead`},
		{"10.0.0.256", `list:1: "10.0.0.256": not an address`},
		{"www.example.com", `list:1: "www.example.com": not an address`},
		{"::1%lo", `list:1: "::1%lo": not an address`},
		{"2001:db8::/64", "networks are not allowed"},
		{"1.2.3.4,80", "not an address"},
		{strings.Repeat("1", maxLine+1), "list:1: the first word of the line is longer"},
		{strings.Repeat("x\n", 100), "and 90 more"},
	} {
		l, err := ReadList(strings.NewReader(c.text), "list")
		if l != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ReadList(%.20q): error %v, want one that says %q", c.text, err, c.want)
		}
	}
}

func TestZeroListIsEmpty(t *testing.T) {
	var l List
	if l.Len() != 0 || l.Contains(netip.MustParseAddr("10.0.0.1")) || len(slices.Collect(l.All())) != 0 {
		t.Error("the zero List holds something")
	}
}

// TestListEqualsMap adds addresses in and out of order, dense enough for pages to become bitmaps.
func TestListEqualsMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	want := map[uint32]bool{}
	var l List
	lines := 0
	add := func(a uint32) {
		want[a] = true
		l.add(a)
		lines++
	}
	for i := range uint32(1 << 16) {
		add(10<<24 + i) // whole pages, ascending
		add(11<<24 + r.Uint32()&0x1ffff)
		add(12<<24 + r.Uint32()&0xffffff)
		add(r.Uint32())
	}
	for i := range uint32(maxFew + 2) {
		add(13<<24 - i)
	}
	if l.Len() != len(want) || l.Lines() != lines {
		t.Errorf("Len() = %d, Lines() = %d, want %d and %d", l.Len(), l.Lines(), len(want), lines)
	}
	last := int64(-1)
	n := 0
	for a := range l.All() {
		v, _ := host4(a)
		if int64(v) <= last || !want[v] {
			t.Fatalf("All(): %v after %d is out of order or was not added", a, last)
		}
		last = int64(v)
		n++
	}
	if n != len(want) {
		t.Errorf("All(): %d addresses, want %d", n, len(want))
	}
	for range 100000 {
		a := 10<<24 + r.Uint32()&0x3ffffff
		if got := l.has(a); got != want[a] {
			t.Fatalf("has(%v) = %v, want %v", addr4(a), got, want[a])
		}
	}
}

func TestListStops(t *testing.T) {
	var bitmap strings.Builder
	for i := range 2 * maxFew {
		fmt.Fprintln(&bitmap, addr4(9<<24+uint32(i)*2))
	}
	for _, text := range []string{"1.1.1.1\n1.1.1.3\n1.1.1.5\n9.9.9.9", bitmap.String()} {
		l := readList(t, text)
		n := 0
		for range l.All() {
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			t.Errorf("stopped after %d, want 2", n)
		}
	}
}

func TestIntersectKeepsPortsAndEntries(t *testing.T) {
	s := build(t, NewPorts(80, 443, 8080), []string{"10.0.0.0/8"}, []string{"10.0.0.2"})
	cut, err := s.Intersect(readList(t, "10.0.0.1\n10.0.0.2\n10.9.0.0\n11.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for row := range cut.Rows() {
		for col := range cut.Cols() {
			x := cut.At(row<<2 | col)
			got = append(got, netip.AddrPortFrom(x.Addr, x.Port).String())
		}
	}
	want := "10.0.0.1:80 10.0.0.1:443 10.0.0.1:8080 10.9.0.0:80 10.9.0.0:443 10.9.0.0:8080"
	if strings.Join(got, " ") != want {
		t.Errorf("targets %v, want %s", got, want)
	}
	if cut.Allowed() != s.Addrs() || cut.Denied() != s.Denied() || texts(cut.AllowEntries()) != "10.0.0.0/8" ||
		texts(cut.BlockEntries()) != "10.0.0.2/32 0.0.0.0/32" {
		t.Errorf("allowed %d, denied %d, entries %v and %v: want those of the whole space",
			cut.Allowed(), cut.Denied(), cut.AllowEntries(), cut.BlockEntries())
	}
	if n := cut.bytes(); n > 1<<20 {
		t.Errorf("two addresses take %d bytes", n)
	}
}

func TestIntersectEmpty(t *testing.T) {
	s := build(t, Ports{}, []string{"10.0.0.0/8"}, nil)
	for _, c := range []struct{ list, want string }{
		{"", "the list of addresses is empty"},
		{"11.0.0.1\n11.0.0.2\n", "none of the 2 listed addresses is allowed, neither is the first one, 11.0.0.1; check the blocklist"},
	} {
		if _, err := s.Intersect(readList(t, c.list)); !errors.Is(err, ErrEmpty) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Intersect with %q: error %v, want one that says %q", c.list, err, c.want)
		}
	}
}

func TestListDoesNotAllocate(t *testing.T) {
	l := readList(t, "10.0.0.1\n10.0.0.2\n")
	in, out := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	if n := testing.AllocsPerRun(100, func() {
		if !l.Contains(in) || l.Contains(out) {
			t.Error("Contains is wrong")
		}
	}); n != 0 {
		t.Errorf("Contains: %v allocations, want 0", n)
	}
	var text strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&text, "10.0.%d.%d\n", i>>8, i&255)
	}
	// The buffer, the list, its page and the growth of it; nothing for each line.
	if n := testing.AllocsPerRun(10, func() { readList(t, text.String()) }); n > 50 {
		t.Errorf("ReadList of 10,000 lines: %v allocations, want a constant number", n)
	}
}

func FuzzReadList(f *testing.F) {
	for _, s := range []string{"", "10.0.0.1\n", "# c\n\r\n 1.2.3.4 x\n20", "1.2.3.0/24", "\xef\xbb\xbf1.1.1.1#", "0x7f.1\n1.2.3.4\n1.2.3.4", "::1", "a.b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) >= maxLine {
			return
		}
		l, err := ReadList(strings.NewReader(text), "f")
		words, _ := wordsTwin(text)
		want := map[netip.Addr]bool{}
		bad := 0
		for _, w := range words {
			a, err := netip.ParseAddr(w)
			v, ok := atonTwin(w)
			switch {
			case ok:
				want[addr4(v)] = true
			case err == nil && a.Is6() && a.Zone() == "":
				want[a.Unmap()] = true
			default:
				bad++
			}
		}
		if (err != nil) != (bad > 0) {
			t.Fatalf("ReadList(%q): error %v, want %d bad lines", text, err, bad)
		}
		if err != nil {
			return
		}
		n := 0
		for a := range l.All() {
			if n++; !want[a] || !l.Contains(a) {
				t.Fatalf("ReadList(%q): holds %v", text, a)
			}
		}
		if n != len(want) || l.Len() != n || l.Lines() != len(words) {
			t.Fatalf("ReadList(%q): %d addresses, Len %d, Lines %d, want %d and %d", text, n, l.Len(), l.Lines(), len(want), len(words))
		}
	})
}

// TestNewList has what it was given, each once.
func TestNewList(t *testing.T) {
	l := NewList(slices.Values([]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.2")}))
	if got := slices.Collect(l.All()); fmt.Sprint(got) != "[10.0.0.1 10.0.0.2 ::1]" {
		t.Errorf("got %v", got)
	}
}
