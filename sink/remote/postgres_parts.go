package remote

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/zmap-go/zmap/record"
)

// maxKnown bounds the keys that are remembered: those of objects that need not be sent again.
const maxKnown = 1 << 16

// postgresParts are a field of rows whose objects are stored once, in a table of their own.
type postgresParts struct {
	field record.Field
	index int // of the field
	key   int // position of the key in the members
	table string
	put   string              // statement that inserts an object
	known map[string]struct{} // keys that are in the table for good
	fresh []string            // keys that will be when the transaction is committed
}

// adoptParts makes the tables for the fields of an origin that have keys, and the columns that they lack.
func (p *postgres) adoptParts(ctx context.Context, tx pgx.Tx, o *origin) error {
	p.parts = nil
	for i, f := range o.schema.Fields() {
		key, ok := f.KeyIndex()
		if !ok {
			continue
		}
		k := &postgresParts{field: f, index: i, key: key, known: make(map[string]struct{}), table: partsTable(f.Name)}
		if slices.Contains([]string{"scan", "observation", "latest", "host"}, k.table) {
			return permanent(fmt.Errorf("field %s cannot have the table %s, which there is already", f.Name, k.table))
		}
		if err := k.create(ctx, tx, p.table); err != nil {
			return err
		}
		p.parts = append(p.parts, k)
	}
	return nil
}

// partsTable returns the table for the objects of a field: certificates are rows of the table certificate.
func partsTable(field string) string {
	if one, ok := strings.CutSuffix(field, "s"); ok && one != "" {
		return one
	}
	return field + "_object"
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// create makes the table, and the view of which rows have its objects.
func (k *postgresParts) create(ctx context.Context, tx pgx.Tx, rows string) error {
	members := k.field.Elem.Fields()
	key := quoted(k.field.Key)
	if _, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (%s %s PRIMARY KEY)`, quoted(k.table), key, postgresType(members[k.key].Type))); err != nil {
		return fmt.Errorf("create table %s: %w", k.table, err)
	}
	types, err := columnTypes(ctx, tx, k.table)
	if err != nil {
		return err
	}
	names, marks := []string{key}, []string{"$1"}
	for i, m := range members[k.key+1:] {
		names, marks = append(names, quoted(m.Name)), append(marks, fmt.Sprintf("$%d", i+2))
		switch is, want := types[m.Name], postgresType(m.Type); {
		case is == "":
			if _, err := tx.Exec(ctx, fmt.Sprintf(`ALTER TABLE %s ADD COLUMN %s %s`, quoted(k.table), quoted(m.Name), want)); err != nil {
				return fmt.Errorf("add column %s to table %s: %w", m.Name, k.table, err)
			}
		case is != want:
			return permanent(fmt.Errorf("column %s of table %s is %s, and the member is %s: use another schema", m.Name, k.table, is, want))
		}
	}
	k.put = fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING`, quoted(k.table), strings.Join(names, ", "), strings.Join(marks, ", "))
	return k.view(ctx, tx, rows)
}

// view makes the view that takes the column of keys apart.
func (k *postgresParts) view(ctx context.Context, tx pgx.Tx, rows string) error {
	name := "observed_" + k.table
	if rows != "observation" {
		name += "_" + rows
	}
	columns := []string{"r.scan", `r."row"`, "r.saddr", "t.n - 1 AS position"}
	for _, m := range k.field.Elem.Fields()[:k.key+1] {
		text := fmt.Sprintf("(t.o ->> '%s')", m.Name)
		as := m.Name
		if m.Name == k.field.Key {
			as = k.table
		}
		switch m.Type {
		case record.Binary:
			text = "decode(" + text + ", 'hex')"
		case record.Repeated, record.JSON:
			text += "::jsonb"
		default:
			text += "::" + postgresType(m.Type)
		}
		columns = append(columns, text+" AS "+quoted(as))
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE OR REPLACE VIEW %s AS SELECT %s FROM %s AS r CROSS JOIN LATERAL jsonb_array_elements(r.%s) WITH ORDINALITY AS t (o, n)`,
		quoted(name), strings.Join(columns, ", "), quoted(rows), quoted(k.field.Name)))
	if err != nil {
		return fmt.Errorf("create view %s: %w", name, err)
	}
	return nil
}

// writeParts writes the objects of a batch that are not in their tables yet.
func (p *postgres) writeParts(ctx context.Context, tx pgx.Tx, b *batch) error {
	for _, k := range p.parts {
		objects := make(map[string][]any)
		err := b.each(func(_ uint64, r *record.Record) error {
			for _, o := range r.Values[k.index].List() {
				if args, key := k.arguments(o); key != "" {
					objects[key] = args
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		k.fresh = slices.Sorted(maps.Keys(objects)) // in order, so that two scanners wait for each other and never both
		var all pgx.Batch
		for _, key := range k.fresh {
			all.Queue(k.put, objects[key]...)
		}
		if err := tx.SendBatch(ctx, &all).Close(); err != nil {
			return fmt.Errorf("write table %s: %w", k.table, err)
		}
	}
	return nil
}

// arguments returns what is stored of an object, and its key: "" if that is not known, or known to be there.
func (k *postgresParts) arguments(o record.Object) ([]any, string) {
	members := k.field.Elem.Fields()
	args := make([]any, len(members)-k.key)
	key := ""
	for i := range o {
		at, ok := k.field.Elem.Lookup(o[i].Name)
		if !ok || at < k.key {
			continue
		}
		args[at-k.key] = postgresValue(&o[i].Value, members[at].Type, false)
		if at == k.key {
			key = string(o[i].Value.Bytes()) + o[i].Value.Text()
		}
	}
	if _, known := k.known[key]; known {
		key = ""
	}
	return args, key
}

// committed remembers which objects are in their tables for good, if the transaction has succeeded.
func (p *postgres) committed(err error) error {
	for _, k := range p.parts {
		for _, key := range k.fresh {
			if err != nil {
				break
			}
			if len(k.known) >= maxKnown {
				clear(k.known)
			}
			k.known[key] = struct{}{}
		}
		k.fresh = nil
	}
	return err
}

// references returns a list of which each object has only its key, and what is of this row alone. Those without a key are left out.
func references(v *record.Value, k *postgresParts) *record.Value {
	if v.Kind() != record.KindList {
		return v
	}
	list := make([]record.Object, 0, len(v.List()))
	for _, o := range v.List() {
		var short record.Object
		known := false
		for i := range o {
			if at, ok := k.field.Elem.Lookup(o[i].Name); ok && at <= k.key {
				short = append(short, o[i])
				known = known || at == k.key && !o[i].Value.IsNull()
			}
		}
		if known {
			list = append(list, short)
		}
	}
	cut := record.List(list)
	return &cut
}
