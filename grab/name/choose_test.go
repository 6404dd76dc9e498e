package name

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zmap-go/zmap/grab"
)

// shown is a result with names.
type shown []grab.FoundName

func (s shown) Names() []grab.FoundName { return s }
func (s shown) WantsName() bool         { return false }

func sans(names ...string) shown {
	var s shown
	for _, n := range names {
		s = append(s, grab.FoundName{Name: n, Source: SourceSAN})
	}
	return s
}

// askAll has a chooser ask a host until it asks no more, and returns what it asked for; answer is what the host shows.
func askAll(t *testing.T, c *Chooser, target *grab.Target, answer func(sni string) shown) []string {
	t.Helper()
	var asked []string
	var sofar []grab.Grab
	for {
		n, source, ok := c.Next(t.Context(), target, sofar)
		if !ok {
			return asked
		}
		asked = append(asked, strings.Trim(n+" "+source, " "))
		sofar = append(sofar, grab.Grab{SNI: n, SNISource: source, Result: answer(n)})
		if len(sofar) > MostMax {
			t.Fatal("no end")
		}
	}
}

func testMap(t *testing.T, s string) *Map {
	t.Helper()
	m, err := readMap(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNext(t *testing.T) {
	m := testMap(t, "192.0.2.1,one.example.org\n192.0.2.1,two.example.org\n192.0.2.1,old.example.net,san\n192.0.2.9,nine.example\n")
	target := grab.Target{Addr: netip.MustParseAddr("192.0.2.1"), Port: 443}
	none := func(string) shown { return nil }
	mirror := func(sni string) shown { return sans(sni) } // a certificate of its own for each name
	for what, c := range map[string]struct {
		max    int
		maps   []*Map
		target grab.Target
		answer func(string) shown
		want   []string
	}{
		"default is one handshake without a name": {0, []*Map{m}, target, none, []string{""}},
		"a given name is the only one":            {4, []*Map{m}, grab.Target{Addr: target.Addr, Name: "mine.example"}, none, []string{"mine.example target"}},
		"domains come before second names":        {9, []*Map{m}, target, none, []string{"", "one.example.org map", "old.example.net earlier", "two.example.org map"}},
		"the budget":                              {2, []*Map{m}, target, mirror, []string{"", "one.example.org map"}},
		"wildcards are domain and www": {9, nil, target, func(sni string) shown {
			if sni == "" {
				return sans("*.a.example")
			}
			return nil
		}, []string{"", "a.example san", "www.a.example san"}},
		"the same certificate again ends it": {9, []*Map{m}, target, func(string) shown { return sans("*.example.org", "x.example") }, []string{"", "one.example.org map"}},
		"another certificate does not":       {3, []*Map{m}, target, mirror, []string{"", "one.example.org map", "old.example.net earlier"}},
		"heavy sources first": {9, nil, target, func(sni string) shown {
			if sni != "" {
				return nil
			}
			return shown{{Name: "r.example", Source: SourceRedirect}, {Name: "s.example.com", Source: SourceSAN}, {Name: "192.0.2.1", Source: SourceSAN}, {Name: "localhost", Source: SourceSAN}, {Name: "host-192-0-2-1.example.net", Source: SourceSAN}}
		}, []string{"", "s.example.com san", "r.example redirect"}},
		"nobody knows names": {9, []*Map{m}, grab.Target{Addr: netip.MustParseAddr("192.0.2.2")}, none, []string{""}},
	} {
		got := askAll(t, New(Config{Max: c.max, Maps: c.maps}), &c.target, c.answer)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", what, diff)
		}
	}
	if got := New(Config{Max: 1000}).Max(); got != MostMax {
		t.Errorf("got a budget of %d, want %d", got, MostMax)
	}
}

// TestFoundNamesAreWritten: all that grabs show is in the file, of the last one too, and the file is one of names.
func TestFoundNamesAreWritten(t *testing.T) {
	var b strings.Builder
	f := NewFound(&b)
	target := grab.Target{Addr: netip.MustParseAddr("192.0.2.1")}
	askAll(t, New(Config{Max: 2, Found: f}), &target, func(sni string) shown {
		if sni == "" {
			return sans("*.a.example", "not a name")
		}
		return shown{{Name: "there.example", Source: SourceRedirect}}
	})
	n, err := f.Flush()
	const want = "192.0.2.1,a.example,san\n192.0.2.1,www.a.example,san\n192.0.2.1,there.example,redirect\n"
	if b.String() != want || n != 3 || err != nil {
		t.Errorf("got %d, %v and\n%swant\n%s", n, err, b.String(), want)
	}
	var names []string
	for _, e := range testMap(t, b.String()).Lookup(target.Addr) {
		names = append(names, e.Name+" "+e.Source)
	}
	if want := []string{"a.example earlier", "there.example earlier", "www.a.example earlier"}; !slices.Equal(names, want) {
		t.Errorf("read again: got %q, want %q", names, want)
	}
}

func TestEncodes(t *testing.T) {
	for name, want := range map[string]bool{
		"www.example.org":                      false,
		"192-0-2-77.pool.example.net":          true,
		"host77.2.0.192.example.net":           true,
		"ip-192-000-002-077.example.net":       true,
		"dyn192000002077.example.net":          true,
		"c000024d.example.net":                 true,
		"0-2-77.customer.example.net":          true,
		"77-2-0.customer.example.net":          true,
		"mail2.77.example.net":                 false,
		"server192.example.net":                false,
		"192-0-2-78.pool.example.net":          true, // three of four
		"a192.168.0.example.net":               false,
		"123456789012345678901234567890.x.org": false,
	} {
		if got := encodes(name, netip.MustParseAddr("192.0.2.77")); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	six := netip.MustParseAddr("2001:db8::1234:abcd")
	for name, want := range map[string]bool{
		"2001-db8--1234-abcd.example.net":                     true,
		"h1234abcd.example.net":                               true,
		reverse(six)[:len(reverse(six))-1]:                    false,
		"node-1234.abcd.example.net":                          true,
		"dead.beef.example.net":                               false,
		"d.c.b.a.4.3.2.1.example.net":                         false,
		"2001-0db8-0000-0000-0000-0000-1234-abcd.isp.example": true,
	} {
		if got := encodes(name, six); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"WWW.Example.ORG.": "www.example.org", "bücher.example": "xn--bcher-kva.example", " a.example ": "a.example", "_dmarc.a.example": "_dmarc.a.example",
		"localhost": "", "": "", ".": "", "a..b": "", "192.0.2.1": "", "2001:db8::1": "", "a b.example": "", "-a.example": "", "a/b.example": "",
		"*.example.org": "", "a.example:443": "", strings.Repeat("a", 64) + ".example": "", strings.Repeat("a.", 130) + "example": "", "x.1": "", "a\x00b.example": "",
	} {
		if got, ok := Clean(in); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", in, got, ok, want)
		}
	}
}

// FuzzNames has certificates hold anything: what is asked for is a host name, and comes to an end.
func FuzzNames(f *testing.F) {
	f.Add("*.example.org", "192-0-2-1.example", "bücher.example")
	f.Add("*.*.x", "xn--a.example", "..")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		target := grab.Target{Addr: netip.MustParseAddr("192.0.2.1")}
		asked := askAll(t, New(Config{Max: 5}), &target, func(string) shown { return sans(a, b, c) })
		for _, n := range asked[1:] {
			name, _, _ := strings.Cut(n, " ")
			if again, ok := Clean(name); !ok || again != name {
				t.Errorf("asked for %q", n)
			}
		}
		slices.Sort(asked)
		if len(slices.Compact(asked)) != len(asked) {
			t.Errorf("asked twice: %q", asked)
		}
	})
}
