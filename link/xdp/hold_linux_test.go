//go:build amd64 || arm64

package xdp

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// An echo is a link whose other end sends everything back, and whose tap wants it all.
type echo struct {
	link *link.Link
	end  netlink.Link
	back [][]byte // frames that come back
	cpu  int      // the processor to send from, if not negative
}

// newEcho opens a link with a small buffer for answers, one for each queue of the interface.
func newEcho(t *testing.T, queues int) *echo {
	t.Helper()
	needBPF(t)
	p := wire.Lay(t, wire.Plan{Queues: queues})
	attach(t, p.B, xdpTX)
	spec := linktest.Spec{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), Proto: linktest.ProtoUDP, Port: 40000}
	frame := spec.Frame(true)
	frame = append(frame, make([]byte, 90-len(frame))...)
	e := &echo{end: p.A, cpu: -1, link: wire.Open(t, Engine{}, p.A, link.Config{
		Ether: true, FrameLen: 90, Batch: 64, Retries: 1 << 20, Receivers: queues, RingBytes: 128 << 10, Filter: link.Filter{UDP: true},
	})}
	for range 64 {
		e.back = append(e.back, frame)
	}
	return e
}

// send sends 1000 batches, and returns the channel that an error comes over, or nil at the end.
func (e *echo) send(t *testing.T) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		if e.cpu >= 0 {
			if err := stay(e.cpu); err != nil {
				done <- err
				return
			}
		}
		for range 1000 {
			if err := submit(t, e.link.TX[0], e.back); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return done
}

// fill sends until a Submit waits for the reader, and returns the channel of send.
func (e *echo) fill(t *testing.T) <-chan error {
	t.Helper()
	first := e.link.TX[0].Stats().Sent
	done, last := e.send(t), first
	for same := 0; same < 20; same++ {
		time.Sleep(5 * time.Millisecond)
		if n := e.link.TX[0].Stats().Sent; n != last {
			last, same = n, 0
		}
	}
	if last-first == 64_000 {
		t.Fatal("all frames left: nothing made the sender wait")
	}
	for i, rx := range e.link.RX {
		if lost := rx.Lost(); lost != 0 && !rx.(*RX).ring.deaf.Load() {
			t.Fatalf("%d answers lost by receive queue %d, which is read", lost, i)
		}
	}
	return done
}

// poll reads what there is in the first receive queue.
func (e *echo) poll(t *testing.T) int { return e.pollFrom(t, 0) }

// pollFrom reads what there is in a receive queue.
func (e *echo) pollFrom(t *testing.T, queue int) int {
	t.Helper()
	total := 0
	for {
		n, err := e.link.RX[queue].Poll(20*time.Millisecond, func(*link.Frame) {})
		must(t, err)
		if n == 0 {
			return total
		}
		total += n
	}
}

// ended waits for Submit to return.
func ended(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("Submit does not return within 5 s")
		return nil
	}
}

// TestSendersWaitForTheReader has a reader that stops: senders do, too, before an answer is lost, and go on with it.
func TestSendersWaitForTheReader(t *testing.T) {
	e := newEcho(t, 1)
	done := e.fill(t)
	got := 0
	for err := error(nil); ; {
		got += e.poll(t)
		select {
		case err = <-done:
			must(t, err)
			got += e.poll(t)
			if lost := e.link.RX[0].Lost(); got != 64_000 || lost != 0 {
				t.Errorf("%d of 64000 frames came back, %d lost", got, lost)
			}
			return
		default:
		}
	}
}

func TestAbortEndsTheWait(t *testing.T) {
	e := newEcho(t, 1)
	done := e.fill(t)
	sent := e.link.TX[0].Stats()
	e.link.TX[0].Abort()
	e.poll(t) // the batches behind it go on
	for aborted := false; !aborted; {
		select {
		case err := <-done:
			must(t, err)
			aborted = true
		default:
			e.poll(t)
		}
	}
	if s := e.link.TX[0].Stats(); s.Aborted != 64 || s.Sent != 64_000-64 || sent.Aborted != 0 {
		t.Errorf("got %+v, and %+v before: want the batch that waited aborted", s, sent)
	}
}

// TestNobodyWaitsForADeadReader ends the reader, or has it end by itself: senders go on, and what it would have read is lost.
func TestNobodyWaitsForADeadReader(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		e := newEcho(t, 1)
		done := e.fill(t)
		must(t, e.link.RX[0].Close())
		must(t, ended(t, done))
		s, rx := e.link.TX[0].Stats(), e.link.RX[0]
		if s.Sent != 64_000 || rx.Received() != 64_000 || rx.Lost() == 0 {
			t.Errorf("%+v; %d frames came back, %d lost", s, rx.Received(), rx.Lost())
		}
		if _, err := rx.Poll(0, func(*link.Frame) {}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("poll: got error %v", err)
		}
	})
	t.Run("interface off", func(t *testing.T) { // while the sender waits, and does not ask the driver
		e := newEcho(t, 1)
		done := e.fill(t)
		must(t, netlink.LinkSetDown(e.end))
		if err := ended(t, done); !errors.Is(err, link.ErrDown) {
			t.Errorf("submit: got error %v", err)
		}
		accounted(t, e.link.TX[0])
		if err := pollError(t, e.link.RX[0]); !errors.Is(err, link.ErrDown) {
			t.Errorf("poll: got error %v", err)
		}
	})
}

// TestEachReaderCounts has two readers, and sends first what comes back to one of them, then what comes to the other. Senders
// wait for either that is slow, and for neither that is gone, of which the other knows nothing.
func TestEachReaderCounts(t *testing.T) {
	cpus := processors(t)
	if len(cpus) < 2 || cpus[0]%2 == cpus[1]%2 {
		t.Skipf("processors %v: two are needed that send on different queues", cpus)
	}
	ends := map[string]func(t *testing.T, rx *RX){
		"closed": func(t *testing.T, rx *RX) { must(t, rx.Close()) },
		"failed": func(t *testing.T, rx *RX) { // for want of something to wait with
			closed, _, err := os.Pipe()
			must(t, err)
			rx.raw, err = closed.SyscallConn()
			must(t, errors.Join(err, closed.Close()))
			if err := pollError(t, rx); !strings.Contains(err.Error(), "wait for ring buffer") {
				t.Errorf("poll: got error %v", err)
			}
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			e := newEcho(t, 2)
			e.cpu = cpus[0]
			gone, other := cpus[0]%2, cpus[1]%2
			done := e.fill(t)
			if n := e.pollFrom(t, other); n != 0 {
				t.Errorf("%d frames came back by the other queue", n)
			}
			select {
			case err := <-done:
				t.Fatalf("the senders do not wait for a slow reader beside one that is not; error %v", err)
			default:
			}
			end(t, e.link.RX[gone].(*RX))
			must(t, ended(t, done))
			must(t, ended(t, e.send(t)))
			if rx := e.link.RX[gone]; rx.Received() != 128_000 || rx.Lost() == 0 {
				t.Errorf("%d frames came back to the reader that is gone, %d of them lost", rx.Received(), rx.Lost())
			}

			e.cpu = cpus[1]
			done = e.fill(t)
			got := 0
			for err := error(nil); ; {
				got += e.pollFrom(t, other)
				select {
				case err = <-done:
					must(t, err)
					got += e.pollFrom(t, other)
					if rx := e.link.RX[other]; got != 64_000 || rx.Received() != 64_000 || rx.Lost() != 0 {
						t.Errorf("%d of 64000 frames are read, %d came back, %d lost", got, rx.Received(), rx.Lost())
					}
					return
				default:
				}
			}
		})
	}
}

// TestOverrun sends past a buffer without waiting, from another link: what is read and what is lost add up, again and again.
func TestOverrun(t *testing.T) {
	p := newPair(t, 1500)
	undo := occupy(t, p.A)
	rx := wire.Open(t, Engine{}, p.B, link.Config{Ether: true, RingBytes: 64 << 10, Filter: link.Filter{UDP: true}}).RX[0]
	undo()
	tx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Retries: 1 << 20, Batch: 500}).TX[0]
	r := rand.New(rand.NewPCG(1, 1))
	sent, got := uint64(0), uint64(0)
	for range 100 {
		frames := numbered(r, 1+r.IntN(500), 60, 1514)
		must(t, submit(t, tx, frames))
		sent += uint64(len(frames))
		if r.IntN(3) == 0 {
			continue
		}
		n, err := rx.Poll(20*time.Millisecond, func(*link.Frame) {})
		must(t, err)
		got += uint64(n)
	}
	for {
		n, err := rx.Poll(20*time.Millisecond, func(*link.Frame) {})
		must(t, err)
		if got += uint64(n); n == 0 {
			break
		}
	}
	if lost := rx.Lost(); rx.Received() != sent || got+lost != sent || lost == 0 || got == 0 {
		t.Errorf("%d frames sent, %d received, %d read, %d lost", sent, rx.Received(), got, lost)
	}
}
