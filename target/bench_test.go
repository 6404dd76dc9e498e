package target

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
)

// benchLists is 100,000 random networks of /16 to /32 to block.
func benchLists(n int) wholeLists {
	r := rand.New(rand.NewPCG(1, 2))
	var l wholeLists
	for range n {
		l.block = append(l.block, randomPrefix(r, 0, 0, 16, 32))
	}
	return l
}

// A draw is a source of random numbers that costs about a nanosecond.
type draw uint64

// below returns the next number, below n.
func (d *draw) below(n uint64) uint64 {
	*d = *d*6364136223846793005 + 1442695040888963407
	hi, _ := bits.Mul64(uint64(*d), n)
	return hi
}

// forEachSpace runs f for spaces of all of IPv4.
func forEachSpace(b *testing.B, f func(*testing.B, *Space)) {
	for _, n := range []int{0, 16, 100000} {
		lists := benchLists(n)
		if n == 16 {
			lists = wholeLists{}
			for _, text := range shippedBlocklist {
				e, err := parseEntry(text)
				if err != nil {
					b.Fatal(err)
				}
				lists.block = append(lists.block, rule{addr: e.addr, bits: e.bits}.prefix())
			}
		}
		s := lists.build(b, NewPorts(443))
		b.Run(fmt.Sprintf("blocked=%d", n), func(b *testing.B) { f(b, s) })
	}
}

// BenchmarkDraw is what the benchmarks below spend on their random numbers.
func BenchmarkDraw(b *testing.B) {
	d, sum := draw(1), uint64(0)
	for b.Loop() {
		sum += d.below(1<<32 - 1)
	}
	_ = sum
}

func BenchmarkFill(b *testing.B) {
	forEachSpace(b, func(b *testing.B, s *Space) {
		b.ReportAllocs()
		d, rows, sum := draw(1), s.Rows(), uint64(0)
		var t Target
		for b.Loop() {
			s.Fill(d.below(rows), &t)
			sum += uint64(t.Port)
		}
		_ = sum
	})
}

func BenchmarkAt(b *testing.B) {
	forEachSpace(b, func(b *testing.B, s *Space) {
		b.ReportAllocs()
		d, rows, sum := draw(1), s.Rows(), uint64(0)
		for b.Loop() {
			t := s.At(d.below(rows))
			sum += uint64(t.Port)
		}
		_ = sum
	})
}

func BenchmarkIndex(b *testing.B) {
	forEachSpace(b, func(b *testing.B, s *Space) {
		b.ReportAllocs()
		d, sum := draw(1), uint64(0)
		for b.Loop() {
			i, _ := s.Index(addr4(uint32(d.below(1<<32))), 443)
			sum += i
		}
		_ = sum
	})
}

// BenchmarkBuild reads and builds from text, as a scan does when it starts.
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{16, 100000} {
		var text bytes.Buffer
		for _, p := range benchLists(n).block {
			fmt.Fprintln(&text, p)
		}
		b.Run(fmt.Sprintf("lines=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var builder Builder
				if err := builder.Read(Block, bytes.NewReader(text.Bytes()), "list"); err != nil {
					b.Fatal(err)
				}
				s, err := builder.Build(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.bytes()), "space-bytes")
			}
		})
	}
}

func BenchmarkIntersect(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for range 100000 {
		fmt.Fprintln(&text, addr4(r.Uint32()))
	}
	whole := benchLists(100000).build(b, Ports{})
	b.ReportAllocs()
	for b.Loop() {
		l, err := ReadList(strings.NewReader(text.String()), "list")
		if err != nil {
			b.Fatal(err)
		}
		s, err := whole.Intersect(l)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.bytes()), "space-bytes")
	}
}
