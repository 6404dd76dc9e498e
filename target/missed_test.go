package target

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMissedIsWhatBuildWouldAdd compares Missed with building once more without the source's entries, from the allow entries,
// or the listed addresses, that the space has nothing of.
func TestMissedIsWhatBuildWouldAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	some := func(n int) []string {
		var list []string
		for range r.IntN(n) {
			list = append(list, fmt.Sprintf("10.0.0.%d/%d", r.IntN(256), 26+r.IntN(7)))
		}
		return list
	}
	build := func(allow []string, sources map[string][]string) *Space {
		var b Builder
		for _, n := range allow {
			if err := b.Add(Allow, n); err != nil {
				t.Fatal(err)
			}
		}
		for name, networks := range sources {
			blockFrom(t, &b, name, networks)
		}
		s, err := b.Build(t.Context())
		if err != nil {
			return nil
		}
		return s
	}
	found := 0
	for range 500 {
		allow, list, others := some(5), some(12), some(8)
		space := build(allow, map[string][]string{"list": list, "others": others})
		if space == nil {
			continue
		}
		overlaps := func(with iter.Seq[netip.Prefix], p netip.Prefix) bool {
			for x := range with {
				if x.Overlaps(p) {
					return true
				}
			}
			return false
		}
		var named []netip.Prefix
		var listed *List
		if r.IntN(2) == 0 {
			named = space.AllowEntries()
		} else {
			var text strings.Builder
			for range 8 {
				a := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(256))})
				fmt.Fprintln(&text, a)
				if p := netip.PrefixFrom(a, 32); len(allow) == 0 || overlaps(slices.Values(space.AllowEntries()), p) {
					named = append(named, p)
				}
			}
			listed = readList(t, text.String())
		}
		var lost []string
		for _, p := range named {
			if !overlaps(space.Prefixes(), p) {
				lost = append(lost, p.String())
			}
		}
		var want []netip.Prefix
		if len(lost) > 0 {
			if s := build(lost, map[string][]string{"others": others}); s != nil {
				want = slices.Collect(s.Prefixes())
				found++
			}
		}
		got := slices.Collect(space.Missed(listed, from("list")))
		if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
			t.Fatalf("Missed, allow %v, list %v, others %v, addresses %v, differs (-want +got):\n%s", allow, list, others, listed != nil, diff)
		}
		for range space.Missed(listed, from("list")) {
			break
		}
	}
	if found < 100 {
		t.Errorf("only %d spaces miss something: the test shows little", found)
	}
}

func TestReplace(t *testing.T) {
	b := Builder{Resolver: fakeResolver{"host.example": {"10.9.9.9"}}}
	for _, text := range []string{"10.1.2.3/8", "host.example", "11.0.0.0/8", "12.0.0.0/8"} {
		if err := b.Add(Block, text); err != nil {
			t.Fatal(err)
		}
	}
	blockFrom(t, &b, "list", []string{"13.0.0.0/8", "14.0.0.0/8"})
	if err := b.Add(Allow, "11.0.0.0/8"); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(Allow, "9.0.0.0/8"); err != nil {
		t.Fatal(err)
	}
	var asked []string
	b.Replace(Block, func(p netip.Prefix, o Origin) ([]netip.Prefix, bool) {
		asked = append(asked, p.String()+" "+o.String())
		switch p.Addr().As4()[0] {
		case 11:
			return nil, true
		case 13:
			return []netip.Prefix{netip.MustParsePrefix("13.0.0.0/9"), netip.MustParsePrefix("13.128.0.0/10")}, true
		}
		return []netip.Prefix{netip.MustParsePrefix("99.0.0.0/8")}, false
	})
	want := []string{"10.1.2.3/8 argument", "11.0.0.0/8 argument", "12.0.0.0/8 argument", "13.0.0.0/8 list:1", "14.0.0.0/8 list:2"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked about (-want +got):\n%s", diff)
	}
	asked = nil
	b.Replace(Block, func(p netip.Prefix, o Origin) ([]netip.Prefix, bool) {
		asked = append(asked, p.String()+" "+o.String())
		return nil, false
	})
	want = []string{"10.1.2.3/8 argument", "12.0.0.0/8 argument", "13.0.0.0/9 list:1", "13.128.0.0/10 list:1", "14.0.0.0/8 list:2"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("after the first time, asked about (-want +got):\n%s", diff)
	}
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(s.BlockEntries()); got != "10.1.2.3/8 10.9.9.9/32 12.0.0.0/8 13.0.0.0/9 13.128.0.0/10 14.0.0.0/8 0.0.0.0/32" {
		t.Errorf("block entries %s", got)
	}
	if got := texts(s.AllowEntries()); got != "11.0.0.0/8 9.0.0.0/8" {
		t.Errorf("allow entries %s, want them unchanged", got)
	}
}
