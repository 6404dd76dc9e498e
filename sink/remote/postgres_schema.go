package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/zmap-go/zmap/record"
)

// postgresVersion is the version of the tables, in zmap_schema.
const postgresVersion = 1

// schemaLock is the key of the advisory lock under which tables change: "zmap" in ASCII.
const schemaLock = 0x7a6d6170

// staging is the temporary table that rows go through with Upsert.
const staging = "zmap_incoming"

// PostgresSchema returns the statements that make the tables of a database.
//
//   - scan: a row for each scan. ended, reason and counts are null as long as it runs, and for ever if it was killed.
//   - observation: a row for each answer, with a column for each field of the probe modules that have written to the database.
//     scan is scan.n; row counts the rows since the start of the scanner.
//   - latest: the same, but only the last row for each address and port, for scans with Upsert. The last is the one that was
//     delivered last.
//   - host: a row for each address that has answered, with the first and last scan and time.
//   - certificate, when rows have certificates: each certificate once, known by its SHA-256. What observation.certificates has of
//     them is their keys, and what was found out on this occasion; observed_certificate is a view that takes the column apart, a row
//     for each, in order from position 0, the leaf's (observed_certificate_latest for latest). The same is done with every field
//     whose objects have a key ([record.Field.Key]).
//   - zmap_batch: the last batch that was written of each start of a scanner. Rows of scanners that have ended may be deleted.
//   - zmap_schema: the version of all that.
//
// Addresses are INET: one column of 7 or 19 bytes for both families that compares, sorts and is indexed as addresses are, and
// answers saddr << '192.0.2.0/24'; text and a binary key beside it, as SQLite needs, would be twice as much for less. Times are
// TIMESTAMPTZ, in microseconds. Numbers are BIGINT until one above 2^63-1 comes; then the column becomes NUMERIC(20). Lists are
// JSONB. Text has no NUL and is UTF-8, with U+FFFD for what is not.
func PostgresSchema() string {
	columns := `
	scan BIGINT NOT NULL REFERENCES scan (n) ON DELETE CASCADE,
	row BIGINT NOT NULL,
	saddr INET,
	sport BIGINT,
	success BOOLEAN,
	classification TEXT
`
	return `
CREATE TABLE scan (
	n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	started TIMESTAMPTZ NOT NULL,
	ended TIMESTAMPTZ,
	probe TEXT NOT NULL,
	version TEXT NOT NULL,
	config JSONB,
	reason TEXT,
	counts JSONB
);
CREATE TABLE observation (` + columns + `);
CREATE INDEX observation_scan ON observation (scan);
CREATE TABLE latest (` + columns + `);
CREATE UNIQUE INDEX latest_saddr_sport ON latest (saddr, (coalesce(sport, -1)));
CREATE TABLE host (
	saddr INET PRIMARY KEY,
	first_scan BIGINT NOT NULL,
	first_seen TIMESTAMPTZ NOT NULL,
	last_scan BIGINT NOT NULL,
	last_seen TIMESTAMPTZ NOT NULL
);
CREATE TABLE zmap_batch (
	session TEXT PRIMARY KEY,
	seq BIGINT NOT NULL,
	at TIMESTAMPTZ NOT NULL DEFAULT now()
);
`
}

// createTables makes the tables if there are none, and refuses those of another version. Nobody else does so meanwhile.
func createTables(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(schemaLock)); err != nil {
		return fmt.Errorf("lock tables: %w", err)
	}
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('zmap_schema') IS NOT NULL`).Scan(&there); err != nil {
		return fmt.Errorf("look for tables: %w", err)
	}
	if !there {
		_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE zmap_schema (version INTEGER NOT NULL);
			INSERT INTO zmap_schema VALUES (%d);`, postgresVersion)+PostgresSchema())
		if err != nil {
			return fmt.Errorf("create tables (search_path in the connection string names another schema): %w", err)
		}
		return nil
	}
	var version int
	if err := tx.QueryRow(ctx, `SELECT version FROM zmap_schema`).Scan(&version); err != nil {
		return fmt.Errorf("read version of tables: %w", err)
	}
	if version != postgresVersion {
		return permanent(fmt.Errorf("tables have version %d, and this program writes version %d: use another database or schema", version, postgresVersion))
	}
	return nil
}

// postgresType returns the type of the column for fields of type t.
func postgresType(t record.Type) string {
	switch t {
	case record.Int:
		return "bigint"
	case record.Bool:
		return "boolean"
	case record.Binary:
		return "bytea"
	case record.Repeated, record.JSON:
		return "jsonb"
	case record.Addr:
		return "inet"
	case record.Time:
		return "timestamp with time zone"
	case record.String:
	}
	return "text"
}

// adopt prepares for batches of another origin: its scan and its columns are in the tables then.
func (p *postgres) adopt(ctx context.Context, o *origin) error {
	p.table, p.saddr, p.stamp = "observation", -1, -1
	if p.upsert {
		p.table = "latest"
	}
	p.columns = []string{"scan", "row"}
	for i, f := range o.Fields {
		switch {
		case f.Name == "scan" || f.Name == "row":
			return permanent(fmt.Errorf("field %s has the name of a column of the table %s", f.Name, p.table))
		case f.Name == "saddr" && f.Type == record.Addr:
			p.saddr = i
		case f.Name == "timestamp_str" && f.Type == record.Time:
			p.stamp = i
		}
		p.columns = append(p.columns, f.Name)
	}
	if p.upsert && p.saddr < 0 {
		return permanent(errors.New("rows have no field saddr, and the last row for each address is wanted"))
	}
	err := pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		if err := p.addColumns(ctx, tx, o); err != nil {
			return err
		}
		if err := p.adoptParts(ctx, tx, o); err != nil {
			return err
		}
		row := tx.QueryRow(ctx, `INSERT INTO scan (id, started, probe, version, config) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id RETURNING n`,
			o.Scan.ID, o.Scan.Started, o.Scan.Probe, o.Scan.Version, jsonText(o.Scan.Config))
		if err := row.Scan(&p.scan); err != nil {
			return fmt.Errorf("write table scan: %w", err)
		}
		return nil
	})
	if err == nil && p.upsert {
		err = p.stage(ctx)
	}
	if err == nil {
		p.origin = o
	}
	return err
}

// jsonText is JSON as a parameter; none is null.
func jsonText(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return string(raw)
}

// addColumns adds the columns that are missing, and refuses those of another type.
func (p *postgres) addColumns(ctx context.Context, tx pgx.Tx, o *origin) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(schemaLock)); err != nil {
		return fmt.Errorf("lock tables: %w", err)
	}
	types, err := columnTypes(ctx, tx, p.table)
	if err != nil {
		return err
	}
	p.wide = make([]bool, len(o.Fields))
	for i, f := range o.Fields {
		want := postgresType(f.Type)
		switch is := types[f.Name]; {
		case is == "numeric" && f.Type == record.Int:
			p.wide[i] = true
		case is == "":
			sql := fmt.Sprintf(`ALTER TABLE %s ADD COLUMN %s %s`, p.table, pgx.Identifier{f.Name}.Sanitize(), want)
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("add column %s to table %s: %w", f.Name, p.table, err)
			}
		case is != want:
			return permanent(fmt.Errorf("column %s of table %s is %s, and the field is %s: rename the column, or use another schema", f.Name, p.table, is, want))
		}
	}
	return nil
}

// columnTypes returns the columns of a table with their types.
func columnTypes(ctx context.Context, tx pgx.Tx, table string) (map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
		WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, table)
	if err != nil {
		return nil, fmt.Errorf("read columns of table %s: %w", table, err)
	}
	types := make(map[string]string)
	var name, is string
	if _, err := pgx.ForEachRow(rows, []any{&name, &is}, func() error { types[name] = is; return nil }); err != nil {
		return nil, fmt.Errorf("read columns of table %s: %w", table, err)
	}
	return types, nil
}

// widen makes room for numbers above 2^63-1 in a column, and in those of its views not: they stand in the way.
func (p *postgres) widen(ctx context.Context, column string) error {
	sql := fmt.Sprintf(`ALTER TABLE %s ALTER COLUMN %s TYPE NUMERIC(20)`, p.table, pgx.Identifier{column}.Sanitize())
	if _, err := p.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("make column %s of table %s wider, for numbers above 2^63-1: %w", column, p.table, err)
	}
	return nil
}

// stage makes the temporary table of this connection, and the statement that empties it into latest.
func (p *postgres) stage(ctx context.Context) error {
	var names, sets []string
	for _, c := range p.columns {
		name := pgx.Identifier{c}.Sanitize()
		names = append(names, name)
		sets = append(sets, name+" = EXCLUDED."+name)
	}
	list := strings.Join(names, ", ")
	p.merge = fmt.Sprintf(`INSERT INTO latest (%s)
		SELECT DISTINCT ON (saddr, coalesce(sport, -1)) %s FROM %s ORDER BY saddr, coalesce(sport, -1), "row" DESC
		ON CONFLICT (saddr, (coalesce(sport, -1))) DO UPDATE SET %s`, list, list, staging, strings.Join(sets, ", "))
	_, err := p.conn.Exec(ctx, fmt.Sprintf(`DROP TABLE IF EXISTS pg_temp.%s; CREATE TEMPORARY TABLE %s (LIKE latest) ON COMMIT DELETE ROWS`, staging, staging))
	if err != nil {
		return fmt.Errorf("create temporary table: %w", err)
	}
	return nil
}
