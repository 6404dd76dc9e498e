package afpacket

import (
	"encoding/binary"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// anyTCP wants every segment.
func anyTCP() link.Filter { return link.Filter{TCP: link.TCPAll} }

// drain polls until nothing comes for a while.
func drain(t testing.TB, rx link.RX, fn func(f *link.Frame)) int {
	t.Helper()
	all := 0
	for {
		n, err := rx.Poll(60*time.Millisecond, fn)
		must(t, err)
		if n == 0 {
			return all
		}
		all += n
	}
}

func TestOwnFramesAreNotReceived(t *testing.T) {
	t.Parallel()
	for _, qdisc := range []link.QdiscMode{link.QdiscBypass, link.QdiscUse} {
		p := wire.Lay(t, wire.Plan{})
		cfg := link.Config{Ether: true, Filter: anyTCP(), Qdisc: qdisc}
		a, b := wire.Open(t, Engine{}, p.A, cfg), wire.Open(t, Engine{}, p.B, cfg)
		slots := make([]link.Slot, 10)
		fill(t, a.TX[0], slots, segment())
		must(t, a.TX[0].Submit(slots))
		if n := drain(t, b.RX[0], func(*link.Frame) {}); n != 10 {
			t.Errorf("%d frames arrive, want 10", n)
		}
		if n := drain(t, a.RX[0], func(f *link.Frame) { t.Errorf("got back %x", f.Data) }); n != 0 || a.RX[0].Received() != 0 {
			t.Errorf("%d of our own frames received, %d counted, want 0", n, a.RX[0].Received())
		}
	}
}

func TestControlQueueSends(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	a, b := wire.Open(t, Engine{}, p.A, link.Config{Ether: true}), wire.Open(t, Engine{}, p.B, link.Config{Ether: true, Filter: anyTCP()})
	slots := make([]link.Slot, 1)
	fill(t, a.Control, slots, segment())
	must(t, a.Control.Submit(slots))
	n := drain(t, b.RX[0], func(f *link.Frame) {
		if diff := cmp.Diff(segment(), f.Data); diff != "" || f.IfIndex != p.B.Attrs().Index {
			t.Errorf("interface %d, want %d; frame (-want +got):\n%s", f.IfIndex, p.B.Attrs().Index, diff)
		}
	})
	if n != 1 {
		t.Errorf("%d frames arrive, want 1", n)
	}
}

// The ring must hold nothing that came before the filter was in place: traffic is under way while sockets open.
func TestNothingForeignFromTheFirstFrameOn(t *testing.T) {
	t.Parallel()
	p := wire.Lay(t, wire.Plan{})
	a := wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
	stop := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		slots := make([]link.Slot, 64)
		for {
			select {
			case <-stop:
				return
			default:
			}
			fill(t, a.TX[0], slots, segment())
			for i := range slots {
				slots[i].Data[37] = byte(i) // destination port: one of 64 is wanted
			}
			must(t, a.TX[0].Submit(slots))
		}
	})
	filter := link.Filter{TCP: link.TCPAll, Ports: []link.PortRange{{First: 7, Last: 7}}}
	for i := range 8 {
		b := wire.Open(t, Engine{}, p.B, link.Config{Ether: true, Filter: filter, RingBytes: 1 << 20, Receivers: 1 + i%2})
		wanted := 0
		start := time.Now() // of which a busy machine may give the sender nothing for a while
		for j := 0; j < 8 || wanted == 0 && time.Since(start) < 5*time.Second; j++ {
			_, err := b.RX[j%len(b.RX)].Poll(10*time.Millisecond, func(f *link.Frame) {
				if wanted++; !filter.Match(f.Data, true) {
					t.Errorf("opening number %d: unwanted frame %x", i, f.Data)
				}
			})
			must(t, err)
		}
		if wanted == 0 {
			t.Errorf("opening number %d: nothing arrives", i)
		}
		must(t, b.Close())
	}
	close(stop)
	sender.Wait()
}

// TestGroupZero has receive queues in the group that the kernel numbers 0, as it does the first one after it was started: their
// frames are shared like those of others.
func TestGroupZero(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	cfg, dev, err := Prepare(t.Context(), link.Config{Interface: p.B.Attrs().Name, Ether: true, Filter: anyTCP(), RingBytes: 1 << 20})
	must(t, err)
	group := &fanout{known: true} // nobody else here asks for a number
	var queues []*RX
	for range 2 {
		rx, err := openRX(cfg, dev, group)
		must(t, err)
		t.Cleanup(func() { must(t, rx.Close()) })
		value, err := unix.GetsockoptInt(rx.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
		must(t, err)
		if value&0xffff != 0 {
			t.Errorf("queue %d is in group %d", len(queues), value&0xffff)
		}
		queues = append(queues, rx)
	}
	sendFrame(t, p.A, segment())
	if n := drain(t, queues[0], func(*link.Frame) {}) + drain(t, queues[1], func(*link.Frame) {}); n != 1 {
		t.Errorf("a frame came %d times", n)
	}
}

// Several receive queues share the frames: each frame arrives once, and those of one flow in one queue, in order.
func TestReceiversShareFlows(t *testing.T) {
	t.Parallel()
	const flows, each = 64, 30
	p := wire.Lay(t, wire.Plan{})
	a := wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
	b := wire.Open(t, Engine{}, p.B, link.Config{Ether: true, Filter: anyTCP(), Receivers: 3, RingBytes: 1 << 20})
	slots := make([]link.Slot, flows)
	for n := range uint32(each) {
		fill(t, a.TX[0], slots, segment())
		for i := range slots {
			binary.BigEndian.PutUint32(slots[i].Data[26:], 0x0a010000+uint32(i)) // source
			binary.BigEndian.PutUint32(slots[i].Data[38:], n)                    // sequence number
		}
		must(t, a.TX[0].Submit(slots))
	}
	queueOf, next, used, total := map[uint32]int{}, map[uint32]uint32{}, 0, 0
	for q, rx := range b.RX {
		n := drain(t, rx, func(f *link.Frame) {
			flow, number := binary.BigEndian.Uint32(f.Data[26:]), binary.BigEndian.Uint32(f.Data[38:])
			if was, ok := queueOf[flow]; ok && was != q {
				t.Errorf("flow %x is in queue %d and %d", flow, was, q)
			}
			if queueOf[flow] = q; number != next[flow] {
				t.Errorf("flow %x: frame %d, want %d", flow, number, next[flow])
			}
			next[flow]++
		})
		if total += n; n > 0 {
			used++
		}
		if rx.Received() != uint64(n) {
			t.Errorf("queue %d: %d frames received, %d handed over", q, rx.Received(), n)
		}
	}
	if total != flows*each || used < 2 {
		t.Errorf("%d frames in %d queues, want %d in at least 2", total, used, flows*each)
	}
}

// A frame alone must not wait long for company.
func TestLonelyFrameIsHandedOver(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	a, b := wire.Open(t, Engine{}, p.A, link.Config{Ether: true}), wire.Open(t, Engine{}, p.B, link.Config{Ether: true, Filter: anyTCP()})
	slots := make([]link.Slot, 1)
	for range 3 {
		fill(t, a.TX[0], slots, segment())
		must(t, a.TX[0].Submit(slots))
		got := 0
		n, err := b.RX[0].Poll(10*time.Second, func(*link.Frame) { got++ })
		if n != 1 || got != 1 || err != nil {
			t.Errorf("poll: got %d frames, %d calls, error %v, want 1, 1, none", n, got, err)
		}
	}
}

func TestPollAllocatesNothing(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	a, b := wire.Open(t, Engine{}, p.A, link.Config{Ether: true}), wire.Open(t, Engine{}, p.B, link.Config{Ether: true, Filter: anyTCP()})
	slots := make([]link.Slot, 64)
	frame, got := segment(), 0
	count := func(*link.Frame) { got++ }
	if n := testing.AllocsPerRun(20, func() {
		fill(t, a.TX[0], slots, frame)
		must(t, a.TX[0].Submit(slots))
		for got = 0; got < len(slots); {
			if _, err := b.RX[0].Poll(time.Second, count); err != nil {
				t.Error(err)
				return
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch, want 0", n)
	}
}

func TestLayout(t *testing.T) {
	for _, page := range []int{4096, 16384, 65536} {
		for _, size := range []int{1, 4096, 100_000, 128 << 10, 1 << 20, 16 << 20, 16<<20 + 1, 1 << 30} {
			blockLen, blocks := layout(size, page)
			switch {
			case blockLen%page != 0, blockLen&(blockLen-1) != 0, blockLen > maxBlock, blocks < minBlocks:
				t.Errorf("layout(%d, %d) = %d blocks of %d bytes", size, page, blocks, blockLen)
			case blocks*blockLen > max(size, minBlocks*page), blocks*blockLen < size/2:
				t.Errorf("layout(%d, %d) = %d bytes", size, page, blocks*blockLen)
			}
		}
	}
	if got := os.Getpagesize(); maxBlock%got != 0 {
		t.Errorf("a block of %d bytes is not made of pages of %d", maxBlock, got)
	}
}
