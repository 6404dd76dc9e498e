package engine

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/validate"
)

// TestAnswersCountUntilTheCooldownEnds has hosts answer later and later: 0 to 5.1 seconds after the probe.
func TestAnswersCountUntilTheCooldownEnds(t *testing.T) {
	const step = 20 * time.Millisecond
	later := func(a netip.AddrPort) []reply { return []reply{{after: time.Duration(last(a)) * step, flags: synack}} }
	p := plan{network: "10.0.0.0/24", hosts: later, change: func(c *Config) { c.Rate, c.Limits.Cooldown = 0, 3*time.Second }}
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		got := x.found(func(line) bool { return true })
		// Receivers look a moment longer than the cooldown, lest they miss what is in the ring.
		const sure, most = int(3 * time.Second / step), int(3200 * time.Millisecond / step)
		if len(got) < sure || len(got) > most || !slices.Equal(got, numbers(len(got))) {
			t.Errorf("%d hosts answered in time, up to number %d; want all up to %d and none from %d on",
				len(got), got[len(got)-1], sure, most)
		}
		if d := res.RecvEnd.Sub(res.SendEnd); d < 3*time.Second || d > 3200*time.Millisecond {
			t.Errorf("listened for %v after the last probe, want 3 s and hardly more", d)
		}
	})
}

// TestCooldownIsMarked has half of the hosts answer at once and half after the last probe.
func TestCooldownIsMarked(t *testing.T) {
	hosts := func(a netip.AddrPort) []reply {
		after := time.Duration(last(a)%2) * 900 * time.Millisecond
		return []reply{{after: after, flags: synack}, {after: after, flags: synack}, {after: after, flags: packet.RST}}
	}
	bubble(t, plan{network: "10.0.0.0/24", hosts: hosts}, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		sent := res.SendEnd.Sub(x.start)
		for _, r := range x.rows {
			if odd := r.addr.As4()[3]%2 == 1; r.cooldown != odd && r.at != sent {
				t.Errorf("%v answered %v after the start, sending ended after %v: cooldown is %v", r.addr, r.at, sent, r.cooldown)
			}
		}
		if res.SuccessTotal != 512 || res.SuccessUnique != 256 || res.FailureTotal != 256 {
			t.Errorf("%d successes, %d first ones, %d failures; want 512, 256, 256", res.SuccessTotal, res.SuccessUnique, res.FailureTotal)
		}
		// The very last probe is answered at the moment when sending ends.
		if all, first := res.CooldownTotal, res.CooldownUnique; all&^3 != 256 || first&^1 != 128 {
			t.Errorf("%d successes in the cooldown, %d first ones; want 256, 128, and what the last host sent", all, first)
		}
	})
}

// TestDefaultModeKeepsFirstSuccesses drops the rest before it costs anything, and counts it.
func TestDefaultModeKeepsFirstSuccesses(t *testing.T) {
	hosts := func(a netip.AddrPort) []reply {
		if last(a) >= 128 {
			return []reply{{flags: packet.RST}}
		}
		return []reply{{flags: packet.RST}, {flags: synack}, {flags: synack}}
	}
	p := plan{network: "10.0.0.0/24", hosts: hosts, change: func(c *Config) { c.Outputs[0].DefaultMode = true }}
	bubble(t, p, func(t *testing.T, x *trial) {
		res := x.end(t, WalkDone)
		if got := x.found(func(r line) bool { return r.success && !r.repeat }); len(x.rows) != 128 || !slices.Equal(got, numbers(128)) {
			t.Errorf("%d rows, first successes %d; want those of hosts 0 to 127", len(x.rows), got)
		}
		if res.SuccessTotal != 256 || res.SuccessUnique != 128 || res.FailureTotal != 256 {
			t.Errorf("counts are %+v", res.Counts)
		}
	})
}

// genuine is a SYN-ACK as a host would send it that had been asked, with the right tag.
func genuine(cfg *Config, host netip.AddrPort) []byte {
	tag := validate.NewTagger(cfg.Key, cfg.Route.Ports, cfg.Tries).Tag(scanner(), host.Addr(), host.Port())
	return segment(host.Addr(), scanner(), packet.TCPFields{
		SrcPort: host.Port(), DstPort: cfg.Route.Ports.Of(tag, 0), Ack: tag.Seq() + 1, Flags: synack,
	})
}

// TestAnswersForNoTarget delivers answers with the right tag for what was not asked, which only somebody could make who has
// the key: another shard of this scan, with other lists.
func TestAnswersForNoTarget(t *testing.T) {
	for _, c := range []struct {
		host   string
		check  Choice
		passed uint64
	}{
		{"10.0.0.9:80", ByModule, 1},
		{"10.0.1.9:80", ByModule, 0},
		{"10.0.1.9:80", No, 0},
		{"10.0.0.9:81", ByModule, 0},
		{"10.0.0.9:81", Yes, 0},
		{"10.0.0.9:81", No, 0},
	} {
		var x *trial
		hosts := func(a netip.AddrPort) []reply {
			if last(a) != 0 {
				return nil
			}
			return []reply{{frame: genuine(&x.cfg, netip.MustParseAddrPort(c.host))}}
		}
		p := plan{network: "10.0.0.0/24", hosts: hosts, change: func(cfg *Config) { cfg.CheckPort = c.check }}
		synctest.Test(t, func(t *testing.T) {
			x = newTrial(t, p)
			if res := x.end(t, WalkDone); res.Passed != c.passed || res.Failed != 1-c.passed {
				t.Errorf("answer of %s, checking of ports %d: %d passed, %d failed; want %d, %d",
					c.host, c.check, res.Passed, res.Failed, c.passed, 1-c.passed)
			}
		})
	}
}

// TestSlowSinkHoldsTheSendersBack has a sink take 1,000 rows a second from a scan that would make 10,000.
func TestSlowSinkHoldsTheSendersBack(t *testing.T) {
	p := plan{network: "10.0.0.0/20", hosts: everyone, change: func(c *Config) { c.Rate = 10_000 }}
	bubble(t, p, func(t *testing.T, x *trial) {
		most := 0
		x.write = func(n int) error {
			most = max(most, x.left()-n)
			time.Sleep(time.Millisecond)
			return nil
		}
		res := x.end(t, WalkDone)
		if len(x.rows) != 4096 || res.Lost != 0 || res.SuccessUnique != 4096 {
			t.Errorf("%d rows, %d frames lost; want all 4096, none", len(x.rows), res.Lost)
		}
		// What is on its way when the senders see the closed gate, at most the whole queue.
		if bound := queueLen * batchRows; most > bound {
			t.Errorf("the senders were up to %d answers ahead, want at most %d", most, bound)
		}
		if d := res.SendEnd.Sub(res.SendStart); d < 3*time.Second {
			t.Errorf("sent for %v into a sink that takes 4 s for the rows: nobody held the senders back", d)
		}
	})
}

// TestRowsAreFlushed looks for a flush at the latest 100 ms after each row, and for none without a row.
func TestRowsAreFlushed(t *testing.T) {
	hosts := func(a netip.AddrPort) []reply {
		return []reply{{after: time.Duration(last(a)) * 50 * time.Millisecond, flags: synack}}
	}
	p := plan{network: "10.0.0.0/26", hosts: hosts, change: func(c *Config) { c.Limits.Cooldown = 10 * time.Second }}
	bubble(t, p, func(t *testing.T, x *trial) {
		x.end(t, WalkDone)
		for _, r := range x.rows {
			if !slices.ContainsFunc(x.flush, func(f time.Duration) bool { return f >= r.at && f <= r.at+flushEvery }) {
				t.Errorf("the row of %v is not flushed within %v", r.at, flushEvery)
			}
		}
		if len(x.rows) != 64 || len(x.flush) > 40 || slices.Max(x.flush) > 4*time.Second {
			t.Errorf("%d rows, %d flushes, the last after %v; want 64, one each 100 ms at most, and none without rows",
				len(x.rows), len(x.flush), slices.Max(x.flush))
		}
		if x.closed {
			t.Error("the engine has closed the caller's sink")
		}
	})
}

// TestFailedSinkBlocksNobody has the sink fail while answers pour in.
func TestFailedSinkBlocksNobody(t *testing.T) {
	p := plan{network: "10.0.0.0/18", hosts: everyone, change: func(c *Config) { c.Rate = 0 }}
	bubble(t, p, func(t *testing.T, x *trial) {
		full, failed := errors.New("full"), false
		x.write = func(n int) error {
			if n == 11 && !failed {
				failed = true
				return full // once: what comes later must not be tried
			}
			return nil
		}
		res, err := x.run(t.Context(), t)
		if !errors.Is(err, full) || res.Reason != SinkFailed || len(x.rows) != 10 || res.Rows != 10 {
			t.Errorf("reason %q, error %v, %d rows; want sink failed, %v, 10", res.Reason, err, len(x.rows), full)
		}
	})
}

// TestMaxResultsIsExact has more answers arrive at once than rows are wanted.
func TestMaxResultsIsExact(t *testing.T) {
	for _, most := range []uint64{1, 127, 128, 129, 1000} {
		p := plan{network: "10.0.0.0/20", hosts: everyone, change: func(c *Config) { c.Rate, c.Limits.MaxResults = 0, most }}
		bubble(t, p, func(t *testing.T, x *trial) {
			if res := x.end(t, MaxResults); uint64(len(x.rows)) != most || res.Rows != most {
				t.Errorf("%d rows in the sink, %d counted; want %d", len(x.rows), res.Rows, most)
			}
		})
	}
}

// TestLostFramesAreCounted loses the first frames on the way to the receiver.
func TestLostFramesAreCounted(t *testing.T) {
	p := plan{network: "10.0.0.0/24", hosts: everyone, options: linktest.Options{LoseFirst: 30}}
	bubble(t, p, func(t *testing.T, x *trial) {
		if res := x.end(t, WalkDone); res.Lost != 30 || res.Received != 256 || res.Frames != 226 || len(x.rows) != 226 {
			t.Errorf("%d of %d frames lost, %d looked at, %d rows; want 30 of 256, 226, 226", res.Lost, res.Received, res.Frames, len(x.rows))
		}
	})
}

// TestNoDeduplication keeps every answer a first one.
func TestNoDeduplication(t *testing.T) {
	hosts := func(netip.AddrPort) []reply { return []reply{{flags: synack}, {flags: synack}} }
	bubble(t, plan{network: "10.0.0.0/28", hosts: hosts}, func(t *testing.T, x *trial) {
		var err error
		if x.cfg.Seen, err = dedup.New(dedup.Config{Method: dedup.MethodNone}); err != nil {
			t.Fatal(err)
		}
		if res := x.end(t, WalkDone); res.SuccessUnique != 32 || len(x.rows) != 32 {
			t.Errorf("%d first successes, %d rows; want 32", res.SuccessUnique, len(x.rows))
		}
	})
}
