package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFull is what a blocked Write returns when [Options.Stop] is closed: the queue is full, and nobody wants to wait.
var ErrFull = errors.New("queue of rows for the server is full")

// A queue holds batches in order: on disk the older ones, in memory the newer ones. The scan puts batches in, one goroutine takes
// them out. One that is being delivered stays until it is acknowledged.
type queue struct {
	drop bool
	stop <-chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, at every change
	disk    *spool
	memory  []*batch
	bytes   int   // in memory
	failing bool  // the last try to deliver has failed
	last    error // what that failed with
	err     error // why nothing can be put in any more
	ended   bool  // nothing is taken out any more
	stats   Stats
}

// Stats are counters of a sink.
type Stats struct {
	Accepted  int64 // rows written by the scan
	Delivered int64 // rows acknowledged, those of earlier scans included
	Waiting   int64 // rows in the queue
	Spilled   int64 // rows that went through the folder
	Dropped   int64 // rows given up because the queue was full
	Retries   int64 // tries to deliver that have failed
}

// maxMemory is how many bytes of batches wait in memory for the next Flush.
const maxMemory = 8 << 20

func newQueue(disk *spool, o Options) *queue {
	return &queue{drop: o.Drop, stop: o.Stop, changed: make(chan struct{}), disk: disk}
}

// signal wakes all that wait. The lock is held.
func (q *queue) signal() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// wait gives up the lock until something has changed or ctx ends.
func (q *queue) wait(ctx context.Context) error {
	c := q.changed
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put appends a batch, and blocks while memory and disk are full. Also after an error the batch is in memory, for close to save.
func (q *queue) put(b *batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.memory = append(q.memory, b)
	q.bytes += len(b.data)
	q.stats.Accepted += int64(b.rows)
	q.signal()
	if q.err != nil || q.bytes <= maxMemory {
		return q.err
	}
	return q.spill(false)
}

// flush returns when everything that was put in is acknowledged or on disk. It waits for the server until ctx ends, and not at
// all if there is no hope.
func (q *queue) flush(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.memory) > 0 && q.disk.empty() && !q.failing && q.err == nil {
		if q.wait(ctx) != nil {
			break
		}
	}
	if q.err != nil {
		return q.err
	}
	return q.spill(false)
}

// spill writes what is in memory to disk, also beyond the limit if over is set. The lock is held.
func (q *queue) spill(over bool) error {
	for len(q.memory) > 0 {
		b := q.memory[0]
		switch {
		case over || q.disk.room(b):
			if err := q.disk.append(b); err != nil {
				return q.broken(err)
			}
			q.stats.Spilled += int64(b.rows)
			q.forget(b)
		case q.drop && b.kind == kindRows:
			q.stats.Dropped += int64(b.rows)
			q.forget(b)
		default:
			if err := q.waitForRoom(); err != nil {
				return err
			}
		}
	}
	if err := q.disk.commit(); err != nil {
		return q.broken(err)
	}
	return nil
}

// waitForRoom waits until something has changed, and returns an error if nothing will.
func (q *queue) waitForRoom() error {
	c := q.changed
	q.mu.Unlock()
	select {
	case <-c:
	case <-q.stop:
	}
	q.mu.Lock()
	select {
	case <-q.stop:
		return ErrFull
	default:
		return q.err
	}
}

// forget takes the oldest batch out of memory.
func (q *queue) forget(b *batch) {
	q.memory[0] = nil
	q.memory = q.memory[1:]
	q.bytes -= len(b.data)
	if len(q.memory) == 0 {
		q.memory = nil
	}
}

// broken notes the first error that ends everything, and wakes those who wait for what will not come.
func (q *queue) broken(err error) error {
	if q.err == nil {
		q.err = err
	}
	q.signal()
	return q.err
}

// end notes that nothing is taken out any more, and why.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	_ = q.broken(err)
}

// next returns the oldest batch and leaves it where it is, until done. It waits for one, but if drain is set: then it returns nil
// when all are gone.
func (q *queue) next(ctx context.Context, drain bool) (*batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		b, err := q.disk.first()
		switch {
		case err != nil:
			return nil, err
		case b != nil:
			return b, nil
		case len(q.memory) > 0:
			return q.memory[0], nil
		case drain:
			return nil, nil
		}
		q.signal() // the disk may have run empty just now
		if err := q.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// done takes out the batch that next has returned: it is acknowledged.
func (q *queue) done(b *batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Delivered += int64(b.rows)
	q.failing = false
	defer q.signal()
	if b.segment == nil {
		q.forget(b)
		return nil
	}
	return q.disk.done(b)
}

// retry notes that a try has failed.
func (q *queue) retry(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Retries++
	q.failing, q.last = true, err
	q.signal()
}

// drained waits until nothing is left, and returns why something is.
func (q *queue) drained(wait time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), max(0, wait))
	defer cancel()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.memory) > 0 || !q.disk.empty() {
		if q.ended {
			return q.err
		}
		if q.wait(ctx) == nil {
			continue
		}
		if q.failing {
			return fmt.Errorf("server has not taken them after %v: %w", wait, q.last)
		}
		return fmt.Errorf("server has not taken them after %v", wait)
	}
	return nil
}

// snapshot returns the counters.
func (q *queue) snapshot() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counters()
}

// counters returns the counters. The lock is held.
func (q *queue) counters() Stats {
	s := q.stats
	s.Waiting = q.disk.rows
	for _, b := range q.memory {
		s.Waiting += int64(b.rows)
	}
	return s
}

// close writes what is in memory to disk, gives up the folder and says what is left, because of cause. The goroutine that takes
// batches out has ended.
func (q *queue) close(cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.spill(true)
	if cause == nil {
		cause = err
	}
	damage := q.disk.report()
	if damage != nil {
		damage = fmt.Errorf("read rows that wait in the queue: %w", damage)
	}
	q.disk.close()
	if len(q.memory) == 0 && q.disk.empty() {
		return errors.Join(cause, damage)
	}
	lost := q.counters().Waiting - q.disk.rows
	return errors.Join(&UndeliveredError{Rows: q.disk.rows, Lost: lost, Folder: q.disk.folder, Err: cause}, damage)
}

// An UndeliveredError says that rows have been accepted and not delivered.
type UndeliveredError struct {
	Rows   int64 // rows in the folder, those of earlier scans included
	Lost   int64 // rows that could not even be written there
	Folder string
	Err    error // why
}

func (e *UndeliveredError) Error() string {
	s := fmt.Sprintf("%d rows are not delivered and stay in %s, where the next scan that uses that folder, or remote.Deliver, finds them",
		e.Rows, e.Folder)
	if e.Lost > 0 {
		s += fmt.Sprintf("; %d rows are lost, as they could not be written there", e.Lost)
	}
	return fmt.Sprintf("%s: %v", s, e.Err)
}

func (e *UndeliveredError) Unwrap() error { return e.Err }
