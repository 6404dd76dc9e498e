package sink

import (
	"errors"
	"fmt"
	"io"
	"syscall" // for the one error number that says that a reader has gone

	"github.com/zmap-go/zmap/record"
)

// spillSize is how many bytes are held back at most, but for the last row. One system call for that many costs nothing
// beside making the rows.
const spillSize = 64 << 10

// output is what the formats share: it collects rows in memory and writes them in large pieces. It keeps its first error.
type output struct {
	w       io.Writer
	options Options
	columns []column // selected by Open
	stamp   stamp
	buf     []byte
	spilt   bool // since the last flush
	err     error
}

func newOutput(w io.Writer, o Options) output {
	return output{w: w, options: o, stamp: stamp{location: o.Location}}
}

// Flush writes the rows held back, by what they are written to as well if that holds back.
func (o *output) Flush() error {
	if err := o.spill(); err != nil {
		return err
	}
	if f, ok := o.w.(Flusher); ok && o.spilt {
		o.spilt = false
		o.err = WriteError(f.Flush())
	}
	return o.err
}

// spill writes the rows held back.
func (o *output) spill() error {
	if o.err != nil || len(o.buf) == 0 {
		return o.err
	}
	n, err := o.w.Write(o.buf)
	if err == nil && n < len(o.buf) {
		err = io.ErrShortWrite
	}
	o.buf, o.spilt = o.buf[:0], true
	o.err = WriteError(err)
	return o.err
}

// WriteError returns what an error of a write to an output means: one that wraps [ErrReaderGone] if nobody reads it any
// more, one that says that writing failed otherwise, nil for nil.
func WriteError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return fmt.Errorf("%w: %w", ErrReaderGone, err)
	default:
		return fmt.Errorf("write output: %w", err)
	}
}

// Fields implements [Chooser].
func (o *output) Fields() []int {
	indexes := make([]int, len(o.columns))
	for i, c := range o.columns {
		indexes[i] = c.index
	}
	return indexes
}

// Close writes the rows held back. The writer stays open.
func (o *output) Close() error { return o.Flush() }

// finish takes the buffer back with one more row in it.
func (o *output) finish(buf []byte) error {
	o.buf = buf
	if len(buf) < spillSize {
		return nil
	}
	return o.spill()
}

// column is one selected field.
type column struct {
	index int
	typ   record.Type
	key   string // json: `,"name":`
}

// open selects the columns that the options name, duplicates included, and makes room for rows.
func (o *output) open(s *record.Schema) error {
	indexes, err := s.Select(o.options.Fields)
	if err != nil {
		o.err = err
		return err
	}
	for _, index := range indexes {
		o.columns = append(o.columns, column{index: index, typ: s.Field(index).Type})
	}
	o.buf = make([]byte, 0, spillSize+spillSize/8)
	return nil
}
