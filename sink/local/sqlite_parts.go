package local

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/record"
)

// maxKnown bounds the keys that are remembered: those of objects that need not be written again. It is 5 MB of SHA-256.
const maxKnown = 1 << 16

// parts are a field of rows whose objects are stored once. There is a table of the objects, and one of which rows have them:
//
//	certificate:          sha256 PRIMARY KEY, then the members behind the key
//	observed_certificate: observation, position, certificate (a key), then the members before the key
type parts struct {
	field record.Field
	index int    // in the schema
	key   int    // position of the key in the members
	table string // of the objects
	lists *lists
	put   statement // inserts an object
	link  statement // says that a row has one
	known map[string]struct{}
}

// newParts returns the tables for a field. Names of members must be those of columns that are free.
func newParts(f record.Field, index int) (*parts, error) {
	p := &parts{field: f, index: index, lists: newLists(), known: make(map[string]struct{}), table: partsTable(f.Name)}
	p.key, _ = f.KeyIndex()
	for _, taken := range []string{"scan", "observation", "host", "change"} {
		if strings.EqualFold(p.table, taken) {
			return nil, fmt.Errorf("field %q cannot have table %q, which there is already: leave it out", f.Name, p.table)
		}
	}
	for _, m := range f.Elem.Fields()[:p.key] {
		for _, t := range []string{"observation", "position", p.table} {
			if strings.EqualFold(m.Name, t) {
				return nil, fmt.Errorf("member %q of field %q has the name of a column", m.Name, f.Name)
			}
		}
	}
	return p, nil
}

// partsTable returns the table for the objects of a field: certificates are rows of the table certificate.
func partsTable(field string) string {
	if one, ok := strings.CutSuffix(field, "s"); ok && one != "" {
		return one
	}
	return field + "_object"
}

// create makes the tables, or adds the columns that they lack.
func (p *parts) create(conn *sql.Conn) error {
	key := p.field.Key
	for _, text := range []string{
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS "%s" ("%s" BLOB PRIMARY KEY NOT NULL) WITHOUT ROWID`, p.table, key),
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS "observed_%s" (observation INTEGER NOT NULL REFERENCES observation(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
			position INTEGER NOT NULL, "%s" BLOB NOT NULL REFERENCES "%s"("%s"), PRIMARY KEY (observation, position)) WITHOUT ROWID`, p.table, p.table, p.table, key),
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS "observed_%s_%s" ON "observed_%s" ("%s")`, p.table, key, p.table, p.table),
	} {
		if _, err := conn.ExecContext(context.Background(), text); err != nil {
			return err
		}
	}
	var own, shared []column
	for i, m := range p.field.Elem.Fields() {
		switch c := (column{m.Name, affinity(m.Type), p.field.Name + "." + m.Name}); {
		case i < p.key:
			own = append(own, c)
		case i > p.key:
			shared = append(shared, c)
		}
	}
	if err := addColumns(conn, p.table, shared); err != nil {
		return err
	}
	return addColumns(conn, "observed_"+p.table, own)
}

// prepare prepares what write runs.
func (p *parts) prepare(conn *sql.Conn) error {
	members := p.field.Elem.Fields()
	into := func(table string, verb string, names []string) string {
		return verb + ` INTO "` + table + `" ("` + strings.Join(names, `", "`) + `") VALUES (` + strings.Repeat(", ?", len(names))[2:] + ")"
	}
	var own, shared []string
	for _, m := range members[:p.key] {
		own = append(own, m.Name)
	}
	for _, m := range members[p.key:] {
		shared = append(shared, m.Name)
	}
	own = append([]string{"observation", "position", p.table}, own...)
	if err := p.put.prepare(conn, into(p.table, "INSERT OR IGNORE", shared), len(shared)); err != nil {
		return err
	}
	return p.link.prepare(conn, into("observed_"+p.table, "INSERT OR ROLLBACK", own), len(own))
}

func (p *parts) close(conn *sql.Conn) error {
	return errors.Join(p.put.close(conn), p.link.close(conn))
}

// writeParts writes the objects of a row that will have that id.
func (s *SQLite) writeParts(id int64, r *record.Record) error {
	for _, p := range s.columns.parts {
		list := r.Values[p.index].List()
		if len(list) == 0 {
			continue
		}
		if err := s.begin(); err != nil {
			return err
		}
		for i, o := range list {
			if err := p.write(s.conn, &s.columns, id, int64(i), o); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes one object. One without a key cannot be known again, and is left out.
func (p *parts) write(conn *sql.Conn, c *columns, id, position int64, o record.Object) error {
	members := p.field.Elem.Fields()
	values := make([]driver.Value, len(members))
	for _, m := range o {
		if i, ok := p.field.Elem.Lookup(m.Name); ok {
			values[i] = c.encode(&m.Value, members[i].Type)
		}
	}
	key, ok := values[p.key].([]byte)
	if !ok || len(key) == 0 {
		return nil
	}
	if _, known := p.known[string(key)]; !known {
		for i, v := range values[p.key:] {
			p.put.args[i].Value = v
		}
		if err := p.put.exec(conn); err != nil {
			return err
		}
		if len(p.known) >= maxKnown {
			clear(p.known)
		}
		p.known[string(key)] = struct{}{}
	}
	p.link.args[0].Value, p.link.args[1].Value, p.link.args[2].Value = id, position, key
	for i, v := range values[:p.key] {
		p.link.args[3+i].Value = v
	}
	return p.link.exec(conn)
}

// describeParts gives f the key and members that a scan has written down.
func (d *described) describeParts(f *record.Field) error {
	var members []record.Field
	for _, m := range d.Elem {
		known := false
		for t, name := range typeNames() {
			if name == m.Type {
				members, known = append(members, record.Field{Name: m.Name, Type: record.Type(t)}), true
			}
		}
		dup := 0
		for _, o := range d.Elem {
			if strings.EqualFold(o.Name, m.Name) {
				dup++
			}
		}
		if !known || dup > 1 || !record.Legal(m.Name) {
			return fmt.Errorf("member %.100q of field %.100q is illegal or taken", m.Name, d.Name)
		}
	}
	f.Elem, f.Key = record.NewSchema(members), d.Key
	if _, ok := f.KeyIndex(); !ok {
		return fmt.Errorf("field %.100q has no member %.100q to be its key", d.Name, d.Key)
	}
	return nil
}

// expression returns what to select for a field: its column, or its objects as JSON.
func expression(f *record.Field) string {
	key, ok := f.KeyIndex()
	if !ok {
		return `"` + f.Name + `"`
	}
	table := partsTable(f.Name)
	var pairs []string
	for i, m := range f.Elem.Fields() {
		column := `c."` + m.Name + `"`
		if i < key {
			column = `o."` + m.Name + `"`
		}
		if m.Type == record.Binary {
			column = "hex(" + column + ")"
		}
		pairs = append(pairs, "'"+m.Name+"', "+column)
	}
	// The limit keeps the order: SQLite does not take the inner query apart then.
	return fmt.Sprintf(`(SELECT json_group_array(json(j)) FROM (SELECT json_object(%s) AS j FROM "observed_%s" AS o JOIN "%s" AS c ON c."%s" = o."%s"
		WHERE o.observation = observation.id ORDER BY o.position LIMIT 1000))`, strings.Join(pairs, ", "), table, table, f.Key, table)
}

// decodeParts gives the members of objects, which came as JSON, the types that they were written with.
func decodeParts(v *record.Value, f *record.Field) error {
	list := v.List()
	if len(list) == 0 {
		*v = record.Value{}
		return nil
	}
	for _, o := range list {
		for i := range o {
			k, ok := f.Elem.Lookup(o[i].Name)
			if !ok {
				return fmt.Errorf("holds a member %.100q that was not asked for", o[i].Name)
			}
			m, is := &o[i].Value, f.Elem.Field(k).Type
			switch {
			case m.IsNull():
			case is == record.Binary && m.Kind() == record.KindString:
				b, err := hex.DecodeString(m.Text())
				if err != nil {
					return fmt.Errorf("member %s: %w", o[i].Name, err)
				}
				*m = record.Bytes(b)
				if len(b) == 0 {
					*m = record.Value{}
				}
			case is == record.Time || is == record.Bool:
				if err := decodeNumber(m, is, m.Int()); err != nil {
					return fmt.Errorf("member %s: %w", o[i].Name, err)
				}
			}
		}
	}
	return nil
}
