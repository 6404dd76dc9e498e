package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// postgresDSN returns the connection string of a schema of the test's own in the server that .ci/services runs.
func postgresDSN(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("ZMAP_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("needs a PostgreSQL server: run \"make test-services\", which starts one and names it in ZMAP_TEST_POSTGRES")
	}
	var name strings.Builder
	for _, r := range strings.ToLower(t.Name()) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			name.WriteRune(r)
		}
	}
	schema := fmt.Sprintf("%s_%d", name.String(), time.Now().UnixNano())
	conn := postgresConn(t, dsn)
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	return dsn + "?search_path=" + schema
}

// postgresConn connects for the test, for as long as the server may take to be there again.
func postgresConn(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	var err error
	for range 200 {
		var conn *pgx.Conn
		if conn, err = pgx.Connect(t.Context(), dsn); err == nil {
			t.Cleanup(func() { _ = conn.Close(t.Context()) })
			return conn
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

func postgresTo(t testing.TB, c PostgresConfig) Server {
	t.Helper()
	s, err := NewPostgres(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// query returns the one value that a query gives.
func query[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// expectTable fails unless table holds the rows from 0 to n-1 of one scan, each once, complete as they were written.
func expectTable(t *testing.T, dsn, table string, n uint64) {
	t.Helper()
	conn := postgresConn(t, dsn)
	rows, err := conn.Query(t.Context(), fmt.Sprintf(`SELECT row, saddr, sport, classification, success, data, answers::text, timestamp_str, n::bigint, grab::text
		FROM %s ORDER BY n`, table))
	if err != nil {
		t.Fatal(err)
	}
	want := record.New(testSchema())
	count := uint64(0)
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		testRow(want, count)
		if diff := cmp.Diff(tableRow(want, count), values, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Fatalf("row %d (-want +got):\n%s", count, diff)
		}
		count++
	}
	if err := rows.Err(); err != nil || count != n {
		t.Errorf("table %s: got %d rows, %v, want %d", table, count, err, n)
	}
}

// tableRow is a row as a query gives it back.
func tableRow(r *record.Record, n uint64) []any {
	a := r.Values[0].Addr()
	out := []any{
		int64(n), netip.PrefixFrom(a, a.BitLen()), r.Values[1].Int(), r.Values[2].Text(), r.Values[3].Bool(), any(nil), any(nil),
		r.Values[6].Time().Truncate(time.Microsecond), int64(n), any(nil),
	}
	if n%3 == 0 {
		out[9] = fmt.Sprintf("{\"n\": %d, \"text\": \"\uFFFD\uFFFDx\U0001F600\"}", n)
	}
	if b := r.Values[4].Bytes(); b != nil {
		out[5] = b
	}
	if n%7 == 0 {
		out[6] = fmt.Sprintf(`[{"id": %d, "name": "a"}, {}]`, n)
	}
	return out
}

func TestPostgres(t *testing.T) {
	dsn := postgresDSN(t)
	s := postgresTo(t, PostgresConfig{DSN: dsn})
	k := openSink(t, s, quick(t))
	writeRows(t, k, 0, 20000, 3000)
	ended := time.Unix(2e9, 0)
	if err := errors.Join(k.End(sink.Outcome{Ended: ended, Reason: "done", Counts: []byte(`{"sent":7}`)}), k.Close()); err != nil {
		t.Fatal(err)
	}
	expectTable(t, dsn, "observation", 20000)
	conn := postgresConn(t, dsn)
	got := query[string](t, conn, `SELECT concat_ws(' ', id, extract(epoch FROM started), extract(epoch FROM ended), probe, config, reason, counts) FROM scan`)
	if want := `scan1 1000000000.000000 2000000000.000000 tcp_synscan {"a": 1} done {"sent": 7}`; got != want {
		t.Errorf("scan: got %s, want %s", got, want)
	}
	if n := query[int](t, conn, `SELECT count(*) FROM host`); n != 20000 {
		t.Errorf("host: got %d rows", n)
	}
	if bad := query[int](t, conn, `SELECT count(*) FROM host JOIN observation AS o USING (saddr) WHERE first_seen <> timestamp_str OR last_seen <> timestamp_str OR first_scan <> o.scan`); bad != 0 {
		t.Errorf("host: %d rows are wrong", bad)
	}

	// The same hosts again, later, with another field: both scans are there, and host knows first and last.
	k = New(postgresTo(t, PostgresConfig{DSN: dsn}), quick(t))
	schema := record.NewSchema([]record.Field{{Name: "saddr", Type: record.Addr}, {Name: "timestamp_str", Type: record.Time}, {Name: "LI_VN_MODE", Type: record.Int}})
	if err := errors.Join(k.Begin(sink.Scan{ID: "scan2", Started: time.Unix(3e9, 0), Probe: "ntp"}), k.Open(schema)); err != nil {
		t.Fatal(err)
	}
	r := record.New(schema)
	r.Values[0].SetAddr(netip.MustParseAddr("20.0.0.1"))
	r.Values[1].SetTime(3e18)
	r.Values[2].SetUint(1<<64 - 1)
	if err := errors.Join(k.Write(r), k.Close()); err != nil {
		t.Fatal(err)
	}
	if got := query[string](t, conn, `SELECT "LI_VN_MODE"::text FROM observation WHERE "LI_VN_MODE" IS NOT NULL`); got != "18446744073709551615" {
		t.Errorf("a large number: got %s", got)
	}
	got = query[string](t, conn, `SELECT concat_ws(' ', f.id, l.id, extract(epoch FROM last_seen) - extract(epoch FROM first_seen) > 1e9) FROM host
		JOIN scan AS f ON f.n = first_scan JOIN scan AS l ON l.n = last_scan WHERE saddr = '20.0.0.1'`)
	if got != "scan1 scan2 t" {
		t.Errorf("host: got %s", got)
	}
}

// TestPostgresUpsert: of each address and port the last row stays.
func TestPostgresUpsert(t *testing.T) {
	dsn := postgresDSN(t)
	for range 2 { // the second scan finds the rows of the first
		k := openSink(t, postgresTo(t, PostgresConfig{DSN: dsn, Upsert: true, NoHosts: true}), quick(t))
		r := record.New(testSchema())
		for n := range uint64(30000) {
			testRow(r, n)
			r.Values[0].SetAddr(netip.AddrFrom4([4]byte{20, 0, 0, byte(n % 100)}))
			if n%2 == 0 {
				r.Values[1] = record.Value{} // a row without a port is one of its own
			} else {
				r.Values[1].SetUint(80)
			}
			if err := k.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	conn := postgresConn(t, dsn)
	if n := query[int](t, conn, `SELECT count(*) FROM latest`); n != 100 {
		t.Errorf("got %d rows, want 100", n)
	}
	if bad := query[int](t, conn, `SELECT count(*) FROM latest WHERE n < 29900`); bad != 0 {
		t.Errorf("%d rows are not the last ones", bad)
	}
	o := quick(t)
	o.Fields = "sport"
	k := New(postgresTo(t, PostgresConfig{DSN: dsn, Upsert: true}), o)
	if err := errors.Join(k.Open(testSchema()), k.Close()); err == nil || !strings.Contains(err.Error(), "no field saddr") {
		t.Errorf("without an address: got %v", err)
	}
}

// TestPostgresRefuses: what stays wrong ends a scan at its start, and no message holds the password.
func TestPostgresRefuses(t *testing.T) {
	dsn := postgresDSN(t)
	conn := postgresConn(t, dsn)
	at := func(user, password, database, mode string) string {
		c := conn.Config()
		return fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=%s&search_path=%s", user, password, c.Host, c.Port, database, mode, c.RuntimeParams["search_path"])
	}
	good := conn.Config().Password
	tests := []struct{ name, prepare, dsn, want string }{
		{"password", "", at("zmap", "wrong-secret", "postgres", "prefer"), "password authentication failed"},
		{"database", "", at("zmap", good, "nope", "prefer"), `database "nope" does not exist`},
		{"schema", "", strings.Replace(dsn, "search_path=", "search_path=nope_", 1), "no schema has been selected"},
		{"no TLS there", "", at("zmap", good, "postgres", "require"), "server refused TLS connection"},
		{"another's table", "CREATE TABLE scan (mine INT)", dsn, `relation "scan" already exists`},
		{"version", "DROP TABLE IF EXISTS scan; CREATE TABLE zmap_schema (version INT); INSERT INTO zmap_schema VALUES (7)", dsn, "tables have version 7"},
		{"column", "DROP TABLE zmap_schema", dsn, ""},
		{"column", "ALTER TABLE observation ADD COLUMN data TEXT", dsn, "column data of table observation is text, and the field is bytea"},
	}
	for _, tt := range tests {
		if _, err := conn.Exec(t.Context(), tt.prepare); err != nil {
			t.Fatal(err)
		}
		o := quick(t)
		k := New(postgresTo(t, PostgresConfig{DSN: tt.dsn}), o)
		err := k.Open(testSchema())
		if tt.name == "column" { // known when the first rows come
			err = errors.Join(err, k.Close())
			if tt.want == "" {
				conn.Exec(t.Context(), "DROP TABLE observation; CREATE TABLE observation (scan BIGINT NOT NULL, row BIGINT NOT NULL)")
			}
		}
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if text := fmt.Sprint(err); strings.Contains(text, good) || strings.Contains(text, "wrong-secret") {
			t.Errorf("%s: the password is in %q", tt.name, text)
		}
	}
	for _, dsn := range []string{"postgres://u:hush@h:port/", "host=h password=hush port=x", "postgres://u:hush@[::1/"} {
		if _, err := NewPostgres(PostgresConfig{DSN: dsn}); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", dsn, err)
		}
	}
	if s := postgresTo(t, PostgresConfig{DSN: "postgres://u:hush@h:1/d"}); s.String() != "postgres://u@h:1/d" {
		t.Errorf("got %s", s)
	}
}

// A cutter stands between sink and server, and cuts connections after a number of bytes of the server's answers: some of these
// are between a commit and its acknowledgement.
type cutter struct {
	to   string
	cuts []int64
	n    int
}

func (c *cutter) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.to)
		if err != nil {
			in.Close()
			continue
		}
		limit := int64(1 << 40)
		if c.n < len(c.cuts) {
			limit = c.cuts[c.n]
		}
		c.n++
		go func() { _, _ = io.Copy(out, in) }()
		go func() {
			_, _ = io.CopyN(in, out, limit)
			in.Close()
			out.Close()
		}()
	}
}

// TestPostgresCut cuts the connection at many places; no row is missing and none is there twice.
func TestPostgresCut(t *testing.T) {
	dsn := postgresDSN(t)
	c := postgresConn(t, dsn).Config()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cut := &cutter{to: fmt.Sprintf("%s:%d", c.Host, c.Port)}
	for n := int64(700); n < 6000; n += 37 {
		cut.cuts = append(cut.cuts, n)
	}
	go cut.serve(l)
	o := quick(t)
	o.CloseWait = time.Minute
	k := openSink(t, postgresTo(t, PostgresConfig{DSN: strings.Replace(dsn, cut.to, l.Addr().String(), 1)}), o)
	writeRows(t, k, 0, 20000, 50)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if s := k.Stats(); s.Retries < 20 {
		t.Errorf("too few cuts to mean anything: %+v", s)
	}
	expectTable(t, dsn, "observation", 20000)
}

func BenchmarkPostgres(b *testing.B) {
	for _, c := range []struct {
		name string
		PostgresConfig
	}{{"hosts", PostgresConfig{}}, {"nohosts", PostgresConfig{NoHosts: true}}, {"upsert", PostgresConfig{Upsert: true, NoHosts: true}}} {
		b.Run(c.name, func(b *testing.B) {
			c.DSN = postgresDSN(b)
			benchmark(b, postgresTo(b, c.PostgresConfig))
		})
	}
}
