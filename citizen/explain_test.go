package citizen

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/target"
)

// build makes a space of networks to scan, of networks that are blocked for other reasons, and of the list.
func build(t *testing.T, s *Special, allow, block []string) (*target.Space, error) {
	t.Helper()
	var b target.Builder
	for _, n := range allow {
		if err := b.Add(target.Allow, n); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range block {
		if err := b.Add(target.Block, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Build(t.Context())
}

// allowed returns the list as the option says that a user is told to give.
func allowed(t *testing.T, option string) *Special {
	t.Helper()
	names, ok := strings.CutPrefix(option, "--allow-special ")
	classes, err := ParseClasses(names)
	if !ok || err != nil || strings.ContainsAny(names, " '\"\\$;&|<>*?") {
		t.Fatalf("option %q cannot be pasted: %v", option, err)
	}
	return special(t, classes...)
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		name    string
		already []Class
		scan    []string
		option  string
	}{
		{"private network", nil, []string{"10.1.0.0/16"}, "--allow-special private"},
		{"one of each private network", nil, []string{"192.168.1.0/24", "10.0.0.1", "172.31.255.255"}, "--allow-special private"},
		{"what is allowed already stays so", []Class{Shared}, []string{"10.1.0.0/16"}, "--allow-special private,shared"},
		{"two classes", nil, []string{"127.0.0.1", "10.0.0.1"}, "--allow-special private,loopback"},
		{"larger than one entry", nil, []string{"224.0.0.0/3"}, "--allow-special multicast,reserved,broadcast"},
		{"only the broadcast address", nil, []string{"255.255.255.255"}, "--allow-special broadcast"},
		{"only this network", nil, []string{"0.0.0.0/24"}, "--allow-special thisnetwork"},
		{"anycast", nil, []string{"192.0.0.9"}, "--allow-special ietf"},
	} {
		s := special(t, c.already...)
		_, err := build(t, s, c.scan, nil)
		e, ok := errors.AsType[*SpecialError](s.Explain(err))
		if !ok {
			t.Errorf("%s: %v not explained", c.name, err)
			continue
		}
		if e.Option() != c.option || !strings.HasSuffix(e.Error(), c.option) {
			t.Errorf("%s: option %q in %q, want %q", c.name, e.Option(), e, c.option)
		}
		if !errors.Is(e, target.ErrEmpty) || !errors.Is(e, err) {
			t.Errorf("%s: %v does not wrap what it explains", c.name, e)
		}
		if strings.Contains(e.Error(), "copy of the blocklist") {
			t.Errorf("%s: %v advises to change a list that is no file", c.name, e)
		}
		space, err := build(t, allowed(t, e.Option()), c.scan, nil)
		if err != nil {
			t.Errorf("%s: with %s: %v", c.name, e.Option(), err)
			continue
		}
		for _, n := range c.scan {
			if !strings.Contains(n, "/") && !space.Contains(netip.MustParseAddr(n)) {
				t.Errorf("%s: with %s %s is not scanned", c.name, e.Option(), n)
			}
		}
	}
}

func TestExplainText(t *testing.T) {
	s := special(t)
	_, err := build(t, s, []string{"10.1.0.0/16"}, nil)
	line := s.Entries()[1].Line
	want := fmt.Sprintf(`no address is left to scan: the blocklist covers all that is allowed
  10.1.0.0/16 (argument) is covered by 10.0.0.0/8 (built-in list of special-purpose networks:%d)
10.0.0.0/8 is not scanned by default: Private-Use (RFC 1918)
to scan it, use --allow-special private`, line)
	if diff := cmp.Diff(want, s.Explain(err).Error()); diff != "" {
		t.Errorf("text differs (-want +got):\n%s", diff)
	}
	e, _ := errors.AsType[*SpecialError](s.Explain(err))
	if diff := cmp.Diff([]Class{Private}, e.Classes); diff != "" || len(e.Entries) != 1 || e.Entries[0].Line != line {
		t.Errorf("SpecialError %+v, want the entry of line %d and its class", e, line)
	}
}

func TestExplainLeavesOtherErrorsAlone(t *testing.T) {
	s := special(t)
	_, byOthers := build(t, s, []string{"10.1.0.0/16"}, []string{"10.0.0.0/8"})
	_, byNobody := build(t, s, []string{"0.0.0.0"}, nil)
	_, byAll := build(t, s, nil, []string{"0.0.0.0/0"})
	_, publicOne := build(t, s, []string{"1.1.1.1"}, []string{"1.1.1.0/24"})
	for _, err := range []error{byOthers, byNobody, byAll, publicOne, nil, fs.ErrNotExist, target.ErrEmpty} {
		if got := s.Explain(err); got != err {
			t.Errorf("Explain(%v) = %v, want it unchanged", err, got)
		}
	}
	// An error about a space that the list was not part of.
	var b target.Builder
	if err := errors.Join(b.Add(target.Allow, "10.0.0.0/8"), ReadBlocklist(&b, ListZMap)); err != nil {
		t.Fatal(err)
	}
	_, err := b.Build(t.Context())
	if got := s.Explain(err); err == nil || got != err {
		t.Errorf("Explain(%v) = %v, want it unchanged: another list is to blame", err, got)
	}
}

func TestExplainSeesThroughWrappers(t *testing.T) {
	s := special(t)
	_, err := build(t, s, []string{"10.1.0.0/16"}, nil)
	wrapped := fmt.Errorf("scan: %w", err)
	if e, ok := errors.AsType[*SpecialError](s.Explain(wrapped)); !ok || !errors.Is(e, wrapped) {
		t.Errorf("Explain(%v) = %v, want a SpecialError around it", wrapped, e)
	}
}

func TestExplainListOfAddresses(t *testing.T) {
	s := special(t)
	space, err := build(t, s, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := target.ReadList(strings.NewReader("192.168.1.1\n100.64.0.1\n"), "hosts")
	if err != nil {
		t.Fatal(err)
	}
	_, err = space.Intersect(list)
	e, ok := errors.AsType[*SpecialError](s.Explain(err))
	if !ok || e.Option() != "--allow-special private,shared" || !strings.Contains(e.Error(), "192.168.0.0/16 is not scanned by default") {
		t.Errorf("Explain(%v) = %v, want private,shared", err, e)
	}
}

// TestExplainedOptionIsEnoughAndNoMore scans random networks, most of them special, and follows the advice: everything
// asked for that nothing else blocks must be scanned then, and leaving out any of the classes must take some of it away.
func TestExplainedOptionIsEnoughAndNoMore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	all := special(t).Entries()
	pick := func() string {
		e := all[r.IntN(len(all))].Prefix
		bits := max(e.Bits()-r.IntN(2), min(e.Bits()+r.IntN(8), 32))
		return netip.PrefixFrom(e.Addr(), bits).String()
	}
	explained := 0
	for range 400 {
		var scan, block []string
		for range 1 + r.IntN(3) {
			scan = append(scan, pick())
		}
		for range r.IntN(3) {
			block = append(block, pick())
		}
		s := special(t, all[r.IntN(len(all))].Class)
		_, err := build(t, s, scan, block)
		whole, wholeErr := build(t, &Special{}, scan, block)
		e, ok := errors.AsType[*SpecialError](s.Explain(err))
		if want := err != nil && wholeErr == nil; ok != want {
			t.Fatalf("scan %v, block %v, %v allowed: explained %v, want %v: %v", scan, block, s.Allowed(), ok, want, err)
		}
		if !ok {
			continue
		}
		explained++
		space, err := build(t, special(t, e.Classes...), scan, block)
		if err != nil || space.Addrs() != whole.Addrs() {
			t.Fatalf("scan %v, block %v, with %s: error %v, want %d addresses", scan, block, e.Option(), err, whole.Addrs())
		}
		for _, c := range e.Classes {
			fewer := slices.DeleteFunc(slices.Clone(e.Classes), func(x Class) bool { return x == c })
			space, err := build(t, special(t, fewer...), scan, block)
			if err == nil && space.Addrs() == whole.Addrs() && !slices.Contains(s.Allowed(), c) {
				t.Fatalf("scan %v, block %v: %s names %s for nothing", scan, block, e.Option(), c)
			}
		}
	}
	if explained < 100 {
		t.Errorf("only %d errors explained: the test shows little", explained)
	}
}

func TestExcluded(t *testing.T) {
	for _, c := range []struct {
		allow    []Class
		networks string
		want     string
	}{
		{nil, "10.1.2.3/16", "10.0.0.0/8"},
		{nil, "10.0.0.0/8 10.0.0.0/9 192.168.0.1/32 1.1.1.1/32", "10.0.0.0/8 192.168.0.0/16"},
		{nil, "1.1.1.1/32 0.0.0.0/0 8.0.0.0/5 2001:db8::/32 ::ffff:10.0.0.0/104", ""},
		{nil, "224.0.0.0/3", "224.0.0.0/4 240.0.0.0/4 255.255.255.255/32"},
		{nil, "255.255.255.255/32", "255.255.255.255/32"},
		{nil, "255.255.255.254/32", "240.0.0.0/4"},
		{[]Class{Private}, "10.1.2.3/16 127.0.0.1/32", "127.0.0.0/8"},
		{[]Class{Broadcast}, "240.0.0.0/4", ""},
		{[]Class{Broadcast}, "240.0.0.0/5", "240.0.0.0/4"},
		{nil, "", ""},
	} {
		s := special(t, c.allow...)
		networks := []netip.Prefix{{}}
		for n := range strings.FieldsSeq(c.networks) {
			networks = append(networks, netip.MustParsePrefix(n))
		}
		var got []string
		for _, e := range s.Excluded(networks...) {
			got = append(got, e.Prefix.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v allowed: Excluded(%s) = %v, want %s", c.allow, c.networks, got, c.want)
		}
	}
}

func TestAdvice(t *testing.T) {
	s := special(t, Shared)
	all := s.Entries()
	for _, c := range []struct {
		entries []Entry
		want    string
	}{
		{nil, ""},
		{all[:1], "0.0.0.0/8 is not scanned by default: This network (RFC 791 section 3.2)\nto scan it, use --allow-special thisnetwork,shared"},
		{all, `0.0.0.0/8 is not scanned by default: This network (RFC 791 section 3.2)
10.0.0.0/8 is not scanned by default: Private-Use (RFC 1918)
127.0.0.0/8 is not scanned by default: Loopback (RFC 1122 section 3.2.1.3)
169.254.0.0/16 is not scanned by default: Link Local (RFC 3927)
and 11 more
to scan them, use --allow-special ` + joinClasses(Classes())},
	} {
		if diff := cmp.Diff(c.want, s.Advice(c.entries)); diff != "" {
			t.Errorf("Advice differs (-want +got):\n%s", diff)
		}
	}
}
