package afpacket

import (
	"errors"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// segment is a SYN of 66 bytes from end a to a host that does not exist.
func segment() []byte {
	return []byte("\x02\x00\x00\x00\x00\x09\x02\x00\x00\x00\x00\x01\x08\x00" + // Ethernet
		"\x45\x00\x00\x34\xd4\x31\x00\x00\xff\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" + // IPv4
		"\x9c\x40\x00\x50\x01\x02\x03\x04\x00\x00\x00\x00\x80\x02\xff\xff\x00\x00\x00\x00" + // TCP
		"\x02\x04\x05\xb4\x01\x03\x03\x08\x01\x01\x04\x02") // options
}

// fill reserves n slots and puts the frame into each.
func fill(t testing.TB, tx link.TX, slots []link.Slot, frame []byte) {
	t.Helper()
	if n := tx.Reserve(slots, time.Second); n != len(slots) {
		t.Fatalf("%d slots reserved, want %d", n, len(slots))
	}
	for i := range slots {
		slots[i].N = copy(slots[i].Data, frame)
	}
}

func TestEthernetHeaderAloneIsRefusedOrSent(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true}).TX[0]
	slots := make([]link.Slot, 3)
	fill(t, tx, slots, segment())
	slots[1].N = 14
	must(t, tx.Submit(slots))
	s := tx.Stats()
	if s.Queued != 3 || s.Sent+s.Refused != 3 || s.Sent < 2 {
		t.Errorf("got %+v, want the two whole frames sent and the other accounted for", s)
	}
}

func TestFramesThatAreNoneAreRefused(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 10}).TX[0]
	slots := make([]link.Slot, 5)
	fill(t, tx, slots, segment())
	slots[0].N, slots[2].N, slots[4].N = 0, 13, 1
	must(t, tx.Submit(slots))
	if got, want := tx.Stats(), (link.TXStats{Queued: 5, Sent: 2, Refused: 3}); got != want {
		t.Errorf("got %+v, want %+v: nothing to retry", got, want)
	}
}

// Without a carrier the kernel drops what a socket sends past the queueing discipline, and says that it has no room.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1, 4} {
		p := wire.Lay(t, wire.Plan{})
		tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: retries}).TX[0]
		must(t, netlink.LinkSetDown(p.B))
		slots := make([]link.Slot, 10)
		fill(t, tx, slots, segment())
		must(t, tx.Submit(slots))
		want := link.TXStats{Queued: 10, Refused: 10, Retried: uint64(retries)}
		if got := tx.Stats(); got != want {
			t.Errorf("%d retries: got %+v, want %+v", retries, got, want)
		}
		must(t, netlink.LinkSetUp(p.B))
		for range 100 {
			fill(t, tx, slots[:1], segment())
			must(t, tx.Submit(slots[:1]))
			if tx.Stats().Sent > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if s := tx.Stats(); s.Sent != 1 {
			t.Errorf("with the carrier back: got %+v, want one frame sent", s)
		}
	}
}

func TestAbortCutsRetriesShort(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 1 << 20}).TX[0]
	must(t, netlink.LinkSetDown(p.B))
	slots := make([]link.Slot, 10)
	fill(t, tx, slots, segment())
	done := make(chan error)
	go func() { done <- tx.Submit(slots) }()
	for tx.Stats().Retried == 0 {
		time.Sleep(time.Millisecond)
	}
	tx.Abort()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(5 * time.Second):
		t.Fatal("Submit goes on after Abort")
	}
	s := tx.Stats()
	s.Retried = 0
	if want := (link.TXStats{Queued: 10, Aborted: 10}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

// A queueing discipline that lets almost nothing through tells the two ways apart, and fills the socket's buffer or itself.
func TestQdiscBypass(t *testing.T) {
	for _, c := range []struct {
		name string
		mode link.QdiscMode
		all  bool
	}{{"bypass", link.QdiscBypass, true}, {"use", link.QdiscUse, false}} {
		t.Run(c.name, func(t *testing.T) {
			p := wire.Lay(t, wire.Plan{})
			must(t, netlink.QdiscAdd(&netlink.Tbf{
				QdiscAttrs: netlink.QdiscAttrs{LinkIndex: p.A.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
				Rate:       1000, Limit: 3000, Buffer: 1600 * 1000,
			}))
			tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Qdisc: c.mode, Retries: 2}).TX[0]
			slots := make([]link.Slot, 64)
			for range 5 {
				fill(t, tx, slots, segment())
				must(t, tx.Submit(slots))
			}
			s := tx.Stats()
			if s.Queued != 320 || s.Sent+s.Refused != 320 || (s.Refused == 0) != c.all {
				t.Errorf("got %+v, want 320 accounted for, all sent: %v", s, c.all)
			}
		})
	}
}

func TestDeletedInterface(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
	must(t, netlink.LinkDel(p.A))
	slots := make([]link.Slot, 2)
	fill(t, l.TX[0], slots, segment())
	if err := l.TX[0].Submit(slots); !errors.Is(err, link.ErrDown) {
		t.Errorf("submit: got error %v, want %v", err, link.ErrDown)
	}
	var err error
	for range 50 {
		if _, err = l.RX[0].Poll(20*time.Millisecond, func(*link.Frame) {}); err != nil {
			break
		}
	}
	if !errors.Is(err, link.ErrDown) {
		t.Errorf("poll: got error %v, want %v", err, link.ErrDown)
	}
	// An error is not repeated in the counters.
	if got, want := l.TX[0].Stats(), (link.TXStats{Queued: 2, Refused: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A socket buffer that is full makes Submit wait, not give up: a slow interface is no refusal.
func TestFullSocketBuffer(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	must(t, netlink.QdiscAdd(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: p.A.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       400_000, Limit: 10 << 20, Buffer: 1600 * 1000,
	}))
	cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Qdisc: link.QdiscUse, Batch: 64}
	dev, err := sendingDevice(cfg)
	must(t, err)
	fd, err := TransmitSocket(cfg, dev)
	must(t, err)
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 5000))
	tx := newTX(cfg, dev, fd)
	defer tx.Close()
	slots := make([]link.Slot, 64)
	for range 10 {
		fill(t, tx, slots, segment())
		must(t, tx.Submit(slots))
	}
	if got, want := tx.Stats(), (link.TXStats{Queued: 640, Sent: 640}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSubmitAllocatesNothing(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 2}).TX[0]
	slots := make([]link.Slot, 64)
	frame := segment()
	if n := testing.AllocsPerRun(50, func() {
		fill(t, tx, slots, frame)
		if err := tx.Submit(slots); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch, want 0", n)
	}
	must(t, netlink.LinkSetDown(p.B)) // and none while it retries
	if n := testing.AllocsPerRun(5, func() {
		fill(t, tx, slots, frame)
		if err := tx.Submit(slots); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch that is refused, want 0", n)
	}
}
