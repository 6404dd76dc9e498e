//go:build amd64 || arm64

package xdp

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// Sizes of BenchmarkKernel: the frame is that of the usual SYN, a round takes some tens of milliseconds.
const (
	kernelFrame = 66
	kernelCalls = 50
	kernelWarm  = 5
)

// BenchmarkKernel is the kernel's part of the cost of a frame, beside that of a program that only redirects, which no sender
// of this kind can do without. User space has no share in either: the slots are full before the first call. Both programs
// are attached to one end of a cable of their own, run by the same call, for as many frames at a time; all is on one
// processor, the other end too, which throws frames away. An op is a round of each.
func BenchmarkKernel(b *testing.B) {
	pin(b)
	ours, theirs := newPair(b, 1500), newPair(b, 1500)
	block(b, ours.B)
	block(b, theirs.B)
	floor := newRunner(redirector(b, theirs.A), 0, kernelFrame)
	defer floor.close()
	var whole, least, ratio []float64
	for b.Loop() {
		w, batch := sendRound(b, ours)
		l := timeCalls(b, theirs, func() {
			// A signal, with which the Go scheduler calls for a goroutine's place, ends a call early.
			if errno := floor.run(batch); errno != 0 && errno != unix.EINTR {
				b.Fatal(errno)
			}
		})
		whole, least, ratio = append(whole, w), append(least, l), append(ratio, w/l)
	}
	for unit, values := range map[string][]float64{"ns/frame": whole, "floor-ns/frame": least, "ratio": ratio} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
	b.ReportMetric(0, "ns/op") // of a round: of no use
}

// sendRound returns what a frame costs that our program sends, in nanoseconds, and how many are in a batch. The link is
// opened for the round alone: its trace points see the frames of others, too, and would be a burden on them.
func sendRound(b *testing.B, p wire.Wire) (cost float64, batch int) {
	b.Helper()
	cfg := link.Config{Ether: true, FrameLen: kernelFrame, Interface: p.A.Attrs().Name, Index: p.A.Attrs().Index}
	l, err := Engine{}.Open(b.Context(), cfg)
	must(b, err)
	defer l.Close()
	tx := l.TX[0].(*TX)
	slots := make([]link.Slot, l.Batch)
	for i := range slots[:tx.Reserve(slots, 0)] {
		copy(slots[i].Data, p.B.Attrs().HardwareAddr)
		slots[i].N = kernelFrame
	}
	must(b, tx.Submit(slots))
	return timeCalls(b, p, func() {
		if errno := tx.call(len(slots)); errno != 0 || tx.state.refused != 0 {
			b.Fatalf("send: %v, %d refused", errno, tx.state.refused)
		}
	}), len(slots)
}

// timeCalls returns the nanoseconds for each frame that arrives, over kernelCalls calls that follow some that do not count.
func timeCalls(b *testing.B, p wire.Wire, call func()) float64 {
	b.Helper()
	counts := func() (arrived, refused uint64) {
		return wire.Find(b, p.B.Attrs().Name).Attrs().Statistics.RxPackets, wire.Find(b, p.A.Attrs().Name).Attrs().Statistics.TxDropped
	}
	for range kernelWarm {
		call()
	}
	arrivedBefore, refusedBefore := counts()
	start := time.Now()
	for range kernelCalls {
		call()
	}
	took := time.Since(start)
	arrived, refused := counts()
	arrived, refused = arrived-arrivedBefore, refused-refusedBefore
	if arrived == 0 || refused > arrived/100 {
		b.Fatalf("%d frames arrived, %d were refused: refusals cost less than frames", arrived, refused)
	}
	return float64(took.Nanoseconds()) / float64(arrived)
}

// redirector returns a program that sends every frame out of an interface, and is attached to it.
func redirector(b *testing.B, end netlink.Link) *ebpf.Program {
	b.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R1, int32(end.Attrs().Index)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return(),
		},
	})
	must(b, err)
	l, err := ebpflink.AttachXDP(ebpflink.XDPOptions{Program: p, Interface: end.Attrs().Index, Flags: ebpflink.XDPDriverMode})
	must(b, err)
	b.Cleanup(func() { _, _ = l.Close(), p.Close() })
	return p
}

// pin holds the benchmark on the first processor that it may use.
func pin(b *testing.B) {
	b.Helper()
	runtime.LockOSThread()
	var may, one unix.CPUSet
	must(b, unix.SchedGetaffinity(0, &may))
	for i := 0; one.Count() == 0; i++ {
		if may.IsSet(i) {
			one.Set(i)
		}
	}
	must(b, unix.SchedSetaffinity(0, &one))
	b.Cleanup(func() {
		_ = unix.SchedSetaffinity(0, &may)
		runtime.UnlockOSThread()
	})
}
