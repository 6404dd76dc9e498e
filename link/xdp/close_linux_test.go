//go:build amd64 || arm64

package xdp

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// openFiles counts the file descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// ids are the kernel's numbers of what a link has loaded.
type ids struct {
	programs []ebpf.ProgramID
	maps     []ebpf.MapID
}

func idsOf(t *testing.T, l *link.Link) ids {
	t.Helper()
	var all ids
	c := l.Control.(*TX).core.maps
	for _, p := range c.Programs {
		info, err := p.Info()
		must(t, err)
		id, ok := info.ID()
		if !ok {
			t.Fatal("a program has no number")
		}
		all.programs = append(all.programs, id)
	}
	for _, m := range c.Maps {
		info, err := m.Info()
		must(t, err)
		id, ok := info.ID()
		if !ok {
			t.Fatal("a map has no number")
		}
		all.maps = append(all.maps, id)
	}
	return all
}

// gone waits until the kernel has freed everything, which it does in its own time.
func (all ids) gone(t *testing.T) {
	t.Helper()
	left := 0
	for start := time.Now(); time.Since(start) < patience; time.Sleep(5 * time.Millisecond) {
		runtime.GC() // the library's view of the constants goes with it
		left = 0
		for _, id := range all.programs {
			if p, err := ebpf.NewProgramFromID(id); !errors.Is(err, os.ErrNotExist) {
				_ = p.Close()
				left++
			}
		}
		for _, id := range all.maps {
			if m, err := ebpf.NewMapFromID(id); !errors.Is(err, os.ErrNotExist) {
				_ = m.Close()
				left++
			}
		}
		if left == 0 {
			return
		}
	}
	t.Errorf("%d programs and maps are still there", left)
}

// orders returns all orders of n things.
func orders(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, o := range orders(n - 1) {
		for at := range n {
			with := append(append(append([]int(nil), o[:at]...), n-1), o[at:]...)
			all = append(all, with)
		}
	}
	return all
}

// TestCloseInAnyOrder closes the queues of a link one by one. Those that are left work on, and in the end nothing is left.
func TestCloseInAnyOrder(t *testing.T) {
	p := newPair(t, 1500)
	attach(t, p.B, xdpTX)
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 20, 60, 90)
	every := orders(5) // some of which are enough
	rand.New(rand.NewPCG(2, 2)).Shuffle(len(every), func(i, k int) { every[i], every[k] = every[k], every[i] })
	for _, order := range every[:24] {
		files, routines := openFiles(t), runtime.NumGoroutine()
		l, err := Engine{}.Open(t.Context(), link.Config{
			Interface: p.A.Attrs().Name, Ether: true, Senders: 2, Receivers: 2, RingBytes: 1 << 16, Batch: 20,
			Filter: link.Filter{UDP: true, TCP: link.TCPAnswers, Ports: []link.PortRange{{First: 0, Last: 65535, RST: link.RSTReset}}},
		})
		must(t, err)
		all, senders, heard := idsOf(t, l), append(l.TX, l.Control), uint64(0)
		close := []func() error{l.TX[0].Close, l.TX[1].Close, l.Control.Close, l.RX[0].Close, l.RX[1].Close}
		for step, i := range order {
			must(t, close[i]())
			must(t, close[i]())
			deaf := false
			for _, k := range order[:step+1] {
				deaf = deaf || k == 3
			}
			if !deaf {
				for start := time.Now(); time.Since(start) < patience && l.RX[0].Received() > heard; {
					n, err := l.RX[0].Poll(time.Millisecond, func(*link.Frame) {})
					must(t, err)
					heard += uint64(n)
				}
			}
			for _, k := range order[step+1:] {
				if k < 3 {
					must(t, submit(t, senders[k], frames))
				}
			}
		}
		for k, tx := range senders {
			if n := tx.Reserve(make([]link.Slot, 1), time.Millisecond); n != 0 {
				t.Errorf("queue %d hands out slots after Close", k)
			}
			if err := tx.Submit(nil); !errors.Is(err, os.ErrClosed) {
				t.Errorf("queue %d: submit after Close: got error %v", k, err)
			}
			if s := tx.Stats(); s.Queued != s.Sent {
				t.Errorf("queue %d: %+v", k, s)
			}
		}
		if rx := l.RX[0]; rx.Received() < heard || rx.Lost() != 0 || l.RX[1].Received() != 0 {
			t.Errorf("%d received, %d read, %d lost; %d by the second queue", rx.Received(), heard, rx.Lost(), l.RX[1].Received())
		}
		must(t, l.Close())
		all.gone(t)
		if n := openFiles(t); n != files {
			t.Errorf("closed in order %v: %d files open, %d before", order, n, files)
		}
		if n := runtime.NumGoroutine(); n != routines {
			t.Errorf("closed in order %v: %d goroutines, %d before", order, n, routines)
		}
		if x := wire.Find(t, p.A.Attrs().Name).Attrs().Xdp; x != nil && x.Attached {
			t.Errorf("closed in order %v: a program is still on the interface", order)
		}
	}
}
