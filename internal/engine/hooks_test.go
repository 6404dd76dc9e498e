package engine

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// TestHooksAgreeWithCounts has half of the hosts accept, all of them twice, and half refuse.
func TestHooksAgreeWithCounts(t *testing.T) {
	hosts := func(a netip.AddrPort) []reply {
		if last(a)%2 == 1 {
			return []reply{{flags: packet.RST}}
		}
		return []reply{{flags: synack}, {flags: synack}}
	}
	p := plan{network: "10.0.0.0/24", ports: []uint16{80, 443}, hosts: hosts, senders: 3}
	bubble(t, p, func(t *testing.T, x *trial) {
		x.cfg.Outputs[0].DefaultMode = true
		sent := make([]int, 3) // each sender writes its own
		answers, rows := 0, 0
		var hits []target.Target
		x.cfg.Hooks = Hooks{
			Sent:   func(sender, probes int) { sent[sender] += probes },
			Answer: func(*record.Record) { answers++ },
			Row:    func(*record.Record) { rows++ },
			Hit: func(t *target.Target, row *record.Record) {
				if row.Values[0].Addr() == t.Addr {
					hits = append(hits, *t)
				}
			},
		}
		res := x.end(t, WalkDone)
		if n := sent[0] + sent[1] + sent[2]; uint64(n) != res.Sent || n != 512 || slices.Min(sent) == 0 {
			t.Errorf("told of %v probes, %d were sent, want 512", sent, res.Sent)
		}
		if uint64(answers) != res.Passed || answers != 768 || uint64(rows) != res.Rows || rows != 256 {
			t.Errorf("told of %d answers and %d rows of %d and %d; want 768 and 256", answers, rows, res.Passed, res.Rows)
		}
		slices.SortFunc(hits, func(a, b target.Target) int { return a.Addr.Compare(b.Addr)*2 + int(a.Port) - int(b.Port) })
		for i, h := range hits {
			if index, ok := x.cfg.Space.Index(h.Addr, h.Port); !ok || index != h.Index || i > 0 && h == hits[i-1] || h.Addr.As4()[3]%2 == 1 {
				t.Errorf("hit of %+v is wrong, or there twice", h)
			}
		}
		if len(hits) != 256 {
			t.Errorf("told of %d hits, want 256", len(hits))
		}
	})
}

// TestHoldStopsTheSenders for as long as it lasts, and no longer.
func TestHoldStopsTheSenders(t *testing.T) {
	bubble(t, plan{network: "10.0.0.0/24"}, func(t *testing.T, x *trial) {
		s, err := New(x.cfg)
		if err != nil {
			t.Fatal(err)
		}
		held := 0
		time.AfterFunc(100*time.Millisecond, func() { s.Hold(true) })
		time.AfterFunc(110*time.Millisecond, func() { held = x.left() })
		time.AfterFunc(5*time.Second, func() {
			if n := x.left(); n != held || n == 0 {
				t.Errorf("%d probes left while the senders were held, after %d", n, held)
			}
			s.Hold(false)
		})
		res, err := s.Run(t.Context())
		if err != nil || res.Sent != 256 || res.SendEnd.Sub(res.SendStart) < 5*time.Second {
			t.Errorf("%d probes sent within %v, error %v; want 256 in more than 5s", res.Sent, res.SendEnd.Sub(res.SendStart), err)
		}
	})
}

// TestHaltIsAtOnce writes not one row after it, and listens no more.
func TestHaltIsAtOnce(t *testing.T) {
	p := plan{network: "10.0.0.0/16", hosts: everyone, change: func(c *Config) { c.Rate, c.Limits.Cooldown = 0, time.Hour }}
	bubble(t, p, func(t *testing.T, x *trial) {
		s, err := New(x.cfg)
		if err != nil {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		x.write = func(n int) error {
			if n == 200 {
				s.Halt(enough)
			}
			return nil
		}
		res, err := s.Run(t.Context())
		if !errors.Is(err, enough) || res.Reason != Interrupted || res.Rows != 200 || len(x.rows) != 200 || time.Since(x.start) > time.Second {
			t.Errorf("reason %q, error %v, %d rows, %d counted, after %v", res.Reason, err, len(x.rows), res.Rows, time.Since(x.start))
		}
	})
}

// A nowhere is a transmit queue that leads there.
type nowhere struct {
	link.TX
	slots []link.Slot
}

func newNowhere(n int) *nowhere {
	w := &nowhere{slots: make([]link.Slot, n)}
	for i := range w.slots {
		w.slots[i].Data = make([]byte, link.MaxFrame)
	}
	return w
}

func (w *nowhere) Reserve(s []link.Slot, _ time.Duration) int { return copy(s, w.slots) }
func (w *nowhere) Submit([]link.Slot) error                   { return nil }
func (w *nowhere) Stats() link.TXStats                        { return link.TXStats{} }

// TestHooksOfSendersDoNotAllocate neither where there are none.
func TestHooksOfSendersDoNotAllocate(t *testing.T) {
	space := blockedSpace(t, 1000)
	told := 0
	for _, sent := range []func(int, int){nil, func(_, n int) { told += n }} {
		s := loneSender(t, space, "tcp_synscan", "")
		s.tx, s.scan.cfg.Hooks.Sent = newNowhere(64), sent
		if n := testing.AllocsPerRun(200, func() {
			if err := s.batch(64); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("a hook: %v; 64 probes allocate %v times, want 0", sent != nil, n)
		}
	}
	if told != 201*64 {
		t.Errorf("told of %d probes, want %d", told, 201*64)
	}
}
