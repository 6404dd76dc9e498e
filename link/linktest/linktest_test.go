package linktest_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// mirror is an Internet that sends every frame back: the two ends of the wire are one.
func mirror(frame []byte, emit func(time.Duration, []byte)) { emit(0, frame) }

func opener(o linktest.Options) linktest.Opener {
	return func(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
		t.Helper()
		o := o
		o.MTU = mtu
		net := linktest.New(mirror, o)
		l, err := net.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return linktest.Bed{TX: l.TX[0], RX: l.RX[0], Cut: net.Cut}
	}
}

func TestConformance(t *testing.T) {
	linktest.Conformance(t, opener(linktest.Options{}))
}

func TestPacketConformance(t *testing.T) {
	linktest.PacketConformance(t, opener(linktest.Options{}))
}

// TestConformanceOfSlowLink lets frames leave one by one, long after Submit: the way of the asynchronous engines.
func TestConformanceOfSlowLink(t *testing.T) {
	linktest.Conformance(t, opener(linktest.Options{Gap: time.Microsecond, Queue: 100}))
}

// A small Internet for the tests in bubbles: it answers each frame after 20 ms with the frame itself.
func late(frame []byte, emit func(time.Duration, []byte)) { emit(20*time.Millisecond, frame) }

func open(t *testing.T, net *linktest.Net, cfg link.Config) *link.Link {
	t.Helper()
	l, err := net.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// wanted is what the test frames are.
func wanted() link.Filter { return link.Filter{UDP: true} }

// datagram is a frame to port number n.
func datagram(n int) []byte {
	s := linktest.Spec{
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}),
		Proto: linktest.ProtoUDP, Port: uint16(n),
	}
	return s.Frame(true)
}

// put submits datagrams number first to first+n-1 and returns how many found a slot.
func put(t *testing.T, tx link.TX, first, n int, wait time.Duration) int {
	t.Helper()
	slots := make([]link.Slot, n)
	n = tx.Reserve(slots, wait)
	for i := range slots[:n] {
		slots[i].N = copy(slots[i].Data, datagram(first+i))
	}
	if err := tx.Submit(slots[:n]); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTimeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := linktest.New(late, linktest.Options{})
		l := open(t, net, link.Config{Ether: true, Filter: wanted(), Index: 7})
		start := time.Now()
		put(t, l.TX[0], 0, 100, 0)
		next := 0
		n, err := l.RX[0].Poll(time.Hour, func(f *link.Frame) {
			if !bytes.Equal(f.Data, datagram(next)) || f.IfIndex != 7 || f.At != start.Add(20*time.Millisecond).UnixNano() {
				t.Errorf("answer %d: got %+v", next, f)
			}
			next++
		})
		if n != 100 || err != nil || time.Since(start) != 20*time.Millisecond {
			t.Errorf("got %d answers, error %v, after %v: want 100 after 20ms", n, err, time.Since(start))
		}
		if n, err := l.RX[0].Poll(time.Second, nil); n != 0 || err != nil || time.Since(start) != 1020*time.Millisecond {
			t.Errorf("then %d answers, error %v, after %v: want none within a second", n, err, time.Since(start))
		}
	})
}

func TestGapBetweenFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := linktest.New(late, linktest.Options{Gap: time.Millisecond, Queue: 10})
		l := open(t, net, link.Config{Ether: true, Filter: wanted()})
		tx, start := l.TX[0], time.Now()
		if n := put(t, tx, 0, 30, 0); n != 10 {
			t.Fatalf("%d slots in a queue of 10", n)
		}
		if n := put(t, tx, 10, 30, 500*time.Microsecond); n != 0 {
			t.Errorf("%d slots free after 0.5 ms of a full queue, want 0", n)
		}
		if n := put(t, tx, 10, 30, time.Second); n != 1 || time.Since(start) != time.Millisecond {
			t.Errorf("%d slots free after %v, want 1 after 1ms", n, time.Since(start))
		}
		if s := tx.Stats(); s != (link.TXStats{Queued: 11, Sent: 1}) {
			t.Errorf("got %+v, want 11 queued and 1 sent", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
		defer cancel()
		if err := tx.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain of a queue that takes longer: got error %v", err)
		}
		unsent := tx.Abort()
		if s := tx.Stats(); unsent < 6 || s != (link.TXStats{Queued: 11, Sent: uint64(11 - unsent), Aborted: uint64(unsent)}) {
			t.Errorf("abort discards %d, counters %+v", unsent, s)
		}
		put(t, tx, 50, 4, 0)
		at := time.Now()
		if err := tx.Drain(t.Context()); err != nil || time.Since(at) < 3*time.Millisecond || time.Since(at) > 4*time.Millisecond {
			t.Errorf("4 frames drained in %v, error %v, want 3 to 4 ms", time.Since(at), err)
		}
	})
}

func TestWhatGoesWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := linktest.New(late, linktest.Options{RefuseEvery: 4, LoseFirst: 5, DownAfter: 60})
		l := open(t, net, link.Config{Ether: true, Filter: wanted(), Retries: 2})
		put(t, l.TX[0], 0, 40, 0)
		if s := l.TX[0].Stats(); s != (link.TXStats{Queued: 40, Sent: 30, Refused: 10, Retried: 20}) {
			t.Errorf("got %+v, want every fourth refused", s)
		}
		n, err := l.RX[0].Poll(time.Second, func(*link.Frame) {})
		if n != 25 || err != nil || l.RX[0].Lost() != 5 || l.RX[0].Received() != 30 {
			t.Errorf("got %d frames, error %v, %d lost, %d received, want 25, none, 5, 30", n, err, l.RX[0].Lost(), l.RX[0].Received())
		}
		slots := make([]link.Slot, 50)
		l.TX[0].Reserve(slots, 0)
		for i := range slots {
			slots[i].N = copy(slots[i].Data, datagram(i))
		}
		if err := l.TX[0].Submit(slots); !errors.Is(err, link.ErrDown) {
			t.Errorf("submit of more frames than leave: got error %v, want %v", err, link.ErrDown)
		}
		if s := l.TX[0].Stats(); s.Sent != 60 || s.Queued != 90 || s.Refused != 30 {
			t.Errorf("got %+v, want 60 of 90 sent", s)
		}
		if _, err := l.RX[0].Poll(time.Second, func(*link.Frame) {}); !errors.Is(err, link.ErrDown) {
			t.Errorf("poll: got error %v, want %v", err, link.ErrDown)
		}
	})
}

func TestDeliverAndCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := linktest.New(nil, linktest.Options{})
		l := open(t, net, link.Config{Ether: true, Filter: wanted()})
		net.Deliver(2*time.Second, datagram(2))
		net.Deliver(time.Second, datagram(1))
		net.Deliver(0, datagram(0))
		for want := range 3 {
			n, err := l.RX[0].Poll(time.Minute, func(f *link.Frame) {
				if !bytes.Equal(f.Data, datagram(want)) {
					t.Errorf("got %x, want datagram %d", f.Data, want)
				}
			})
			if n != 1 || err != nil {
				t.Errorf("got %d frames, error %v, want 1", n, err)
			}
		}
		go func() {
			time.Sleep(time.Minute)
			net.Cut()
		}()
		start := time.Now()
		_, err := l.RX[0].Poll(time.Hour, func(*link.Frame) {})
		if !errors.Is(err, link.ErrDown) || time.Since(start) != time.Minute {
			t.Errorf("got error %v after %v, want %v after a minute", err, time.Since(start), link.ErrDown)
		}
		if _, err := net.Open(t.Context(), link.Config{Interface: "x"}); !errors.Is(err, link.ErrDown) {
			t.Errorf("open afterwards: got error %v, want %v", err, link.ErrDown)
		}
	})
}

func TestReceiversShareFlows(t *testing.T) {
	net := linktest.New(mirror, linktest.Options{Queue: 1000})
	l := open(t, net, link.Config{Ether: true, Filter: wanted(), Senders: 2, Receivers: 3})
	put(t, l.TX[1], 0, 300, 0)
	put(t, l.TX[0], 0, 300, 0)
	put(t, l.Control, 0, 300, 0)
	queueOf, total, used := map[string]int{}, 0, 0
	for q, rx := range l.RX {
		n, err := rx.Poll(0, func(f *link.Frame) {
			flow := string(f.Data)
			if was, ok := queueOf[flow]; ok && was != q {
				t.Errorf("flow %x in queue %d and %d", flow, was, q)
			}
			queueOf[flow] = q
		})
		if err != nil {
			t.Error(err)
		}
		if total += n; n > 0 {
			used++
		}
	}
	if total != 900 || used != 3 {
		t.Errorf("%d frames in %d queues, want 900 in 3", total, used)
	}
}

func TestRespondIsCalledOncePerFrameInOrder(t *testing.T) {
	next := 0
	net := linktest.New(func(frame []byte, emit func(time.Duration, []byte)) {
		if !bytes.Equal(frame, datagram(next)) {
			t.Errorf("frame %d: got %x", next, frame)
		}
		next++
		emit(0, frame)
		emit(0, frame)
	}, linktest.Options{})
	l := open(t, net, link.Config{Ether: true, Filter: wanted()})
	put(t, l.TX[0], 0, 50, 0)
	if n, err := l.RX[0].Poll(time.Second, func(*link.Frame) {}); n != 100 || next != 50 || err != nil {
		t.Errorf("%d answers to %d frames, error %v, want 100 to 50", n, next, err)
	}
}

func TestRandomFramesOfOneSeedAreTheSame(t *testing.T) {
	a, b := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	for range 100 {
		f, g := linktest.RandomFilter(a), linktest.RandomFilter(b)
		if err := f.Validate(); err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		if x, y := linktest.RandomFrame(a, f, true), linktest.RandomFrame(b, g, true); !bytes.Equal(x, y) {
			t.Fatalf("got %x and %x", x, y)
		}
	}
}
