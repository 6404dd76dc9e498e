package engine

import (
	"testing"
	"time"

	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
)

// noSuccess is a probe module that has no field success.
type noSuccess struct{ probe.Probe }

func (n noSuccess) Describe() probe.Description {
	d := n.Probe.Describe()
	d.Schema = record.NewSchema([]record.Field{{Name: "sport", Type: record.Int}})
	return d
}

// TestNewRefuses leaves out what a scan needs, one thing after the other.
func TestNewRefuses(t *testing.T) {
	bubble(t, plan{network: "10.0.0.0/24"}, func(t *testing.T, x *trial) {
		if _, err := New(x.cfg); err != nil {
			t.Fatalf("a complete configuration: %v", err)
		}
		for name, spoil := range map[string]func(c *Config){
			"space":      func(c *Config) { c.Space = nil },
			"probe":      func(c *Config) { c.Probe = nil },
			"link":       func(c *Config) { c.Link = nil },
			"outputs":    func(c *Config) { c.Outputs = nil },
			"sink":       func(c *Config) { c.Outputs[0].Sink = nil },
			"seen":       func(c *Config) { c.Seen = nil },
			"clock":      func(c *Config) { c.Clock = nil },
			"sources":    func(c *Config) { c.Sources = nil },
			"hops":       func(c *Config) { c.Route.Hops = nil },
			"walks":      func(c *Config) { c.Walks = nil },
			"tries":      func(c *Config) { c.Tries = 0 },
			"batch":      func(c *Config) { c.Batch = 0 },
			"no success": func(c *Config) { c.Probe = noSuccess{c.Probe} },
		} {
			cfg := x.cfg
			if spoil(&cfg); cfg.Link != nil || name == "link" {
				if s, err := New(cfg); err == nil || s != nil {
					t.Errorf("without %s: no error", name)
				}
			}
		}
	})
}

// TestSystemClock sleeps never too short, and not at all when it is told to stop.
func TestSystemClock(t *testing.T) {
	for name, c := range map[string]Clock{"system": SystemClock(), "plain": PlainClock()} {
		if c.Now() <= 0 {
			t.Errorf("%s clock: now is %d, want more than 0", name, c.Now())
		}
		never := make(chan struct{})
		for _, d := range []time.Duration{-time.Second, 0, time.Microsecond, 100 * time.Microsecond, 4 * time.Millisecond} {
			end := c.Now() + int64(d)
			if !c.SleepUntil(end, never) || c.Now() < end {
				t.Errorf("%s clock: a sleep of %v ended %v early", name, d, time.Duration(end-c.Now()))
			}
		}
		over := make(chan struct{})
		time.AfterFunc(10*time.Millisecond, func() { close(over) })
		if c.SleepUntil(c.Now()+int64(time.Hour), over) {
			t.Errorf("%s clock: an hour's sleep was not interrupted", name)
		}
		for _, d := range []time.Duration{0, time.Millisecond, time.Hour} {
			if c.SleepUntil(c.Now()+int64(d), over) {
				t.Errorf("%s clock: sleeps %v after it was told to stop", name, d)
			}
		}
	}
}

// TestPinnedThreads runs a scan with all its threads on one processor, outside of a bubble: threads are real.
func TestPinnedThreads(t *testing.T) {
	x := newTrial(t, plan{
		network: "10.0.0.0/22", hosts: everyone, senders: 3, options: linktest.Options{Gap: time.Microsecond},
		change: func(c *Config) {
			c.Cores, c.Rate, c.Clock = []int{0}, 20_000, SystemClock()
			c.Limits.Cooldown = 50 * time.Millisecond
		},
	})
	if res := x.end(t, WalkDone); res.SuccessUnique != 1024 || len(x.rows) != 1024 {
		t.Errorf("%d hosts, %d rows; want 1024", res.SuccessUnique, len(x.rows))
	}
}
