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

// build makes a space of networks to scan, of networks that are blocked for other reasons, and of a list without the allowed
// classes.
func build(t *testing.T, list string, classes []Class, allow, block []string) (*Special, *target.Space, error) {
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
	s, err := ReadSpecial(&b, list, classes...)
	if err != nil {
		t.Fatal(err)
	}
	space, err := b.Build(t.Context())
	return s, space, err
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		name    string
		already []Class
		scan    []string
		classes string
	}{
		{"private network", nil, []string{"10.1.0.0/16"}, "private"},
		{"one of each private network", nil, []string{"192.168.1.0/24", "10.0.0.1", "172.31.255.255"}, "private"},
		{"what is allowed already stays so", []Class{Shared}, []string{"10.1.0.0/16"}, "private,shared"},
		{"two classes", nil, []string{"127.0.0.1", "10.0.0.1"}, "private,loopback"},
		{"larger than one entry", nil, []string{"224.0.0.0/3"}, "multicast,reserved,broadcast"},
		{"only the broadcast address", nil, []string{"255.255.255.255"}, "broadcast"},
		{"only this network", nil, []string{"0.0.0.0/24"}, "thisnetwork"},
		{"anycast", nil, []string{"192.0.0.9"}, "ietf"},
	} {
		s, _, err := build(t, ListSpecial, c.already, c.scan, nil)
		e, ok := errors.AsType[*SpecialError](s.Explain(err))
		if !ok {
			t.Errorf("%s: %v not explained", c.name, err)
			continue
		}
		if got := JoinClasses(e.Classes); got != c.classes || !strings.HasSuffix(e.Error(), "allow "+c.classes) {
			t.Errorf("%s: classes %s in %q, want %s", c.name, got, e, c.classes)
		}
		if !errors.Is(e, target.ErrEmpty) || !errors.Is(e, err) {
			t.Errorf("%s: %v does not wrap what it explains", c.name, e)
		}
		_, space, err := build(t, ListSpecial, e.Classes, c.scan, nil)
		if err != nil {
			t.Errorf("%s: with %s: %v", c.name, c.classes, err)
			continue
		}
		for _, n := range c.scan {
			if !strings.Contains(n, "/") && !space.Contains(netip.MustParseAddr(n)) {
				t.Errorf("%s: with %s %s is not scanned", c.name, c.classes, n)
			}
		}
	}
}

func TestExplainText(t *testing.T) {
	s, _, err := build(t, ListSpecial, nil, []string{"10.1.0.0/16"}, nil)
	e, _ := errors.AsType[*SpecialError](s.Explain(err))
	line := s.Entries()[1].Line
	want := fmt.Sprintf("no address is left to scan: the blocklist has 10.0.0.0/8, Private-Use, RFC 1918 (builtin:special:%d); "+
		"to scan it, allow private", line)
	if diff := cmp.Diff(want, e.Error()); diff != "" {
		t.Errorf("text differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Class{Private}, e.Classes); diff != "" || len(e.Entries) != 1 || e.Entries[0].Line != line {
		t.Errorf("SpecialError %+v, want the entry of line %d and its class", e, line)
	}

	file := listFile(t, "# ours", "127.0.0.0/8", "10.0.0.0/8")
	s, _, err = build(t, file, nil, []string{"10.1.0.0/16", "127.0.0.1"}, nil)
	e, _ = errors.AsType[*SpecialError](s.Explain(err))
	want = fmt.Sprintf("10.0.0.0/8, Private-Use, RFC 1918 (%[1]s:3) and 127.0.0.0/8, Loopback, RFC 1122 section 3.2.1.3 (%[1]s:2)", file)
	if e == nil || e.String() != want {
		t.Errorf("of a file: %v, want %s", e, want)
	}

	s, _, err = build(t, ListSpecial, nil, []string{"0.0.0.0/5", "96.0.0.0/3", "160.0.0.0/3", "192.0.0.0/2"}, []string{"1.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.excluded(s.Entries()).String(); !strings.HasSuffix(got, "(builtin:special:26) and 35 more") || strings.Count(got, "RFC") != 4 {
		t.Errorf("text of all entries is %s, want four of them and a number", got)
	}
}

// TestExplainWindows names the class of a window.
func TestExplainWindows(t *testing.T) {
	s, _, err := build(t, ListSpecial, nil, []string{"2001:db8:7::/48-64", "fd00::/16-64"}, nil)
	e, ok := errors.AsType[*SpecialError](s.Explain(err))
	if !ok || JoinClasses(e.Classes) != "private,documentation" || len(e.Entries) != 2 {
		t.Errorf("Explain(%v) = %v, want private,documentation", err, e)
	}
	s, space, err := build(t, ListSpecial, []Class{Private}, []string{"2001:db8:7::/48-64", "fd00::/16-64"}, nil)
	if err != nil || space.IPv6() != 1<<48 {
		t.Fatalf("%v addresses, error %v, want 2^48", space, err)
	}
	if x := s.Missed(space, nil); x == nil || JoinClasses(x.Classes) != "private,documentation" || x.Entries[0].Prefix.String() != "2001:db8::/32" {
		t.Errorf("Missed() = %v, want 2001:db8::/32", x)
	}
}

func TestExplainLeavesOtherErrorsAlone(t *testing.T) {
	s := special(t)
	_, _, byOthers := build(t, ListSpecial, nil, []string{"10.1.0.0/16"}, []string{"10.0.0.0/8"})
	_, _, byNobody := build(t, ListSpecial, nil, []string{"0.0.0.0"}, nil)
	_, _, byAll := build(t, ListSpecial, nil, nil, []string{"0.0.0.0/0"})
	_, _, publicOne := build(t, ListSpecial, nil, []string{"1.1.1.1"}, []string{"1.1.1.0/24"})
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
	s, _, err := build(t, ListSpecial, nil, []string{"10.1.0.0/16"}, nil)
	wrapped := fmt.Errorf("scan: %w", err)
	if e, ok := errors.AsType[*SpecialError](s.Explain(wrapped)); !ok || !errors.Is(e, wrapped) {
		t.Errorf("Explain(%v) = %v, want a SpecialError around it", wrapped, e)
	}
}

func TestExplainListOfAddresses(t *testing.T) {
	s, space, err := build(t, ListSpecial, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := target.ReadList(strings.NewReader("192.168.1.1\n100.64.0.1\n"), "hosts")
	if err != nil {
		t.Fatal(err)
	}
	_, err = space.Intersect(list)
	e, ok := errors.AsType[*SpecialError](s.Explain(err))
	if !ok || JoinClasses(e.Classes) != "private,shared" || len(e.Entries) != 2 {
		t.Errorf("Explain(%v) = %v, want private,shared", err, e)
	}
}

// TestAdviceIsEnoughAndNoMore scans random networks, most of them special, and follows the advice: everything asked for that
// nothing else blocks must be scanned then, as far as it was by itself not scanned at all, and leaving out any of the classes
// must take some of it away.
func TestAdviceIsEnoughAndNoMore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	all := slices.DeleteFunc(special(t).Entries(), func(e Entry) bool { return e.Prefix.Addr().Is6() }) // whose networks are not scanned whole
	pick := func() string {
		e := all[r.IntN(len(all))].Prefix
		bits := max(e.Bits()-r.IntN(2), min(e.Bits()+r.IntN(8), 32))
		return netip.PrefixFrom(e.Addr(), bits).String()
	}
	explained, missed := 0, 0
	for range 400 {
		var scan, block []string
		for range 1 + r.IntN(3) {
			scan = append(scan, pick())
		}
		for range r.IntN(3) {
			block = append(block, pick())
		}
		already := []Class{all[r.IntN(len(all))].Class}
		s, space, err := build(t, ListSpecial, already, scan, block)
		// What would be scanned of the networks that nothing is scanned of.
		var lost []string
		for _, n := range scan {
			if _, _, err := build(t, ListSpecial, already, []string{n}, block); err != nil {
				lost = append(lost, n)
			}
		}
		wanted := func(allow []Class) uint64 {
			_, space, err := build(t, ListSpecial, allow, lost, block)
			if err != nil {
				return 0
			}
			return space.Addrs()
		}
		var x *Excluded
		if err == nil {
			x = s.Missed(space, nil)
			missed++
		} else if e, ok := errors.AsType[*SpecialError](s.Explain(err)); ok {
			x = &e.Excluded
			explained++
		}
		if len(lost) == 0 || wanted(Classes()) == 0 {
			if x != nil {
				t.Fatalf("scan %v, block %v, %v allowed: advice %v for nothing", scan, block, already, x)
			}
			continue
		}
		if x == nil || wanted(x.Classes) != wanted(Classes()) {
			t.Fatalf("scan %v, block %v, %v allowed: advice %+v, want one that allows all of %v", scan, block, already, x, lost)
		}
		for _, c := range x.Classes {
			fewer := slices.DeleteFunc(slices.Clone(x.Classes), func(x Class) bool { return x == c })
			if wanted(fewer) == wanted(x.Classes) && !slices.Contains(already, c) {
				t.Fatalf("scan %v, block %v: advice %v names %s for nothing", scan, block, x, c)
			}
		}
	}
	if explained < 100 || missed < 50 {
		t.Errorf("only %d errors explained and %d scans of a part: the test shows little", explained, missed)
	}
}

func TestMissed(t *testing.T) {
	for _, c := range []struct {
		name         string
		allow        []Class
		scan, block  string
		list         string
		entries, get string
	}{
		{"nothing is named", nil, "", "", "", "", ""},
		{"all is scanned", nil, "1.1.1.1 2.0.0.0/8", "", "", "", ""},
		{"one of two", nil, "1.1.1.1 10.1.2.3/16", "", "", "10.0.0.0/8", "private"},
		{"a part of a network", nil, "0.0.0.0/4", "", "", "", ""},
		{"more than a network", nil, "1.1.1.1 224.0.0.0/3", "", "", "224.0.0.0/4 240.0.0.0/4 255.255.255.255/32", "multicast,reserved,broadcast"},
		{"what is allowed stays so", []Class{Private}, "10.0.0.0/8 127.0.0.1", "", "", "127.0.0.0/8", "private,loopback"},
		{"others block it, too", nil, "1.1.1.1 10.1.0.0/16", "10.0.0.0/9", "", "", ""},
		{"others block half of it", nil, "1.1.1.1 10.1.0.0/16", "10.1.0.0/17", "", "10.0.0.0/8", "private"},
		{"listed addresses", nil, "", "", "1.1.1.1 10.0.0.1", "10.0.0.0/8", "private"},
		{"listed addresses that are not allowed", nil, "1.0.0.0/8 127.0.0.0/8", "", "1.1.1.1 10.0.0.1", "", ""},
		{"listed addresses that others block", nil, "", "10.0.0.1 2.2.2.2", "1.1.1.1 10.0.0.1 2.2.2.2", "", ""},
	} {
		s, space, err := build(t, ListSpecial, c.allow, strings.Fields(c.scan), strings.Fields(c.block))
		if err != nil {
			t.Fatal(err)
		}
		var list *target.List
		if c.list != "" {
			if list, err = target.ReadList(strings.NewReader(strings.ReplaceAll(c.list, " ", "\n")), "list"); err != nil {
				t.Fatal(err)
			}
		}
		got := s.Missed(space, list)
		if got == nil {
			got = &Excluded{}
		}
		var entries []string
		for _, e := range got.Entries {
			entries = append(entries, e.Prefix.String())
		}
		if strings.Join(entries, " ") != c.entries || JoinClasses(got.Classes) != c.get {
			t.Errorf("%s: missed because of %v, allowed by %v; want %q and %q", c.name, entries, got.Classes, c.entries, c.get)
		}
	}
}
