package engine

import (
	"time"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/record"
)

// flushEvery bounds how long a row waits in a sink's buffer.
const flushEvery = 100 * time.Millisecond

// A collector is the one goroutine that owns the outputs. When all have failed it goes on taking batches, so that no receiver
// blocks for ever.
type collector struct {
	scan   *Scan
	failed int                // outputs
	hooked bool               // a hook looks at rows
	notes  annotate.Annotator // nil if nobody reads what it says
	spare  []*hit             // whose grabs are done
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
				close(b.taken)
				continue
			}
			c.take(b)
			s.free.give(b)
		case g := <-grabbed:
			c.takeGrab(&g)
		case <-tick.C:
			s.reopen() // a receiver may have closed the gate just after the last batch was taken
			c.flush()
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
		if half == nil || !c.grab(row, half) {
			c.put(row)
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
