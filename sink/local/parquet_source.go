package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// ParquetSource gives back the rows of a Parquet file of this program. What comes back is what was written, but for times, which
// have microseconds, text that was no UTF-8, and bytes in text members, which are hexadecimal.
type ParquetSource struct {
	path    string
	file    *os.File
	parquet *parquet.File
	schema  *record.Schema
	columns []*parquetColumn
	scan    sink.Scan
	outcome sink.Outcome
	leaves  int
	lists   *lists
	group   int // row groups opened so far
	rows    parquet.Rows
	read    int // rows so far
	err     error
}

// OpenParquet opens the file at path and reads its footer.
func OpenParquet(path string) (*ParquetSource, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open rows: %w", err)
	}
	s := &ParquetSource{path: path, file: f, lists: newLists()}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open rows of %s: %w", path, err), f.Close())
	}
	return s, nil
}

// open reads the footer. The library panics at some of what is damaged.
func (s *ParquetSource) open() (err error) {
	defer catch(&err)
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if s.parquet, err = parquet.OpenFile(s.file, info.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true)); err != nil {
		return fmt.Errorf("read footer: %w; a file that is called .part, or was cut off, has none and cannot be read", err)
	}
	text, ok := s.parquet.Lookup(parquetFields)
	if !ok {
		return fmt.Errorf("the footer has no %s: the file was not written by zmap", parquetFields)
	}
	fields, err := parseParquetFields([]byte(text))
	if err != nil {
		return err
	}
	s.schema = record.NewSchema(fields)
	if s.columns, err = parquetColumns(s.schema, "*"); err != nil {
		return err
	}
	if got, want := s.parquet.Schema().String(), parquetSchema(s.columns).String(); got != want {
		return fmt.Errorf("the columns are not those of %s in the footer", parquetFields)
	}
	s.leaves = len(s.parquet.Schema().Columns())
	return s.about()
}

// about reads what the footer says about the scan.
func (s *ParquetSource) about() error {
	get := func(name string) string {
		text, _ := s.parquet.Lookup(parquetPrefix + name)
		return text
	}
	s.scan = sink.Scan{ID: get("scan_id"), Probe: get("probe"), Version: get("version"), Config: json.RawMessage(get("config"))}
	s.outcome = sink.Outcome{Reason: get("reason"), Counts: json.RawMessage(get("counts"))}
	for name, at := range map[string]*time.Time{"started": &s.scan.Started, "ended": &s.outcome.Ended} {
		text := get(name)
		if text == "" {
			continue
		}
		var err error
		if *at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return fmt.Errorf("read %s%s in the footer: %w", parquetPrefix, name, err)
		}
	}
	return nil
}

// parseParquetFields reads what describeFields wrote.
func parseParquetFields(text []byte) ([]record.Field, error) {
	var described []parquetField
	if err := json.Unmarshal(text, &described); err != nil {
		return nil, fmt.Errorf("read %s in the footer: %w", parquetFields, err)
	}
	return undescribe(described, 0)
}

func undescribe(described []parquetField, depth int) ([]record.Field, error) {
	var fields []record.Field
	names := make(map[string]bool)
	for _, d := range described {
		t := slices.Index(typeNames(), d.Type)
		if t < 0 || depth > 1 || names[d.Name] || !record.Legal(d.Name) {
			return nil, fmt.Errorf("read %s in the footer: field %q of type %q cannot be", parquetFields, d.Name, d.Type)
		}
		names[d.Name] = true
		f := record.Field{Name: d.Name, Type: record.Type(t), Full: d.Full}
		if f.Type == record.Repeated && len(d.Elem) > 0 {
			members, err := undescribe(d.Elem, depth+1)
			if err != nil {
				return nil, err
			}
			f.Elem = record.NewSchema(members)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// catch makes an error of a panic.
func catch(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the file is damaged: %v", r)
	}
}

// Schema implements [sink.Source].
func (s *ParquetSource) Schema() *record.Schema { return s.schema }

// Scan returns which scan the rows are of, as [sink.Store.Begin] was told.
func (s *ParquetSource) Scan() sink.Scan { return s.scan }

// Outcome returns how that scan ended; without a reason if the sink was not told.
func (s *ParquetSource) Outcome() sink.Outcome { return s.outcome }

// Read implements [sink.Source].
func (s *ParquetSource) Read(r *record.Record) error {
	if s.err == nil {
		if s.err = s.next(r); s.err != nil && !errors.Is(s.err, io.EOF) {
			s.err = fmt.Errorf("read %s: row %d: %w", s.path, s.read+1, s.err)
		}
	}
	return s.err
}

// next reads the next row, from the next row group if need be.
func (s *ParquetSource) next(r *record.Record) (err error) {
	defer catch(&err)
	r.Reset()
	var row [1]parquet.Row
	for {
		if s.rows == nil {
			groups := s.parquet.RowGroups()
			if s.group == len(groups) {
				return io.EOF
			}
			s.rows = groups[s.group].Rows()
			s.group++
		}
		n, err := s.rows.ReadRows(row[:])
		if n == 1 {
			s.read++
			return s.set(r, row[0])
		}
		switch {
		case errors.Is(err, io.EOF):
			if err := s.rows.Close(); err != nil {
				return err
			}
			s.rows = nil
		case err != nil:
			return err
		default:
			return io.ErrNoProgress
		}
	}
}

// set fills r from the values of a row.
func (s *ParquetSource) set(r *record.Record, row parquet.Row) error {
	leaves := make([][]parquet.Value, 0, s.leaves)
	row.Range(func(_ int, values []parquet.Value) bool {
		leaves = append(leaves, values)
		return true
	})
	if len(leaves) != s.leaves {
		return fmt.Errorf("has %d columns of %d", len(leaves), s.leaves)
	}
	for i, c := range s.columns {
		var err error
		if isNested(&c.Field) {
			r.Values[i], err = s.list(r, c, leaves[c.leaf:c.leaf+len(c.members)])
		} else {
			err = s.value(&r.Values[i], r, &c.Field, leaves[c.leaf][0])
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return nil
}

// list returns the value of a field that is nested.
func (s *ParquetSource) list(r *record.Record, c *parquetColumn, leaves [][]parquet.Value) (record.Value, error) {
	switch first := leaves[0][0]; first.DefinitionLevel() {
	case levelNull:
		return record.Value{}, nil
	case levelEmpty:
		return record.List(nil), nil
	}
	objects := make([]record.Object, len(leaves[0]))
	for i := range objects {
		for k := range leaves {
			v := leaves[k][i]
			if v.DefinitionLevel() != levelMember {
				continue
			}
			m := record.Member{Name: c.members[k].Name}
			if err := s.value(&m.Value, r, &c.members[k], v); err != nil {
				return record.Value{}, err
			}
			objects[i] = append(objects[i], m)
		}
	}
	return record.List(objects), nil
}

// value sets v to a value of the file, whose column is of the field's type.
func (s *ParquetSource) value(v *record.Value, r *record.Record, f *record.Field, x parquet.Value) error {
	if x.IsNull() {
		return nil
	}
	switch f.Type {
	case record.Int:
		n := x.Int64()
		v.SetUint(uint64(n))
		if n < 0 && !f.Full {
			*v = record.Signed(n)
		}
	case record.Bool:
		v.SetBool(x.Boolean())
	case record.Time:
		const most = 1<<63/1000 - 1
		if n := x.Int64(); n > most || n < -most {
			return fmt.Errorf("time %d is out of range", n)
		}
		v.SetTime(x.Int64() * 1000)
	case record.Binary:
		*v = record.Bytes(r.Copy(x.ByteArray()))
	case record.String:
		v.SetText(string(x.ByteArray()))
	case record.Addr:
		a, err := netip.ParseAddr(string(x.ByteArray()))
		if err != nil {
			return err
		}
		v.SetAddr(a)
	case record.JSON:
		var err error
		*v, err = r.Document(x.ByteArray())
		return err
	case record.Repeated:
		return s.lists.decode(v, string(x.ByteArray()))
	}
	return nil
}

// Close implements [sink.Source].
func (s *ParquetSource) Close() error {
	if s.rows != nil {
		_ = s.rows.Close() // it only reads
	}
	return s.file.Close()
}

var _ sink.Source = (*ParquetSource)(nil)
