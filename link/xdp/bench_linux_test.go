//go:build amd64 || arm64

package xdp

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/link"
)

// block attaches a program to an end that throws away all that comes.
func block(t testing.TB, end netlink.Link) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()},
	})
	must(t, err)
	l, err := ebpflink.AttachXDP(ebpflink.XDPOptions{Program: p, Interface: end.Attrs().Index})
	must(t, err)
	t.Cleanup(func() { _, _ = l.Close(), p.Close() })
}

// BenchmarkSubmit is the cost of a frame that is in its slot already. What the other end does with it, which is to throw it
// away, is part of it.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{58, 90, 200, 1514} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := newPair(b, 1500)
			block(b, p.b)
			l := open(b, p.a, link.Config{Ether: true, FrameLen: n, Retries: 1 << 20})
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
