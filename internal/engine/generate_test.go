package engine

import (
	"crypto/aes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// blockedSpace is the whole of IPv4 without n random prefixes, one port.
func blockedSpace(tb testing.TB, n int) *target.Space {
	tb.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	b := target.Builder{Ports: target.NewPorts(443)}
	for range n {
		v := r.Uint32()
		a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		p := netip.PrefixFrom(a, 16+r.IntN(17)).Masked()
		if err := b.AddPrefix(target.Block, p, target.Origin{}); err != nil {
			tb.Fatal(err)
		}
	}
	s, err := b.Build(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// loneSender is a sender whose frames go nowhere: what is left is walk, target, tag and patch.
func loneSender(tb testing.TB, space *target.Space, name, args string) *sender {
	tb.Helper()
	p, err := probe.New(name, probe.Args{Text: args})
	if err != nil {
		tb.Fatal(err)
	}
	cycle, err := permute.New(1, permute.Grid{Rows: space.Rows(), Cols: space.Cols()})
	if err != nil {
		tb.Fatal(err)
	}
	walks, err := cycle.Walks(permute.Shard{Of: 1}, 1)
	if err != nil {
		tb.Fatal(err)
	}
	s := &Scan{
		cfg: Config{
			Space: space, Walks: orders(walks), Probe: p, Tries: 1, Batch: 64,
			Route:   probe.Route{Ether: true, Hops: []packet.MAC{{2, 0, 0, 0, 0, 1}}, Ports: validate.DefaultPorts(), TTL: 64},
			Sources: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.MustParseAddr("2001:db8:ffff::1")},
			Link:    &link.Link{TX: make([]link.TX, 1)},
		},
		clock: PlainClock(), stop: newStopper(), sendCounts: make([]sendCounts, 1),
	}
	s.begin()
	snd := newSender(s, 0, &slowTX{})
	for i := range snd.slots {
		snd.slots[i] = link.NewSlot(make([]byte, link.MaxFrame), uint32(i))
	}
	return snd
}

// BenchmarkGenerate is what a probe costs before a link has it: the walk, the target behind a blocklist of 100,000
// prefixes, the tag and the patched frame with its checksums.
func BenchmarkGenerate(b *testing.B) {
	blocked, windows := blockedSpace(b, 100_000), windowSpace(b)
	for _, m := range []struct {
		name, args string
		ipv6       bool
	}{
		{"tcp_synscan", "windows", false},
		{"tcp_synscan", "smallest-probes", false},
		{"icmp_echoscan", "", false},
		{"tcp_synscan", "windows", true},
	} {
		what, space := m.name+"/"+m.args, blocked
		if m.ipv6 {
			what, space = what+"/ipv6", windows
		}
		b.Run(what, func(b *testing.B) {
			s := loneSender(b, space, m.name, m.args)
			b.ReportAllocs()
			probes := 0
			for b.Loop() {
				probes += s.fill(s.slots)
			}
			b.ReportMetric(float64(probes)/b.Elapsed().Seconds()/1e6, "Mprobes/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(probes), "ns/probe")
		})
	}
}

// BenchmarkCalibrate is the speed of this machine in AES blocks, to compare the other figures by.
func BenchmarkCalibrate(b *testing.B) {
	c, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	var block [16]byte
	n := 0
	for b.Loop() {
		c.Encrypt(block[:], block[:])
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mblocks/s")
}

func TestProbesDoNotAllocate(t *testing.T) {
	for what, space := range map[string]*target.Space{"IPv4": blockedSpace(t, 1000), "IPv6": windowSpace(t)} {
		for _, name := range []string{"tcp_synscan", "icmp_echoscan"} {
			s := loneSender(t, space, name, "")
			if n := testing.AllocsPerRun(200, func() { s.fill(s.slots) }); n != 0 {
				t.Errorf("%s over %s: 64 probes allocate %v times, want 0", name, what, n)
			}
		}
	}
}

// windowSpace is a space of 2^32 networks of IPv6, and a /24 of IPv4.
func windowSpace(tb testing.TB) *target.Space {
	tb.Helper()
	b := target.Builder{Ports: target.NewPorts(443)}
	for _, n := range []string{"2001:db8::/32-64", "198.51.100.0/24"} {
		if err := b.Add(target.Allow, n); err != nil {
			tb.Fatal(err)
		}
	}
	s, err := b.Build(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// orders is a list of walks as a Config takes them.
func orders(walks []*permute.Walk) []Order {
	out := make([]Order, len(walks))
	for i, w := range walks {
		out[i] = w
	}
	return out
}
