package local

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// An SQLiteSource is a [sink.Source] of one scan in a database, in the order in which the rows were written. It sees the rows
// that were committed when it was opened. The memory of values is new for each row.
type SQLiteSource struct {
	*reader
	path   string
	stored StoredScan // without Rows
	schema *record.Schema
	lists  *lists
	rows   *sql.Rows
	cells  []any // id, then the fields
	into   []any
	closed bool
	err    error
}

// OpenSQLiteSource returns a source of the scan of that ID, or of the only one whose ID begins with it; "" is the one that began
// last of those that have ended, or of all if none has.
func OpenSQLiteSource(path, scan string) (*SQLiteSource, error) {
	r, err := openToRead(path)
	if err != nil {
		return nil, explain("read", path, err)
	}
	s := &SQLiteSource{reader: r, path: path, lists: newLists()}
	if err := s.find(scan); err != nil {
		return nil, explain("read", path, errors.Join(err, s.release()))
	}
	return s, nil
}

// find finds the scan and begins to read it.
func (s *SQLiteSource) find(scan string) error {
	number, fields, err := s.choose(scan)
	if err != nil {
		return err
	}
	have, err := tableColumns(s.conn, "observation")
	if err != nil {
		return err
	}
	if s.schema, err = parseFields(fields, have); err != nil {
		return fmt.Errorf("scan %s: %w", s.stored.ID, err)
	}
	text := "SELECT id"
	s.cells = make([]any, 1+s.schema.Len())
	s.into = make([]any, len(s.cells))
	for i := range s.cells {
		s.into[i] = &s.cells[i]
		if i > 0 {
			f := s.schema.Field(i - 1)
			text += ", " + expression(&f)
		}
	}
	s.rows, err = s.conn.QueryContext(context.Background(), text+" FROM observation WHERE id >= ? AND id < ? ORDER BY id",
		number<<rowBits, (number+1)<<rowBits)
	return err
}

// choose returns number and fields of the scan.
func (s *SQLiteSource) choose(scan string) (number int64, fields string, err error) {
	const begin = "SELECT " + scanColumns + ", n, fields FROM scan "
	text, args := begin+"ORDER BY ended IS NULL, started DESC, n DESC LIMIT 1", []any{}
	if scan != "" {
		text = begin + "WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id <> ?1, n LIMIT 2"
		args = append(args, scan)
	}
	rows, err := s.conn.QueryContext(context.Background(), text, args...)
	if err != nil {
		return 0, "", err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var f string
		var found StoredScan
		if err := found.read(rows.Scan, &n, &f); err != nil {
			return 0, "", fmt.Errorf("read scans: %w", err)
		}
		if s.stored.ID == scan && scan != "" {
			break
		}
		if s.stored.ID != "" {
			return 0, "", fmt.Errorf("%q is the beginning of several scans, %s and %s among them: give more of it", scan, s.stored.ID, found.ID)
		}
		s.stored, number, fields = found, n, f
	}
	switch err := rows.Err(); {
	case err != nil:
		return 0, "", err
	case s.stored.ID == "" && scan == "":
		return 0, "", errors.New("there is no scan in it")
	case s.stored.ID == "":
		return 0, "", fmt.Errorf("there is no scan in it whose ID begins with %q", scan)
	case number < 1 || number >= 1<<(63-rowBits):
		return 0, "", fmt.Errorf("scan %s has number %d, which no zmap gave it", s.stored.ID, number)
	}
	return number, fields, nil
}

// typeNames are what the types of fields are called in the table scan.
func typeNames() []string {
	return []string{
		record.String: "string", record.Int: "int", record.Bool: "bool", record.Binary: "binary", record.Repeated: "repeated",
		record.Addr: "addr", record.Time: "time", record.JSON: "json",
	}
}

func typeName(t record.Type) string { return typeNames()[t] }

// parseFields returns the schema that a scan's fields describe. All of them must be columns of the table.
func parseFields(text string, have map[string]string) (*record.Schema, error) {
	var all []described
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("read its fields: %w", err)
	}
	fields := make([]record.Field, 0, len(all))
	seen := make(map[string]bool)
	for _, d := range all {
		name := strings.ToLower(d.Name)
		f := record.Field{Name: d.Name}
		known := false
		for t, of := range typeNames() {
			if of == d.Type {
				f.Type, known = record.Type(t), true
			}
		}
		_, column := have[name]
		if d.Key != "" && f.Type == record.Repeated {
			if err := d.describeParts(&f); err != nil {
				return nil, err
			}
			column = true // tables of its own
		}
		switch {
		case !record.Legal(d.Name) || seen[name]:
			return nil, fmt.Errorf("field %.100q has a name that is illegal or taken", d.Name)
		case !known:
			return nil, fmt.Errorf("field %q is of type %.100q, which there is none of", d.Name, d.Type)
		case !column:
			return nil, fmt.Errorf("field %q has no column in table observation", d.Name)
		}
		seen[name] = true
		fields = append(fields, f)
	}
	return record.NewSchema(fields), nil
}

// Scan returns which scan the rows are of.
func (s *SQLiteSource) Scan() sink.Scan { return s.stored.Scan }

// Outcome returns how the scan ended: the zero Outcome if it has not.
func (s *SQLiteSource) Outcome() sink.Outcome { return s.stored.Outcome }

// Schema implements [sink.Source].
func (s *SQLiteSource) Schema() *record.Schema { return s.schema }

// Read implements [sink.Source].
func (s *SQLiteSource) Read(r *record.Record) error {
	if s.err != nil {
		return s.err
	}
	r.Reset()
	if err := s.read(r); errors.Is(err, io.EOF) {
		s.err = io.EOF
	} else {
		s.err = explain("read", s.path, err)
	}
	return s.err
}

func (s *SQLiteSource) read(r *record.Record) error {
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return fmt.Errorf("scan %s, behind row %v: %w", s.stored.ID, s.cells[0], err)
		}
		return io.EOF
	}
	if err := s.rows.Scan(s.into...); err != nil {
		return fmt.Errorf("scan %s, behind row %v: %w", s.stored.ID, s.cells[0], err)
	}
	for i := range r.Values {
		f := s.schema.Field(i)
		err := decode(&r.Values[i], f.Type, s.lists, s.cells[1+i])
		if _, ok := f.KeyIndex(); ok && err == nil {
			err = decodeParts(&r.Values[i], &f)
		}
		if err != nil {
			return fmt.Errorf("scan %s, row %v: column %s %w", s.stored.ID, s.cells[0], f.Name, err)
		}
	}
	return nil
}

// Close implements [sink.Source].
func (s *SQLiteSource) Close() error {
	if s.closed {
		return nil
	}
	s.closed, s.err = true, errClosed
	return explain("close", s.path, s.release())
}

func (s *SQLiteSource) release() error {
	var err error
	if s.rows != nil {
		err = s.rows.Close()
	}
	return errors.Join(err, s.close())
}

var _ sink.Source = (*SQLiteSource)(nil)
