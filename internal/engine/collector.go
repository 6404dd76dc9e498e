package engine

import (
	"time"

	"github.com/zmap-go/zmap/sink"
)

// flushEvery bounds how long a row waits in a sink's buffer.
const flushEvery = 100 * time.Millisecond

// A collector is the one goroutine that owns the filter and the sink. After a failure it goes on taking batches, so that no
// receiver blocks for ever.
type collector struct {
	scan   *Scan
	dirty  bool // rows may be in the sink's buffer
	broken bool // the sink has failed
}

// run ends when the queue is closed.
func (c *collector) run() {
	s := c.scan
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case b, ok := <-s.queue:
			if !ok {
				c.flush()
				return
			}
			s.reopen()
			c.take(b)
			s.free.give(b)
		case <-tick.C:
			s.reopen() // a receiver may have closed the gate just after the last batch was taken
			c.flush()
		}
	}
}

// take writes a batch's rows.
func (c *collector) take(b *batch) {
	if c.broken {
		return
	}
	c.dirty = true
	c.check(c.scan.write(b))
}

// flush empties the sink's buffer, if it has one and there may be something in it.
func (c *collector) flush() {
	f, ok := c.scan.cfg.Sink.(sink.Flusher)
	if ok && c.dirty && !c.broken {
		c.dirty = false
		c.check(f.Flush())
	}
}

// check ends the scan if err is an error.
func (c *collector) check(err error) {
	if err == nil {
		return
	}
	c.broken = true
	stop := SinkStop(err)
	c.scan.stop.stopScan(stop.Reason, stop.Err)
}

// reopen opens the gate when the queue has run down.
func (s *Scan) reopen() {
	if len(s.queue) <= queueLen/4 {
		s.gate.full.Store(false)
	}
}

// write filters a batch's rows and writes those that are wanted, until there are as many as max-results allows.
func (s *Scan) write(b *batch) error {
	for _, row := range b.rows[:b.n] {
		if s.cfg.Filter != nil && !s.cfg.Filter.Match(row) {
			continue
		}
		if most := s.cfg.Limits.MaxResults; most > 0 && s.rows.Load() >= most {
			return nil
		}
		if err := s.cfg.Sink.Write(row); err != nil {
			return err
		}
		if n := s.rows.Add(1); n == s.cfg.Limits.MaxResults {
			s.stop.stopScan(MaxResults, nil)
		}
	}
	return nil
}
