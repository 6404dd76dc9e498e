//go:build amd64 || arm64

package xdp

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// BenchmarkSubmit is the cost of a frame that is in its slot already. What the other end does with it, which is to throw it
// away, is part of it.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{58, 90, 200, 1514} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := newPair(b, 1500)
			block(b, p.B)
			l := wire.Open(b, Engine{}, p.A, link.Config{Ether: true, FrameLen: n, Retries: 1 << 20})
			tx := l.TX[0]
			frame := numbered(rand.New(rand.NewPCG(1, 1)), 1, n, n)[0]
			slots := make([]link.Slot, l.Batch)
			for i := range slots[:tx.Reserve(slots, 0)] {
				copy(slots[i].Data, frame)
			}
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				tx.Reserve(slots, 0)
				for i := range slots {
					slots[i].N = n
				}
				if err := tx.Submit(slots); err != nil {
					b.Fatal(err)
				}
				sent += len(slots)
			}
			if s := tx.Stats(); s.Sent != uint64(sent) {
				b.Fatalf("got %+v, want %d sent", s, sent)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/frame")
		})
	}
}
