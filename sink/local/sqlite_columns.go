package local

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/zmap-go/zmap/record"
)

// columns are where in the table the fields of a scan are.
type columns struct {
	fields []columnField
	parts  []*parts     // fields whose objects are stored once, in tables of their own
	width  int          // values of a row
	scan   driver.Value // number of the scan
	time   string       // column that says when a row was received; "" if none does
	lists  *lists
}

// A columnField is one field with its column, or two if it is an address.
type columnField struct {
	record.Field
	index int // in the schema

	// The last address and what it was turned into: some fields hold the same for most rows.
	addr      netip.Addr
	text, key driver.Value
}

// affinity returns the type of the column that holds a field. It decides what SQLite converts: nothing that we write.
func affinity(t record.Type) string {
	switch t {
	case record.Int, record.Bool, record.Time:
		return "INTEGER"
	case record.Binary:
		return "BLOB"
	case record.String, record.Addr, record.Repeated, record.JSON:
	}
	return "TEXT"
}

// compared are the fields that a scan is never without, if the schema has them.
func compared() []string { return []string{"saddr", "sport", "success", "classification"} }

// choose returns the columns for some fields of a schema.
func choose(s *record.Schema, list string) (columns, error) {
	if list == "" {
		list = "*"
	}
	indexes, err := s.Select(list)
	if err != nil {
		return columns{}, err
	}
	for _, name := range compared() {
		if i, ok := s.Lookup(name); ok {
			indexes = append(indexes, i)
		}
	}
	c := columns{lists: newLists()}
	for i, f := range s.Fields() {
		if f.Type == record.Time {
			indexes, c.time = append(indexes, i), f.Name
			break
		}
	}
	chosen := make(map[int]bool)
	owner := map[string]string{"id": "the table", "scan": "the table"}
	for _, i := range indexes {
		if chosen[i] {
			continue
		}
		chosen[i] = true
		f := columnField{Field: s.Field(i), index: i}
		if _, ok := f.KeyIndex(); ok {
			p, err := newParts(f.Field, i)
			if err != nil {
				return columns{}, err
			}
			c.parts = append(c.parts, p)
			continue
		}
		for _, name := range f.names() {
			lower := strings.ToLower(name) // names of columns are the same in upper case
			if of, ok := owner[lower]; ok {
				return columns{}, fmt.Errorf("field %q cannot have column %q, which is that of %s: leave it out", f.Name, name, of)
			}
			owner[lower] = fmt.Sprintf("field %q", f.Name)
		}
		c.fields = append(c.fields, f)
	}
	c.width = len(c.names())
	return c, nil
}

// names returns the columns of a field.
func (f *columnField) names() []string {
	if f.Type == record.Addr {
		return []string{f.Name, f.Name + "_key"}
	}
	return []string{f.Name}
}

// names returns all columns, in the order of the statement that inserts rows.
func (c *columns) names() []string {
	names := []string{"id", "scan"}
	for i := range c.fields {
		names = append(names, c.fields[i].names()...)
	}
	return names
}

// add adds the columns that the table does not have, and demands that the others are of the right type.
func (c *columns) add(conn *sql.Conn) error {
	var need []column
	for i := range c.fields {
		f := &c.fields[i]
		for k, name := range f.names() {
			want := affinity(f.Type)
			if k == 1 {
				want = "BLOB"
			}
			need = append(need, column{name, want, f.Name})
		}
	}
	if err := addColumns(conn, "observation", need); err != nil {
		return err
	}
	for _, p := range c.parts {
		if err := p.create(conn); err != nil {
			return err
		}
	}
	return nil
}

// A column is one of a table, with its type and the field that it is for.
type column struct{ name, affinity, field string }

// addColumns adds the columns that a table does not have, and demands that the others are of the right type.
func addColumns(conn *sql.Conn, table string, need []column) error {
	have, err := tableColumns(conn, table)
	if err != nil {
		return err
	}
	for _, c := range need {
		got, ok := have[strings.ToLower(c.name)]
		switch {
		case ok && got != c.affinity:
			return fmt.Errorf("column %q of table %s is %s, and field %q needs %s: write to another file", c.name, table, got, c.field, c.affinity)
		case ok:
			continue
		}
		if _, err := conn.ExecContext(context.Background(), `ALTER TABLE "`+table+`" ADD COLUMN "`+c.name+`" `+c.affinity); err != nil {
			return err
		}
	}
	return nil
}

// tableColumns returns the columns of a table in lower case, with their types. Columns that are computed are none.
func tableColumns(conn *sql.Conn, table string) (map[string]string, error) {
	rows, err := conn.QueryContext(context.Background(), "SELECT lower(name), type FROM pragma_table_info(?)", table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := make(map[string]string)
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return nil, err
		}
		have[name] = typ
	}
	return have, rows.Err()
}

// insert returns the statement that inserts some rows. A row that cannot be inserted ends the transaction: to undo the statement
// alone SQLite would keep a copy of every page that it touches.
func (c *columns) insert(rows int) string {
	names := c.names()
	row := ", (" + strings.Repeat(", ?", len(names))[2:] + ")"
	return `INSERT OR ROLLBACK INTO observation ("` + strings.Join(names, `", "`) + `") VALUES ` + strings.Repeat(row, rows)[2:]
}

// A described field is how the table scan keeps it.
type described struct {
	Name string      `json:"name"`
	Type string      `json:"type"`
	Key  string      `json:"key,omitempty"` // of parts
	Elem []described `json:"elem,omitempty"`
}

// describe returns the fields of the scan as JSON, for [SQLiteSource].
func (c *columns) describe() string {
	all := make([]described, 0, len(c.fields)+len(c.parts))
	for i := range c.fields {
		all = append(all, described{Name: c.fields[i].Name, Type: typeName(c.fields[i].Type)})
	}
	for _, p := range c.parts {
		d := described{Name: p.field.Name, Type: typeName(record.Repeated), Key: p.field.Key}
		for _, m := range p.field.Elem.Fields() {
			d.Elem = append(d.Elem, described{Name: m.Name, Type: typeName(m.Type)})
		}
		all = append(all, d)
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(fmt.Sprintf("local: names of fields are not JSON: %v", err)) // they are strings
	}
	return string(text)
}

// fill sets the values of a row.
func (c *columns) fill(args []driver.NamedValue, id int64, r *record.Record) {
	args[0].Value, args[1].Value = id, c.scan
	at := 2
	for i := range c.fields {
		f := &c.fields[i]
		v := &r.Values[f.index]
		if f.Type != record.Addr {
			args[at].Value = c.encode(v, f.Type)
			at++
			continue
		}
		args[at].Value, args[at+1].Value = f.address(v, c)
		at += 2
	}
}

// address returns text and key of an address.
func (f *columnField) address(v *record.Value, c *columns) (text, key driver.Value) {
	if v.Kind() != record.KindAddr {
		return c.encode(v, f.Type), nil
	}
	if a := v.Addr(); a != f.addr || f.text == nil {
		k := a.As16()
		f.addr, f.text, f.key = a, a.String(), k[:]
	}
	return f.text, f.key
}
