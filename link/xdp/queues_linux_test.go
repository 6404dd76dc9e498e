//go:build amd64 || arm64

package xdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/linktest"
)

// A flight is a frame of a flow, in which it has a number.
type flight struct{ flow, number int }

// flowFrames returns the frames of flows, which differ in their port, n of each, one of each flow after the other. Their length
// says nothing.
func flowFrames(flows, n int) [][]byte {
	var frames [][]byte
	for number := range n {
		for flow := range flows {
			spec := linktest.Spec{
				Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), Proto: linktest.ProtoUDP, Port: uint16(40000 + flow),
			}
			frame := spec.Frame(true)
			frame = append(frame, bytes.Repeat([]byte{0x5a}, 8+(number*flows+flow)%150)...)
			binary.BigEndian.PutUint32(frame[len(frame)-8:], uint32(flow))
			binary.BigEndian.PutUint32(frame[len(frame)-4:], uint32(number))
			frames = append(frames, frame)
		}
	}
	return frames
}

// gather polls all receive queues at once, each in a goroutine of its own, until they have n frames together or no more come.
// It returns what each queue has, in order.
func gather(t *testing.T, queues []link.RX, n int) [][]flight {
	t.Helper()
	got := make([][]flight, len(queues))
	var mu sync.Mutex
	total, deadline := 0, time.Now().Add(patience)
	var wg sync.WaitGroup
	for i, rx := range queues {
		wg.Go(func() {
			for idle := false; !idle; {
				k, err := rx.Poll(quiet, func(f *link.Frame) {
					b := f.Data[len(f.Data)-8:]
					got[i] = append(got[i], flight{int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))})
				})
				if err != nil {
					t.Errorf("queue %d: %v", i, err)
					return
				}
				mu.Lock()
				total += k
				idle = k == 0 && (total >= n || time.Now().After(deadline))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return got
}

// countedOnce fails the test unless each frame of the flows has come once, frames of a flow by one queue and in order, and each
// queue's counters say what came by it. It returns by which queue each flow came.
func countedOnce(t *testing.T, queues []link.RX, got [][]flight, flows, n int) []int {
	t.Helper()
	by, next := make([]int, flows), make([]int, flows)
	for i, rx := range queues {
		for _, f := range got[i] {
			switch {
			case next[f.flow] == 0:
				by[f.flow] = i
			case by[f.flow] != i:
				t.Fatalf("flow %d comes by queue %d and by queue %d", f.flow, by[f.flow], i)
			}
			if f.number != next[f.flow] {
				t.Fatalf("queue %d: frame %d of flow %d comes when frame %d is due", i, f.number, f.flow, next[f.flow])
			}
			next[f.flow]++
		}
		if received, lost := rx.Received(), rx.Lost(); received != uint64(len(got[i])) || lost != 0 {
			t.Errorf("queue %d: %d received, %d of them lost, %d read", i, received, lost, len(got[i]))
		}
	}
	for flow, k := range next {
		if k != n {
			t.Errorf("%d of %d frames of flow %d came", k, n, flow)
		}
	}
	return by
}

// TestReceiversShareQueues has the kernel spread flows over the queues of the interface, of which there are more than receive
// queues, as many, and fewer.
func TestReceiversShareQueues(t *testing.T) {
	const flows, each = 100, 40
	frames := flowFrames(flows, each)
	for _, c := range []struct{ queues, receivers int }{{1, 2}, {2, 2}, {4, 2}, {5, 3}, {2, 1}, {8, 8}} {
		t.Run(fmt.Sprintf("%d queues for %d", c.queues, c.receivers), func(t *testing.T) {
			needBPF(t)
			w := wire.Lay(t, wire.Plan{Queues: c.queues})
			occupy(t, w.B)
			l := wire.Open(t, Engine{}, w.A, link.Config{Ether: true, Receivers: c.receivers, Filter: link.Filter{UDP: true}})
			if len(l.RX) != c.receivers {
				t.Fatalf("%d receive queues, want %d", len(l.RX), c.receivers)
			}
			tx := wire.Open(t, afpacket.Engine{}, w.B, link.Config{Ether: true, Qdisc: link.QdiscUse, Batch: flows, Retries: 1 << 20}).TX[0]
			for part := range each { // no more at once than the cable holds
				must(t, submit(t, tx, frames[part*flows:][:flows]))
				awaitReceived(t, l.RX, (part+1)*flows)
			}
			got := gather(t, l.RX, len(frames))
			countedOnce(t, l.RX, got, flows, each)
			for i := range got {
				if (len(got[i]) > 0) != (i < c.queues) {
					t.Errorf("%d frames came by receive queue %d", len(got[i]), i)
				}
			}
		})
	}
}

// awaitReceived waits until so many frames have passed the filter.
func awaitReceived(t *testing.T, queues []link.RX, n int) {
	t.Helper()
	var sum uint64
	for start := time.Now(); time.Since(start) < patience; time.Sleep(100 * time.Microsecond) {
		sum = 0
		for _, rx := range queues {
			sum += rx.Received()
		}
		if sum >= uint64(n) {
			return
		}
	}
	t.Fatalf("%d frames received, want %d", sum, n)
}

// TestOneReceiverForAQueue sends from every processor at once: the cable's queue, and with it the receive queue, is that of the
// processor.
func TestOneReceiverForAQueue(t *testing.T) {
	needBPF(t)
	const queues, each, part = 2, 3000, 60
	cpus := processors(t)
	w := wire.Lay(t, wire.Plan{Queues: queues})
	undo := occupy(t, w.A)
	far := wire.Open(t, Engine{}, w.B, link.Config{Ether: true, Senders: len(cpus), Batch: part, Retries: 1 << 20})
	undo()
	l := wire.Open(t, Engine{}, w.A, link.Config{Ether: true, Receivers: queues, Filter: link.Filter{UDP: true}})
	frames := flowFrames(len(cpus), each)
	var wg sync.WaitGroup
	for i, cpu := range cpus {
		wg.Go(func() {
			if err := stay(cpu); err != nil {
				t.Error(err)
				return
			}
			slots := make([]link.Slot, part)
			for at := 0; at < each; at += part {
				far.TX[i].Reserve(slots, 0)
				for k := range slots {
					slots[k].N = copy(slots[k].Data, frames[(at+k)*len(cpus)+i])
				}
				if err := far.TX[i].Submit(slots); err != nil {
					t.Error(err)
				}
				time.Sleep(100 * time.Microsecond) // the far end has its turn: what it refuses comes later, out of order
			}
		})
	}
	got := gather(t, l.RX, len(frames))
	wg.Wait()
	for i, by := range countedOnce(t, l.RX, got, len(cpus), each) {
		if by != cpus[i]%queues {
			t.Errorf("what processor %d sent came by receive queue %d", cpus[i], by)
		}
	}
}

// processors returns those that the test may use.
func processors(t *testing.T) []int {
	t.Helper()
	var may unix.CPUSet
	must(t, unix.SchedGetaffinity(0, &may))
	var all []int
	for i := 0; len(all) < may.Count(); i++ {
		if may.IsSet(i) {
			all = append(all, i)
		}
	}
	return all
}

// stay keeps the goroutine on one processor until it ends, and its thread with it.
func stay(cpu int) error {
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(cpu)
	return unix.SchedSetaffinity(0, &one)
}

// TestReceiversOfItsOwn opens links that say nothing of receive queues: they get one for each sender, up to a bound, in the
// memory of one.
func TestReceiversOfItsOwn(t *testing.T) {
	p := newPair(t, 1500)
	occupy(t, p.B)
	for _, bytes := range []int{0, 100_000} {
		for _, senders := range []int{1, 2, 3, maxReceivers, maxReceivers + 1} {
			cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Senders: senders, Batch: 16, RingBytes: bytes}
			l, err := Engine{}.Open(t.Context(), cfg)
			must(t, err)
			if want := min(senders, maxReceivers); len(l.RX) != want || len(l.TX) != senders {
				t.Errorf("%d senders: %d receive queues and %d to send, want %d", senders, len(l.RX), len(l.TX), want)
			}
			page, all := unix.Getpagesize(), 0
			for _, rx := range l.RX {
				size := int(rx.(*RX).ring.size)
				if all += size; bits.OnesCount(uint(size)) != 1 {
					t.Errorf("a ring of %d bytes", size)
				}
			}
			one := cfg.RingBytes
			if one == 0 {
				one = link.DefaultRingBytes
			}
			if most := max(ringSize(one), page*len(l.RX)); all > most || 2*all < most {
				t.Errorf("%d senders: rings of %d bytes together, want %d and hardly less", senders, all, most)
			}
			must(t, l.Close())
			cfg.Receivers = 1
			least, err := Engine{}.Check(t.Context(), cfg)
			must(t, err)
			cfg.Receivers = 0
			if got, err := (Engine{}).Check(t.Context(), cfg); err != nil || got > least+uint64(10*page*len(l.RX)) {
				t.Errorf("%d senders: %d bytes in all, and %d with one receive queue; error %v", senders, got, least, err)
			}
		}
	}
}
