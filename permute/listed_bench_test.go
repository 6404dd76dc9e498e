package permute

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// randomIndexes returns n indexes of g, some of them more than once perhaps.
func randomIndexes(r *rand.Rand, g Grid, n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = r.Uint64N(g.Rows)<<Bits(g.Cols) | r.Uint64N(g.Cols)
	}
	return list
}

func BenchmarkPosition(b *testing.B) {
	for _, bb := range benchGrids {
		b.Run(bb.name, func(b *testing.B) {
			c := mustCycle(b, 2, bb.grid)
			list := randomIndexes(rand.New(rand.NewPCG(1, 1)), bb.grid, 1000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Position(list[i%len(list)])
			}
		})
	}
}

// BenchmarkListed is what it takes until there is something to fill from.
func BenchmarkListed(b *testing.B) {
	for _, bb := range benchGrids {
		for _, n := range []int{1, 1e3, 1e5, 1e6} {
			b.Run(fmt.Sprintf("%s/%d", bb.name, n), func(b *testing.B) {
				c := mustCycle(b, 2, bb.grid)
				list := randomIndexes(rand.New(rand.NewPCG(1, 1)), bb.grid, n)
				b.ReportAllocs()
				for b.Loop() {
					mustListed(b, c, list, Shard{0, 1}, 1)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/index")
			})
		}
	}
}

// BenchmarkListedJump fills from lists of 100,000 indexes.
func BenchmarkListedJump(b *testing.B) {
	for _, bb := range benchGrids {
		b.Run(bb.name, func(b *testing.B) {
			c := mustCycle(b, 2, bb.grid)
			list := randomIndexes(rand.New(rand.NewPCG(1, 1)), bb.grid, 1e5)
			l := c.jump(mustWalks(b, c, Shard{0, 1}, 1), list)[0]
			batch, indexes := make([]uint64, 64), 0
			b.ReportAllocs()
			for b.Loop() {
				n := l.Fill(batch)
				if indexes += n; n < len(batch) {
					l.Rewind(uint64(len(l.steps)))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(indexes), "ns/index")
		})
	}
}

// BenchmarkListedSift fills from lists of an index to walkShare elements, the
// shortest that become a bitmap.
func BenchmarkListedSift(b *testing.B) {
	for _, bb := range benchGrids[:5] {
		b.Run(bb.name, func(b *testing.B) {
			c := mustCycle(b, 2, bb.grid)
			r, set := rand.New(rand.NewPCG(1, 1)), c.bitmap(nil)
			for range c.Order() / walkShare {
				set.add(r.Uint64N(bb.grid.Rows))
			}
			l := c.sift(mustWalks(b, c, Shard{0, 1}, 1), set)[0]
			batch, laps, indexes := make([]uint64, 64), uint64(0), uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				n := l.Fill(batch)
				if indexes += uint64(n); n < len(batch) {
					l.walk.goTo(0)
					laps++
				}
			}
			reportSteps(b, l.walk, laps, indexes)
		})
	}
}
