package zmap

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/record"
)

// ErrLoopLeft is what ended a scan whose loop was left: [Hooks.End] gets it in a [*StopError], with reason StopInterrupted.
var ErrLoopLeft = errors.New("the loop over the rows was left")

// Scan is [Run] as a loop over the rows:
//
//	for row, err := range zmap.Scan(ctx, config) {
//		if err != nil {
//			return err // what Run would return; nothing follows
//		}
//		...
//	}
//
// Every loop is a scan of its own. A row has all fields of Plan.Schema, and is valid until the loop asks for the next one;
// [record.Record.Set] makes a copy. An error is the last pair, with a nil row. The report is what [Hooks.End] gets.
//
// The loop is one of the outputs: the one in c.Outputs without a sink, whose Filter and DefaultMode choose the rows that it
// sees, or one more, of all rows. While the loop's body is at work the scan goes on; rows wait for it, and then the scan does.
// A row costs one or two microseconds on its way to the loop, more than to a sink.
//
// Leaving the loop, by break, return, panic or runtime.Goexit, ends the scan at once: no row after that is written, also to no
// other output, and the loop is over when nothing of the scan is left, no goroutine, socket or BPF program. A ctx that ends
// is an error as for Run: rows that still come are seen, then the error.
func Scan(ctx context.Context, c Config) iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		l := &loop{rows: make(chan *record.Record), next: make(chan struct{}), left: make(chan struct{})}
		var err error // of the scan, once rows is closed
		go func() {
			defer close(l.rows)
			_, err = runWith(ctx, l.join(c), l.scan.Store)
		}()
		over := false
		defer func() {
			if !over {
				l.leave()
			}
		}()
		for row := range l.rows {
			if !yield(row, nil) {
				return
			}
			l.next <- struct{}{}
		}
		if over = true; err != nil {
			yield(nil, err)
		}
	}
}

// A loop is the sink of the rows that a loop sees. A row goes to the loop's goroutine and comes back when the loop asks for the
// next one.
type loop struct {
	rows chan *record.Record
	next chan struct{}
	left chan struct{}               // closed when the loop was left
	scan atomic.Pointer[engine.Scan] // nil before it is made
}

// join makes the loop an output of the scan.
func (l *loop) join(c Config) Config {
	c.Outputs = slices.Clone(c.Outputs)
	i := slices.IndexFunc(c.Outputs, func(o Output) bool { return o.Sink == nil })
	if i < 0 {
		i = len(c.Outputs)
		c.Outputs = append(c.Outputs, Output{Name: "loop"})
	}
	c.Outputs[i].Sink = l
	return c
}

// leave ends the scan, and returns when it is over. There is one: the loop has had a row.
func (l *loop) leave() {
	l.scan.Load().Halt(ErrLoopLeft)
	close(l.left)
	for range l.rows { // until it is closed
	}
}

// Open has nothing to do.
func (l *loop) Open(*record.Schema) error { return nil }

// Write lends r to the loop.
func (l *loop) Write(r *record.Record) error {
	select {
	case l.rows <- r:
	case <-l.left:
		return nil
	}
	select {
	case <-l.next:
	case <-l.left: // the loop has seen this row, and the scan writes no more
	}
	return nil
}

// Close has nothing to do.
func (l *loop) Close() error { return nil }
