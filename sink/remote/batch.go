package remote

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// A kind says what a batch tells the server.
type kind uint8

const (
	kindBegin kind = 1 + iota // a scan begins: no data, the origin says it all
	kindRows                  // rows
	kindEnd                   // a scan has ended: the outcome as JSON
)

// A batch is what is delivered, acknowledged, retried and written to the folder as one. It does not change once it is in the
// queue.
type batch struct {
	origin *origin
	seq    uint64 // counts the batches of a session
	kind   kind
	first  uint64 // number of the first row in its session
	rows   int
	data   []byte

	segment *segment // where it is on disk, nil if it is not
	end     int64    // offset behind it there
}

// id returns the id of the batch: no two batches have the same, whatever scan, machine or start they are of.
func (b *batch) id() string { return b.origin.Session + "-" + strconv.FormatUint(b.seq, 10) }

// each calls fn for every row, with one record for all of them.
func (b *batch) each(fn func(row uint64, r *record.Record) error) error {
	r := record.New(b.origin.schema)
	d := newRowDecoder(b.data)
	for i := range uint64(b.rows) {
		if err := d.decode(r); err != nil {
			return permanent(fmt.Errorf("read row %d of batch %s: %w", i, b.id(), err))
		}
		if err := fn(b.first+i, r); err != nil {
			return err
		}
	}
	return nil
}

// outcome returns what a batch of kindEnd holds.
func (b *batch) outcome() (sink.Outcome, error) {
	var o sink.Outcome
	if err := json.Unmarshal(b.data, &o); err != nil {
		return o, permanent(fmt.Errorf("read outcome in batch %s: %w", b.id(), err))
	}
	return o, nil
}

// append appends the batch as it stands in a file: its kind, three numbers and the data.
func (b *batch) append(buf []byte) []byte {
	buf = append(buf, byte(b.kind))
	buf = binary.AppendUvarint(buf, b.seq)
	buf = binary.AppendUvarint(buf, b.first)
	buf = binary.AppendUvarint(buf, uint64(b.rows))
	return append(buf, b.data...)
}

// decodeBatch reads what append wrote, or the beginning of it. The data are not looked at, and are a part of buf.
func decodeBatch(buf []byte) (*batch, error) {
	if len(buf) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	b := &batch{kind: kind(buf[0])}
	if b.kind < kindBegin || b.kind > kindEnd {
		return nil, fmt.Errorf("unknown kind %d of a batch", buf[0])
	}
	buf = buf[1:]
	var rows uint64
	for _, p := range []*uint64{&b.seq, &b.first, &rows} {
		v, n := binary.Uvarint(buf)
		if n <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		*p, buf = v, buf[n:]
	}
	if rows > maxFrame { // a row is a byte at least
		return nil, fmt.Errorf("%d rows in one batch", rows)
	}
	b.rows, b.data = int(rows), buf
	return b, nil
}

// An origin says where batches come from: which scan, which start of the scanner, which fields.
type origin struct {
	Session string // 128 random bits in hexadecimal, new at every Open: a scan that is resumed has another
	Scan    sink.Scan
	Fields  []originField

	schema *record.Schema
}

type originField struct {
	Name string
	Type record.Type
	Elem []originField `json:",omitempty"` // with Key only
	Key  string        `json:",omitempty"`
}

func newOriginField(f record.Field) originField {
	o := originField{Name: f.Name, Type: f.Type}
	if _, ok := f.KeyIndex(); ok {
		o.Key = f.Key
		for _, m := range f.Elem.Fields() {
			o.Elem = append(o.Elem, originField{Name: m.Name, Type: m.Type})
		}
	}
	return o
}

// newOrigin returns the origin of rows that hold the fields of s at those positions.
func newOrigin(session string, scan sink.Scan, s *record.Schema, indexes []int) (*origin, error) {
	o := &origin{Session: session, Scan: scan}
	for _, i := range indexes {
		o.Fields = append(o.Fields, newOriginField(s.Field(i)))
	}
	return o, o.check()
}

// decodeOrigin reads an origin in JSON.
func decodeOrigin(b []byte) (*origin, error) {
	o := new(origin)
	if err := json.Unmarshal(b, o); err != nil {
		return nil, err
	}
	return o, o.check()
}

var legalID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// maxName is how long the name of a column may be: NAMEDATALEN of PostgreSQL, less one.
const maxName = 63

// check refuses what servers could take for something else than a name, and makes the schema.
func (o *origin) check() error {
	if !legalID.MatchString(o.Session) {
		return fmt.Errorf("session id %.80q is none", o.Session)
	}
	if !legalID.MatchString(o.Scan.ID) {
		return fmt.Errorf("scan id %.80q: expected 1 to 64 letters, digits, dots and hyphens", o.Scan.ID)
	}
	if len(o.Scan.Config) > 0 && !json.Valid(o.Scan.Config) {
		return errors.New("configuration of the scan is no JSON")
	}
	if len(o.Fields) == 0 || len(o.Fields) > 1000 {
		return fmt.Errorf("%d fields: expected 1 to 1000", len(o.Fields))
	}
	fields, err := checkFields(o.Fields)
	if err != nil {
		return err
	}
	o.schema = record.NewSchema(fields)
	return nil
}

// checkFields returns fields as a schema has them.
func checkFields(all []originField) ([]record.Field, error) {
	seen := make(map[string]bool)
	fields := make([]record.Field, len(all))
	for i, f := range all {
		if !record.Legal(f.Name) || len(f.Name) > maxName || seen[f.Name] || f.Type > record.JSON {
			return nil, fmt.Errorf("field %.80q of type %d: illegal or named twice", f.Name, f.Type)
		}
		seen[f.Name] = true
		fields[i] = record.Field{Name: f.Name, Type: f.Type}
		if f.Key == "" {
			continue
		}
		members := make([]originField, len(f.Elem)) // without those of their own
		for k, m := range f.Elem {
			members[k] = originField{Name: m.Name, Type: m.Type}
		}
		inner, err := checkFields(members)
		if err != nil {
			return nil, err
		}
		fields[i].Elem, fields[i].Key = record.NewSchema(inner), f.Key
		if _, ok := fields[i].KeyIndex(); !ok {
			return nil, fmt.Errorf("field %.80q has no member %.80q to be its key", f.Name, f.Key)
		}
	}
	return fields, nil
}
