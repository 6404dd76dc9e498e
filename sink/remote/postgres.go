package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/zmap-go/zmap/record"
)

// PostgresConfig says which database rows are written to, and how.
type PostgresConfig struct {
	// DSN is a connection string or URL as libpq takes it (PostgreSQL manual, 34.1.1), with sslmode and sslrootcert among the
	// rest; what it leaves out is taken from the environment and ~/.pgpass as by psql. search_path names the schema for the tables.
	DSN string
	// Upsert keeps only the last row of each address and port, in the table latest, instead of every row in observation.
	Upsert bool
	// NoHosts leaves the table host alone, which saves half of the time of large scans.
	NoHosts bool
}

// postgres writes batches to a database: see [PostgresSchema] for the tables. The rows of a batch, its id, and what they mean for
// host are one transaction, so a batch that comes again finds its id and is not written again: exactly once.
type postgres struct {
	config *pgx.ConnConfig
	upsert bool
	hosts  bool

	conn    *pgx.Conn // nil after an error
	origin  *origin   // what the following are for
	scan    int64     // scan.n
	table   string
	columns []string
	wide    []bool           // columns that are numeric, as numbers above 2^63-1 have come
	parts   []*postgresParts // fields whose objects are in tables of their own
	merge   string           // statement that moves rows from the staging table to latest
	saddr   int              // positions in a row, -1 for none
	stamp   int
}

// NewPostgres returns a PostgreSQL server. It does not connect yet.
func NewPostgres(c PostgresConfig) (Server, error) {
	config, err := pgx.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("read connection string: %w", err) // the error is without the password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "zmap"
	}
	return &postgres{config: config, upsert: c.Upsert, hosts: !c.NoHosts}, nil
}

// String implements [Server].
func (p *postgres) String() string {
	return fmt.Sprintf("postgres://%s@%s:%d/%s", p.config.User, p.config.Host, p.config.Port, p.config.Database)
}

func (p *postgres) connect(ctx context.Context) error {
	if p.conn != nil {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return judgePostgres(err)
	}
	p.conn, p.origin = conn, nil
	return p.ended(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return createTables(ctx, tx) }))
}

// ended gives the connection up after an error: nobody knows what state it is in.
func (p *postgres) ended(err error) error {
	if err != nil {
		p.close()
	}
	return judgePostgres(err)
}

func (p *postgres) close() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.conn.Close(ctx) // an open transaction ends with it, whatever this says
	p.conn = nil
}

func (p *postgres) deliver(ctx context.Context, b *batch) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	if p.origin != b.origin {
		if err := p.ended(p.adopt(ctx, b.origin)); err != nil {
			return err
		}
	}
	seen, err := p.survey(ctx, b)
	if err != nil {
		return p.ended(err)
	}
	return p.ended(p.committed(pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		// Batches of a session come in order, so the number of the last one stands for all before it. Its row is locked until the
		// transaction ends: a try that hangs on an old connection and the next one cannot both commit.
		tag, err := tx.Exec(ctx, `INSERT INTO zmap_batch AS b (session, seq) VALUES ($1, $2)
			ON CONFLICT (session) DO UPDATE SET seq = EXCLUDED.seq, at = now() WHERE b.seq < EXCLUDED.seq`, b.origin.Session, int64(b.seq))
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		switch b.kind {
		case kindRows:
			return p.write(ctx, tx, b, seen)
		case kindEnd:
			return p.finish(ctx, tx, b)
		case kindBegin: // adopt has written it down
		}
		return nil
	})))
}

// finish writes down how the scan ended.
func (p *postgres) finish(ctx context.Context, tx pgx.Tx, b *batch) error {
	o, err := b.outcome()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE scan SET ended = $2, reason = $3, counts = $4 WHERE n = $1`, p.scan, o.Ended, o.Reason, jsonText(o.Counts))
	return err
}

// write writes the rows of a batch, and what they mean for host.
func (p *postgres) write(ctx context.Context, tx pgx.Tx, b *batch, seen map[netip.Addr]span) error {
	into := p.table
	if p.upsert {
		into = staging
	}
	if err := p.writeParts(ctx, tx, b); err != nil {
		return err
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{into}, p.columns, newPostgresRows(p, b)); err != nil {
		return fmt.Errorf("copy rows to table %s: %w", p.table, err)
	}
	if p.upsert {
		if _, err := tx.Exec(ctx, p.merge); err != nil {
			return fmt.Errorf("merge rows into table %s: %w", p.table, err)
		}
	}
	if len(seen) == 0 {
		return nil
	}
	// In order, so that two scanners that write the same hosts wait for each other and never both.
	addrs := make([]netip.Addr, 0, len(seen))
	for a := range seen {
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	first, last := make([]time.Time, len(addrs)), make([]time.Time, len(addrs))
	for i, a := range addrs {
		first[i], last[i] = time.Unix(0, seen[a].first), time.Unix(0, seen[a].last)
	}
	_, err := tx.Exec(ctx, `INSERT INTO host AS h (saddr, first_scan, first_seen, last_scan, last_seen)
		SELECT a, $1, f, $1, l FROM unnest($2::inet[], $3::timestamptz[], $4::timestamptz[]) AS t (a, f, l)
		ON CONFLICT (saddr) DO UPDATE SET
			first_scan = CASE WHEN EXCLUDED.first_seen < h.first_seen THEN EXCLUDED.first_scan ELSE h.first_scan END,
			first_seen = least(h.first_seen, EXCLUDED.first_seen),
			last_scan = CASE WHEN EXCLUDED.last_seen >= h.last_seen THEN EXCLUDED.last_scan ELSE h.last_scan END,
			last_seen = greatest(h.last_seen, EXCLUDED.last_seen)`, p.scan, addrs, first, last)
	if err != nil {
		return fmt.Errorf("write table host: %w", err)
	}
	return nil
}

// A span is when a host was seen first and last in a batch, in nanoseconds since the Unix epoch.
type span struct{ first, last int64 }

// survey reads the rows of a batch before they are written: which hosts they name, and which columns must become wider.
func (p *postgres) survey(ctx context.Context, b *batch) (map[netip.Addr]span, error) {
	if b.kind != kindRows {
		return nil, nil
	}
	var seen map[netip.Addr]span
	if p.hosts && p.saddr >= 0 {
		seen = make(map[netip.Addr]span, b.rows)
	}
	now := time.Now().UnixNano()
	var widen []int
	err := b.each(func(_ uint64, r *record.Record) error {
		for i := range r.Values {
			if r.Values[i].Kind() == record.KindUint && r.Values[i].Uint() > 1<<63-1 && b.origin.Fields[i].Type == record.Int && !p.wide[i] {
				p.wide[i] = true
				widen = append(widen, i)
			}
		}
		if seen == nil || r.Values[p.saddr].IsNull() {
			return nil
		}
		at := now
		if p.stamp >= 0 && !r.Values[p.stamp].IsNull() {
			at = r.Values[p.stamp].UnixNano()
		}
		a := r.Values[p.saddr].Addr()
		if s, ok := seen[a]; ok {
			seen[a] = span{min(s.first, at), max(s.last, at)}
		} else {
			seen[a] = span{at, at}
		}
		return nil
	})
	if err != nil || len(widen) == 0 {
		return seen, err
	}
	for _, i := range widen {
		if err := p.widen(ctx, b.origin.Fields[i].Name); err != nil {
			return nil, err
		}
	}
	return seen, p.adopt(ctx, b.origin)
}

// judgePostgres says whether an error of the server stays. Errors without a code are of the connection, and pass, but for those
// about trust.
func judgePostgres(err error) error {
	var (
		stays     *permanentError
		code      *pgconn.PgError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case err == nil || errors.As(err, &stays):
		return err
	case errors.As(err, &code):
		if passes(code.Code) {
			return err
		}
		return permanent(err)
	case errors.As(err, &untrusted), strings.Contains(err.Error(), "server refused TLS connection"):
		return permanent(err)
	}
	return err
}

// passes says whether an error with that code goes away by waiting (PostgreSQL manual, appendix A): connections, resources, an
// operator at work, deadlocks, locks, a standby that is not the primary yet, trouble of the system and inside the server.
func passes(code string) bool {
	for _, class := range []string{"08", "25006", "40", "53", "55", "57", "58", "XX"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
