package afpacket

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// BenchmarkSend sends SYNs of 66 bytes, each patched as a probe is, into a wire whose far end drops them. The cost of the
// far end is included: veth receives on the sender's processor.
func BenchmarkSend(b *testing.B) {
	for _, mode := range []link.QdiscMode{link.QdiscBypass, link.QdiscUse} {
		for _, batch := range []int{1, 16, 64, 256} {
			name := fmt.Sprintf("qdisc=%v/batch=%d", mode == link.QdiscUse, batch)
			b.Run(name, func(b *testing.B) {
				p := wire.Lay(b, wire.Plan{})
				// A veth wire has no queueing discipline of its own, unlike most hardware.
				must(b, netlink.QdiscAdd(&netlink.GenericQdisc{
					QdiscAttrs: netlink.QdiscAttrs{LinkIndex: p.A.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
					QdiscType:  "pfifo",
				}))
				tx := wire.Open(b, Engine{}, p.A, link.Config{Ether: true, Qdisc: mode, Batch: batch}).TX[0]
				slots := make([]link.Slot, batch)
				frame, target := segment(), uint32(0)
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
						binary.BigEndian.PutUint32(s.Data[38:], target*2654435761)
					}
					if err := tx.Submit(slots[:n]); err != nil {
						b.Fatal(err)
					}
				}
				report(b, tx.Stats().Sent)
			})
		}
	}
}

// BenchmarkReceive adds a receiver at the far end that takes every frame, a batch at a time.
func BenchmarkReceive(b *testing.B) {
	p := wire.Lay(b, wire.Plan{})
	tx := wire.Open(b, Engine{}, p.A, link.Config{Ether: true}).TX[0]
	rx := wire.Open(b, Engine{}, p.B, link.Config{Ether: true, Filter: anyTCP()}).RX[0]
	const frames = 4096
	slots := make([]link.Slot, 64)
	frame, got := segment(), 0
	count := func(*link.Frame) { got++ }
	var polling time.Duration
	b.ReportAllocs()
	for b.Loop() {
		for range frames / len(slots) {
			fill(b, tx, slots, frame)
			must(b, tx.Submit(slots))
		}
		time.Sleep(2 * retire) // the last block is ready, too: what is timed is handing over
		start := time.Now()
		for got = 0; got < frames; {
			if _, err := rx.Poll(time.Second, count); err != nil {
				b.Fatal(err)
			}
		}
		polling += time.Since(start)
	}
	b.ReportMetric(float64(polling.Nanoseconds())/float64(rx.Received()), "ns/frame")
	b.ReportMetric(0, "ns/op")
}

func report(b *testing.B, frames uint64) {
	b.Helper()
	d := b.Elapsed()
	b.ReportMetric(float64(d.Nanoseconds())/float64(frames), "ns/frame")
	b.ReportMetric(float64(frames)/d.Seconds()/1e6, "Mpps")
	b.ReportMetric(0, "ns/op") // of a batch: of no use
}
