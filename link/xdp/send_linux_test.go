//go:build amd64 || arm64

package xdp

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/batch"
)

// numbered returns n frames of IPv4 with their number in them, of lengths from least to most.
func numbered(r *rand.Rand, n, least, most int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		f := make([]byte, least+r.IntN(most-least+1))
		for k := 26; k < len(f); k++ {
			f[k] = byte(r.Uint32())
		}
		copy(f, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00\x45\x00\x00\x00\x00\x00\x00\x00\x40\x11\x00\x00")
		binary.BigEndian.PutUint32(f[26:], uint32(i))
		copy(f[30:], []byte{192, 0, 2, 2})
		frames[i] = f
	}
	return frames
}

// submit puts frames into slots and submits them in one batch.
func submit(t testing.TB, tx link.TX, frames [][]byte) error {
	t.Helper()
	slots := make([]link.Slot, len(frames))
	if n := tx.Reserve(slots, time.Second); n != len(frames) {
		t.Fatalf("%d slots reserved, want %d", n, len(frames))
	}
	for i := range slots {
		slots[i].N = copy(slots[i].Data, frames[i])
	}
	return tx.Submit(slots)
}

// TestShorterMTU makes the MTU smaller while frames are sent: what is too long for it is refused at once, in the middle of a
// batch as well, and nothing else is.
func TestShorterMTU(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 10, Batch: 200}).TX[0]
	must(t, netlink.LinkSetMTU(p.A, 600))
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 200, 60, 1100)
	must(t, submit(t, tx, frames))
	var want [][]byte
	for _, f := range frames {
		if len(f) <= etherLen+600+vlanLen {
			want = append(want, f)
		}
	}
	if len(want) < 50 || len(want) > 150 {
		t.Fatalf("%d of the frames are short enough: the test tests little", len(want))
	}
	ear.expect(t, want)
	if got, want := tx.Stats(), (link.TXStats{Queued: 200, Sent: uint64(len(want)), Refused: uint64(200 - len(want))}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestShorterMTUOfPeer has frames that the driver refuses among others: it refuses those behind them in the bulk as well,
// which must leave nevertheless.
func TestShorterMTUOfPeer(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 10, Batch: 200}).TX[0]
	must(t, netlink.LinkSetMTU(p.B, 600))
	frames := numbered(rand.New(rand.NewPCG(2, 2)), 200, 60, 700)
	must(t, submit(t, tx, frames))
	var want [][]byte
	for _, f := range frames {
		if len(f) <= etherLen+600+vlanLen {
			want = append(want, f)
		}
	}
	ear.expect(t, want)
	s := tx.Stats()
	if s.Retried == 0 || s.Sent != uint64(len(want)) || s.Refused != uint64(200-len(want)) {
		t.Errorf("got %+v, want %d sent after retries", s, len(want))
	}
}

// TestEveryLength sends frames of the length that the program is made for, and others, up to the room in a slot.
func TestEveryLength(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	r := rand.New(rand.NewPCG(3, 3))
	lengths := []int{0, 1, 14, 15, 34, 127, 128, 129, 200, 1513, 1514}
	for n := 42; n <= 134; n += 5 { // all remainders of a word; make soak has all lengths in time
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, FrameLen: n, Batch: 100}
		l, err := Engine{}.Open(t.Context(), cfg)
		must(t, err)
		usual, room := frameSizes(&cfg)
		var frames [][]byte
		for i := range 100 {
			k := etherLen + 20 + r.IntN(room-etherLen-20+1)
			if i%3 > 0 {
				k = max(usual, etherLen+20) // there is a number in them
			}
			frames = append(frames, numbered(r, 1, k, k)...)
		}
		must(t, submit(t, l.TX[0], frames))
		ear.expectInOrder(t, frames)
		if got, want := l.TX[0].Stats(), (link.TXStats{Queued: 100, Sent: 100}); got != want {
			t.Errorf("frames of %d: got %+v, want %+v", n, got, want)
		}
		slots := make([]link.Slot, 1)
		l.TX[0].Reserve(slots, 0)
		slots[0].N = room + 1
		if err := l.TX[0].Submit(slots); err == nil {
			t.Errorf("frames of %d: one of %d is submitted without an error", n, room+1)
		}
		must(t, l.Close())
	}
}

// TestEveryBatch sends batches as long as they may be, and all shorter ones that are special.
func TestEveryBatch(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	frames := numbered(rand.New(rand.NewPCG(4, 4)), 65535, 60, 90)
	for _, n := range []int{1, 2, 15, 16, 17, 63, 64, 65, 1023, 1024, 65535} {
		l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, FrameLen: 90, Batch: n, Retries: 1 << 20})
		tx := l.TX[0]
		sent := 0
		for _, k := range []int{n, 1, n/2 + 1, n} {
			must(t, submit(t, tx, frames[:k]))
			ear.expect(t, frames[:k])
			sent += k
		}
		s := tx.Stats()
		s.Retried = 0
		if want := (link.TXStats{Queued: uint64(sent), Sent: uint64(sent)}); s != want {
			t.Errorf("batches of %d: got %+v, want %+v", n, s, want)
		}
		must(t, submit(t, tx, nil))
		must(t, l.Close())
	}
}

// TestSendersTogether has several queues on as many goroutines, which the scheduler moves between threads as it likes: each
// frame arrives once, and each queue counts its own.
func TestSendersTogether(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	const each = 20_000
	for senders := 1; senders <= 4; senders++ {
		l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, FrameLen: 70, Senders: senders, Retries: 1 << 20})
		frames := numbered(rand.New(rand.NewPCG(5, 5)), each*senders, 60, 70)
		var wg sync.WaitGroup
		for i, tx := range l.TX {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(6, uint64(i)))
				for rest := frames[i*each:][:each]; len(rest) > 0; {
					n := min(1+r.IntN(l.Batch), len(rest))
					if err := submit(t, tx, rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
					runtime.Gosched()
				}
			})
		}
		wg.Wait()
		ear.expect(t, frames)
		for _, tx := range l.TX {
			if s := tx.Stats(); s.Queued != each || s.Sent != each || s.Refused != 0 {
				t.Errorf("%d senders: got %+v, want %d sent", senders, s, each)
			}
		}
		if s := l.Control.Stats(); s != (link.TXStats{}) {
			t.Errorf("%d senders: the control queue has %+v", senders, s)
		}
		must(t, l.Close())
	}
}

// TestTwoLinks sends on two interfaces at once, from one process.
func TestTwoLinks(t *testing.T) {
	const each = 30_000
	var wg sync.WaitGroup
	ears, frames := make([]*ear, 2), numbered(rand.New(rand.NewPCG(7, 7)), 2*each, 60, 70)
	for i := range ears {
		p := newPair(t, 1500)
		ears[i] = listen(t, p.B)
		tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 1 << 20}).TX[0]
		wg.Go(func() {
			for rest := frames[i*each:][:each]; len(rest) > 0; rest = rest[500:] {
				if err := submit(t, tx, rest[:500]); err != nil {
					t.Error(err)
				}
			}
			if s := tx.Stats(); s.Sent != each || s.Refused != 0 {
				t.Errorf("link %d: got %+v, want %d sent", i, s, each)
			}
		})
	}
	wg.Wait()
	for i, e := range ears {
		e.expect(t, frames[i*each:][:each])
	}
}

// TestSignals sends while the thread is interrupted all the time, which ends calls before their end: no frame is sent twice,
// and none is forgotten.
func TestSignals(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Batch: 4096, FrameLen: 70, Retries: 1 << 20}).TX[0]
	frames := numbered(rand.New(rand.NewPCG(8, 8)), 100_000, 60, 70)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	defer signal.Stop(signals)
	threads, done := make(chan int, 1), make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		threads <- unix.Gettid()
		var err error
		for rest := frames; len(rest) > 0 && err == nil; {
			n := min(4096, len(rest))
			err = submit(t, tx, rest[:n])
			rest = rest[n:]
		}
		done <- err
	}()
	thread, sent := <-threads, 0
	for ended := false; !ended; {
		select {
		case err := <-done:
			must(t, err)
			ended = true
		default:
			must(t, unix.Tgkill(os.Getpid(), thread, unix.SIGUSR1))
			sent++
			batch.Sleep(10 * time.Microsecond)
		}
	}
	ear.expect(t, frames)
	if s := tx.Stats(); s.Sent != uint64(len(frames)) || s.Refused != 0 {
		t.Errorf("got %+v, want %d sent", s, len(frames))
	}
	t.Logf("%d signals", sent)
}

// TestOverwrittenMarks has a host at the other end of the cable that writes into the memory in front of the frames it gets, as
// one does that puts another header there. It writes what stands for the other sender. The kernel makes the next frames out
// of the same memory.
func TestOverwrittenMarks(t *testing.T) {
	const head = 16
	p := newPair(t, 1500)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.Mov.Imm(asm.R2, -head),
		asm.FnXdpAdjustHead.Call(),
		asm.JNE.Imm(asm.R0, 0, "end"),
		asm.LoadMem(asm.R2, asm.R6, 0, asm.Word), // data
		asm.LoadMem(asm.R3, asm.R6, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, head),
		asm.JGT.Reg(asm.R4, asm.R3, "end"),
		asm.StoreImm(asm.R2, 0, 1, asm.Word),
		asm.StoreImm(asm.R2, 4, 1, asm.Word),
		asm.StoreImm(asm.R2, 8, 1, asm.Word),
		asm.StoreImm(asm.R2, 12, 1, asm.Word),
		asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("end"),
		asm.Return(),
	}})
	must(t, err)
	defer prog.Close()
	at, err := ebpflink.AttachXDP(ebpflink.XDPOptions{Program: prog, Interface: p.B.Attrs().Index})
	must(t, err)
	defer at.Close()
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, FrameLen: 60, Senders: 2, Batch: 2000, Retries: 1 << 20})
	before := wire.Find(t, p.B.Attrs().Name).Attrs().Statistics.RxPackets
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 2000, 60, 60)
	var wg sync.WaitGroup
	for _, tx := range l.TX {
		wg.Go(func() {
			for range 20 {
				if err := submit(t, tx, frames); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, tx := range l.TX {
		if s := tx.Stats(); s.Sent != 40_000 || s.Refused != 0 {
			t.Errorf("sender %d: got %+v, want 40000 sent", i, s)
		}
	}
	if n := wire.Find(t, p.B.Attrs().Name).Attrs().Statistics.RxPackets - before; n != 80_000 {
		t.Errorf("%d frames came, want 80000", n)
	}
}

// TestAnotherPIDNamespace sends from a process whose threads have other numbers for the kernel than for itself, as those in
// containers have.
func TestAnotherPIDNamespace(t *testing.T) {
	needBPF(t)
	if !again(t, func(a *syscall.SysProcAttr) { a.Cloneflags |= syscall.CLONE_NEWPID }) {
		return
	}
	if n := os.Getpid(); n != 1 {
		t.Fatalf("the number of this process is %d, want 1", n)
	}
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 100, 60, 90)
	must(t, submit(t, wire.Open(t, Engine{}, p.A, link.Config{Ether: true}).TX[0], frames))
	ear.expect(t, frames)
}

// TestNothingIsAllocated sends, fails to send and receives.
func TestNothingIsAllocated(t *testing.T) {
	p := newPair(t, 1500)
	undo := occupy(t, p.A)
	rx := wire.Open(t, Engine{}, p.B, link.Config{Ether: true, Filter: link.Filter{UDP: true}}).RX[0]
	undo()
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Batch: 64, Retries: 2}).TX[0]
	frame := numbered(rand.New(rand.NewPCG(1, 1)), 1, 60, 60)[0]
	slots := make([]link.Slot, 64)
	send := func() {
		for i := range slots[:tx.Reserve(slots, 0)] {
			slots[i].N = copy(slots[i].Data, frame)
		}
		if err := tx.Submit(slots); err != nil {
			t.Error(err)
		}
	}
	got, count := 0, func(*link.Frame) {}
	if n := testing.AllocsPerRun(100, send); n != 0 {
		t.Errorf("%v allocations per batch, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		send()
		n, err := rx.Poll(time.Second, count)
		if got += n; err != nil || n == 0 {
			t.Errorf("%d frames, error %v", n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch sent and received, want 0", n)
	}
	for { // what is left
		n, err := rx.Poll(20*time.Millisecond, count)
		must(t, err)
		if got += n; n == 0 {
			break
		}
	}
	if got != 64*(101+101) {
		t.Errorf("%d frames received, want %d", got, 64*(101+101))
	}
	if n := testing.AllocsPerRun(20, func() {
		if n, err := rx.Poll(2*checkEvery, count); n != 0 || err != nil {
			t.Errorf("%d frames, error %v", n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations while nothing comes, want 0", n)
	}
	must(t, netlink.LinkSetDown(p.B))
	if n := testing.AllocsPerRun(20, send); n != 0 {
		t.Errorf("%v allocations per batch that is refused, want 0", n)
	}
}
