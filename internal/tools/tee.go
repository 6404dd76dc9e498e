package tools

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// TeeConfig says what [Tee] does with its input.
type TeeConfig struct {
	File        string // what is read goes here, unchanged; a file that exists is emptied
	SuccessOnly bool   // pass on addresses of successes only
	Raw         bool   // pass on whole lines, whatever they are
	Monitor     bool   // show every second how things go
	StatusFile  string // csv of the same; "" means none

	Log *slog.Logger // nil means no log
}

// Tee reads the rows of a scan from in, keeps all of them in a file, and writes the address of each to out, a line each.
//
// Rows are csv with a header, of which the column saddr or ip counts, or JSON objects with a key of that name; the first
// line tells which. Any other input, and all with Raw, is written to out as it is. What of rows is written are addresses
// alone: no header, no empty lines. Rows without an address, JSON that is not valid and, as rows, lines of more than 1 MiB
// are passed over, and the first ten of them are logged.
//
//	in ── queue, 16 MiB ──┬── File        every byte, in order
//	                      └── rows ── out  addresses
//
// Reading, the file and out go on at their own pace until one of the two is 16 MiB behind; then reading waits for it, and
// so whoever writes to in. Beside the queue Tee needs less than 4 MiB.
//
// When out fails, as it does when its reader has gone, or ctx ends, Tee reads no more, so that whoever writes to in ends as
// well, and returns why. What it has read by then is in File when it returns; out gets no more of it. A read from in or a
// write to out that is under way when ctx ends stays behind until it returns. The lines of the monitor go to errw; when
// they, or the status file, cannot be written, all else goes on.
func Tee(ctx context.Context, cfg TeeConfig, in io.Reader, out, errw io.Writer) error {
	file, err := os.Create(cfg.File)
	if err != nil {
		return fmt.Errorf("open output file: %w", err)
	}
	defer file.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	q, cursors := newQueue(teeQueue, 2)
	t := &tee{
		cfg: cfg, queue: q, copied: make(chan struct{}), passed: make(chan struct{}),
		rows: rows{out: bufio.NewWriterSize(out, outSize), warn: warnings{log: orDiscard(cfg.Log)}},
	}
	if cfg.SuccessOnly {
		t.rows.want = successes
	}
	stopMonitor, err := t.startMonitor(errw)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, q.stop)()
	go q.fill(in)
	go t.run(t.copied, cancel, func() error { return copyAll(file, cursors[0]) })
	go t.run(t.passed, cancel, func() error { return t.passOn(ctx, cursors[1]) })
	<-t.copied
	select {
	case <-t.passed:
	case <-ctx.Done():
	}
	stopMonitor()
	return context.Cause(ctx)
}

// teeQueue is how far the file and the output may be behind the input.
const teeQueue = 16 << 20

// A tee is the state of a Tee.
type tee struct {
	cfg    TeeConfig
	queue  *queue
	rows   rows
	copied chan struct{} // closed when the file is complete
	passed chan struct{} // closed when the output is
}

// run runs one of the consumers, whose error ends everything.
func (t *tee) run(done chan<- struct{}, cancel context.CancelCauseFunc, consume func() error) {
	defer close(done)
	if err := consume(); err != nil {
		cancel(err)
	}
}

// copyAll writes everything to file, and closes it.
func copyAll(file *os.File, c *cursor) error {
	defer c.leave()
	for {
		piece, err := c.next()
		if err != nil { // why the input ended is for the other consumer to say
			break
		}
		if _, err := file.Write(piece); err != nil {
			return fmt.Errorf("write output file: %w", err)
		}
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close output file: %w", err)
	}
	return nil
}

// passOn takes rows until there are no more.
func (t *tee) passOn(ctx context.Context, c *cursor) error {
	defer c.leave()
	defer t.rows.warn.finish()
	head, err := t.detect(ctx, c)
	if err != nil {
		return err
	}
	if err := t.rows.split(head); err != nil {
		return err
	}
	for {
		piece, err := t.next(ctx, c)
		if err == nil {
			if err = t.rows.split(piece); err == nil {
				continue
			}
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		if bad := cmp.Or(t.rows.finish(), t.rows.flush()); bad != nil || errors.Is(err, io.EOF) {
			return bad
		}
		return err
	}
}

// next returns the next piece. Before it waits for one, what is held back is written.
func (t *tee) next(ctx context.Context, c *cursor) ([]byte, error) {
	if !c.ready() {
		if err := t.rows.flush(); err != nil {
			return nil, err
		}
	}
	piece, err := c.next()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("pass on rows: %w", context.Cause(ctx))
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read input: %w", err)
	}
	return piece, err
}

// detect reads the first line and finds the layout of the rows. It returns what was read and is to be passed on.
func (t *tee) detect(ctx context.Context, c *cursor) ([]byte, error) {
	var head []byte
	for {
		piece, err := t.next(ctx, c)
		head = append(head, piece...)
		switch {
		case errors.Is(err, io.EOF) && len(head) == 0:
			return nil, errors.New("the input is empty")
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case t.cfg.Raw:
			return head, t.rows.raw()
		case err != nil || bytes.IndexByte(head, '\n') >= 0:
			return t.rows.start(head)
		case len(head) > maxLine:
			return nil, fmt.Errorf("%w: what it is cannot be told; give --raw to pass on whole lines", longLineError(1))
		}
	}
}
