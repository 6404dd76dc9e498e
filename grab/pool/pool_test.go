package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// pipes is a supplier whose connections are pipes to a server.
type pipes struct {
	transport grab.Transport
	serve     func(net.Conn) // nil: a server that closes at once
	refuse    error

	mu     sync.Mutex
	opened []grab.Target
	halves int
}

func (p *pipes) Transport() grab.Transport { return p.transport }
func (p *pipes) Close() error              { return nil }

func (p *pipes) Open(_ context.Context, t *grab.Target, h *grab.Half) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened = append(p.opened, *t)
	if h != nil {
		p.halves++
	}
	if p.refuse != nil {
		return nil, fmt.Errorf("%w: %w", grab.ErrConnect, p.refuse)
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		if p.serve != nil {
			p.serve(theirs)
		}
	}()
	return ours, nil
}

// module is a module that does what a function does.
type module struct {
	grab.Description
	do func(context.Context, *grab.Session) (any, error)
}

func (m *module) Describe() grab.Description { return m.Description }
func (m *module) Grab(ctx context.Context, s *grab.Session) (any, error) {
	return m.do(ctx, s)
}

func doing(do func(context.Context, *grab.Session) (any, error)) *module {
	return &module{grab.Description{Name: "test"}, do}
}

// ends takes what Done is told.
type ends struct {
	mu    sync.Mutex
	grabs []grab.Grab
	last  map[any]int
}

func (e *ends) done(w *Work, g grab.Grab, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = make(map[any]int)
	}
	e.grabs = append(e.grabs, g)
	if last {
		e.last[w.Row]++
	}
}

func started(t *testing.T, c Config) *Pool {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}) }

// TestNobodyIsPressed runs random works under random limits: at no time are there more at once than there may be, with an address,
// a network, or in all, and each work ends once.
func TestNobodyIsPressed(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			inFlight, perAddr, perNet := 1+r.IntN(30), 1+r.IntN(3), 1+r.IntN(8)
			var mu sync.Mutex
			now := make(map[netip.Prefix]int)
			total := 0
			add := func(a netip.Addr, n int) {
				mu.Lock()
				defer mu.Unlock()
				network := netip.PrefixFrom(a, 24).Masked()
				now[netip.PrefixFrom(a, 32)] += n
				now[network] += n
				if total += n; total > inFlight || now[netip.PrefixFrom(a, 32)] > perAddr || now[network] > perNet {
					t.Errorf("seed %d: %d at once, %d with %s, %d in its network; want at most %d, %d, %d",
						seed, total, now[netip.PrefixFrom(a, 32)], a, now[network], inFlight, perAddr, perNet)
				}
			}
			var e ends
			p := started(t, Config{
				Main: &pipes{transport: grab.Dial}, Done: e.done, InFlight: inFlight, PerAddr: perAddr, PerNet: perNet,
				Module: doing(func(_ context.Context, s *grab.Session) (any, error) {
					add(s.Addr, 1)
					time.Sleep(time.Duration(r2(seed, s.Port)) * time.Millisecond)
					add(s.Addr, -1)
					return nil, nil
				}),
			})
			const works = 500
			for i := range works {
				if !p.Offer(Work{Target: grab.Target{Addr: addr(r.IntN(40) * 29), Port: uint16(i)}, Row: i}) {
					t.Fatal("refused")
				}
				if r.IntN(10) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			if err := p.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			for i := range works {
				if e.last[i] != 1 {
					t.Errorf("seed %d: work %d ended %d times", seed, i, e.last[i])
				}
			}
			c := p.Counts()
			if c.Offered != works || c.Done != works || c.Grabs[grab.Success] != works || c.Waiting+c.Running != 0 || len(p.queue.shares) != 0 {
				t.Errorf("seed %d: %+v, %d shares left", seed, c, len(p.queue.shares))
			}
		})
	}
}

// r2 is a number of milliseconds that depends on nothing but its arguments: modules run on many goroutines.
func r2(seed uint64, port uint16) int { return rand.New(rand.NewPCG(seed, uint64(port))).IntN(20) }

// TestSlowHostHoldsUpNobody has one address with many works that take long, before others.
func TestSlowHostHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ends
		p := started(t, Config{
			Main: &pipes{transport: grab.Dial}, Done: e.done, InFlight: 4,
			Module: doing(func(_ context.Context, s *grab.Session) (any, error) {
				if s.Addr == addr(0) {
					time.Sleep(time.Minute)
				}
				return nil, nil
			}),
		})
		for range 50 {
			p.Offer(Work{Target: grab.Target{Addr: addr(0)}})
		}
		for i := range 1000 {
			p.Offer(Work{Target: grab.Target{Addr: addr(256 + i)}})
		}
		synctest.Wait()
		if c := p.Counts(); c.Done != 1000 || c.Running != 1 || c.Waiting != 49 {
			t.Errorf("got %+v, want all others done", c)
		}
		began := time.Now()
		if err := p.Drain(t.Context()); err != nil || time.Since(began) != 50*time.Minute {
			t.Errorf("%v after %v: want one after the other", err, time.Since(began))
		}
	})
}

// TestRoom says no when the queue is full, warns before, and Wait waits.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ends
		p := started(t, Config{
			Main: &pipes{transport: grab.Dial}, Done: e.done, InFlight: 1, Queue: 10,
			Module: doing(func(context.Context, *grab.Session) (any, error) { time.Sleep(time.Second); return nil, nil }),
		})
		offer := func() bool { return p.Offer(Work{Target: grab.Target{Addr: addr(1)}}) }
		offer()
		synctest.Wait() // it runs
		for i := range 10 {
			if full, crowded := i > 2, i > 5; p.Full() != full || p.Crowded() != crowded {
				t.Errorf("%d wait: full is %v, crowded %v", i, p.Full(), p.Crowded())
			}
			if !offer() {
				t.Errorf("refused with %d waiting", i)
			}
		}
		if offer() || p.Counts().Refused != 1 {
			t.Errorf("took more than there is room for: %+v", p.Counts())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.Wait(ctx, Work{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		began := time.Now()
		if err := p.Wait(t.Context(), Work{Target: grab.Target{Addr: addr(2)}}); err != nil || time.Since(began) == 0 {
			t.Errorf("%v after %v: want to wait for room", err, time.Since(began))
		}
		if err := p.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if err := p.Wait(t.Context(), Work{}); !errors.Is(err, ErrDrained) || offer() {
			t.Errorf("a drained pool takes more: %v", err)
		}
	})
}

// TestPace spaces connections, the further ones of a grab as well.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ends
		main := &pipes{transport: grab.Dial}
		p := started(t, Config{
			Main: main, More: main, Done: e.done, Rate: 50,
			Module: doing(func(ctx context.Context, s *grab.Session) (any, error) { return s.More(ctx) }),
		})
		began := time.Now()
		for i := range 50 {
			p.Offer(Work{Target: grab.Target{Addr: addr(i)}})
		}
		if err := p.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 1970*time.Millisecond || took > 2*time.Second || len(main.opened) != 100 {
			t.Errorf("%d connections took %v, want 100 in 2 s", len(main.opened), took)
		}
	})
}

// TestCutShort ends what runs and reports what waits.
func TestCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ends
		p := started(t, Config{
			Main: &pipes{transport: grab.Dial, serve: func(c net.Conn) { io.Copy(io.Discard, c) }}, Done: e.done, InFlight: 2,
			Limits: grab.Limits{Timeout: time.Hour},
			Module: doing(func(_ context.Context, s *grab.Session) (any, error) {
				_, err := s.Conn.Read(make([]byte, 1))
				return "partial", err
			}),
		})
		for i := range 5 {
			p.Offer(Work{Target: grab.Target{Addr: addr(i)}, Row: i})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		partial := 0
		for _, g := range e.grabs {
			if g.Result == "partial" {
				partial++
			}
			if g.Status != grab.UnknownError || !strings.HasPrefix(g.Error, ErrCut.Error()) {
				t.Errorf("got %+v", g)
			}
		}
		if len(e.grabs) != 5 || partial != 2 || len(e.last) != 5 {
			t.Errorf("%d reported, %d with what they had", len(e.grabs), partial)
		}
	})
}

// TestPanicEndsOneGrab and no more.
func TestPanicEndsOneGrab(t *testing.T) {
	var e ends
	var log bytes.Buffer
	p := started(t, Config{
		Main: &pipes{transport: grab.Dial}, Done: e.done, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Module: doing(func(_ context.Context, s *grab.Session) (any, error) {
			if s.Port == 7 {
				panic("seven")
			}
			return nil, nil
		}),
	})
	for i := range 20 {
		p.Offer(Work{Target: grab.Target{Addr: addr(i), Port: uint16(i)}})
	}
	if err := p.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	c := p.Counts()
	if c.Panics != 1 || c.Grabs[grab.Success] != 19 || c.Grabs[grab.UnknownError] != 1 {
		t.Errorf("got %+v", c)
	}
	if !strings.Contains(log.String(), "seven") || !strings.Contains(log.String(), "pool_test.go") {
		t.Errorf("the log does not say where: %s", log.String())
	}
}
