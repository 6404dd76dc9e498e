package annotate

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/gaissmai/bart"
	"github.com/zmap-go/zmap/record"
)

// Bounds of a text, so that a wrong file does not fill the memory.
const (
	maxRecord   = 1 << 20 // bytes of one line, more or less; quoted cells may have line ends in them
	maxPrefixes = 1 << 24
)

var errLongRecord = errors.New("the line does not end: a quote may be open, or this is no table")

// prefixes are the networks of a text, with a row of notes for each.
type prefixes struct{ bart.Table[uint32] }

func (p *prefixes) find(addr netip.Addr) (uint32, bool) { return p.Lookup(addr) }

// A text is a table that is being read.
type text struct {
	name    string
	records *csv.Reader
	input   *bounded
	before  int // lines of remarks before what records reads
	line    int // that the last record begins in
	columns columns
	rows    *writer
	nets    *prefixes
}

// readText reads a table of prefixes from br; name is for messages.
func readText(br *bufio.Reader, name string) (*Table, error) {
	t := &text{name: name, nets: &prefixes{}}
	first, err := t.begin(br)
	if err == nil {
		err = t.read(first)
	}
	if err != nil {
		return nil, err
	}
	if t.nets.Size() == 0 {
		return nil, fmt.Errorf("read table %s: there is no prefix in it", name)
	}
	return &Table{notes: t.rows.done(), nets: t.nets}, nil
}

// begin passes over the remarks, reads the first record and finds out what the columns are. It returns the record if it is
// one of the table, nil if it names columns.
func (t *text) begin(br *bufio.Reader) ([]string, error) {
	line, err := t.firstLine(br)
	if err != nil {
		return nil, err
	}
	t.input = &bounded{r: io.MultiReader(bytes.NewReader(line), br)}
	t.records = csv.NewReader(t.input)
	t.records.Comment = '#'
	t.records.FieldsPerRecord = -1 // our own message is clearer
	t.records.ReuseRecord = true
	if bytes.IndexByte(line, '\t') >= 0 {
		t.records.Comma = '\t'
		t.records.LazyQuotes = true
	}
	first, err := t.next()
	if err != nil {
		return nil, err
	}
	if t.columns, err = bareColumns(first); err != nil {
		return nil, t.wrap(err)
	}
	if t.columns.fields == nil {
		if t.columns, err = namedColumns(first, t.name); err != nil {
			return nil, t.wrap(err)
		}
		first = nil
	}
	t.rows = newWriter(t.columns.fields)
	return first, nil
}

// firstLine returns the first line that is no remark, with as much of it as fits br.
func (t *text) firstLine(br *bufio.Reader) ([]byte, error) {
	for {
		line, err := br.ReadSlice('\n')
		if t.before == 0 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		start := bytes.TrimSpace(line)
		switch remark := len(start) == 0 || start[0] == '#' || start[0] == ';'; {
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%s:%d: read table: %w", t.name, t.before+1, err)
		case err == nil && remark:
			t.before++
		case remark && errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%s:%d: %w", t.name, t.before+1, errLongRecord)
		case remark:
			return nil, fmt.Errorf("read table %s: there is nothing in it", t.name)
		default:
			return bytes.Clone(line), nil
		}
	}
}

// next returns the next record, valid until the one after it; io.EOF at the end. All other errors name the line.
func (t *text) next() ([]string, error) {
	t.input.left = maxRecord
	rec, err := t.records.Read()
	var syntax *csv.ParseError
	switch {
	case err == nil:
		line, _ := t.records.FieldPos(0)
		t.line = t.before + line
		return rec, nil
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("%s:%d: %w", t.name, t.before+syntax.Line, syntax.Err)
	default:
		return nil, fmt.Errorf("%s, after line %d: read table: %w", t.name, t.line, err)
	}
}

// wrap says in which line something is wrong.
func (t *text) wrap(err error) error { return fmt.Errorf("%s:%d: %w", t.name, t.line, err) }

// read takes all records, first before the rest if it is not nil.
func (t *text) read(first []string) error {
	for rec, err := first, error(nil); ; rec, err = t.next() {
		if rec == nil && err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := t.add(rec); err != nil {
			return t.wrap(err)
		}
	}
}

// add takes one record.
func (t *text) add(rec []string) error {
	prefix, err := t.columns.parse(rec, t.rows)
	if err != nil {
		return err
	}
	row, err := t.rows.row()
	if err != nil {
		return err
	}
	t.nets.Modify(prefix, func(earlier uint32, there bool) (uint32, bool) {
		if there {
			return earlier, false
		}
		return row, false
	})
	if t.nets.Size() > maxPrefixes {
		return fmt.Errorf("there are more than %d prefixes", maxPrefixes)
	}
	return nil
}

// A bounded reader ends with an error when more than left bytes are read from it, which its user sets anew now and then.
type bounded struct {
	r    io.Reader
	left int
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongRecord
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}

// field returns the known field of that name.
func field(name string) (record.Field, bool) {
	for _, f := range Known() {
		if f.Name == name {
			return f, true
		}
	}
	return record.Field{}, false
}
