//go:build amd64 || arm64

package xdp

import (
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// keepSending submits batches in a goroutine of its own, until there is an error, which comes over the channel that it returns.
func keepSending(t *testing.T, tx link.TX) <-chan error {
	t.Helper()
	frames := numbered(rand.New(rand.NewPCG(9, 9)), 64, 60, 60)
	done := make(chan error, 1)
	go func() {
		slots := make([]link.Slot, len(frames))
		for start := time.Now(); time.Since(start) < 10*time.Second; {
			for i := range slots[:tx.Reserve(slots, time.Second)] {
				slots[i].N = copy(slots[i].Data, frames[i])
			}
			if err := tx.Submit(slots); err != nil {
				done <- err
				return
			}
		}
		done <- errors.New("no error within 10 s")
	}()
	for tx.Stats().Sent == 0 {
		time.Sleep(time.Millisecond)
	}
	return done
}

// pollError polls until there is an error.
func pollError(t *testing.T, rx link.RX) error {
	t.Helper()
	for start := time.Now(); time.Since(start) < 5*time.Second; {
		if _, err := rx.Poll(20*time.Millisecond, func(*link.Frame) {}); err != nil {
			return err
		}
	}
	t.Fatal("poll: no error within 5 s")
	return nil
}

// accounted fails the test unless each frame that was queued is counted as one thing.
func accounted(t *testing.T, tx link.TX) {
	t.Helper()
	if s := tx.Stats(); s.Queued != s.Sent+s.Refused+s.Aborted {
		t.Errorf("%+v: not every frame is accounted for", s)
	}
}

// TestInterfaceGoes deletes the interface or switches it off while frames are sent and awaited.
func TestInterfaceGoes(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, p wire.Wire)
		want string
	}{
		// The kernel switches it off before it deletes it, and either may be seen.
		{"deleted", func(t *testing.T, p wire.Wire) { must(t, netlink.LinkDel(p.A)) }, "interface "},
		{"off", func(t *testing.T, p wire.Wire) { must(t, netlink.LinkSetDown(p.A)) }, "ip link set "},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, 1500)
			block(t, p.B)
			l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Filter: link.Filter{TCP: link.TCPAll}, Retries: 10})
			done := keepSending(t, l.TX[0])
			c.do(t, p)
			err := <-done
			if !errors.Is(err, link.ErrDown) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("submit: got error %v, want %v and %q", err, link.ErrDown, c.want)
			}
			accounted(t, l.TX[0])
			if err := pollError(t, l.RX[0]); !errors.Is(err, link.ErrDown) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("poll: got error %v, want %v and %q", err, link.ErrDown, c.want)
			}
		})
	}
}

// TestAnotherHasItsName deletes the interface and makes one that is called the same.
func TestAnotherHasItsName(t *testing.T) {
	p := newPair(t, 1500)
	block(t, p.B)
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
	must(t, netlink.LinkDel(p.A))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.A.Attrs().Name
	again := netlink.NewVeth(attrs)
	again.PeerName = p.B.Attrs().Name
	must(t, netlink.LinkAdd(again))
	t.Cleanup(func() { must(t, netlink.LinkDel(again)) })
	must(t, netlink.LinkSetUp(again))
	err := submit(t, l.TX[0], numbered(rand.New(rand.NewPCG(1, 1)), 10, 60, 60))
	if !errors.Is(err, link.ErrDown) || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("submit: got error %v", err)
	}
	if err := pollError(t, l.RX[0]); !errors.Is(err, link.ErrDown) || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("poll: got error %v", err)
	}
	accounted(t, l.TX[0])
}

// TestDownAndUp has an interface that is off for a moment: the link that saw it is lost, another works.
func TestDownAndUp(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
	must(t, netlink.LinkSetDown(p.A))
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 100, 60, 1514)
	if err := submit(t, l.TX[0], frames); !errors.Is(err, link.ErrDown) {
		t.Errorf("got error %v, want %v", err, link.ErrDown)
	}
	if got, want := l.TX[0].Stats(), (link.TXStats{Queued: 100, Refused: 100}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	must(t, netlink.LinkSetUp(p.A))
	wire.Await(t, p.A, true)
	must(t, l.Close())
	l = wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
	must(t, submit(t, l.TX[0], frames))
	ear.expect(t, frames)
}

// TestShortBlink switches the interface off and on while nobody looks: nothing is lost but what was not sent.
func TestShortBlink(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 10})
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 300, 60, 1514)
	must(t, submit(t, l.TX[0], frames[:100]))
	must(t, netlink.LinkSetDown(p.A))
	must(t, netlink.LinkSetUp(p.A))
	wire.Await(t, p.A, true)
	must(t, submit(t, l.TX[0], frames[100:]))
	ear.expect(t, frames)
	if got, want := l.TX[0].Stats(), (link.TXStats{Queued: 300, Sent: 300}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := l.RX[0].Poll(100*time.Millisecond, func(*link.Frame) {}); err != nil {
		t.Errorf("poll: %v", err)
	}
}

// TestRetries takes the carrier away, as pulling out a cable does: frames are refused until it is back, and no longer.
func TestRetries(t *testing.T) {
	for _, retries := range []int{0, 1, 4} {
		p := newPair(t, 1500)
		ear := listen(t, p.B)
		l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: retries})
		tx := l.TX[0]
		must(t, netlink.LinkSetDown(p.B))
		frames := numbered(rand.New(rand.NewPCG(1, 1)), 40, 60, 200)
		must(t, submit(t, tx, frames))
		if got, want := tx.Stats(), (link.TXStats{Queued: 40, Refused: 40, Retried: uint64(retries)}); got != want {
			t.Errorf("%d retries: got %+v, want %+v", retries, got, want)
		}
		if _, err := l.RX[0].Poll(200*time.Millisecond, func(*link.Frame) {}); err != nil {
			t.Errorf("poll without a carrier: %v", err)
		}
		must(t, netlink.LinkSetUp(p.B))
		wire.Await(t, p.A, true)
		must(t, submit(t, tx, frames))
		ear.expect(t, frames)
		if got := tx.Stats(); got.Sent != 40 {
			t.Errorf("with the carrier back: got %+v, want 40 sent", got)
		}
	}
}

// TestAbortCutsRetriesShort is for a scan that ends while the driver takes nothing.
func TestAbortCutsRetriesShort(t *testing.T) {
	p := newPair(t, 1500)
	block(t, p.B)
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 1 << 20}).TX[0]
	must(t, netlink.LinkSetDown(p.B))
	done := make(chan error)
	go func() { done <- submit(t, tx, numbered(rand.New(rand.NewPCG(1, 1)), 10, 60, 60)) }()
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

// linksOn returns what attaches XDP programs to an interface.
func linksOn(t *testing.T, index int) []ebpflink.Link {
	t.Helper()
	var all []ebpflink.Link
	it := new(ebpflink.Iterator)
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err != nil {
			continue // it has gone meanwhile
		}
		if x := info.XDP(); x != nil && int(x.Ifindex) == index {
			all = append(all, it.Take())
		}
	}
	must(t, it.Err())
	return all
}

// TestDetached takes our program off the interface. The ordinary way does not do it; with the other one the reader must
// learn that nothing will come.
func TestDetached(t *testing.T) {
	p := newPair(t, 1500)
	block(t, p.B)
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Filter: link.Filter{TCP: link.TCPAll}})
	if err := netlink.LinkSetXdpFd(p.A, -1); err == nil { // ip link set dev X xdp off
		t.Error("the program of a link is detached like one without")
	}
	if _, err := l.RX[0].Poll(200*time.Millisecond, func(*link.Frame) {}); err != nil {
		t.Errorf("poll: %v", err)
	}
	links := linksOn(t, p.A.Attrs().Index)
	if len(links) != 1 {
		t.Fatalf("%d links of XDP on the interface, want 1", len(links))
	}
	must(t, links[0].Detach())
	must(t, links[0].Close())
	if err := pollError(t, l.RX[0]); !strings.Contains(err.Error(), "detached by somebody") {
		t.Errorf("poll: got error %v", err)
	}
	// What is sent leaves nevertheless.
	must(t, submit(t, l.TX[0], numbered(rand.New(rand.NewPCG(1, 1)), 10, 60, 60)))
	if s := l.TX[0].Stats(); s.Sent != 10 {
		t.Errorf("got %+v, want 10 sent", s)
	}
}

// TestRenamed gives the interface another name, which changes nothing.
func TestRenamed(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
	must(t, netlink.LinkSetName(p.A, "x"+p.A.Attrs().Name[1:]+"n"))
	if _, err := net.InterfaceByName(p.A.Attrs().Name); err == nil {
		t.Fatal("the interface still has its name")
	}
	if _, err := l.RX[0].Poll(200*time.Millisecond, func(*link.Frame) {}); err != nil {
		t.Errorf("poll: %v", err)
	}
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 10, 60, 60)
	must(t, submit(t, l.TX[0], frames))
	ear.expect(t, frames)
}
