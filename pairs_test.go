package zmap

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/target"
)

func pairsOf(list []netip.AddrPort) iter.Seq2[netip.AddrPort, error] {
	return func(yield func(netip.AddrPort, error) bool) {
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// TestPairs asks random pairs, some of them several times and some not allowed, in every shard: each allowed pair once, and nothing else.
func TestPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var given []netip.AddrPort
	want := make(map[netip.AddrPort]int)
	double, denied := 0, make(map[netip.AddrPort]bool)
	for range 3000 {
		p := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(r.UintN(4)), byte(r.UintN(256))}), uint16(1+r.UintN(8)*8000))
		if r.UintN(10) == 0 {
			p = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(r.UintN(256))}), 80)
		}
		given = append(given, p)
		switch {
		case want[p] > 0 || denied[p]:
			double++
		case p.Addr().IsLoopback():
			denied[p] = true
		default:
			want[p] = 1
		}
	}
	const shards = 3
	for shard := range uint32(shards) {
		report, out := dryRun(t, Config{
			Pairs: pairsOf(given), AllowSpecial: private(), Seed: seed(9), Shards: shards, Shard: shard, Senders: 2,
			Sources: []netip.Addr{netip.MustParseAddr("192.0.2.2")},
		}, true)
		if p := report.Pairs; p == nil || *p != (Pairs{uint64(len(want)), uint64(double), uint64(len(denied))}) {
			t.Errorf("shard %d: %+v, want %d, %d and %d", shard, p, len(want), double, len(denied))
		}
		for _, p := range records(t, out) {
			if want[p]--; want[p] != 0 {
				t.Fatalf("shard %d asks %s, which is none or was asked already", shard, p)
			}
		}
	}
	for p, n := range want {
		if n != 0 {
			t.Errorf("%s is not asked", p)
		}
	}
}

// TestPairsFindTheirHosts scans pairs over a network.
func TestPairsFindTheirHosts(t *testing.T) {
	startNet(t)
	_, rows := synScan()
	list := []netip.AddrPort{netip.MustParseAddrPort("10.1.0.1:80"), netip.MustParseAddrPort("10.1.0.2:81")}
	c := Config{Pairs: pairsOf(list), AllowSpecial: private(), Outputs: to(rows), Cooldown: 500e6}
	r := run(t, c)
	if r.Sent != 2 || r.Targets != 2 || r.Dedup != dedup.MethodWindow { // of several ports
		t.Errorf("%d probes to %d targets, deduplication %v", r.Sent, r.Targets, r.Dedup)
	}
}

// TestPairsThatCannotBe are named.
func TestPairsThatCannotBe(t *testing.T) {
	one := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:80")}
	broken := func(yield func(netip.AddrPort, error) bool) { yield(netip.AddrPort{}, errors.New("line 7 is wrong")) }
	for want, c := range map[string]Config{
		"leave Ports out":    {Pairs: pairsOf(one), Ports: "80"},
		"exclude each other": {Pairs: pairsOf(one), AddressList: "testdata"},
		"there are none":     {Pairs: pairsOf(nil)},
		"line 7 is wrong":    {Pairs: broken},
		"port 0 is none":     {Pairs: pairsOf([]netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:0")})},
	} {
		c.Outputs, c.AllowSpecial = to(&table{}), private()
		_, err := Run(t.Context(), c)
		var wrong *ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) || !slices.ContainsFunc(fields(err), func(f string) bool { return strings.HasPrefix(f, "Pairs") }) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestManyPairs has pairs in more than one chunk, given in any order and some twice.
func TestManyPairs(t *testing.T) {
	const n = 2*chunkPairs + 77
	given := func(yield func(netip.AddrPort, error) bool) {
		for i := range uint64(n + 1000) {
			k := (i*7919 + 5) % n
			a := netip.AddrFrom4([4]byte{20, byte(k >> 16), byte(k >> 8), byte(k)})
			if !yield(netip.AddrPortFrom(a, 1+uint16(k%3)), nil) {
				return
			}
		}
	}
	p, err := readPairs(given)
	if err != nil || len(p.list) != n || p.double != 1000 || !slices.IsSorted(p.list) {
		t.Fatalf("%d pairs, %d doubles, %v", len(p.list), p.double, err)
	}
	for k := range uint32(n) {
		if v := p.list[k]; v>>16 != 20<<24|uint64(k) || uint16(v) != 1+uint16(k%3) {
			t.Fatalf("pair %d is %x", k, v)
		}
	}
}

// TestPairsNear finds the pairs in networks, each address once.
func TestPairsNear(t *testing.T) {
	var given []netip.AddrPort
	for _, a := range []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.1.255:1", "10.0.2.0:2", "10.9.0.0:1"} {
		given = append(given, netip.MustParseAddrPort(a))
	}
	p, err := readPairs(pairsOf(given))
	if err != nil {
		t.Fatal(err)
	}
	b := target.Builder{Ports: p.ports()}
	if err := b.Add(target.Allow, "10.0.0.0/8"); err != nil {
		t.Fatal(err)
	}
	space, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.locate(space)
	c := &course{space: space, pairs: p.list}
	for networks, want := range map[string]string{
		"10.0.0.0/24": "[10.0.0.1]", "10.0.0.0/23": "[10.0.0.1 10.0.1.255]", "10.0.2.0/24": "[10.0.2.0]", "10.1.0.0/16": "[]", "11.0.0.0/8": "[]",
		"9.0.0.0/8": "[]", "10.0.0.0/8": "[10.0.0.1 10.0.1.255 10.0.2.0 10.9.0.0]",
	} {
		got := slices.Collect(c.near([]netip.Prefix{prefix(networks)}))
		if fmt.Sprint(got) != want {
			t.Errorf("near %s: %v, want %s", networks, got, want)
		}
	}
	if four, six := c.samples(3); fmt.Sprint(four) != "[10.0.0.1 10.0.2.0]" || six != nil {
		t.Errorf("samples: %s and %s", four, six)
	}
}
