package ring

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
)

// BenchmarkSend sends datagrams of 66 bytes, each patched as a probe is, into a wire whose far end drops them, by both engines
// that send through packet sockets. The cost of the far end is included: veth receives on the sender's processor.
func BenchmarkSend(b *testing.B) {
	for _, e := range []link.Engine{Engine{}, afpacket.Engine{}} {
		b.Run(e.Name(), func(b *testing.B) {
			w := wire.Lay(b, wire.Plan{})
			tx := wire.Open(b, e, w.A, link.Config{Ether: true}).TX[0]
			slots, frame, target := make([]link.Slot, 64), datagram(0, 66), uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				n := tx.Reserve(slots, time.Second)
				for i := range slots[:n] {
					s := &slots[i]
					if s.Template != 1 {
						s.N, s.Template = copy(s.Data, frame), 1
					}
					target++
					binary.BigEndian.PutUint32(s.Data[30:], target)
					binary.BigEndian.PutUint32(s.Data[44:], target*2654435761)
				}
				if err := tx.Submit(slots[:n]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(tx.Stats().Sent), "ns/frame")
			b.ReportMetric(0, "ns/op") // of a batch: of no use
		})
	}
}
