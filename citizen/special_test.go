package citizen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/target"
)

// special returns the built-in list without the allowed classes.
func special(t *testing.T, allow ...Class) *Special {
	t.Helper()
	s, err := ReadSpecial(&target.Builder{}, ListSpecial, allow...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// spaceOf returns what a list without the allowed classes leaves of all of IPv4.
func spaceOf(t *testing.T, list string, allow ...Class) *target.Space {
	t.Helper()
	return built(t, func(b *target.Builder) error {
		_, err := ReadSpecial(b, list, allow...)
		return err
	})
}

// listFile writes a blocklist and returns its path.
func listFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "blocklist.conf")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A row is what the registry says of a network: its name and whether it is globally reachable. Deprecated ones say no.
type row struct {
	network   string
	name      string
	reachable bool
}

// registry returns all rows of the registry as of 2025-10-09, a second copy to hold the list against, and multicast.
func registry() []row {
	return []row{
		{"0.0.0.0/8", "This network", false},
		{"0.0.0.0/32", "This host on this network", false},
		{"10.0.0.0/8", "Private-Use", false},
		{"100.64.0.0/10", "Shared Address Space", false},
		{"127.0.0.0/8", "Loopback", false},
		{"169.254.0.0/16", "Link Local", false},
		{"172.16.0.0/12", "Private-Use", false},
		{"192.0.0.0/24", "IETF Protocol Assignments", false},
		{"192.0.0.0/29", "IPv4 Service Continuity Prefix", false},
		{"192.0.0.8/32", "IPv4 dummy address", false},
		{"192.0.0.9/32", "Port Control Protocol Anycast", true},
		{"192.0.0.10/32", "Traversal Using Relays around NAT Anycast", true},
		{"192.0.0.170/32", "NAT64/DNS64 Discovery", false},
		{"192.0.0.171/32", "NAT64/DNS64 Discovery", false},
		{"192.0.2.0/24", "Documentation (TEST-NET-1)", false},
		{"192.31.196.0/24", "AS112-v4", true},
		{"192.52.193.0/24", "AMT", true},
		{"192.88.99.0/24", "Deprecated (6to4 Relay Anycast)", false},
		{"192.88.99.2/32", "6a44-relay anycast address", false},
		{"192.168.0.0/16", "Private-Use", false},
		{"192.175.48.0/24", "Direct Delegation AS112 Service", true},
		{"198.18.0.0/15", "Benchmarking", false},
		{"198.51.100.0/24", "Documentation (TEST-NET-2)", false},
		{"203.0.113.0/24", "Documentation (TEST-NET-3)", false},
		{"224.0.0.0/4", "Multicast", false},
		{"240.0.0.0/4", "Reserved", false},
		{"255.255.255.255/32", "Limited Broadcast", false},
	}
}

// anycast are the addresses that are blocked although the registry calls them globally reachable; special.txt says why.
func anycast() []string { return []string{"192.0.0.9/32", "192.0.0.10/32"} }

func TestListSaysWhatTheRegistrySays(t *testing.T) {
	space := spaceOf(t, ListSpecial)
	var wanted []netip.Prefix
	for _, r := range registry() {
		p := netip.MustParsePrefix(r.network)
		blocked := !r.reachable || slices.Contains(anycast(), r.network)
		for _, a := range []netip.Addr{p.Addr(), last(p)} {
			if space.Contains(a) == blocked {
				t.Errorf("%s of %s (%s) is scanned: %v, want %v", a, r.network, r.name, !blocked, blocked)
			}
		}
		if blocked {
			wanted = append(wanted, p)
		}
		// The list's text has every row, as an entry or as a remark with the registry's name.
		line := regexp.MustCompile(`(?m)^(#\s+)?` + regexp.QuoteMeta(r.network) + `\s.*` + regexp.QuoteMeta(r.name))
		if !line.MatchString(specialText) {
			t.Errorf("special.txt has no line for %s with the name %s", r.network, r.name)
		}
	}
	// Nothing else is blocked: outside of the registry's blocked rows everything is scanned.
	want := built(t, func(b *target.Builder) error {
		for _, p := range wanted {
			if err := b.AddPrefix(target.Block, p, target.Origin{}); err != nil {
				return err
			}
		}
		return nil
	})
	if diff := cmp.Diff(ranges(want), ranges(space)); diff != "" {
		t.Errorf("what is scanned differs (-registry +list):\n%s", diff)
	}
	if space.Addrs() != 3702258432 {
		t.Errorf("the list leaves %d addresses, want 3702258432", space.Addrs())
	}
}

func TestListIsInOrder(t *testing.T) {
	seen := make(map[netip.Prefix]bool)
	var before netip.Addr
	lines := strings.Split(specialText, "\n")
	for _, e := range special(t).Entries() {
		if e.Prefix != e.Prefix.Masked() {
			t.Errorf("line %d: %s has host bits", e.Line, e.Prefix)
		}
		if seen[e.Prefix] || e.Prefix.Addr().Less(before) {
			t.Errorf("line %d: %s is there twice or out of order", e.Line, e.Prefix)
		}
		seen[e.Prefix], before = true, e.Prefix.Addr()
		if !strings.HasPrefix(lines[e.Line-1], e.Prefix.String()+" ") || e.Name == "" ||
			!regexp.MustCompile(`^RFC \d+( section [\d.]+)?(, RFC \d+( section [\d.]+)?)*$`).MatchString(e.RFC) {
			t.Errorf("line %d, %q, was read as %+v", e.Line, lines[e.Line-1], e)
		}
	}
	if len(seen) != 39 {
		t.Errorf("%d entries, want 16 of IPv4 and 23 of IPv6", len(seen))
	}
}

func TestListIsDated(t *testing.T) {
	for _, what := range []string{"Registry last updated", "This list last revised"} {
		m := regexp.MustCompile(`(?m)^# ` + what + `: (\S+)$`).FindStringSubmatch(specialText)
		if m == nil {
			t.Errorf("special.txt does not say %q", what)
			continue
		}
		date, err := time.Parse(time.DateOnly, m[1])
		if err != nil || date.Before(time.Date(2025, 10, 9, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: %s, error %v, want a date since 2025-10-09", what, m[1], err)
		}
	}
	if head, _, _ := strings.Cut(specialText, "\n\n"); strings.Trim(head, "#") == "" || regexp.MustCompile(`(?m)^[^#]`).MatchString(head) {
		t.Errorf("special.txt does not begin with a head of remarks:\n%s", head)
	}
}

func TestClassesCoverExactlyTheirNetworks(t *testing.T) {
	want := map[Class][]string{
		ThisNetwork:   {"0.0.0.0/8"},
		Private:       {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
		Shared:        {"100.64.0.0/10"},
		Loopback:      {"127.0.0.0/8", "::1/128"},
		LinkLocal:     {"169.254.0.0/16", "fe80::/10"},
		IETF:          {"192.0.0.0/24", "2001::/23"},
		Documentation: {"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"},
		SixToFour:     {"192.88.99.0/24", "2002::/16"},
		Benchmark:     {"198.18.0.0/15", "2001:2::/48"},
		Multicast:     {"224.0.0.0/4", "ff00::/8"},
		Reserved: {
			"240.0.0.0/4", "::/8", "100::/8", "200::/7", "400::/6", "800::/5", "1000::/4", "4000::/2", "8000::/2", "c000::/3", "e000::/4",
			"f000::/5", "f800::/6", "fe00::/9", "fec0::/10",
		},
		Broadcast: {"255.255.255.255/32"},
	}
	got := make(map[Class][]string)
	var order []Class
	for _, e := range special(t).Entries() {
		if got[e.Class] == nil {
			order = append(order, e.Class)
		}
		got[e.Class] = append(got[e.Class], e.Prefix.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("classes differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(order, Classes()); diff != "" {
		t.Errorf("Classes() differs from the order of the list (-list +got):\n%s", diff)
	}
}

// classTwin returns the class of an address by the smallest network of the list that holds it, "" if there is none.
func classTwin(entries []Entry, a netip.Addr) Class {
	var best Entry
	for _, e := range entries {
		if e.Prefix.Contains(a) && (best.Class == "" || e.Prefix.Bits() > best.Prefix.Bits()) {
			best = e
		}
	}
	return best.Class
}

// TestAllowedClassesAreScanned allows every pair of classes and compares what is scanned with the twin, at the borders of
// all networks and elsewhere.
func TestAllowedClassesAreScanned(t *testing.T) {
	all := special(t).Entries()
	addrs := someAddrs(all)
	choices := [][]Class{nil, Classes()}
	for i, c := range Classes() {
		for _, d := range Classes()[i:] {
			choices = append(choices, []Class{c, d})
		}
	}
	for _, allow := range choices {
		s := special(t, allow...)
		space := spaceOf(t, ListSpecial, allow...)
		for _, a := range addrs {
			class := classTwin(all, a)
			never := a == netip.IPv4Unspecified()
			want := (class == "" || slices.Contains(allow, class)) && !never
			if got := !space.Excludes(a); got != want {
				t.Errorf("%v allowed: %s, of class %q, is scanned: %v, want %v", allow, a, class, got, want)
			}
			if got := len(s.touched(slices.Values([]netip.Prefix{netip.PrefixFrom(a, a.BitLen())}))) == 0; got != want && !never {
				t.Errorf("%v allowed: %s, of class %q, is not excluded: %v, want %v", allow, a, class, got, want)
			}
		}
		if want := sortedTwin(allow); !slices.Equal(s.Allowed(), want) {
			t.Errorf("%v allowed: Allowed() = %v, want %v", allow, s.Allowed(), want)
		}
		entries, taken := s.Entries(), s.Taken()
		for _, e := range all {
			allowed := slices.Contains(allow, e.Class)
			if slices.Contains(entries, e) == allowed || slices.Contains(taken, e) != allowed {
				t.Errorf("%v allowed: entry %+v is excluded: %v, taken out: %v", allow, e, slices.Contains(entries, e), slices.Contains(taken, e))
			}
		}
		if len(entries)+len(taken) != len(all) {
			t.Errorf("%v allowed: %d entries and %d taken out, want %d together", allow, len(entries), len(taken), len(all))
		}
	}
}

// TestBlocklistIsShort is about the metadata of a scan, which name every blocked network: only who allows the broadcast
// address, but not the network around it, gets that network in pieces.
func TestBlocklistIsShort(t *testing.T) {
	for _, c := range []struct {
		allow []Class
		want  int // entries, and 0.0.0.0
	}{
		{nil, 16 + 1},
		{[]Class{Private}, 13 + 1},
		{[]Class{Reserved}, 15 + 1},
		{[]Class{Broadcast}, 14 + 28 + 1},
		{[]Class{Broadcast, Reserved}, 14 + 1},
		{Classes(), 1},
	} {
		if got := len(spaceOf(t, ListSpecial, c.allow...).BlockEntries()); got != c.want {
			t.Errorf("%v allowed: %d block entries, want %d", c.allow, got, c.want)
		}
	}
}

// TestListAgreesWithNetip holds the list against what the standard library knows of addresses.
func TestListAgreesWithNetip(t *testing.T) {
	all := special(t).Entries()
	for _, c := range []struct {
		class Class
		is    func(netip.Addr) bool
	}{
		{Private, netip.Addr.IsPrivate},
		{Loopback, netip.Addr.IsLoopback},
		{Multicast, netip.Addr.IsMulticast},
		{LinkLocal, netip.Addr.IsLinkLocalUnicast},
	} {
		n := 0
		for _, a := range someAddrs(all) {
			got, want := classTwin(all, a) == c.class, c.is(a)
			if got != want {
				t.Errorf("%s is of class %s: %v, netip says %v", a, c.class, got, want)
			}
			if want {
				n++
			}
		}
		if n < 100 {
			t.Errorf("only %d addresses of class %s tried", n, c.class)
		}
	}
}

func TestReadSpecialRefusesUnknownClasses(t *testing.T) {
	for _, c := range []Class{"", "privat", "PRIVATE"} {
		if s, err := ReadSpecial(&target.Builder{}, ListSpecial, Private, c); err == nil {
			t.Errorf("ReadSpecial(private, %q) = %v, want an error", c, s)
		}
	}
}

func TestReadSpecialNeedsTheList(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "missing"), listFile(t, "10.0.0.0/8", "10.0.0.0/33"), "builtin:none"} {
		if s, err := ReadSpecial(&target.Builder{}, name); err == nil || s != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("ReadSpecial(%s) = %v, error %v, want an error that names it", name, s, err)
		}
	}
}

// TestAllowedClassesLeaveFilesAlone takes classes out of a file: its entries that are a network of the class go, whatever way
// they are written, and nothing else does.
func TestAllowedClassesLeaveFilesAlone(t *testing.T) {
	const text = `10.1.2.0/24  # asked us
10.0.0.0/8
10.1.2.3/8     # again, with host bits
192.168.0.0/17
192.168.128.0/17
8.0.0.0/7
240.0.0.0/4
203.0.113.0/24
203.0.113.7
255.255.255.255`
	for _, c := range []struct {
		allow []Class
		want  string
	}{
		{nil, "10.1.2.0/24 10.0.0.0/8 10.1.2.3/8 192.168.0.0/17 192.168.128.0/17 8.0.0.0/7 240.0.0.0/4 203.0.113.0/24 203.0.113.7/32 255.255.255.255/32"},
		{[]Class{Private}, "10.1.2.0/24 192.168.0.0/17 192.168.128.0/17 8.0.0.0/7 240.0.0.0/4 203.0.113.0/24 203.0.113.7/32 255.255.255.255/32"},
		{[]Class{Documentation, Reserved}, "10.1.2.0/24 10.0.0.0/8 10.1.2.3/8 192.168.0.0/17 192.168.128.0/17 8.0.0.0/7 203.0.113.7/32 255.255.255.255/32"},
		{[]Class{Shared, Loopback}, "10.1.2.0/24 10.0.0.0/8 10.1.2.3/8 192.168.0.0/17 192.168.128.0/17 8.0.0.0/7 240.0.0.0/4 203.0.113.0/24 203.0.113.7/32 255.255.255.255/32"},
	} {
		got := texts(spaceOf(t, listFile(t, text), c.allow...).BlockEntries())
		if diff := cmp.Diff(strings.Fields(c.want+" 0.0.0.0/32"), got); diff != "" {
			t.Errorf("%v allowed: block entries differ (-want +got):\n%s", c.allow, diff)
		}
	}
	// What a network has of another class stays in pieces, in the order of the file.
	got := texts(spaceOf(t, listFile(t, "1.1.1.1", "255.255.255.255/32", "240.0.0.0/4", "2.2.2.2"), Broadcast).BlockEntries())
	if len(got) != 1+28+1+1 || got[0] != "1.1.1.1/32" || got[1] != "240.0.0.0/5" || got[29] != "2.2.2.2/32" {
		t.Errorf("with broadcast allowed, block entries are %v", got)
	}
	// A network without an entry of its own has the class of what it is in.
	got = texts(spaceOf(t, listFile(t, "240.0.0.0/4"), Broadcast).BlockEntries())
	if diff := cmp.Diff([]string{"240.0.0.0/4", "0.0.0.0/32"}, got); diff != "" {
		t.Errorf("with broadcast allowed, block entries differ (-want +got):\n%s", diff)
	}
}

func TestListsKnowTheirLines(t *testing.T) {
	s, err := ReadSpecial(&target.Builder{}, listFile(t, "1.1.1.1", "", "192.168.0.0/16 10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range s.Entries() {
		got = append(got, fmt.Sprintf("%s %s %d", e.Prefix, e.Class, e.Line))
	}
	if want := "10.0.0.0/8 private 4, 192.168.0.0/16 private 3"; strings.Join(got, ", ") != want {
		t.Errorf("entries %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestParseSpecialPanicsOnBadLines(t *testing.T) {
	for _, line := range []string{
		"10.0.0.0/8", "10.0.0.0/8 # private", "10.0.0.0/8 # class: privat, RFC 1: x", "10.0.0.0/8 # class: private, RFC 1",
		"10.0.0.0/33 # class: private, RFC 1: x", "10.0.0.0/8 # class: private: x",
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("parseSpecial(%q) did not panic: a line would be lost", line)
				}
			}()
			parseSpecial(line)
		}()
	}
}

// TestWithout holds the cut of one network out of another against membership of every address.
func TestWithout(t *testing.T) {
	base := netip.MustParsePrefix("10.0.0.0/24")
	for bits := 24; bits <= 32; bits++ {
		for first := 0; first < 256; first += 1 << (32 - bits) {
			hole := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(first)}), bits)
			pieces := without(base, hole)
			if len(pieces) != bits-24 {
				t.Fatalf("%s without %s: %v, want %d networks", base, hole, pieces, bits-24)
			}
			if !slices.IsSortedFunc(pieces, func(p, q netip.Prefix) int { return p.Addr().Compare(q.Addr()) }) {
				t.Fatalf("%s without %s: %v, want them ascending", base, hole, pieces)
			}
			for i := range 256 {
				a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
				in := 0
				for _, p := range pieces {
					if p.Contains(a) {
						in++
					}
				}
				if hole.Contains(a) == (in == 1) || in > 1 {
					t.Fatalf("%s without %s: %s is in %d of %v", base, hole, a, in, pieces)
				}
			}
		}
	}
}

// someAddrs returns the addresses at both sides of every border of the entries, and others at random, in and out.
func someAddrs(entries []Entry) []netip.Addr {
	r := rand.New(rand.NewPCG(1, 2))
	add := []netip.Addr{}
	for _, e := range entries {
		for _, a := range []netip.Addr{e.Prefix.Addr(), last(e.Prefix)} {
			add = append(add, a, a.Prev(), a.Next())
		}
		for range 100 {
			a := e.Prefix.Addr().AsSlice()
			for bit := e.Prefix.Bits(); bit < 8*len(a); bit++ {
				a[bit/8] |= byte(r.UintN(2)) << (7 - bit%8)
			}
			random, _ := netip.AddrFromSlice(a)
			add = append(add, random)
		}
		v := r.Uint32()
		add = append(add, netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
		add = append(add, netip.AddrFrom16([16]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
	}
	return slices.DeleteFunc(add, func(a netip.Addr) bool { return !a.IsValid() })
}

// last returns the last address of a network.
func last(p netip.Prefix) netip.Addr {
	a := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(a); bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(a)
	return addr
}

// sortedTwin returns each of the classes once, in order.
func sortedTwin(list []Class) []Class {
	return slices.DeleteFunc(Classes(), func(c Class) bool { return !slices.Contains(list, c) })
}

// ranges returns the first and last addresses of a space's ranges.
func ranges(s *target.Space) []string {
	var list []string
	for first, last := range s.Ranges() {
		list = append(list, first.String()+"-"+last.String())
	}
	return list
}
