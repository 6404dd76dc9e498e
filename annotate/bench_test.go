package annotate

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// bigText is a table of n prefixes, a fifth of them of IPv6, with lengths and repetitions about as in a routing table.
func bigText(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("prefix,asn,org,country\n")
	seen := make(map[netip.Prefix]bool)
	for len(seen) < n {
		p := randomPrefix(r, len(seen)%5 == 0)
		if seen[p] {
			continue
		}
		seen[p] = true
		as := r.IntN(80_000) + 1
		fmt.Fprintf(&b, "%v,AS%d,Network of System %d,%c%c\n", p, as, as, 'A'+as%26, 'A'+as/26%26)
	}
	return b.String()
}

// randomPrefix is a network as they are announced: mostly /24 and /48.
func randomPrefix(r *rand.Rand, six bool) netip.Prefix {
	bits := 24
	if r.IntN(5) < 2 {
		bits = 14 + r.IntN(10)
	}
	if six {
		var a [16]byte
		a[0], a[1] = 0x2a, byte(r.IntN(16))
		for i := range a[2:8] {
			a[2+i] = byte(r.IntN(256))
		}
		return netip.PrefixFrom(netip.AddrFrom16(a), 2*bits).Masked()
	}
	return netip.PrefixFrom(randomAddr(r, false), bits).Masked()
}

// randomAddr is an address of the same part of the world.
func randomAddr(r *rand.Rand, six bool) netip.Addr {
	if !six {
		n := r.Uint32()
		return netip.AddrFrom4([4]byte{byte(1 + n>>24%223), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	p := randomPrefix(r, true).Addr().As16()
	p[15] = byte(r.IntN(256))
	return netip.AddrFrom16(p)
}

func BenchmarkAnnotate(b *testing.B) {
	t, err := readText(bufio.NewReader(strings.NewReader(bigText(1_000_000))), "big.csv")
	if err != nil {
		b.Fatal(err)
	}
	db, err := readDatabase(bigDatabase(b, 200_000))
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	addrs := func(six bool) []netip.Addr {
		list := make([]netip.Addr, 1<<20)
		for i := range list {
			list[i] = randomAddr(r, six)
		}
		return list
	}
	for _, c := range []struct {
		name  string
		of    Annotator
		addrs []netip.Addr
	}{
		{"text/IPv4", t, addrs(false)},
		{"text/IPv6", t, addrs(true)},
		{"database/IPv4", db, addrs(false)},
		{"joined/IPv4", Join(t, db), addrs(false)},
	} {
		b.Run(c.name, func(b *testing.B) {
			values := make([]record.Value, len(c.of.Fields()))
			b.ReportAllocs()
			i, found := 0, 0
			for b.Loop() {
				c.of.Annotate(c.addrs[i&(len(c.addrs)-1)], values)
				i++
				if !values[0].IsNull() {
					found++
				}
			}
			b.ReportMetric(float64(found)/float64(i), "found/op")
		})
	}
	runtime.KeepAlive(t)
}

func BenchmarkOpen(b *testing.B) {
	for _, c := range []struct {
		name string
		file []byte
	}{
		{"text", []byte(bigText(1_000_000))},
		{"database", bigDatabase(b, 200_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := heap()
			var t *Table
			for b.Loop() {
				var err error
				if t, err = readTable(bytes.NewReader(c.file), "table"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap()-before)/1e6, "MB")
			runtime.KeepAlive(t)
		})
	}
}

// heap is how much memory is in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
