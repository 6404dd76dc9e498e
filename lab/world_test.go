package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomHosts returns distinct nested prefixes inside a /20, so that overlaps are common.
func randomHosts(random *rand.Rand) []Hosts {
	seen := make(map[netip.Prefix]bool)
	var hosts []Hosts
	for range 1 + random.IntN(30) {
		bits := 20 + random.IntN(13)
		base := toUint(netip.MustParseAddr("10.0.16.0")) + random.Uint32N(1<<12)
		p := netip.PrefixFrom(toAddr(base), bits).Masked()
		if seen[p] {
			continue
		}
		seen[p] = true
		h := Hosts{Prefix: p, Kind: Kind(random.UintN(uint(Echo) + 1))}
		switch h.Kind {
		case Late:
			h.Delay = time.Second
		case ICMPError:
			h.Type = 3
		default:
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// longestMatch is the slow twin of spans and find.
func longestMatch(hosts []Hosts, a netip.Addr) (int, bool) {
	best, ok := 0, false
	for i, h := range hosts {
		if h.Prefix.Contains(a) && (!ok || h.Prefix.Bits() > hosts[best].Prefix.Bits()) {
			best, ok = i, true
		}
	}
	return best, ok
}

func TestSpansFollowLongestPrefix(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for round := range 50 {
		hosts := randomHosts(random)
		all := spans(hosts)
		for i, s := range all {
			if s.first > s.last || (i > 0 && all[i-1].last >= s.first) {
				t.Fatalf("round %d: spans are not disjoint and ascending: %v", round, all)
			}
		}
		// One address before and after the /20 as well.
		for u := toUint(netip.MustParseAddr("10.0.15.255")); u <= toUint(netip.MustParseAddr("10.0.32.0")); u++ {
			got, gotOK := find(all, u)
			want, wantOK := longestMatch(hosts, toAddr(u))
			if got != want || gotOK != wantOK {
				t.Fatalf("round %d: %v belongs to %d (%v), want %d (%v); hosts %v", round, toAddr(u), got, gotOK, want, wantOK, hosts)
			}
		}
	}
}

func TestSpansAtTheEnds(t *testing.T) {
	all := spans([]Hosts{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0")},
		{Prefix: netip.MustParsePrefix("255.255.255.255/32")},
		{Prefix: netip.MustParsePrefix("0.0.0.0/32")},
	})
	want := []span{{0, 0, 2}, {1, 0xfffffffe, 0}, {0xffffffff, 0xffffffff, 1}}
	if !slices.Equal(all, want) {
		t.Errorf("spans = %v, want %v", all, want)
	}
	if got := spans(nil); len(got) != 0 {
		t.Errorf("spans of nothing = %v", got)
	}
}

func TestPrefixesCoverSpanExactly(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		s := span{first: random.Uint32()}
		s.last = uint32(min(uint64(s.first)+random.Uint64N(1<<random.UintN(33)), 1<<32-1))
		next := uint64(s.first)
		prefixes := s.prefixes()
		for _, p := range prefixes {
			got := prefixSpan(p)
			if p != p.Masked() || uint64(got.first) != next {
				t.Fatalf("%v: prefix %v does not begin at %v", s, p, toAddr(uint32(next)))
			}
			next = uint64(got.last) + 1
		}
		if next != uint64(s.last)+1 || len(prefixes) > 62 {
			t.Fatalf("%v: %d prefixes end before %v", s, len(prefixes), next)
		}
	}
	whole := span{first: 0, last: 1<<32 - 1}
	if got := whole.prefixes(); len(got) != 1 || got[0].String() != "0.0.0.0/0" {
		t.Errorf("the whole space is %v", got)
	}
	aligned := prefixSpan(netip.MustParsePrefix("10.0.0.0/8"))
	if got := aligned.prefixes(); len(got) != 1 {
		t.Errorf("10.0.0.0/8 is %v", got)
	}
}

func TestWorldMistakes(t *testing.T) {
	p := netip.MustParsePrefix
	ok := p("10.0.0.0/8")
	for want, h := range map[string]Hosts{
		"not an IPv4 prefix":              {},
		"not an IPv4":                     {Prefix: p("2001:db8::/32")},
		"did you mean 10.1.0.0/16?":       {Prefix: p("10.1.2.3/16")},
		"overlaps":                        {Prefix: p("0.0.0.0/0")},
		"or the link's own 172.31.255.0/": {Prefix: p("172.31.255.8/32")},
		"127.0.0.0/8":                     {Prefix: p("127.0.0.1/32")},
		"224.0.0.0/3":                     {Prefix: p("255.255.255.255/32")},
		"unknown kind 9":                  {Prefix: ok, Kind: Echo + 1},
		"needs a positive delay":          {Prefix: ok, Kind: Late},
		"Twice hosts have no delay -1s":   {Prefix: ok, Kind: Twice, Delay: -time.Second},
		"Refuse hosts have no delay 1s":   {Prefix: ok, Kind: Refuse, Delay: time.Second},
		"ICMP type 0":                     {Prefix: ok, Kind: ICMPError},
		"router ::1 is not IPv4":          {Prefix: ok, Kind: ICMPError, Type: 3, Router: netip.MustParseAddr("::1")},
		"unknown forgery 3":               {Prefix: ok, Kind: ForgeOnly, Forgery: WrongPort + 1},
		"VLANs [0 7]":                     {Prefix: ok, Kind: Refuse, VLANs: [2]uint16{0, 7}},
		"VLANs [7 4095]":                  {Prefix: ok, Kind: Refuse, VLANs: [2]uint16{7, 4095}},
		"Kernel hosts cannot put VLAN":    {Prefix: ok, Kind: Kernel, VLANs: [2]uint16{7}},
		"unknown quote 2":                 {Prefix: ok, Kind: ICMPError, Type: 3, Quote: QuoteMinimum + 1},
	} {
		_, err := World{Hosts: []Hosts{h}}.Truth()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hosts 0") {
			t.Errorf("Truth of %+v: error %v, want one with %q", h, err, want)
		}
	}
	w := World{Hosts: []Hosts{{Prefix: ok}, {Prefix: ok}}, Ports: []uint16{0}, Sources: 253, Queues: 257}
	_, err := w.Truth()
	for _, want := range []string{"hosts 1 (10.0.0.0/8): the same prefix as hosts 0", "port 0", "253 extra source", "257 queues: must be 0 to 256"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q among all mistakes", err, want)
		}
	}
}

func TestNames(t *testing.T) {
	if got := fmt.Sprint(Silent, Echo, Kind(99), None, Forged, Answer(99)); got != "Silent Echo Kind(99) None Forged Answer(99)" {
		t.Error(got)
	}
}

// randomHostsOfAllKinds returns the entries of a large random world.
func randomHostsOfAllKinds() []Hosts {
	random := rand.New(rand.NewPCG(9, 9))
	var hosts []Hosts
	for range 10 {
		hosts = append(hosts, randomHosts(random)...)
	}
	return append(hosts, Hosts{Kind: ICMPError, Router: netip.MustParseAddr("192.0.2.1"), Quote: QuoteMinimum})
}
