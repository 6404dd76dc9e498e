package engine

import (
	"slices"
	"time"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/record"
)

// flushEvery bounds how long a row waits in a sink's buffer.
const flushEvery = 100 * time.Millisecond

// A collector is the one goroutine that owns the outputs. When all have failed it goes on taking batches, so that no receiver
// blocks for ever.
type collector struct {
	scan    *Scan
	failed  int                // outputs
	hooked  bool               // a hook looks at rows
	notes   annotate.Annotator // nil if nobody reads what it says
	spare   []*hit             // whose grabs are done
	asking  []*aliasNet        // networks that are being asked about, in order
	waiting int                // rows that wait for them
	flying  []*flight          // of hits whose grabs may not be done, in order; empty without a Keeper
	sample  bool               // the next row is one to be looked at
	samples []sample           // since the last cut
}

// run ends when the queue is closed.
func (c *collector) run() {
	s := c.scan
	c.hooked = s.cfg.Hooks.rows()
	if s.read().notes {
		c.notes = s.cfg.Notes
	}
	grabbed := s.grabs.finished()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case b, ok := <-s.queue:
			if !ok {
				c.finish()
				return
			}
			s.reopen()
			if b.taken != nil {
				if b.cut != nil {
					c.cut(b.cut)
				}
				close(b.taken)
				continue
			}
			c.take(b)
			s.free.give(b)
		case g := <-grabbed:
			c.takeGrab(&g)
		case <-tick.C:
			s.reopen() // a receiver may have closed the gate just after the last batch was taken
			c.settle(false)
			c.flush()
			c.sample = true
		}
	}
}

// take writes a batch's rows to those outputs that want them, or has them grabbed first, until there are as many as max-results
// allows.
func (c *collector) take(b *batch) {
	s := c.scan
	for i, row := range b.rows[:b.n] {
		var half *grab.Half
		if len(b.halves) > 0 && b.halves[i].Remote.IsValid() {
			half = &b.halves[i]
		}
		if c.enough() {
			c.reset(half)
			continue
		}
		if c.notes != nil {
			s.layout.setNotes(row, c.notes)
		}
		if c.hooked {
			s.answered(row, b.indexes[i])
		}
		if c.hold(row, b.indexes[i]) {
			continue
		}
		if half == nil || !c.grab(row, half, b.indexes[i]) {
			c.put(row)
			c.note(row, b.indexes[i])
		}
	}
}

// enough says that no more rows are to be written.
func (c *collector) enough() bool {
	s := c.scan
	most := s.cfg.Limits.MaxResults
	return most > 0 && s.rows.Load() >= most || s.halted.Load()
}

// put writes a row to those outputs that want it, and counts it.
func (c *collector) put(row *record.Record) {
	s := c.scan
	if !c.write(row) {
		return
	}
	if s.cfg.Hooks.Row != nil {
		s.cfg.Hooks.Row(row)
	}
	if most := s.cfg.Limits.MaxResults; s.rows.Add(1) == most {
		s.stop.stopScan(MaxResults, nil)
	}
}

// note tells the Keeper of a row that is written.
func (c *collector) note(row *record.Record, index uint64) {
	s := c.scan
	if s.keeping == nil || s.layout.isRepeat(row) {
		return
	}
	outcome := dedup.Failure
	if row.Values[s.layout.success].Bool() {
		outcome = dedup.Success
	}
	s.keeping.Note(index, outcome)
	if c.sample && len(c.samples) < samples {
		c.samples = append(c.samples, sample{index, time.Now()})
	}
	c.sample = false
}

// cut makes safe what is written so far.
func (c *collector) cut(to *cut) {
	s := c.scan
	s.cutOutputs(to)
	for i := range s.outputs {
		if o := &s.outputs[i]; o.err != nil && !o.lost {
			c.lose(i)
		}
	}
	to.samples, c.samples = c.samples, nil
	over := 0
	for over < len(c.flying) && c.flying[over].over {
		over++
	}
	c.flying = slices.Delete(c.flying, 0, over)
	if len(c.flying) > 0 {
		to.oldest = c.flying[0].since
	}
}

// write writes a row, and says whether an output has it.
func (c *collector) write(row *record.Record) (written bool) {
	s := c.scan
	for i := range s.outputs {
		o := &s.outputs[i]
		if o.err != nil || !o.wants(&s.layout, row) {
			continue
		}
		if o.write(row); o.err != nil {
			c.lose(i)
			continue
		}
		written = true
	}
	return written
}

// flush empties the buffers of the sinks.
func (c *collector) flush() {
	for i := range c.scan.outputs {
		o := &c.scan.outputs[i]
		if o.err != nil {
			continue
		}
		if o.flush(); o.err != nil {
			c.lose(i)
		}
	}
}

// lose goes on without an output that has failed, and ends the scan if it was the last.
func (c *collector) lose(i int) {
	s := c.scan
	o := &s.outputs[i]
	o.lost = true
	if c.failed++; c.failed == len(s.outputs) {
		stop := SinkStop(OutputFailure(s.cfg.Outputs, i, o.err))
		s.stop.stopScan(stop.Reason, stop.Err)
		return
	}
	if s.cfg.OnLost != nil {
		s.cfg.OnLost(&OutputError{o.Name, o.err})
	}
}

// reopen opens the gate when the queue has run down.
func (s *Scan) reopen() {
	if len(s.queue) <= queueLen/4 {
		s.gate.full.Store(false)
	}
}
