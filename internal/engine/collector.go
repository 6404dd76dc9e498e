package engine

import (
	"errors"
	"time"

	"github.com/zmap-go/zmap/sink"
)

// flushEvery bounds how long a row waits in a sink's buffer.
const flushEvery = 100 * time.Millisecond

// collect is the one goroutine that owns the filter and the sink. It ends when the queue is closed, and goes on taking
// batches after a failure, so that no receiver blocks for ever.
func (s *Scan) collect() {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	broken, dirty := false, false
	fail := func(err error) {
		broken = true
		why := SinkFailed
		if errors.Is(err, sink.ErrReaderGone) {
			why = ReaderGone
		}
		s.stop.stopScan(why, err)
	}
	for {
		select {
		case b, ok := <-s.queue:
			if !ok {
				if err := s.flush(); err != nil && !broken {
					fail(err)
				}
				return
			}
			s.reopen()
			if !broken {
				if err := s.write(b); err != nil {
					fail(err)
				}
				dirty = true
			}
			b.n = 0
			s.free <- b
		case <-flush.C:
			s.reopen() // a receiver may have closed the gate just after the last batch was taken
			if dirty && !broken {
				if err := s.flush(); err != nil {
					fail(err)
				}
				dirty = false
			}
		}
	}
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

// flush empties the sink's buffer, if it has one.
func (s *Scan) flush() error {
	if f, ok := s.cfg.Sink.(sink.Flusher); ok {
		return f.Flush()
	}
	return nil
}
