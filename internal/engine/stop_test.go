package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/sink"
)

// TestStopHitRate scans at ten probes a second: the hit rate counts after five seconds and has to be low for five more.
func TestStopHitRate(t *testing.T) {
	answering := func(from, to int) func(netip.AddrPort) []reply {
		asked := 0
		return func(netip.AddrPort) []reply {
			if asked++; asked <= from || asked > to {
				return nil
			}
			return []reply{{flags: synack}}
		}
	}
	for _, c := range []struct {
		name     string
		from, to int // which of the targets asked answer
		most     uint64
		least    float64
		want     Stop
	}{
		{"nobody answers", 0, 0, 0, 1, HitRateLow},
		{"nobody answers and nobody minds", 0, 0, 0, 0, WalkDone},
		{"everyone answers", 0, 256, 0, 90, WalkDone},
		{"everyone answers after eight seconds", 80, 256, 0, 10, WalkDone},
		{"everyone answers after eight seconds, too late", 80, 256, 0, 60, HitRateLow},
		{"low before and after, each time for less than five seconds", 80, 92, 150, 10, MaxTargets},
	} {
		p := plan{network: "10.0.0.0/24", hosts: answering(c.from, c.to), change: func(cfg *Config) {
			cfg.Rate, cfg.Limits.MinHitRate, cfg.Limits.MaxTargets, cfg.Limits.Cooldown = 10, c.least, c.most, time.Second
		}}
		t.Run(c.name, func(t *testing.T) {
			bubble(t, p, func(t *testing.T, x *trial) {
				res := x.end(t, c.want)
				if d := res.RecvEnd.Sub(x.start); c.want == HitRateLow && (d < 10*time.Second || d > 12*time.Second) {
					t.Errorf("ended after %v, want 10 s and hardly more", d)
				}
			})
		})
	}
}

// TestStopSendFailures refuses every second frame.
func TestStopSendFailures(t *testing.T) {
	for _, c := range []struct {
		most int64
		want Stop
	}{{20, SendFailures}, {0, SendFailures}, {128, WalkDone}, {-1, WalkDone}} {
		p := plan{network: "10.0.0.0/24", options: linktest.Options{RefuseEvery: 2}, change: func(cfg *Config) {
			cfg.Rate, cfg.Limits.MaxSendFailures = 50, c.most
		}}
		bubble(t, p, func(t *testing.T, x *trial) {
			res := x.end(t, c.want)
			if res.Sent+res.Refused != res.Queued || res.Sent != uint64(x.left()) {
				t.Errorf("%d frames queued, %d sent, %d refused, %d arrived", res.Queued, res.Sent, res.Refused, x.left())
			}
			if c.want == WalkDone && res.Refused != 128 || c.want == SendFailures && res.Refused > uint64(c.most)+50 {
				t.Errorf("at most %d failures: %d frames were refused until the end", c.most, res.Refused)
			}
		})
	}
}

// TestStopLinkLost has the interface go down after a number of probes, with answers on their way that never come.
func TestStopLinkLost(t *testing.T) {
	hosts := func(a netip.AddrPort) []reply {
		return []reply{{after: time.Duration(last(a)%2) * time.Second, flags: synack}}
	}
	p := plan{network: "10.0.0.0/24", hosts: hosts, options: linktest.Options{DownAfter: 100}}
	bubble(t, p, func(t *testing.T, x *trial) {
		res, err := x.run(t.Context(), t)
		if res.Reason != LinkLost || !errors.Is(err, link.ErrDown) || res.Sent != 100 {
			t.Errorf("reason %q, error %v, %d frames sent; want link lost, %v, 100", res.Reason, err, res.Sent, link.ErrDown)
		}
		if n := len(x.rows); n == 0 || n > 100 {
			t.Errorf("%d rows, want those of the hosts that had answered", n)
		}
		if d := res.RecvEnd.Sub(x.start); d > 300*time.Millisecond {
			t.Errorf("listened to a dead link until %v after the start", d)
		}
	})
}

// TestStopMaxRuntime sends for as long as is allowed, to the millisecond, and listens afterwards.
func TestStopMaxRuntime(t *testing.T) {
	hosts := func(netip.AddrPort) []reply { return []reply{{after: 900 * time.Millisecond, flags: synack}} }
	p := plan{network: "10.0.0.0/16", hosts: hosts, change: func(c *Config) { c.Limits.MaxRuntime = 2 * time.Second }}
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, MaxRuntime)
		if d := res.SendEnd.Sub(res.SendStart); d != 2*time.Second || res.Targets < 1995 || res.Targets > 2001 {
			t.Errorf("%d targets in %v, want 2000 in 2 s", res.Targets, d)
		}
		if uint64(len(x.rows)) != res.Targets {
			t.Errorf("%d rows of %d targets, want all", len(x.rows), res.Targets)
		}
	})
}

// TestStopInterrupted ends the context during the sending and during the cooldown. Answers that are half a second away
// still count, those that are two away do not.
func TestStopInterrupted(t *testing.T) {
	for _, at := range []time.Duration{0, 100 * time.Millisecond, 2 * time.Second} {
		hosts := func(a netip.AddrPort) []reply {
			if last(a)%2 == 0 {
				return []reply{{after: 500 * time.Millisecond, flags: synack}}
			}
			return []reply{{after: 5 * time.Second, flags: synack}}
		}
		p := plan{network: "10.0.0.0/24", hosts: hosts, change: func(c *Config) { c.Limits.Cooldown = 8 * time.Second }}
		t.Run(at.String(), func(t *testing.T) {
			bubble(t, p, func(t *testing.T, x *trial) {
				ctx, cancel := context.WithCancelCause(t.Context())
				cause := errors.New("enough")
				time.AfterFunc(at, func() { cancel(cause) })
				res, err := x.run(ctx, t)
				if res.Reason != Interrupted || !errors.Is(err, cause) {
					t.Errorf("reason %q, error %v; want interrupted, %v", res.Reason, err, cause)
				}
				even := 0
				for _, f := range x.frames {
					even += 1 - last(f.dst)%2
				}
				if len(x.rows) != even {
					t.Errorf("%d rows of %d probes to hosts that answer in time", len(x.rows), even)
				}
				if d := res.RecvEnd.Sub(x.start); d < at+time.Second || d > at+1200*time.Millisecond {
					t.Errorf("ended %v after the start, want a second after %v", d, at)
				}
			})
		})
	}
}

// TestInterruptIsNeverMissed ends the context in the cooldown of a scan that has no patience then.
func TestInterruptIsNeverMissed(t *testing.T) {
	for range 20 {
		p := plan{network: "10.0.0.0/28", change: func(c *Config) { c.Limits.Cooldown, c.Limits.Grace = time.Minute, 0 }}
		bubble(t, p, func(t *testing.T, x *trial) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if res, err := x.run(ctx, t); res.Reason != Interrupted || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("reason %q, error %v; want interrupted", res.Reason, err)
			}
		})
	}
}

// TestInterruptDoesNotProlong ends the context a moment before the cooldown would have ended.
func TestInterruptDoesNotProlong(t *testing.T) {
	p := plan{network: "10.0.0.0/28", change: func(c *Config) { c.Rate, c.Limits.Cooldown = 0, 2*time.Second }}
	bubble(t, p, func(t *testing.T, x *trial) {
		ctx, cancel := context.WithTimeout(t.Context(), 1900*time.Millisecond)
		defer cancel()
		res, err := x.run(ctx, t)
		if d := res.RecvEnd.Sub(res.SendEnd); d > 2200*time.Millisecond || err == nil {
			t.Errorf("listened for %v, error %v; want 2 s and an error", d, err)
		}
	})
}

// TestFirstReasonWins is the table of which reason a scan names when several come up.
func TestFirstReasonWins(t *testing.T) {
	type call func(s *stopper)
	sending := func(why Stop) call { return func(s *stopper) { s.stopSending(why) } }
	scan := func(why Stop) call { return func(s *stopper) { s.stopScan(why, nil) } }
	interrupt := func(s *stopper) { s.interrupt(context.Canceled) }
	for _, c := range []struct {
		name  string
		calls []call
		want  Stop
		over  bool // there is no cooldown
	}{
		{"nothing", nil, Running, false},
		{"the walk's end", []call{sending(WalkDone)}, WalkDone, false},
		{"the time for sending, then the senders' end", []call{sending(MaxRuntime), sending(WalkDone)}, MaxRuntime, false},
		{"rows enough in the cooldown", []call{sending(WalkDone), scan(MaxResults)}, MaxResults, true},
		{"a failure in the cooldown", []call{sending(MaxTargets), scan(SinkFailed)}, SinkFailed, true},
		{"a failure after rows enough", []call{scan(MaxResults), scan(SinkFailed)}, MaxResults, true},
		{"two failures", []call{scan(LinkLost), scan(SinkFailed)}, LinkLost, true},
		{"an interrupt", []call{interrupt, sending(WalkDone)}, Interrupted, false},
		{"an interrupt in the cooldown", []call{sending(WalkDone), interrupt}, Interrupted, false},
		{"an interrupt after rows enough", []call{scan(MaxResults), interrupt}, MaxResults, true},
		{"an interrupt after a failure", []call{scan(LinkLost), interrupt}, LinkLost, true},
		{"a failure after an interrupt", []call{interrupt, scan(LinkLost)}, Interrupted, true},
		{"two interrupts", []call{interrupt, interrupt}, Interrupted, false},
	} {
		s := newStopper()
		for _, f := range c.calls {
			f(s)
		}
		got, err := s.result()
		if got != c.want || (err == nil) != c.want.Clean() {
			t.Errorf("%s: reason %q, error %v; want %q", c.name, got, err, c.want)
		}
		if isClosed(s.scan) != c.over || isClosed(s.sending) != (len(c.calls) > 0) {
			t.Errorf("%s: scan over %v, sending over %v", c.name, isClosed(s.scan), isClosed(s.sending))
		}
	}
}

func TestStopNames(t *testing.T) {
	names := make(map[string]bool)
	for s := Running; s <= SendFailures; s++ {
		if name := s.String(); names[name] || name == "" || strings.HasPrefix(name, "stop ") {
			t.Errorf("reason %d is called %q", s, name)
		}
		names[s.String()] = true
	}
	if s := Stop(200).String(); s != "stop 200" {
		t.Errorf("an unknown reason is called %q", s)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&StopError{Reason: LinkLost}, "link lost"},
		{SinkStop(io.ErrUnexpectedEOF), "sink failed: unexpected EOF"},
		{SinkStop(fmt.Errorf("%w: %w", sink.ErrReaderGone, io.ErrClosedPipe)), "reader gone: reader of the output is gone: io: read/write on closed pipe"},
	} {
		if c.err.Error() != c.want {
			t.Errorf("error %q, want %q", c.err, c.want)
		}
	}
}
