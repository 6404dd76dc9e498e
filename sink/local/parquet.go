package local

import (
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// Bounds of what a Parquet sink holds.
const (
	parquetGroupRows  = 122_880  // rows of a row group: what DuckDB reads with one thread
	parquetGroupBytes = 64 << 20 // bytes of a row group, before they are compressed
	parquetBatchRows  = 1024     // rows gathered before they are handed to the columns
	parquetBatchBytes = 4 << 20  // bytes of texts in them
	parquetPageBytes  = 128 << 10
	parquetDictionary = 256 << 10 // bytes of different values, from which on a column is written plainly
)

// Names of what the footer says about the scan. The fields are those of the rows, for whoever reads them back.
const (
	parquetFields = "zmap.fields"
	parquetPrefix = "zmap."
)

// ParquetOptions are what the user says about a Parquet file.
type ParquetOptions struct {
	Fields string // as [sink.Options] has them; each field is written once
}

// Parquet writes one scan into one Parquet file (https://parquet.apache.org/docs/file-format), whose pages are compressed with
// Zstandard. Every column is optional; null is null:
//
//	string    BYTE_ARRAY, UTF8; bytes that are no UTF-8 become U+FFFD
//	int       INT64; UINT_64 where the field is Full
//	bool      BOOLEAN
//	binary    BYTE_ARRAY
//	addr      BYTE_ARRAY, UTF8; and NAME_key, FIXED_LEN_BYTE_ARRAY(16), which sorts as addresses do: IPv4 as ::ffff:a.b.c.d
//	time      INT64, TIMESTAMP in microseconds, UTC
//	repeated  LIST of groups with a column for each member, in which bytes are hexadecimal; BYTE_ARRAY, JSON, without [record.Field.Elem]
//
// The file has its directory at its end: until Close it is called NAME.part, and no program can read it. One of a scan that was
// killed stays NAME.part, and its rows are lost: who cannot afford that rotates files (see [sink.Rotating]) or writes CSV or JSON.
// Close gives the file its name, in the place of one that had it.
//
// A row group has up to 122,880 rows, or fewer if they have more than 64 MB. It is held in memory, compressed, until it is
// complete; all in all that takes about 60 MB, and 64 MB more where nothing can be compressed.
type Parquet struct {
	o       ParquetOptions
	w       io.Writer
	part    *sink.Part // nil if w is somebody else's
	path    string
	scan    *sink.Scan
	file    *parquet.GenericWriter[any]
	columns []*parquetColumn
	leaves  []parquetLeaf
	rows    int // of the row group
	size    int // of the row group, in bytes before compression
	batch   int // rows in the leaves
	text    []byte
	lists   *lists
	err     error
}

// NewParquet returns a sink that writes a Parquet file to w, which stays the caller's.
func NewParquet(w io.Writer, o ParquetOptions) *Parquet {
	return &Parquet{w: w, o: o, lists: newLists()}
}

// CreateParquet returns a sink that makes the file at path.
func CreateParquet(path string, o ParquetOptions) (*Parquet, error) {
	part, err := sink.CreatePart(path)
	if err != nil {
		return nil, err
	}
	p := NewParquet(part, o)
	p.part, p.path = part, path
	return p, nil
}

// Begin implements [sink.Store].
func (p *Parquet) Begin(s sink.Scan) error {
	p.scan = &s
	return nil
}

// Open implements [sink.Sink].
func (p *Parquet) Open(s *record.Schema) error {
	columns, err := parquetColumns(s, p.o.Fields)
	if err != nil {
		p.err = err
		return err
	}
	p.columns = columns
	schema := parquetSchema(columns)
	p.file = parquet.NewGenericWriter[any](p.w, schema,
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}),
		parquet.PageBufferSize(parquetPageBytes), parquet.DictionaryMaxBytes(parquetDictionary), parquet.DataPageVersion(1),
		parquet.CreatedBy("zmap", p.version(), ""))
	p.leaves = make([]parquetLeaf, len(schema.Columns()))
	fields, err := describeFields(columns)
	if err != nil {
		p.err = err
		return err
	}
	p.file.SetKeyValueMetadata(parquetFields, fields)
	if p.scan != nil {
		p.say("scan_id", p.scan.ID)
		p.say("started", p.scan.Started.UTC().Format(time.RFC3339Nano))
		p.say("probe", p.scan.Probe)
		p.say("version", p.scan.Version)
		p.say("config", string(p.scan.Config))
	}
	return nil
}

func (p *Parquet) version() string {
	if p.scan == nil {
		return ""
	}
	return p.scan.Version
}

// say puts something about the scan into the footer.
func (p *Parquet) say(name, value string) { p.file.SetKeyValueMetadata(parquetPrefix+name, value) }

// Fields implements [sink.Chooser].
func (p *Parquet) Fields() []int {
	indexes := make([]int, len(p.columns))
	for i, c := range p.columns {
		indexes[i] = c.index
	}
	return indexes
}

// Write implements [sink.Sink].
func (p *Parquet) Write(r *record.Record) error {
	if p.err != nil {
		return p.err
	}
	for _, c := range p.columns {
		if p.err = p.add(c, &r.Values[c.index]); p.err != nil {
			return p.err
		}
	}
	p.batch++
	if p.batch == parquetBatchRows || len(p.text) >= parquetBatchBytes {
		p.err = p.spill()
	}
	return p.err
}

// spill hands the gathered rows to the columns, and ends the row group if it is large enough.
func (p *Parquet) spill() error {
	writers := p.file.ColumnWriters()
	for i := range p.leaves {
		l := &p.leaves[i]
		if _, err := writers[i].WriteRowValues(l.values); err != nil {
			return fmt.Errorf("write column %d: %w", i+1, sink.WriteError(err))
		}
		p.size += 8 * len(l.values)
		clear(l.values) // they hold on to texts
		l.values = l.values[:0]
	}
	p.size += len(p.text)
	p.rows += p.batch
	p.batch, p.text = 0, p.text[:0]
	if p.rows < parquetGroupRows && p.size < parquetGroupBytes {
		return nil
	}
	p.rows, p.size = 0, 0
	return sink.WriteError(p.file.Flush())
}

// End implements [sink.Store].
func (p *Parquet) End(o sink.Outcome) error {
	if p.err != nil || p.file == nil {
		return p.err
	}
	p.say("ended", o.Ended.UTC().Format(time.RFC3339Nano))
	p.say("reason", o.Reason)
	p.say("counts", string(o.Counts))
	return nil
}

// Close implements [sink.Sink]. It writes the footer and gives the file its name. If rows were lost, what there is stays NAME.part;
// if there was no Open, nothing stays.
func (p *Parquet) Close() error {
	switch {
	case p.file == nil:
		if p.part != nil {
			p.part.Discard()
		}
		return p.err
	case p.err == nil:
		p.err = p.finish()
	}
	if p.err != nil && p.part != nil {
		return errors.Join(p.err, p.part.Close())
	}
	return p.err
}

func (p *Parquet) finish() error {
	if err := p.spill(); err != nil {
		return err
	}
	if err := p.file.Close(); err != nil {
		return sink.WriteError(err)
	}
	if p.part == nil {
		return nil
	}
	part := p.part
	p.part = nil
	return part.Publish(p.path)
}

// keep copies bytes for as long as they are gathered.
func (p *Parquet) keep(b []byte) parquet.Value {
	begin := len(p.text)
	p.text = append(p.text, b...)
	return p.kept(begin)
}

// keepText is keep for text. What is no UTF-8 is replaced, as JSON does.
func (p *Parquet) keepText(text []byte) parquet.Value {
	if utf8.Valid(text) {
		return p.keep(text)
	}
	begin := len(p.text)
	p.text = appendValid(p.text, text)
	return p.kept(begin)
}

// kept returns the bytes that were appended behind begin.
func (p *Parquet) kept(begin int) parquet.Value {
	return parquet.ByteArrayValue(p.text[begin:len(p.text):len(p.text)])
}

var (
	_ sink.Store   = (*Parquet)(nil)
	_ sink.Chooser = (*Parquet)(nil)
)
