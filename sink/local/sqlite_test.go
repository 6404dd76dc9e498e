package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// synFields are some of those of tcp_synscan.
func synFields() *record.Schema {
	return record.NewSchema([]record.Field{
		{Name: "saddr", Type: record.Addr},
		{Name: "ttl", Type: record.Int},
		{Name: "sport", Type: record.Int},
		{Name: "classification", Type: record.String},
		{Name: "success", Type: record.Bool},
		{Name: "timestamp_str", Type: record.Time},
	})
}

// synRow sets r to an answer from an address.
func synRow(r *record.Record, a netip.Addr, port uint64, class string, nano int64) *record.Record {
	r.Values[0] = record.Address(a)
	r.Values[1] = record.Uint(64)
	r.Values[2] = record.Uint(port)
	r.Values[3] = record.Text(class)
	r.Values[4] = record.Boolean(class == "synack")
	r.Values[5] = record.Moment(nano)
	return r
}

func host(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}) }

// scanOf is a scan that began at a second.
func scanOf(id string, second int64) sink.Scan {
	return sink.Scan{ID: id, Started: time.Unix(second, 0), Probe: "tcp_synscan", Version: "test", Config: json.RawMessage(`{"rate":10}`)}
}

// open opens a database and begins a scan of rows of s.
func open(t testing.TB, path string, scan sink.Scan, s *record.Schema) *SQLite {
	t.Helper()
	db, err := OpenSQLite(path, SQLiteOptions{Busy: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Begin(scan); err != nil {
		t.Fatal(err)
	}
	if err := db.Open(s); err != nil {
		t.Fatal(err)
	}
	return db
}

// finish ends the scan and closes the database.
func finish(t testing.TB, db *SQLite, second int64) {
	t.Helper()
	o := sink.Outcome{Ended: time.Unix(second, 0), Reason: "done", Counts: json.RawMessage(`{"sent":7}`)}
	if err := errors.Join(db.End(o), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// readAll returns what the source of a scan gives, a row each time anew.
func readAll(t testing.TB, path, scan string) (*record.Schema, []*record.Record) {
	t.Helper()
	src, err := OpenSQLiteSource(path, scan)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var all []*record.Record
	for {
		r := record.New(src.Schema())
		if err := src.Read(r); errors.Is(err, io.EOF) {
			return src.Schema(), all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// shell asks the command sqlite3, another build of SQLite and another reader.
func shell(t testing.TB, path string, commands ...string) string {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("the command sqlite3 is not there, which is the independent reader: apt-get install sqlite3")
	}
	cmd := exec.CommandContext(t.Context(), "sqlite3", append([]string{"-batch", "-bail", path}, commands...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("sqlite3 %q: %v: %s", commands, err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// randomSchema returns up to 12 fields of any type, sometimes with those that scans are compared by.
func randomSchema(rng *rand.Rand) *record.Schema {
	var fields []record.Field
	if rng.IntN(2) == 0 {
		fields = synFields().Fields()
	}
	fields = slices.Clone(fields)
	for i := range rng.IntN(12) + 1 {
		fields = append(fields, record.Field{Name: fmt.Sprintf("f%d_%d", i, rng.IntN(7)), Type: record.Type(rng.IntN(8))})
	}
	names := make(map[string]record.Type) // another scan may have had a field of that name
	for i := range fields {
		f := &fields[i]
		if f.Name[0] == 'f' {
			f.Name += "_" + affinity(f.Type) + f.Type.String()
		}
		names[f.Name] = f.Type
	}
	return record.NewSchema(fields)
}

func randomText(rng *rand.Rand) string {
	b := make([]byte, rng.IntN(20))
	for i := range b {
		b[i] = byte(rng.Uint32())
		if rng.IntN(3) > 0 {
			b[i] = "ab'\"\n\x00\\{%,"[rng.IntN(10)]
		}
	}
	if rng.IntN(2) == 0 {
		return strings.ToValidUTF8(string(b), "é")
	}
	return string(b)
}

func randomInt(rng *rand.Rand) record.Value {
	switch rng.IntN(6) {
	case 0:
		return record.Uint(math.MaxUint64)
	case 1:
		return record.Uint(1 << 63)
	case 2:
		return record.Uint(math.MaxInt64)
	case 3:
		return record.Signed(-rng.Int64())
	case 4:
		return record.Boolean(rng.IntN(2) == 0)
	}
	return record.Uint(rng.Uint64() >> rng.IntN(64))
}

func randomAddr(rng *rand.Rand) record.Value {
	var b [16]byte
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	switch rng.IntN(3) {
	case 0:
		return record.Address(netip.AddrFrom16(b))
	case 1:
		return record.Address(netip.AddrFrom16(netip.AddrFrom4([4]byte(b[:])).As16()))
	}
	return record.Address(netip.AddrFrom4([4]byte{b[0] & 3, b[1] & 3}))
}

func randomValue(rng *rand.Rand, t record.Type, depth int) record.Value {
	if rng.IntN(5) == 0 {
		return record.Value{}
	}
	switch t {
	case record.Int:
		return randomInt(rng)
	case record.Bool:
		if rng.IntN(2) == 0 {
			return record.Uint(rng.Uint64N(3))
		}
		return record.Boolean(rng.IntN(2) == 0)
	case record.Addr:
		return randomAddr(rng)
	case record.Time:
		return record.Moment(rng.Int64() - rng.Int64())
	case record.Repeated:
		list := []record.Object{}
		for range rng.IntN(3) {
			o := record.Object{}
			for i := range rng.IntN(4) {
				t := record.Type(rng.IntN(8))
				if depth < 2 || t != record.Repeated {
					o = append(o, record.Member{Name: fmt.Sprintf("m%d", i), Value: randomValue(rng, t, depth-1)})
				}
			}
			list = append(list, o)
		}
		return record.List(list)
	case record.JSON:
		return record.Bytes([]byte([]string{`{"a":"\u0000é,\"","b":[1,{}]}`, `"x"`, "[]", "0"}[rng.IntN(4)]))
	case record.String, record.Binary:
	}
	if rng.IntN(2) == 0 {
		return record.Bytes([]byte(randomText(rng)))
	}
	return record.Text(randomText(rng))
}

// kept says what the database is to make of a value: the plain twin of encode and decode.
func kept(v record.Value, t record.Type) string {
	switch v.Kind() {
	case record.KindNull:
		return "null"
	case record.KindUint, record.KindInt, record.KindBool:
		switch {
		case t == record.Bool:
			return fmt.Sprintf("truth %v", v.Bool())
		case v.Kind() == record.KindInt && v.Int() < 0:
			return fmt.Sprintf("number %d", v.Int())
		}
		return fmt.Sprintf("number %d", v.Uint())
	case record.KindString, record.KindBytes:
		s := v.Text() + string(v.Bytes())
		if (t == record.String || t == record.JSON) && utf8.ValidString(s) {
			return fmt.Sprintf("text %q", s)
		}
		return fmt.Sprintf("bytes %q", s)
	case record.KindAddr:
		return "address " + v.Addr().String()
	case record.KindTime:
		return time.Unix(0, v.UnixNano()).UTC().Truncate(time.Microsecond).String() // rounds to the past, also before 1970
	case record.KindList:
		return "list " + listText(v)
	}
	return "?"
}

func listText(v record.Value) string {
	s := record.NewSchema([]record.Field{{Name: "x", Type: record.Repeated}})
	r := record.New(s)
	r.Values[0] = v
	var b bytes.Buffer
	j := sink.NewJSON(&b, sink.Options{Fields: "*", Location: time.UTC})
	if err := errors.Join(j.Open(s), j.Write(r), j.Close()); err != nil {
		return err.Error()
	}
	return b.String()
}

// TestRoundTrip writes random rows of random schemas, scan after scan into one database, and reads each scan back.
func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans # ?mode=ro %41.db")
	for round := range 60 {
		rng := rand.New(rand.NewPCG(7, uint64(round)))
		s := randomSchema(rng)
		id := fmt.Sprintf("%016x%016x", rng.Uint64(), round)
		db := open(t, path, scanOf(id, int64(round)), s)
		r := record.New(s)
		var want [][]string
		for range rng.IntN(3 * chunkRows) {
			row := make([]string, s.Len())
			for i := range r.Values {
				r.Values[i] = randomValue(rng, s.Field(i).Type, 2)
				row[i] = kept(r.Values[i], s.Field(i).Type)
			}
			want = append(want, row)
			if err := db.Write(r); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if rng.IntN(20) == 0 {
				if err := db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		finish(t, db, int64(round))
		got, rows := readAll(t, path, id)
		if len(got.Fields()) != s.Len() {
			t.Fatalf("round %d: got %d fields back, want %d", round, got.Len(), s.Len())
		}
		for i, f := range got.Fields() {
			if g := s.Field(i); g.Name != f.Name || g.Type != f.Type {
				t.Errorf("round %d, field %d: got %v, want %v", round, i, f, g)
			}
		}
		var back [][]string
		for _, r := range rows {
			row := make([]string, len(r.Values))
			for i := range row {
				row[i] = kept(r.Values[i], got.Field(i).Type)
			}
			back = append(back, row)
		}
		if diff := cmp.Diff(want, back); diff != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, diff)
		}
	}
	if got := shell(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity check by sqlite3: %s", got)
	}
}

// TestShellReads demands that another reader finds what the documentation says.
func TestShellReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	s := record.NewSchema(synFields().Fields(), []record.Field{
		{Name: "data", Type: record.Binary},
		{Name: "server", Type: record.String},
		{Name: "answers", Type: record.Repeated},
		{Name: "stamp", Type: record.Int},
	})
	db := open(t, path, scanOf("aa01", 100), s)
	r := synRow(record.New(s), netip.MustParseAddr("192.0.2.1"), 443, "synack", 1_795_360_939_973_386_999)
	r.SetBytes(6, []byte{0, 255})
	r.SetBytes(7, []byte("caf\xc3\xa9"))
	r.Values[8] = record.List([]record.Object{{{Name: "name", Value: record.Text("a/b")}, {Name: "ttl", Value: record.Uint(3)}}})
	r.Values[9] = record.Uint(math.MaxUint64)
	if err := db.Write(r); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	synRow(r, netip.MustParseAddr("2001:db8::1"), 443, "rst", -1)
	r.SetBytes(7, []byte("\xff"))
	if err := db.Write(r); err != nil {
		t.Fatal(err)
	}
	finish(t, db, 200)
	for query, want := range map[string]string{
		"SELECT saddr, hex(saddr_key), sport, success FROM observation ORDER BY saddr_key": "192.0.2.1|00000000000000000000FFFFC0000201|443|1\n" +
			"2001:db8::1|20010DB8000000000000000000000001|443|0",
		"SELECT timestamp_str FROM observation ORDER BY id":                                                          "1795360939973386\n-1",
		"SELECT datetime(timestamp_str/1e6, 'unixepoch') FROM observation WHERE success":                             "2026-11-22 15:22:19",
		"SELECT hex(data), typeof(data), server, answers ->> '$[0].name', hex(stamp) FROM observation WHERE success": "00FF|blob|café|a/b|FFFFFFFFFFFFFFFF",
		"SELECT typeof(server), typeof(data), typeof(ttl) FROM observation WHERE NOT success":                        "blob|null|integer",
		"SELECT id, started, ended, probe, version, config ->> 'rate', reason, counts ->> 'sent' FROM scan":          "aa01|100000000|200000000|tcp_synscan|test|10|done|7",
		"SELECT saddr, first_scan, first_seen, last_scan, last_seen FROM host ORDER BY saddr_key":                    "192.0.2.1|1|1795360939973386|1|1795360939973386\n2001:db8::1|1|-1|1|-1",
		"PRAGMA user_version":   "1",
		"PRAGMA application_id": fmt.Sprint(applicationID),
		"PRAGMA journal_mode":   "wal",
	} {
		if got := shell(t, path, query); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", query, got, want)
		}
	}
	for _, more := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + more); err == nil {
			t.Errorf("%s is left after Close", path+more)
		}
	}
}

// TestModulesShare writes scans of two kinds to one database, one field of which is a number to one and a truth value to the other.
func TestModulesShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	db := open(t, path, scanOf("aa01", 1), synFields())
	if err := db.Write(synRow(record.New(synFields()), host(1), 443, "synack", 5000)); err != nil {
		t.Fatal(err)
	}
	finish(t, db, 2)
	echo := record.NewSchema([]record.Field{{Name: "saddr", Type: record.Addr}, {Name: "success", Type: record.Int}, {Name: "icmp_seq", Type: record.Int}})
	db = open(t, path, scanOf("aa02", 3), echo)
	r := record.New(echo)
	r.Values[0], r.Values[1], r.Values[2] = record.Address(host(1)), record.Uint(1), record.Uint(77)
	if err := db.Write(r); err != nil {
		t.Fatal(err)
	}
	finish(t, db, 4)
	got := shell(t, path, "SELECT scan, success, ttl, icmp_seq FROM observation ORDER BY id", "SELECT first_scan, first_seen, last_scan, last_seen FROM host")
	if want := "1|1|64|\n2|1||77\n1|5|2|3000000"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	_, rows := readAll(t, path, "aa01")
	if k := rows[0].Values[4].Kind(); k != record.KindBool {
		t.Errorf("success of the first scan is of kind %d, want a truth value", k)
	}
	schema, rows := readAll(t, path, "aa02")
	if k := rows[0].Values[1].Kind(); k != record.KindUint || schema.Len() != 3 {
		t.Errorf("success of the second scan is of kind %d and it has %d fields, want a number and 3", k, schema.Len())
	}
}

// TestFields: fewer fields are asked for, and those that scans are compared by are there as well.
func TestFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	db, err := OpenSQLite(path, SQLiteOptions{Fields: "ttl saddr ttl"})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Begin(scanOf("aa01", 1)), db.Open(record.NewSchema(synFields().Fields(), []record.Field{{Name: "window", Type: record.Int}}))); err != nil {
		t.Fatal(err)
	}
	if got, want := db.Fields(), []int{1, 0, 2, 4, 3, 5}; !slices.Equal(got, want) {
		t.Errorf("fields: got %v, want %v", got, want)
	}
	finish(t, db, 2)
	if s, _ := readAll(t, path, ""); s.Len() != 6 {
		t.Errorf("got %d fields back, want 6", s.Len())
	}
}

// TestSeveralWriters: scans that write to one database at a time wait for each other, and none loses a row.
func TestSeveralWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	const writers, rows = 4, 500
	errs := make(chan error)
	for w := range writers {
		go func() {
			db, err := OpenSQLite(path, SQLiteOptions{Busy: 20 * time.Second})
			if err != nil {
				errs <- err
				return
			}
			err = errors.Join(db.Begin(scanOf(fmt.Sprintf("aa%02d", w), 1)), db.Open(synFields()))
			r := record.New(synFields())
			for i := range rows {
				err = errors.Join(err, db.Write(synRow(r, host(i), uint64(w), "synack", int64(i)*1000)))
				if i%50 == 0 {
					err = errors.Join(err, db.Flush())
				}
			}
			errs <- errors.Join(err, db.End(sink.Outcome{Ended: time.Now()}), db.Close())
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	all, err := Scans(path)
	if err != nil || len(all) != writers {
		t.Fatalf("got %d scans and %v, want %d", len(all), err, writers)
	}
	for _, s := range all {
		_, got := readAll(t, path, s.ID)
		if len(got) != rows || s.Rows != rows {
			t.Errorf("scan %s: got %d rows, %d by the list, want %d", s.ID, len(got), s.Rows, rows)
		}
		for i, r := range got {
			if a := r.Values[0].Addr(); a != host(i) {
				t.Fatalf("scan %s, row %d: got %v, want %v", s.ID, i, a, host(i))
			}
		}
	}
}

// TestHosts: a scan whose rows come fast is killed before they are in the table of hosts, and the next scan makes up for it.
func TestHosts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	db := open(t, path, scanOf("aa01", 1), synFields())
	r := record.New(synFields())
	const rows = 3 * slowRows
	for i := range rows {
		if err := db.Write(synRow(r, host(i%1000), 443, "synack", int64(1000+i)*1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, path, "SELECT count(*) FROM observation", "SELECT count(*) FROM host"); got != fmt.Sprintf("%d\n0", rows) {
		t.Errorf("rows and hosts before: got %q, want %d and none", got, rows)
	}
	if err := errors.Join(db.conn.Close(), db.db.Close()); err != nil { // as when the process dies
		t.Fatal(err)
	}
	next := open(t, path, scanOf("aa02", 1), synFields())
	if got := shell(t, path, "SELECT count(*), min(first_seen), max(last_seen), max(last_scan) FROM host"); got != "1000|1000|2499|1" {
		t.Errorf("hosts after: got %s, want 1000, all of the first scan", got)
	}
	if err := next.Write(synRow(r, host(3), 443, "synack", 5_000_000)); err != nil {
		t.Fatal(err)
	}
	finish(t, next, 2)
	if got := shell(t, path, "SELECT first_scan, first_seen, last_scan, last_seen FROM host WHERE saddr = '192.0.0.3'"); got != "1|1003|2|5000" {
		t.Errorf("the host of both scans: got %s", got)
	}
	if got := shell(t, path, "SELECT n << 40, hosted - (n << 40) FROM scan ORDER BY n"); got != fmt.Sprintf("%d|%d\n%d|1", int64(1)<<40, rows, int64(2)<<40) {
		t.Errorf("rows that are known as hosts: got %s", got)
	}
}
