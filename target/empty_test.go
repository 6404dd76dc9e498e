package target

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// emptyError returns the EmptyError in err, which a wrapper must not hide.
func emptyError(t *testing.T, err error) *EmptyError {
	t.Helper()
	e, ok := errors.AsType[*EmptyError](fmt.Errorf("scan: %w", err))
	if !ok || !errors.Is(err, ErrEmpty) {
		t.Fatalf("error %v, want an EmptyError that wraps ErrEmpty", err)
	}
	return e
}

// from picks the entries of the named source.
func from(name string) func(Origin) bool {
	return func(o Origin) bool { return o.Name == name }
}

// blockFrom adds entries as if they came from the named source.
func blockFrom(t *testing.T, b *Builder, name string, networks []string) {
	t.Helper()
	for i, n := range networks {
		if err := b.AddPrefix(Block, netip.MustParsePrefix(n), Origin{Name: name, Line: i + 1}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmptyErrorWithout(t *testing.T) {
	for _, c := range []struct {
		name         string
		allow        []string
		list, others []string // entries of the source asked for, and of others
		want         string
	}{
		{"all of it", []string{"10.1.2.3/16"}, []string{"10.0.0.0/8"}, nil, "10.1.0.0/16"},
		{"networks that touch are one", []string{"10.0.0.0/9", "10.128.0.0/9"}, []string{"10.0.0.0/8"}, nil, "10.0.0.0/8"},
		{"another entry blocks it, too", []string{"10.1.0.0/16"}, []string{"10.0.0.0/8"}, []string{"10.0.0.0/7"}, ""},
		{"another entry blocks a half", []string{"10.1.0.0/16"}, []string{"10.0.0.0/8"}, []string{"10.1.0.0/17"}, "10.1.128.0/17"},
		{"another entry is to blame", []string{"20.0.0.0/8"}, []string{"10.0.0.0/8"}, []string{"20.0.0.0/8"}, ""},
		{"0.0.0.0 is blocked by nobody", []string{"0.0.0.0"}, []string{"0.0.0.0/8"}, nil, ""},
		{"0.0.0.0 is never scanned", []string{"0.0.0.0/31"}, []string{"0.0.0.0/8"}, nil, "0.0.0.1/32"},
		{"nothing was asked for", nil, []string{"0.0.0.0/1"}, []string{"128.0.0.0/1"}, ""},
		{"the last address", []string{"255.255.255.255"}, []string{"240.0.0.0/4"}, nil, "255.255.255.255/32"},
	} {
		var b Builder
		for _, n := range c.allow {
			if err := b.Add(Allow, n); err != nil {
				t.Fatal(err)
			}
		}
		blockFrom(t, &b, "other", c.others)
		blockFrom(t, &b, "list", c.list)
		_, err := b.Build(t.Context())
		e := emptyError(t, err)
		if got := texts(slices.Collect(e.Without(from("list")))); got != c.want {
			t.Errorf("%s: Without(list) = %s, want %s", c.name, got, c.want)
		}
		if got := texts(slices.Collect(e.Without(from("unknown")))); got != "" {
			t.Errorf("%s: Without(unknown) = %s, want nothing", c.name, got)
		}
	}
}

// TestWithoutIsWhatBuildWouldReturn compares Without with building once more without the source's entries.
func TestWithoutIsWhatBuildWouldReturn(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	some := func(n int) []string {
		var list []string
		for range r.IntN(n) {
			bits := 26 + r.IntN(7)
			list = append(list, fmt.Sprintf("10.0.0.%d/%d", r.IntN(256), bits))
		}
		return list
	}
	empty, left := 0, 0
	for range 4000 {
		allow, list, others := append(some(3), "10.0.0.7"), some(16), some(16)
		build := func(names ...string) (*Space, error) {
			var b Builder
			for _, n := range allow {
				if err := b.Add(Allow, n); err != nil {
					t.Fatal(err)
				}
			}
			for _, n := range names {
				blockFrom(t, &b, n, map[string][]string{"list": list, "others": others}[n])
			}
			return b.Build(t.Context())
		}
		_, err := build("others", "list")
		if err == nil {
			continue
		}
		empty++
		got := slices.Collect(emptyError(t, err).Without(from("list")))
		var want []netip.Prefix
		if s, err := build("others"); err == nil {
			left++
			want = slices.Collect(s.Prefixes())
		}
		if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
			t.Fatalf("Without(list), allow %v, list %v, others %v, differs (-want +got):\n%s", allow, list, others, diff)
		}
	}
	if empty < 100 || left < 100 {
		t.Errorf("only %d empty spaces, %d of them because of the list: the test shows little", empty, left)
	}
}

func TestWithoutOfListedAddresses(t *testing.T) {
	build := func(allow ...string) *Space {
		var b Builder
		for _, n := range allow {
			if err := b.Add(Allow, n); err != nil {
				t.Fatal(err)
			}
		}
		blockFrom(t, &b, "other", []string{"10.9.0.0/16"})
		blockFrom(t, &b, "list", []string{"10.0.0.0/8", "192.168.0.0/16"})
		s, err := b.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const listed = "10.0.0.1\n192.168.0.0\n192.168.0.1\n10.9.0.1\n"
	for _, c := range []struct {
		space *Space
		list  string
		want  string
	}{
		{build(), listed, "10.0.0.1/32 192.168.0.0/31"},
		{build("1.1.1.1", "10.0.0.0/9"), listed, "10.0.0.1/32"},
		{build("1.1.1.1"), listed, ""},
		{build(), "10.9.0.2", ""},
		{build(), "", ""},
	} {
		_, err := c.space.Intersect(readList(t, c.list))
		if got := texts(slices.Collect(emptyError(t, err).Without(from("list")))); got != c.want {
			t.Errorf("%v, list %q: Without(list) = %s, want %s", c.space.AllowEntries(), c.list, got, c.want)
		}
	}

	once, err := build().Intersect(readList(t, "1.1.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = once.Intersect(readList(t, listed)) // 10.0.0.1 would not be left without the entry, either
	if got := texts(slices.Collect(emptyError(t, err).Without(from("list")))); got != "" {
		t.Errorf("after two lists: Without(list) = %s, want nothing", got)
	}
}

func TestWithoutStopsWhenAsked(t *testing.T) {
	var b Builder
	for i := range 9 {
		if err := b.Add(Allow, fmt.Sprintf("10.%d.0.0/17", i)); err != nil {
			t.Fatal(err)
		}
	}
	blockFrom(t, &b, "list", []string{"10.0.0.0/8"})
	_, err := b.Build(t.Context())
	n := 0
	for range emptyError(t, err).Without(from("list")) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("a loop left after 2 networks ran %d times", n)
	}
}

func TestEmptyErrorText(t *testing.T) {
	e := &EmptyError{Reason: "no reason"}
	if got := e.Error(); got != ErrEmpty.Error()+": no reason" {
		t.Errorf("Error() = %q without advice", got)
	}
	e.Advice = "do something"
	if got := e.Error(); !strings.HasSuffix(got, ": no reason\ndo something") {
		t.Errorf("Error() = %q with advice", got)
	}
}
