package sink

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/zmap-go/zmap/record"
)

// A Rotating writes one file after the other, each a whole output of its format, header included. Rows are never parted.
//
// "a.csv.gz" becomes a-20261122-152302-0001.csv.gz: when the file was begun (UTC), and the number of the file, so that names sort
// in the order of the rows. A name that is taken is passed over: no file is overwritten. Until a file is complete and on the disk
// its name ends in .part, so that whoever collects files takes complete ones only; a program that is killed leaves one, which
// holds the rows up to the last flush. A file is begun with its first row, but for the first, which is begun by Open.
type Rotating struct {
	o       RotateOptions
	now     func() time.Time // tests have their own
	schema  *record.Schema
	scan    *Scan
	inner   Sink // nil between files
	part    *Part
	packed  Compressor
	name    string    // of the file when it is complete
	until   time.Time // when it is to be closed
	number  int       // of the file
	unasked int       // rows until the clock is looked at
	err     error
}

// RotateOptions say when a file is closed and the next one begun; zero values never.
type RotateOptions struct {
	Path string // the name that the names of files are made of, compressed as [Compress] says
	// Size is bytes of the file. It is exceeded by what is held back: up to 64 KB of text and what the compressor holds, or a row
	// group of Parquet.
	Size int64
	// Every is a span of time. Files end at its multiples, in UTC: those of an hour on the hour. A file is closed when the first
	// row behind its end comes.
	Every time.Duration
	// New makes the sink for one file.
	New func(io.Writer) Sink
}

// NewRotating returns a sink that writes files as the options say.
func NewRotating(o RotateOptions) *Rotating { return &Rotating{o: o, now: time.Now} }

// Begin implements [Store]: sinks of files that are stores are all told of the scan.
func (r *Rotating) Begin(s Scan) error {
	r.scan = &s
	return nil
}

// End implements [Store]. Only the last file can say how the scan ended.
func (r *Rotating) End(o Outcome) error {
	if s, ok := r.inner.(Store); ok && r.err == nil {
		r.err = s.End(o)
	}
	return r.err
}

// Open implements [Sink].
func (r *Rotating) Open(s *record.Schema) error {
	r.schema = s
	if r.err = r.begin(); r.err != nil && r.part != nil {
		r.part.Discard()
		r.part = nil
	}
	return r.err
}

// Fields implements [Chooser].
func (r *Rotating) Fields() []int {
	if c, ok := r.inner.(Chooser); ok {
		return c.Fields()
	}
	all := make([]int, r.schema.Len())
	for i := range all {
		all[i] = i
	}
	return all
}

// askEvery is how many rows in a row go without a look at the clock.
const askEvery = 256

// Write implements [Sink].
func (r *Rotating) Write(row *record.Record) error {
	if r.err == nil && r.inner != nil && (r.o.Size > 0 && r.part.size >= r.o.Size || r.isLate()) {
		r.err = r.end()
	}
	if r.err == nil && r.inner == nil {
		r.err = r.begin()
	}
	if r.err == nil {
		r.err = r.inner.Write(row)
	}
	return r.err
}

// isLate says whether the time of the file is over.
func (r *Rotating) isLate() bool {
	if r.unasked--; r.o.Every <= 0 || r.unasked > 0 {
		return false
	}
	r.unasked = askEvery
	return !r.now().Before(r.until)
}

// Flush implements [Flusher].
func (r *Rotating) Flush() error {
	r.unasked = 0
	if f, ok := r.inner.(Flusher); ok && r.err == nil {
		r.err = f.Flush()
	}
	return r.err
}

// Close implements [Sink]. The last file gets its name, unless rows were lost.
func (r *Rotating) Close() error {
	if r.err == nil && r.inner != nil {
		r.err = r.end()
	}
	if r.part != nil {
		_ = r.part.Close() // rows are lost already
	}
	return r.err
}

// begin makes the next file.
func (r *Rotating) begin() (err error) {
	now := r.now()
	if r.o.Every > 0 {
		r.until, r.unasked = now.Truncate(r.o.Every).Add(r.o.Every), askEvery
	}
	if err := r.create(now); err != nil {
		return err
	}
	if r.packed, err = Compress(r.name, r.part); err != nil {
		return fmt.Errorf("create output file %s: %w", r.name, err)
	}
	r.inner = r.o.New(r.packed)
	if s, ok := r.inner.(Store); ok && r.scan != nil {
		if err := s.Begin(*r.scan); err != nil {
			return err
		}
	}
	return r.inner.Open(r.schema)
}

// create makes a file of a name that nobody has or is about to take.
func (r *Rotating) create(now time.Time) error {
	folder, base := filepath.Split(r.o.Path)
	stem, ending := base, ""
	if dot := strings.IndexByte(base[min(1, len(base)):], '.'); dot >= 0 {
		stem, ending = base[:dot+1], base[dot+1:]
	}
	for {
		r.number++
		r.name = fmt.Sprintf("%s%s-%s-%04d%s", folder, stem, now.UTC().Format("20060102-150405"), r.number, ending)
		if _, err := os.Lstat(r.name); err == nil {
			continue
		}
		part, err := createPart(r.name + partSuffix)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		r.part = part
		return err
	}
}

// end completes the file.
func (r *Rotating) end() error {
	inner, part := r.inner, r.part
	r.inner, r.part = nil, nil
	if err := errors.Join(inner.Close(), WriteError(r.packed.Close())); err != nil {
		return errors.Join(err, part.Close())
	}
	return part.Publish(r.name)
}

var (
	_ Store   = (*Rotating)(nil)
	_ Flusher = (*Rotating)(nil)
	_ Chooser = (*Rotating)(nil)
)
