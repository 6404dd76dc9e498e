package permute

import (
	"fmt"
	"testing"
)

// benchGrids fill each group as far as they can, so that a step gives an index
// nearly every time; the two named ones are scans as they are.
var benchGrids = []struct {
	name string
	grid Grid
}{
	{"8bits", Grid{1 << 8, 1}},
	{"16bits", Grid{1 << 16, 1}},
	{"24bits", Grid{1 << 24, 1}},
	{"28bits", Grid{1 << 28, 1}},
	{"32bits", Grid{1 << 32, 1}},
	{"33bits", Grid{1 << 32, 1 << 1}},
	{"34bits", Grid{1 << 32, 1 << 2}},
	{"36bits", Grid{1 << 32, 1 << 4}},
	{"40bits", Grid{1 << 32, 1 << 8}},
	{"44bits", Grid{1 << 32, 1 << 12}},
	{"48bits", Grid{1 << 32, 1 << 16}},
	{"ipv4-blocklist", Grid{3702258432, 1}},
	{"ipv4-257ports", Grid{3702258432, 257}},
	{"sparsest", Grid{1<<16 + 1, 1}},
}

// reportSteps turns the time of a benchmark that took the walk to its place
// (laps times around) into times per element and per index.
func reportSteps(b *testing.B, w *Walk, laps, indexes uint64) {
	b.Helper()
	steps := laps*w.length + w.Mark().Step
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(indexes), "ns/index")
}

func BenchmarkNext(b *testing.B) {
	for _, bb := range benchGrids {
		b.Run(bb.name, func(b *testing.B) {
			w := mustWalk(b, mustCycle(b, 2, bb.grid))
			laps, indexes := uint64(0), uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := w.Next(); !ok {
					w.goTo(0)
					laps++
					continue
				}
				indexes++
			}
			reportSteps(b, w, laps, indexes)
		})
	}
}

func BenchmarkFill(b *testing.B) {
	for _, bb := range benchGrids {
		b.Run(bb.name, func(b *testing.B) {
			w := mustWalk(b, mustCycle(b, 2, bb.grid))
			batch := make([]uint64, 64)
			laps, indexes := uint64(0), uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				n := w.Fill(batch)
				if indexes += uint64(n); n < len(batch) {
					w.goTo(0)
					laps++
				}
			}
			reportSteps(b, w, laps, indexes)
		})
	}
}

func BenchmarkRewind(b *testing.B) {
	w := mustWalk(b, mustCycle(b, 2, Grid{3702258432, 1}))
	w.goTo(w.length)
	for b.Loop() {
		if w.Rewind(64) < 64 {
			w.goTo(w.length)
		}
	}
}

func BenchmarkMark(b *testing.B) {
	w := mustWalk(b, mustCycle(b, 2, Grid{3702258432, 1}))
	var m Mark
	for b.Loop() {
		m = w.Mark()
	}
	if m.Step != 0 {
		b.Error("a mark moved the walk")
	}
}

func BenchmarkNew(b *testing.B) {
	seed := uint64(0)
	for b.Loop() {
		mustCycle(b, seed, Grid{1 << 32, 1 << 16})
		seed++
	}
}

func BenchmarkWalks(b *testing.B) {
	c := mustCycle(b, 1, Grid{1 << 32, 1})
	for _, threads := range []int{1, 64} {
		b.Run(fmt.Sprint(threads), func(b *testing.B) {
			for b.Loop() {
				mustWalks(b, c, Shard{0, 1}, threads)
			}
		})
	}
}
