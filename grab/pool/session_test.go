package pool

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/zmap-go/zmap/grab"
)

// one runs one work and returns its grabs.
func one(t *testing.T, c Config, w Work) ([]grab.Grab, Counts) {
	t.Helper()
	var e ends
	c.Done = e.done
	p := started(t, c)
	p.Offer(w)
	if err := p.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e.last[w.Row] != 1 {
		t.Errorf("the last grab was said to be so %d times", e.last[w.Row])
	}
	return e.grabs, p.Counts()
}

// list is a chooser of names that are known beforehand.
type list []string

func (l list) Max() int { return len(l) + 2 }
func (l list) Next(_ context.Context, _ *grab.Target, sofar []grab.Grab) (string, string, bool) {
	if len(sofar) == 0 {
		return "", "", true
	}
	if len(sofar) > len(l) {
		return "", "", false
	}
	return l[len(sofar)-1], "map", true
}

// TestOneGrabForEachName makes the first over the half-open connection and the others by the dialer.
func TestOneGrabForEachName(t *testing.T) {
	half, dial := &pipes{transport: grab.Oneshot}, &pipes{transport: grab.Dial}
	grabs, c := one(t, Config{
		Main: half, More: dial, Names: list{"a.example", "b.example"},
		Module: doing(func(_ context.Context, s *grab.Session) (any, error) {
			if (s.Half != nil) != (s.Name == "") {
				t.Errorf("half %v for %q", s.Half, s.Name)
			}
			return s.Name, nil
		}),
	}, Work{Target: grab.Target{Addr: addr(1)}, Half: new(grab.Half)})
	if len(grabs) != 3 || half.halves != 1 || len(half.opened) != 1 || len(dial.opened) != 2 || c.Connections != 3 || c.Done != 1 {
		t.Fatalf("%d grabs, %d by the scan's connection, %d dialled; %+v", len(grabs), len(half.opened), len(dial.opened), c)
	}
	for i, want := range []grab.Grab{
		{Attempt: "1/4", Transport: "oneshot"},
		{Attempt: "2/4", SNI: "a.example", SNISource: "map", Transport: "dial"},
		{Attempt: "3/4", SNI: "b.example", SNISource: "map", Transport: "dial"},
	} {
		g := grabs[i]
		if g.Attempt != want.Attempt || g.SNI != want.SNI || g.SNISource != want.SNISource || g.Transport != want.Transport || g.Result != want.SNI {
			t.Errorf("grab %d: got %+v, want %+v", i, g, want)
		}
	}
}

// TestWhoDoesNotAnswerHasNoNames asks for no further name without a connection.
func TestWhoDoesNotAnswerHasNoNames(t *testing.T) {
	dial := &pipes{transport: grab.Dial, refuse: syscall.ECONNREFUSED}
	grabs, _ := one(t, Config{Main: dial, More: dial, Names: list{"a.example"}, Module: doing(nil)}, Work{})
	if len(grabs) != 1 || grabs[0].Status != grab.ConnectionRefused {
		t.Errorf("got %+v", grabs)
	}
}

// TestConnectionsHaveABudget of the user's, of the module's, or the default.
func TestConnectionsHaveABudget(t *testing.T) {
	for _, c := range []struct{ user, module, want int }{{0, 0, grab.DefaultConnections}, {0, 11, 11}, {3, 11, 3}} {
		dial := &pipes{transport: grab.Dial}
		m := doing(func(ctx context.Context, s *grab.Session) (any, error) {
			for {
				if _, err := s.More(ctx); err != nil {
					return nil, err
				}
			}
		})
		m.Connections = c.module
		grabs, counts := one(t, Config{Main: dial, More: dial, Limits: grab.Limits{Connections: c.user}, Module: m}, Work{})
		if len(dial.opened) != c.want || counts.Connections != uint64(c.want) || grabs[0].Status != grab.UnknownError {
			t.Errorf("%+v: %d connections, %+v", c, len(dial.opened), grabs[0])
		}
	}
	main := &pipes{transport: grab.Oneshot}
	grabs, _ := one(t, Config{Main: main, Module: doing(func(ctx context.Context, s *grab.Session) (any, error) { return s.More(ctx) })},
		Work{Half: new(grab.Half)})
	if grabs[0].Status != grab.UnknownError || len(main.opened) != 1 {
		t.Errorf("without a dialer: %+v", grabs[0])
	}
}

// TestGuardIsAskedForEveryConnection, for the first one, and for other hosts, which must be public besides.
func TestGuardIsAskedForEveryConnection(t *testing.T) {
	blocked := addr(9)
	guard := func(a netip.Addr) bool { return a != blocked }
	public := func(a netip.Addr) bool { return !a.IsPrivate() && !a.IsLoopback() }
	dial := &pipes{transport: grab.Dial}
	grabs, c := one(t, Config{Main: dial, More: dial, Guard: guard, Module: doing(nil)}, Work{Target: grab.Target{Addr: blocked}})
	if len(dial.opened) != 0 || c.Blocked != 1 || grabs[0].Status != grab.UnknownError {
		t.Errorf("a blocked address was contacted: %+v, %+v", grabs[0], c)
	}
	_, c = one(t, Config{Main: dial, More: dial, Guard: guard, Public: public, Module: doing(func(ctx context.Context, s *grab.Session) (any, error) {
		for _, host := range []string{blocked.String(), "10.0.0.1", "::ffff:10.0.0.1", "127.0.0.1", "::1"} {
			if _, err := s.Elsewhere(ctx, host, 80); !errors.Is(err, grab.ErrBlocked) {
				t.Errorf("%s: got %v, want that it may not be contacted", host, err)
			}
		}
		_, err := s.Elsewhere(ctx, "192.0.9.1", 8080)
		return nil, err
	})}, Work{Target: grab.Target{Addr: addr(1)}})
	if n := len(dial.opened); n != 2 || dial.opened[1].AddrPort().String() != "192.0.9.1:8080" || c.Blocked != 5 || c.Grabs[grab.Success] != 1 {
		t.Errorf("contacted %v; %+v", dial.opened, c)
	}
	one(t, Config{Main: dial, More: dial, Module: doing(func(_ context.Context, s *grab.Session) (any, error) {
		if s.Elsewhere != nil {
			t.Error("without knowing who is public others may be contacted")
		}
		return nil, nil
	})}, Work{})
}

// TestConnectionsAreBoundedAndClosed whatever the module does.
func TestConnectionsAreBoundedAndClosed(t *testing.T) {
	closed := make(chan int64, 2)
	dial := &pipes{transport: grab.Dial, serve: func(c net.Conn) {
		var n int64
		for b := make([]byte, 1000); ; n++ {
			if _, err := c.Write(b); err != nil {
				closed <- n
				return
			}
		}
	}}
	grabs, _ := one(t, Config{Main: dial, More: dial, Limits: grab.Limits{Bytes: 10_000}, Module: doing(func(ctx context.Context, s *grab.Session) (any, error) {
		if _, err := s.More(ctx); err != nil { // and forgets it
			return nil, err
		}
		n, err := io.Copy(io.Discard, s.Conn)
		return n, err
	})}, Work{})
	if grabs[0].Status != grab.ProtocolError || grabs[0].Result != int64(10_000) {
		t.Errorf("got %+v, want the end after 10,000 bytes", grabs[0])
	}
	<-closed
	<-closed
}

// TestBadConfigs names all that is wrong at once.
func TestBadConfigs(t *testing.T) {
	_, err := New(Config{Rate: -1, InFlight: -2, PerAddr: -2, Queue: -1})
	if err == nil {
		t.Fatal("accepted")
	}
	if got, want := len(err.(interface{ Unwrap() []error }).Unwrap()), 5; got != want {
		t.Errorf("%d mistakes named, want %d: %v", got, want, err)
	}
}
