package ring

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// What is no frame, or too long for the interface, is refused wherever it is, and all others arrive in order; the model is a
// list. A ring that is hardly longer than a batch makes all of it go round.
func TestRefusedFramesAnywhere(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := wire.Lay(t, wire.Plan{MTU: 600})
		rx, tx := listen(t, w.B), tiny(t, w.A, 66, link.Config{})
		bad := []float64{0.02, 0.3, 0.9, 1}[seed]
		var wanted [][]byte
		sent, refused := uint64(0), uint64(0)
		for number := uint32(0); number < 2000; {
			frames := make([][]byte, 1+r.IntN(66))
			for i := range frames {
				number++
				frames[i] = datagram(number, 48+r.IntN(600+14-48+1))
				if r.Float64() >= bad {
					wanted = append(wanted, frames[i])
					sent++
					continue
				}
				refused++
				frames[i] = frames[i][:r.IntN(14)]
				if r.IntN(2) == 0 {
					frames[i] = datagram(number, 615+r.IntN(link.MaxFrame-615+1))
				}
			}
			must(t, tx.Submit(write(t, tx, frames)))
		}
		account(t, tx, link.TXStats{Queued: sent + refused, Sent: sent, Refused: refused}, false)
		arrive(t, rx, wanted)
	}
}

// The kernel looks at the interface's MTU with each call, so a change of it counts at once.
func TestMTUChanges(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	rx, tx := listen(t, w.B), wire.Open(t, Engine{}, w.A, link.Config{Ether: true, Retries: 3}).TX[0]
	var wanted [][]byte
	var want link.TXStats
	for number, mtu := range []int{1500, 600, 1000, 1500} {
		must(t, netlink.LinkSetMTU(w.A, mtu))
		var frames [][]byte
		for i, n := range []int{1514, 60, 614, 615, 1014, 1015, 100} {
			frame := datagram(uint32(10*number+i), n)
			frames = append(frames, frame)
			want.Queued++
			if n <= mtu+14 {
				wanted = append(wanted, frame)
				want.Sent++
			} else {
				want.Refused++
			}
		}
		must(t, tx.Submit(write(t, tx, frames)))
		account(t, tx, want, false)
	}
	arrive(t, rx, wanted)
}

// Without a carrier the kernel drops what goes past the queueing discipline, and says that it has no room: each frame stays
// where it is in the ring, is refused in the end, and leaves the ring in order for those that come later.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 1, 4} {
		w := wire.Lay(t, wire.Plan{})
		rx, tx := listen(t, w.B), tiny(t, w.A, 12, link.Config{Retries: retries})
		must(t, netlink.LinkSetDown(w.B))
		wire.Await(t, w.A, false)
		frames := datagrams(10, 60)
		must(t, tx.Submit(write(t, tx, frames)))
		account(t, tx, link.TXStats{Queued: 10, Refused: 10, Retried: uint64(retries)}, false)
		must(t, netlink.LinkSetUp(w.B))
		wire.Await(t, w.A, true)
		must(t, rx.Close()) // it has seen its interface go
		rx = listen(t, w.B)
		must(t, tx.Submit(write(t, tx, frames)))
		account(t, tx, link.TXStats{Queued: 20, Sent: 10, Refused: 10}, true)
		arrive(t, rx, frames)
	}
}

func TestAbortCutsRetriesShort(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	tx := wire.Open(t, Engine{}, w.A, link.Config{Ether: true, Retries: 1 << 20}).TX[0]
	must(t, netlink.LinkSetDown(w.B))
	slots := write(t, tx, datagrams(10, 60))
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
	account(t, tx, link.TXStats{Queued: 10, Aborted: 10}, true)
}

// A Submit that is aborted in the middle has sent its first frames and none of the others, not even later.
func TestAbortInTheMiddle(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	slow(t, w.A, 20_000)
	rx, tx := listen(t, w.B), tiny(t, w.A, 64, link.Config{Qdisc: link.QdiscUse})
	must(t, unix.SetsockoptInt(tx.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 5000))
	frames := datagrams(60, 200)
	slots := write(t, tx, frames)
	done := make(chan error)
	go func() { done <- tx.Submit(slots) }()
	for tx.Stats().Sent == 0 {
		time.Sleep(time.Millisecond)
	}
	tx.Abort()
	must(t, <-done)
	s := tx.Stats()
	if s.Sent == 0 || s.Aborted == 0 || s.Sent+s.Aborted != 60 {
		t.Errorf("got %+v, want 60 frames, some sent and the others aborted", s)
	}
	arrive(t, rx, frames[:s.Sent])
	must(t, tx.Submit(write(t, tx, frames[:3])))
	account(t, tx, link.TXStats{Queued: 63, Sent: s.Sent + 3, Aborted: s.Aborted}, true)
	arrive(t, rx, frames[:3])
}

// A frame that the kernel still holds is not handed out again, and Reserve waits for it; so none is written over, although the
// ring has two.
func TestFramesInUseAreNotHandedOut(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	slow(t, w.A, 60_000)
	rx, tx := listen(t, w.B), tiny(t, w.A, 2, link.Config{Qdisc: link.QdiscUse})
	frames := datagrams(40, 700)
	slots := make([]link.Slot, 5)
	none := 0
	for next, start := 0, time.Now(); next < len(frames) && time.Since(start) < 10*time.Second; {
		n := tx.Reserve(slots, 0)
		if n == 0 {
			none++
			n = tx.Reserve(slots, time.Second)
		}
		if n == 0 || n > 2 {
			t.Fatalf("%d slots of a ring of 2 come free in a second", n)
		}
		n = min(n, len(frames)-next)
		for i := range slots[:n] {
			slots[i].N = copy(slots[i].Data, frames[next+i])
		}
		must(t, tx.Submit(slots[:n]))
		next += n
	}
	if none < 10 {
		t.Errorf("the ring was full %d times: the test tests nothing", none)
	}
	account(t, tx, link.TXStats{Queued: 40, Sent: 40}, true)
	arrive(t, rx, frames)
}

// A wait for a frame ends in time, and at once when the queue is closed. Frames that the kernel holds then leave all the same.
func TestCloseWithFramesInUse(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	slow(t, w.A, 20_000)
	rx, tx := listen(t, w.B), tiny(t, w.A, 4, link.Config{Qdisc: link.QdiscUse})
	frames := datagrams(4, 1500)
	must(t, tx.Submit(write(t, tx, frames)))
	slots := make([]link.Slot, 1)
	start := time.Now()
	if n := tx.Reserve(slots, 30*time.Millisecond); n == 0 && time.Since(start) < 30*time.Millisecond {
		t.Errorf("Reserve gives up after %v", time.Since(start))
	}
	must(t, tx.Close())
	start = time.Now()
	if n := tx.Reserve(slots, 10*time.Second); n != 0 || time.Since(start) > 5*time.Second {
		t.Errorf("%d slots of a closed queue after %v", n, time.Since(start))
	}
	arrive(t, rx, frames)
	account(t, tx, link.TXStats{Queued: 4, Sent: 4}, false)
}

// A socket buffer that is full makes Submit wait, not give up: a slow interface is no refusal.
func TestFullSocketBuffer(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	slow(t, w.A, 400_000)
	tx := tiny(t, w.A, 256, link.Config{Qdisc: link.QdiscUse})
	must(t, unix.SetsockoptInt(tx.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 5000))
	for range 10 {
		must(t, tx.Submit(write(t, tx, datagrams(64, 66))))
	}
	account(t, tx, link.TXStats{Queued: 640, Sent: 640}, false)
}

// A queueing discipline that lets almost nothing through tells the two ways apart.
func TestQdiscBypass(t *testing.T) {
	for _, c := range []struct {
		name string
		mode link.QdiscMode
		all  bool
	}{{"bypass", link.QdiscBypass, true}, {"use", link.QdiscUse, false}} {
		t.Run(c.name, func(t *testing.T) {
			w := wire.Lay(t, wire.Plan{})
			must(t, netlink.QdiscAdd(&netlink.Tbf{
				QdiscAttrs: netlink.QdiscAttrs{LinkIndex: w.A.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
				Rate:       1000, Limit: 3000, Buffer: 1600 * 1000,
			}))
			tx := wire.Open(t, Engine{}, w.A, link.Config{Ether: true, Qdisc: c.mode, Retries: 2}).TX[0]
			for range 5 {
				must(t, tx.Submit(write(t, tx, datagrams(40, 66))))
			}
			s := tx.Stats()
			if s.Queued != 200 || s.Sent+s.Refused != 200 || (s.Refused == 0) != c.all {
				t.Errorf("got %+v, want 200 accounted for, all sent: %v", s, c.all)
			}
		})
	}
}

// An interface that is off, or gone, is the end of the queue: all frames of the batch are refused, and none is queued again.
func TestInterfaceGoes(t *testing.T) {
	for name, end := range map[string]func(netlink.Link) error{"off": netlink.LinkSetDown, "gone": netlink.LinkDel} {
		w := wire.Lay(t, wire.Plan{})
		tx := wire.Open(t, Engine{}, w.A, link.Config{Ether: true, Retries: 5}).TX[0]
		must(t, tx.Submit(write(t, tx, datagrams(5, 60))))
		slots := write(t, tx, datagrams(7, 60))
		must(t, end(w.A))
		for range 2 {
			if err := tx.Submit(slots); !errors.Is(err, link.ErrDown) {
				t.Errorf("%s: submit: got error %v, want %v", name, err, link.ErrDown)
			}
		}
		account(t, tx, link.TXStats{Queued: 12, Sent: 5, Refused: 7}, false)
	}
}

func TestSubmitAllocatesNothing(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	tx := wire.Open(t, Engine{}, w.A, link.Config{Ether: true, Retries: 2}).TX[0]
	slots, frame := make([]link.Slot, 64), datagram(1, 66)
	batch := func(tx link.TX, length int) func() {
		return func() {
			n := tx.Reserve(slots, time.Second)
			for i := range slots[:n] {
				slots[i].N = copy(slots[i].Data, frame)
			}
			slots[n/2].N = length
			if err := tx.Submit(slots[:n]); err != nil {
				t.Error(err)
			}
		}
	}
	for what, length := range map[string]int{"batch": len(frame), "batch with a frame that is refused": 1} {
		if n := testing.AllocsPerRun(50, batch(tx, length)); n != 0 {
			t.Errorf("%v allocations a %s, want 0", n, what)
		}
	}
	must(t, netlink.LinkSetDown(w.B)) // and none while it retries
	if n := testing.AllocsPerRun(5, batch(tx, len(frame))); n != 0 {
		t.Errorf("%v allocations a batch that is refused, want 0", n)
	}
}
