package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// A fakeGrabber takes as many hits at once as there is room for, and is done with each after some time.
type fakeGrabber struct {
	room  int
	takes time.Duration
	times int // grabs of each
	bad   bool
	// With so many under way it is crowded; 0 is never.
	crowded int
	dials   bool
	done    func(row any, g *grab.Grab, last bool)
	start   error

	mu      sync.Mutex
	halves  []grab.Half
	resets  []netip.AddrPort
	inputs  int
	running int
	work    sync.WaitGroup
	cut     chan struct{}
}

func grabber(room int, takes time.Duration) *fakeGrabber {
	return &fakeGrabber{room: room, takes: takes, times: 1}
}

func (f *fakeGrabber) Fields() []record.Field {
	return []record.Field{{Name: "data", Type: record.JSON}}
}

func (f *fakeGrabber) Describe(g *grab.Grab, _ bool) []record.Value {
	return []record.Value{record.Bytes(g.Document("fake"))}
}

func (f *fakeGrabber) Start(done func(any, *grab.Grab, bool)) error {
	f.done, f.cut = done, make(chan struct{})
	return f.start
}

func (f *fakeGrabber) Input(p *packet.Parsed) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inputs++
	return p.TCP.SrcPort() == 80 && last(netip.AddrPortFrom(p.Src, 80)) == 9 // that one has a connection
}

func (f *fakeGrabber) Offer(t grab.Target, h *grab.Half, row any) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.AddrPort() != h.Remote {
		panic("the target is not the connection's")
	}
	if f.running == f.room {
		return false
	}
	f.running++
	f.halves = append(f.halves, *h)
	f.work.Go(func() {
		for i := range f.times {
			select {
			case <-time.After(f.takes):
			case <-f.cut:
			}
			g := &grab.Grab{Status: grab.Success, Protocol: "fake", Port: h.Remote.Port(), Result: fmt.Sprint(h.Remote.Addr())}
			if f.bad {
				g.Result = func() {}
			}
			f.done(row, g, i == f.times-1)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running--
	})
	return true
}

func (f *fakeGrabber) Reset(h *grab.Half) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resets = append(f.resets, h.Remote)
}

func (f *fakeGrabber) Full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running > f.room/2
}

func (f *fakeGrabber) Crowded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crowded > 0 && f.running >= f.crowded
}

func (f *fakeGrabber) Own() bool { return !f.dials }

func (f *fakeGrabber) Counts() GrabCounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.halves)
	return GrabCounts{Offered: uint64(n), Running: f.running, Done: uint64(n - f.running)}
}

func (f *fakeGrabber) Drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() { defer close(done); f.work.Wait() }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		close(f.cut)
		<-done
		return ctx.Err()
	}
}

// smallest is a trial with grabs of all of a /26.
func smallest(g *fakeGrabber, hosts func(netip.AddrPort) []reply) plan {
	return plan{network: "10.0.0.0/26", args: "smallest-probes", hosts: hosts, change: func(c *Config) { c.Grabs = g }}
}

// TestHitsAreGrabbed has each row of a host that accepts once, with its grab, and those of others without.
func TestHitsAreGrabbed(t *testing.T) {
	g := grabber(1000, 20*time.Second) // longer than the cooldown
	bubble(t, smallest(g, func(a netip.AddrPort) []reply {
		switch last(a) % 4 {
		case 0:
			return []reply{{flags: synack}, {flags: synack, after: time.Millisecond}} // a SYN-ACK that comes twice
		case 1:
			return []reply{{flags: packet.RST | packet.ACK}}
		case 2:
			return []reply{{flags: synack, after: 5 * time.Second}} // too late
		}
		return nil
	}), func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		hosts := slices.DeleteFunc(numbers(64), func(n int) bool { return n%4 != 0 })
		grabbed := func(l line) bool {
			return l.data == fmt.Sprintf(`{"fake":{"status":"success","protocol":"fake","port":80,"result":"%s"}}`, l.addr)
		}
		if got := x.found(grabbed); !slices.Equal(got, hosts) {
			t.Errorf("grabbed %v, want %v", got, hosts)
		}
		for _, l := range x.rows {
			if (l.data != "") != (l.success && !l.repeat) {
				t.Errorf("row %+v", l)
			}
		}
		if n := x.found(func(l line) bool { return l.repeat }); !slices.Equal(n, hosts) {
			t.Errorf("repeats: %v", n)
		}
		if len(g.resets) != 0 || len(g.halves) != 16 || res.Segments == 0 {
			t.Errorf("%d resets, %d connections, %d segments", len(g.resets), len(g.halves), res.Segments)
		}
		h := g.halves[0]
		if h.Local.Addr() != scanner() || h.Offered != 65535 || h.Hop != x.cfg.Route.Hops[0] || h.MSS != defaultMSS || h.At.IsZero() || h.Peer == 0 {
			t.Errorf("got %+v", h)
		}
		if end := res.RecvEnd.Sub(x.start); end < 20*time.Second || end > 22*time.Second {
			t.Errorf("the scan ended after %v, want when the grabs did", end)
		}
	})
}

// TestWhatIsNotGrabbedIsReset: hits that no output wants, those without room, and those after the last wanted row.
func TestWhatIsNotGrabbedIsReset(t *testing.T) {
	t.Run("no room", func(t *testing.T) {
		g := grabber(4, time.Minute)
		p := smallest(g, everyone)
		p.change = func(c *Config) { c.Grabs, c.Rate = g, 0 }
		bubble(t, p, func(t *testing.T, x *trial) {
			x.cfg.Batch = 64 // all of them are out before the first answer
			x.end(t, WalkDone)
			without := x.found(func(l line) bool { return l.data == "" })
			if len(x.rows) != 64 || len(without) != len(g.resets) || len(without) == 0 || len(g.halves)+len(without) != 64 {
				t.Errorf("%d rows, %d without a grab, %d resets, %d grabs", len(x.rows), len(without), len(g.resets), len(g.halves))
			}
		})
	})
	t.Run("filter", func(t *testing.T) {
		g := grabber(1000, 0)
		p := smallest(g, everyone)
		bubble(t, p, func(t *testing.T, x *trial) {
			program, err := filter.Compile("ttl = 1", Schema(x.cfg.Probe.Describe()))
			if err != nil {
				t.Fatal(err)
			}
			x.cfg.Outputs[0].Filter = program
			x.end(t, WalkDone)
			if len(x.rows) != 0 || len(g.resets) != 64 || len(g.halves) != 0 {
				t.Errorf("%d rows, %d resets, %d grabs", len(x.rows), len(g.resets), len(g.halves))
			}
		})
	})
	t.Run("max-results", func(t *testing.T) {
		g := grabber(1000, time.Second)
		p := smallest(g, everyone)
		bubble(t, p, func(t *testing.T, x *trial) {
			x.cfg.Limits.MaxResults = 5
			x.end(t, MaxResults)
			if len(x.rows) != 5 {
				t.Errorf("%d rows, want 5", len(x.rows))
			}
		})
	})
}

// TestLastHitsAreGrabbed has all answers come in the last moment of the cooldown.
func TestLastHitsAreGrabbed(t *testing.T) {
	g := grabber(1000, time.Second)
	p := smallest(g, func(netip.AddrPort) []reply { return []reply{{flags: synack, after: 999 * time.Millisecond}} })
	p.change = func(c *Config) { c.Grabs, c.Rate, c.Batch = g, 0, 64 }
	bubble(t, p, func(t *testing.T, x *trial) {
		x.end(t, WalkDone)
		if len(x.rows) != 64 || len(g.halves) != 64 || len(g.resets) != 0 {
			t.Errorf("%d rows, %d grabs, %d resets", len(x.rows), len(g.halves), len(g.resets))
		}
	})
}

// TestFullGrabberHoldsSenders until there is room again: every hit is grabbed.
func TestFullGrabberHoldsSenders(t *testing.T) {
	g := grabber(40, time.Second)
	p := smallest(g, everyone)
	bubble(t, p, func(t *testing.T, x *trial) {
		x.cfg.Batch = 4
		res := x.end(t, WalkDone)
		if len(g.resets) != 0 || len(g.halves) != 64 {
			t.Errorf("%d resets, %d grabs", len(g.resets), len(g.halves))
		}
		if d := res.SendEnd.Sub(res.SendStart); d < time.Second {
			t.Errorf("sending took %v: nobody was held", d)
		}
	})
}

// TestCrowdedGrabberLetsHitsComeAgain: all hosts answer before a row has been looked at, more than there is room for. Those that repeat
// their SYN-ACK are grabbed in the end, long after the cooldown of one second; where the connections are not the scan's own,
// answers wait in the link.
func TestCrowdedGrabberLetsHitsComeAgain(t *testing.T) {
	for _, dials := range []bool{false, true} {
		g := grabber(80, time.Second) // so many as may be on their way beyond those with which it is crowded
		g.crowded, g.dials = 15, dials
		p := smallest(g, func(a netip.AddrPort) (all []reply) {
			for at := time.Duration(0); at < 31*time.Second; at = 2*at + 500*time.Millisecond {
				all = append(all, reply{flags: synack, after: at + time.Duration(last(a))*10*time.Millisecond})
			}
			return all
		})
		p.change = func(c *Config) { c.Grabs, c.Rate, c.Batch = g, 0, 64 }
		bubble(t, p, func(t *testing.T, x *trial) {
			res := x.end(t, WalkDone)
			if len(g.halves) != 64 || len(g.resets) != 0 || (res.Deferred > 0) == dials {
				t.Errorf("dials %v: %d grabs, %d resets, %d answers were left to come again", dials, len(g.halves), len(g.resets), res.Deferred)
			}
		})
	}
}

// TestRefusalsAreNotLeftToComeAgain: they do not, and need no room.
func TestRefusalsAreNotLeftToComeAgain(t *testing.T) {
	g := grabber(80, time.Second)
	g.crowded = 1
	p := smallest(g, func(a netip.AddrPort) []reply {
		switch last(a) {
		case 0:
			return []reply{{flags: synack}}
		case 9: // whose segments are a connection's
			return nil
		}
		return []reply{{flags: packet.RST | packet.ACK, after: 100 * time.Millisecond}} // while it is crowded
	})
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		if refused := x.found(func(l line) bool { return !l.success }); len(refused) != 62 || res.Deferred != 0 {
			t.Errorf("%d refusals have a row, %d answers were left to come again", len(refused), res.Deferred)
		}
	})
}

// TestErrorsAreNotGrabbed has routers and hosts answer by ICMP errors, which are rows and no connections.
func TestErrorsAreNotGrabbed(t *testing.T) {
	g := grabber(80, time.Second)
	p := smallest(g, nil)
	p.wild = func(p *packet.Parsed, emit func(time.Duration, []byte)) {
		if p.Kind != packet.KindTCP || !p.TCP.Flags().Has(packet.SYN) {
			return
		}
		quoted := segment(p.Src, p.Dst, packet.TCPFields{SrcPort: p.SrcPort, DstPort: p.DstPort, Seq: p.TCP.Seq(), Flags: packet.SYN})
		emit(0, icmpAbout(p.Dst, p.Src, quoted[packet.EthernetLen:]))
	}
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		if res.FailureTotal != 64 || len(x.rows) != 64 || len(g.halves)+len(g.resets) != 0 {
			t.Errorf("%d failures, %d rows, %d connections", res.FailureTotal, len(x.rows), len(g.halves)+len(g.resets))
		}
	})
}

// TestSeveralGrabsOfAHit have a row each.
func TestSeveralGrabsOfAHit(t *testing.T) {
	g := grabber(1000, time.Second)
	g.times = 3
	bubble(t, smallest(g, everyone), func(t *testing.T, x *trial) {
		if x.end(t, WalkDone); len(x.rows) != 3*64 {
			t.Errorf("%d rows, want %d", len(x.rows), 3*64)
		}
	})
}

// TestInterruptedGrabs are cut short after the grace, and have their rows.
func TestInterruptedGrabs(t *testing.T) {
	g := grabber(1000, time.Hour)
	bubble(t, smallest(g, everyone), func(t *testing.T, x *trial) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		res, err := x.run(ctx, t)
		if res.Reason != Interrupted || !errors.Is(err, context.Canceled) || len(x.rows) != 64 || res.RecvEnd.Sub(x.start) > 5*time.Second {
			t.Errorf("%v, %v, %d rows after %v", res.Reason, err, len(x.rows), res.RecvEnd.Sub(x.start))
		}
	})
}

// TestResultThatCannotBeWritten is an error in its row.
func TestResultThatCannotBeWritten(t *testing.T) {
	g := grabber(1000, 0)
	g.bad = true
	bubble(t, smallest(g, everyone), func(t *testing.T, x *trial) {
		x.end(t, WalkDone)
		for _, l := range x.rows {
			if !strings.Contains(l.data, "unknown-error") || !strings.Contains(l.data, "write result") {
				t.Fatalf("got %s", l.data)
			}
		}
	})
}

// TestGrabberThatCannotStart keeps the scan from starting.
func TestGrabberThatCannotStart(t *testing.T) {
	g := grabber(1, 0)
	g.start = errors.New("no")
	bubble(t, smallest(g, everyone), func(t *testing.T, x *trial) {
		if _, err := x.run(t.Context(), t); !errors.Is(err, g.start) || x.left() != 0 {
			t.Errorf("got %v after %d probes", err, x.left())
		}
	})
}
