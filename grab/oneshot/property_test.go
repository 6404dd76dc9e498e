package oneshot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
)

// A path is what may happen to packets between two stacks.
type path struct {
	loss, twice, late float64       // shares of packets
	delay             time.Duration // of all, each way
	spread            time.Duration // of the late ones, at most, on top of it

	mu   sync.Mutex
	rnd  *rand.Rand
	seen func(p *packet.Parsed) // nil, or called with all packets that are sent
}

// random says that something happens, with a share of all packets.
func (w *path) random(share float64) bool { return w.rnd.Float64() < share }

// to returns a function that carries frames to a stack.
func (w *path) to(far **Stack) func([]byte) {
	return func(frame []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.seen != nil {
			var p packet.Parsed
			p.Decode(frame, packet.LinkIP)
			w.seen(&p)
		}
		times := 1
		if w.random(w.twice) {
			times++
		}
		for range times {
			if w.random(w.loss) {
				continue
			}
			delay := w.delay
			if w.random(w.late) {
				delay += time.Duration(w.rnd.Int64N(int64(w.spread) + 1))
			}
			frame := append([]byte(nil), frame...)
			time.AfterFunc(delay, func() {
				var p packet.Parsed
				p.Decode(frame, packet.LinkIP)
				(*far).Input(&p)
			})
		}
	}
}

// pair returns two stacks that talk to each other over a path, for a test in a bubble.
func pair(t *testing.T, w *path, cfg Config) (ours, theirs *Stack) {
	t.Helper()
	cfg.TX = newCable(w.to(&theirs))
	a := cfg
	cfg.TX = newCable(w.to(&ours))
	ours, theirs = New(a), New(cfg)
	return ours, theirs
}

// connect opens both ends of a connection with the given first sequence numbers.
func connect(t *testing.T, ours, theirs *Stack, next, peer uint32, mss uint16) (net.Conn, net.Conn) {
	t.Helper()
	h := grab.Half{
		Local: netip.MustParseAddrPort("192.0.2.1:12345"), Remote: netip.MustParseAddrPort("198.51.100.1:80"),
		Next: next, Peer: peer, Offered: ours.window, Window: theirs.window, MSS: mss,
	}
	a, err := ours.Open(t.Context(), nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	h.Local, h.Remote, h.Next, h.Peer = h.Remote, h.Local, h.Peer, h.Next
	b, err := theirs.Open(t.Context(), nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// TestAnythingArrivesWhole sends random amounts both ways in random pieces over random paths. What is read must be what was
// written, from its beginning on, up to all of it or an error that says why not; on a path that loses nothing it is all. In
// the end nothing is left of the connection.
func TestAnythingArrivesWhole(t *testing.T) {
	failures, runs := 0, 300
	if testing.Short() {
		runs = 50
	}
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if !wholeOver(t, seed) {
					failures++
				}
			})
		})
	}
	if failures > runs/5 {
		t.Errorf("%d of %d connections did not bring everything over: more than loss explains", failures, runs)
	}
}

// wholeOver is one run, and says whether everything arrived.
func wholeOver(t *testing.T, seed uint64) bool {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &path{rnd: rand.New(rand.NewPCG(seed, 2)), delay: time.Duration(r.Int64N(int64(100 * time.Millisecond))), spread: time.Duration(1 + r.Int64N(int64(200*time.Millisecond)))}
	if seed%3 > 0 {
		w.loss, w.twice, w.late = r.Float64()*0.15, r.Float64()*0.3, r.Float64()*0.5
	}
	ours, theirs := pair(t, w, Config{Window: uint16(2000 + r.IntN(63000))})
	a, b := connect(t, ours, theirs, r.Uint32(), ^uint32(0)-uint32(r.IntN(100_000)), uint16(60+r.IntN(1401)))
	there, back := make([]byte, r.IntN(100_000)), make([]byte, r.IntN(100_000))
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(there)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), 1}).Read(back)
	for _, c := range []net.Conn{a, b} { // whoever gives up does so silently, and the other side would wait for ever
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
	}
	var all sync.WaitGroup
	var errs [4]error
	all.Go(func() { errs[0] = writePieces(a, there, rand.New(rand.NewPCG(seed, 3))) })
	all.Go(func() { errs[1] = writePieces(b, back, rand.New(rand.NewPCG(seed, 4))) })
	all.Go(func() { errs[2] = readPieces(t, a, back, rand.New(rand.NewPCG(seed, 5))) })
	all.Go(func() { errs[3] = readPieces(t, b, there, rand.New(rand.NewPCG(seed, 6))) })
	all.Wait()
	checkConn(t, a.(*conn))
	checkConn(t, b.(*conn))
	err := errors.Join(errs[:]...)
	for _, e := range errs {
		if e != nil && !errors.Is(e, syscall.ETIMEDOUT) && !errors.Is(e, syscall.ECONNRESET) && !errors.Is(e, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a time-out or a reset, if anything", e)
		}
	}
	if err != nil && w.loss == 0 {
		t.Errorf("nothing got lost, and yet: %v; %+v", err, ours.Stats())
	}
	a.Close()
	b.Close()
	time.Sleep(lingerTime + timeWait + time.Second)
	for _, s := range []*Stack{ours, theirs} {
		if st := s.Stats(); st.Live != 0 || st.Lingering != 0 || len(s.table.all()) != 0 {
			t.Errorf("left: %+v", st)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	return err == nil
}

func writePieces(c net.Conn, b []byte, r *rand.Rand) error {
	for len(b) > 0 {
		n, err := c.Write(b[:min(1+r.IntN(5000), len(b))])
		b = b[n:]
		if err != nil {
			return fmt.Errorf("%d bytes left to write: %w", len(b), err)
		}
		if r.IntN(8) == 0 {
			time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
		}
	}
	return nil
}

func readPieces(t *testing.T, c net.Conn, want []byte, r *rand.Rand) error {
	for b := make([]byte, 5000); len(want) > 0; {
		n, err := c.Read(b[:min(1+r.IntN(len(b)), len(want))])
		if !bytes.Equal(b[:n], want[:n]) {
			t.Errorf("%d bytes before the end: not what was written", len(want))
		}
		want = want[n:]
		if err != nil {
			return fmt.Errorf("%d bytes left to read: %w", len(want), err)
		}
		if r.IntN(8) == 0 {
			time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
		}
	}
	return nil
}

// TestEveryByteLostOnce loses each segment of an exchange in turn, the first time that it is sent: all must come right.
func TestEveryByteLostOnce(t *testing.T) {
	for lost := range 8 {
		synctest.Test(t, func(t *testing.T) {
			w := &path{rnd: rand.New(rand.NewPCG(1, 1)), delay: 10 * time.Millisecond}
			n := 0
			w.seen = func(*packet.Parsed) {
				w.loss = 0
				if n == lost {
					w.loss = 1
				}
				n++
			}
			ours, theirs := pair(t, w, Config{})
			a, b := connect(t, ours, theirs, 1, 1, 1460)
			done := make(chan error, 1)
			go func() {
				_, err := io.ReadFull(b, make([]byte, 5))
				if err == nil {
					_, err = b.Write(bytes.Repeat([]byte("y"), 4000))
				}
				done <- errors.Join(err, b.Close())
			}()
			io.WriteString(a, "hello")
			got, err := io.ReadAll(a)
			if len(got) != 4000 || err != nil {
				t.Errorf("segment %d lost: got %d bytes and %v", lost, len(got), err)
			}
			if err := <-done; err != nil {
				t.Errorf("segment %d lost: the far end: %v", lost, err)
			}
			a.Close()
			time.Sleep(10 * time.Second)
			if s := ours.Stats(); s.Lingering != 0 || s.Abandoned != 0 {
				t.Errorf("segment %d lost: %+v", lost, s)
			}
			ours.Close()
			theirs.Close()
		})
	}
}
