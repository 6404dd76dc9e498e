// Package sink is where rows go: comma separated values and JSON lines, into files, pipes and anything else that is an
// [io.Writer].
//
//	file, err := sink.Create("results.csv")
//	...
//	s := sink.NewCSV(file, sink.Options{Fields: "saddr,sport"})
//	err = s.Open(schema)
//	...
//	err = s.Write(row) // for every row; s.Flush() now and then
//	...
//	err = errors.Join(s.Close(), file.Close())
//
// The formats are C ZMap's, byte for byte for what C ZMap writes right. Three things differ: csv quotes what a reader
// could not tell apart otherwise (RFC 4180), json replaces bytes that are not UTF-8 by U+FFFD, and json writes numbers
// above 2^63-1 as they are and not as negative ones.
//
// Files are compressed if their names say so ([Create], [Compress]), written one after the other by a [Rotating], and read back
// by a [Source].
//
// The package does not choose rows: that is filter's work. Sinks with servers or file structure behind them are in rooms
// below this one.
package sink

import (
	"errors"
	"time"

	"github.com/zmap-go/zmap/record"
)

// A Sink takes rows from one goroutine. Rows may be held back in memory: see [Flusher]. An error of any method means that
// rows are lost; the methods after it return the same error.
type Sink interface {
	// Open is called once, before all others, with the schema of the rows to come. It reports fields that do not exist
	// or that the format cannot hold. A header is written at once.
	Open(s *record.Schema) error
	// Write takes one row of the schema. It must not keep r after it returns. It blocks while the reader is slow.
	Write(r *record.Record) error
	// Close writes what is held back. What the sink writes to stays open: it belongs to whoever made the sink.
	Close() error
}

// A Flusher is a [Sink] that holds rows back. Whoever writes to it calls Flush at the latest 100 ms after a row, from the
// same goroutine.
type Flusher interface {
	Flush() error
}

// A Chooser is a [Sink] that reads only some fields of the rows: all others may be left null, which saves the time to fill
// them in. A sink that is none reads all.
type Chooser interface {
	// Fields returns the positions of those fields, some perhaps twice. It is called after Open.
	Fields() []int
}

// ErrReaderGone is wrapped by the errors of sinks whose output nobody reads any more: the other end of a pipe is closed.
// It ends a scan, but nothing is broken.
var ErrReaderGone = errors.New("reader of the output is gone")

// Options are what the user says about the output.
type Options struct {
	Fields   string         // names separated by commas or blanks, or "*", as [record.Schema.Select] takes them
	NoHeader bool           // csv without its header row; json has none
	Location *time.Location // zone that times are printed in; nil is local time
}

var (
	_ Sink    = (*CSV)(nil)
	_ Sink    = (*JSON)(nil)
	_ Flusher = (*CSV)(nil)
	_ Flusher = (*JSON)(nil)
	_ Chooser = (*CSV)(nil)
	_ Chooser = (*JSON)(nil)
	_ Chooser = (*Exec)(nil)
	_ Flusher = (*Exec)(nil)
)
