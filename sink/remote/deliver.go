package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"
)

// A Server is where rows go: [NewHTTP], [NewPostgres] and [NewNATS] make one. It is used by one goroutine at a time, and by one
// sink at a time.
type Server interface {
	// String names the server in messages, without passwords.
	String() string
	// deliver hands over a batch, and returns nil when the server has acknowledged it for good. An error made by permanent will
	// come again whenever it is tried; all others pass, and the batch is delivered again. It returns soon after ctx ends.
	deliver(ctx context.Context, b *batch) error
	// connect finds out whether the server can be had at all. Its errors are as those of deliver.
	connect(ctx context.Context) error
	// close gives up connections; deliver makes new ones.
	close()
}

// A permanentError is an error that no waiting heals: a wrong password, a table of another shape.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

func permanent(err error) error { return &permanentError{err} }

// A laterError is an error of a server that has said when to come again.
type laterError struct {
	err   error
	after time.Duration
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

// maxLater bounds how long a server can make us wait.
const maxLater = 5 * time.Minute

// A courier takes batches out of a queue and delivers them.
type courier struct {
	server  Server
	queue   *queue
	log     *slog.Logger
	timeout time.Duration // of one try
	backoff [2]time.Duration
	hurry   <-chan struct{} // closed when waits between tries end at once
}

func newCourier(s Server, q *queue, o Options, hurry <-chan struct{}) *courier {
	return &courier{server: s, queue: q, log: o.Logger, timeout: o.Timeout, backoff: o.backoff, hurry: hurry}
}

// run delivers until ctx ends, an error stays or, if drain is set, the queue is empty, for which it returns nil.
func (c *courier) run(ctx context.Context, drain bool) error {
	defer c.server.close()
	for {
		b, err := c.queue.next(ctx, drain)
		if err != nil || b == nil {
			return err
		}
		if err := c.send(ctx, b); err != nil {
			return err
		}
		if err := c.queue.done(b); err != nil {
			return err
		}
	}
}

// send delivers one batch, however often that takes.
func (c *courier) send(ctx context.Context, b *batch) error {
	for try := 0; ; try++ {
		err := c.try(ctx, b)
		if err == nil {
			if try > 0 {
				c.log.Info("server takes rows again", "server", c.server.String(), "tries", try+1)
			}
			return nil
		}
		var stays *permanentError
		if errors.As(err, &stays) {
			return fmt.Errorf("deliver rows to %s: %w", c.server, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("deliver rows to %s: %w", c.server, err)
		}
		c.queue.retry(err)
		if try == 0 {
			c.log.Warn("server does not take rows: they wait in the queue", "server", c.server.String(), "error", err)
		}
		if err := c.rest(ctx, try, err); err != nil {
			return err
		}
	}
}

func (c *courier) try(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.server.deliver(ctx, b)
}

// rest waits after so many tries, the last of which failed with cause: a random time up to a bound that doubles, so that many
// scanners do not come back to a server all at once, and in a hurry a short one; or as long as the server has asked for.
func (c *courier) rest(ctx context.Context, try int, cause error) error {
	bound := min(c.backoff[0]<<min(try, 20), c.backoff[1])
	hurry := c.hurry
	select {
	case <-hurry:
		hurry, bound = nil, min(bound, 10*c.backoff[0])
	default:
	}
	wait := bound/2 + rand.N(bound/2+1)
	var later *laterError
	if errors.As(cause, &later) {
		hurry, wait = nil, min(later.after, maxLater)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-hurry:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Deliver delivers what scans have left in a folder, oldest first, and returns how many rows that were. It goes on until the
// folder is empty, ctx ends or the server refuses for good; the error then is an [UndeliveredError] with what is left. Damaged
// pieces are passed over, kept aside and reported as [CorruptError]. Of the options only Folder, Timeout and Logger count.
func Deliver(ctx context.Context, s Server, o Options) (rows int64, err error) {
	o = o.withDefaults()
	if _, err := os.Stat(o.Folder); err != nil {
		return 0, fmt.Errorf("open spill folder: %w", err)
	}
	disk, err := openSpool(o.Folder, o.DiskBytes, o.Sync)
	if err != nil {
		return 0, err
	}
	q := newQueue(disk, o)
	cause := newCourier(s, q, o, nil).run(ctx, true)
	return q.snapshot().Delivered, q.close(cause)
}
