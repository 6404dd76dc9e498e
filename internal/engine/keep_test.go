package engine

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/record"
)

// Save and Resume make a trial a sink that can be carried on: its place is the number of its rows.
func (x *trial) Save() (string, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strconv.Itoa(len(x.rows)), nil
}

func (x *trial) Resume(*record.Schema, string) error { return nil }

// An answered is what a Keeper was told.
type answered struct {
	index uint64
	o     dedup.Outcome
}

// A diary is a Keeper that keeps every snapshot.
type diary struct {
	cycle  *permute.Cycle
	walks  []Order
	noted  []answered
	safe   int // of those
	snaps  []Snapshot
	noteds []int // at each of them
}

func (d *diary) Note(index uint64, o dedup.Outcome) { d.noted = append(d.noted, answered{index, o}) }

func (d *diary) Sync() error {
	d.safe = len(d.noted)
	return nil
}

func (d *diary) Save(s *Snapshot) error {
	c := *s
	c.Moments = slices.Clone(s.Moments)
	d.snaps, d.noteds = append(d.snaps, c), append(d.noteds, d.safe)
	return nil
}

func (d *diary) Find(index uint64) (int, uint64, bool) {
	position, _ := d.cycle.Position(index)
	for i, w := range d.walks {
		if step, ok := w.(*permute.Walk).Locate(position); ok {
			return i, step, true
		}
	}
	return 0, 0, false
}

// keepIn has a scan write into d.
func (d *diary) keepIn(t *testing.T, c *Config) {
	t.Helper()
	var err error
	if d.cycle, err = permute.New(7, permute.Grid{Rows: c.Space.Rows(), Cols: c.Space.Cols()}); err != nil {
		t.Fatal(err)
	}
	d.walks, c.Keeper = c.Walks, d
}

// delayed is a network where of every eight hosts one answers after up to 1.9 s, one refuses at once, and the others are silent.
func delayed(a netip.AddrPort) []reply {
	b := a.Addr().As4()
	n := int(b[2])<<8 | int(b[3])
	switch n % 8 {
	case 3:
		return []reply{{after: time.Duration(n*7%1900) * time.Millisecond, flags: synack}}
	case 5:
		return []reply{{flags: packet.RST | packet.ACK}}
	}
	return nil
}

// back is the moment to go on from.
func (s *Snapshot) back() Moment {
	at := s.Moments[len(s.Moments)-1].At
	from := at.Add(-max(2*time.Second, s.Window))
	for i := len(s.Moments) - 1; i > 0; i-- {
		if !s.Moments[i].At.After(from) {
			return s.Moments[i]
		}
	}
	return s.Moments[0]
}

// goOn is a plan changed so that it goes on from a snapshot.
func (p plan) goOn(t *testing.T, s *Snapshot, noted []answered) plan {
	t.Helper()
	p.change = func(c *Config) {
		from := s.back()
		for i, w := range c.Walks {
			w := w.(*permute.Walk)
			if err := w.Resume(w.MarkAt(from.Walks[i].Step)); err != nil {
				t.Fatal(err)
			}
			c.From.Targets = append(c.From.Targets, from.Walks[i].Targets)
		}
		c.From.Outputs = s.Outputs
		for _, a := range noted {
			c.Seen.See(a.index, a.o)
		}
	}
	return p
}

// TestKilledScanGoesOn kills a scan at each of its snapshots, by going on from it: no target is missed, none is asked twice that was not
// asked in the time that the walk goes back, and every answer has one row.
func TestKilledScanGoesOn(t *testing.T) {
	const rate = 500
	counts := []int{1, 3}
	if testing.Short() { // as under the race detector
		counts = counts[1:]
	}
	for _, senders := range counts {
		for _, gap := range []time.Duration{0, 5 * time.Millisecond} { // at once, and a queue that is some frames long
			p := plan{network: "10.0.0.0/21", hosts: delayed, senders: senders, options: linktest.Options{Gap: gap, Queue: 64}}
			d := &diary{}
			var first *trial
			p.change = func(c *Config) {
				d.keepIn(t, c)
				c.Rate, c.Limits.Cooldown = rate, 3*time.Second
			}
			bubble(t, p, func(t *testing.T, x *trial) {
				x.end(t, WalkDone)
				first = x
			})
			if len(d.snaps) < 7 || d.snaps[len(d.snaps)-1].Reason != WalkDone || d.snaps[0].Reason != Running {
				t.Fatalf("%d snapshots", len(d.snaps))
			}
			for i := range d.snaps[:len(d.snaps)-1] {
				s := &d.snaps[i]
				bubble(t, p.goOn(t, s, d.noted[:d.noteds[i]]), func(t *testing.T, x *trial) {
					x.cfg.Rate, x.cfg.Limits.Cooldown = rate, 3*time.Second
					res, err := x.run(t.Context(), t)
					if err != nil {
						t.Fatal(err)
					}
					checkGoneOn(t, first, x, s, res)
				})
			}
		}
	}
}

// checkGoneOn compares what two scans of one after the other have done with what one would have.
func checkGoneOn(t *testing.T, first, second *trial, s *Snapshot, res Result) {
	t.Helper()
	killed := s.Moments[len(s.Moments)-1].At.Sub(first.start)
	asked := make(map[netip.AddrPort]int)
	for _, f := range first.frames {
		if f.at <= killed {
			asked[f.dst]++
		}
	}
	for _, f := range second.frames {
		asked[f.dst]++
	}
	twice := 0
	for _, n := range asked {
		twice += n - 1
	}
	gone := killed - s.back().At.Sub(first.start)
	if len(asked) != 2048 || twice > int((gone+300*time.Millisecond).Seconds()*500)+2 {
		t.Errorf("killed after %v: %d targets of 2048 are asked, %d twice, with a walk that goes back by %v", killed, len(asked), twice, gone)
	}
	rows := make(map[netip.Addr]int)
	place, err := strconv.Atoi(s.Outputs[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range slices.Concat(first.rows[:place], second.rows) {
		if !r.repeat {
			rows[r.addr]++
		}
	}
	for i := range 2048 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		if want := len(delayed(netip.AddrPortFrom(a, 80))); rows[a] != want {
			t.Errorf("killed after %v: %v has %d rows, want %d", killed, a, rows[a], want)
		}
	}
	if want := uint64(2048) - second.cfg.From.Asked(); res.Targets != want {
		t.Errorf("killed after %v: %d targets are asked again, want %d", killed, res.Targets, want)
	}
}

// TestWindow is as long as answers take: all of them come after 1.5 s.
func TestWindow(t *testing.T) {
	d := &diary{}
	late := func(netip.AddrPort) []reply { return []reply{{after: 1500 * time.Millisecond, flags: synack}} }
	bubble(t, plan{network: "10.0.0.0/21", hosts: late, change: func(c *Config) {
		d.keepIn(t, c)
		c.Limits.Cooldown = 3 * time.Second
	}}, func(t *testing.T, x *trial) { x.end(t, WalkDone) })
	got := d.snaps[len(d.snaps)-1].Window
	if got < 1500*time.Millisecond || got > 1800*time.Millisecond {
		t.Errorf("the window is %v", got)
	}
}

// TestWindowOfGrabs reaches back to the answer of the host whose grab takes longest, and each hit is noted when all its rows are there.
func TestWindowOfGrabs(t *testing.T) {
	d := &diary{}
	g := grabber(100, 2500*time.Millisecond)
	g.times = 3
	bubble(t, plan{network: "10.0.0.0/28", hosts: everyone, change: func(c *Config) {
		d.keepIn(t, c)
		c.Grabs, c.Limits.Cooldown = g, 4*time.Second
	}}, func(t *testing.T, x *trial) {
		x.end(t, WalkDone)
		if len(x.rows) != 48 || len(d.noted) != 16 {
			t.Errorf("%d rows, %d hits noted", len(x.rows), len(d.noted))
		}
	})
	windows := make([]time.Duration, len(d.snaps))
	for i, s := range d.snaps {
		windows[i] = s.Window.Round(time.Second)
		if n, _ := strconv.Atoi(s.Outputs[0]); n != 3*d.noteds[i] {
			t.Errorf("snapshot %d has %d rows of %d hits", i, n, d.noteds[i])
		}
	}
	if slices.MaxFunc(windows[1:3], cmp.Compare[time.Duration]) != 2*time.Second {
		t.Errorf("windows are %v", windows)
	}
}

// TestKeeperThatFails ends no scan that has begun, and begins none.
func TestKeeperThatFails(t *testing.T) {
	d := &diary{}
	bubble(t, plan{network: "10.0.0.0/24", hosts: everyone, change: func(c *Config) {
		d.keepIn(t, c)
		c.Outputs = append(c.Outputs, Output{Name: "other", Sink: struct{ anySink }{}})
	}}, func(t *testing.T, x *trial) {
		if res, err := x.run(t.Context(), t); err == nil || res.Sent != 0 {
			t.Errorf("a scan with an output that cannot be carried on: %v, %v", res.Sent, err)
		}
	})
}

// anySink takes rows.
type anySink struct{}

func (anySink) Open(*record.Schema) error  { return nil }
func (anySink) Write(*record.Record) error { return nil }
func (anySink) Close() error               { return nil }

// TestKeptScanLosesItsLink has its last place before the frames that the link had to refuse.
func TestKeptScanLosesItsLink(t *testing.T) {
	d := &diary{}
	bubble(t, plan{network: "10.0.0.0/23", options: linktest.Options{DownAfter: 100}, change: func(c *Config) {
		d.keepIn(t, c)
		c.Rate = 0
	}}, func(t *testing.T, x *trial) {
		if res, err := x.run(t.Context(), t); res.Reason != LinkLost || res.Sent != 100 {
			t.Errorf("%v, %v, %d probes", res.Reason, err, res.Sent)
		}
	})
	s := d.snaps[len(d.snaps)-1]
	if at := s.Moments[len(s.Moments)-1].Walks[0]; at.Targets > 100 || at.Targets < 36 || s.Reason != LinkLost {
		t.Errorf("the last place is %+v, of a scan that ended with %v", at, s.Reason)
	}
}
