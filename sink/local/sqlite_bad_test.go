package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// stays demands that every method of a store that has failed returns the same error, which names the file and holds some words.
func stays(t *testing.T, db *SQLite, err error, words ...string) {
	t.Helper()
	says(t, err, append(words, db.path)...)
	for name, again := range map[string]error{
		"Begin": db.Begin(scanOf("ff", 1)), "Open": db.Open(synFields()), "Write": db.Write(record.New(synFields())), "Flush": db.Flush(),
		"End": db.End(sink.Outcome{Ended: time.Now()}), "Close": db.Close(), "second Close": db.Close(),
	} {
		if !errors.Is(again, err) {
			t.Errorf("%s after %v: got %v, want the same", name, err, again)
		}
	}
}

func says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want an error that says %q", err, w)
		}
	}
}

// hold takes a lock on the database, as another program would, until the function that is returned is called.
func hold(t *testing.T, path, lock string) func() {
	t.Helper()
	db, err := connect(path, "mode=rw", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		if err := errors.Join(conn.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	db := open(t, path, scanOf("aa01", 1), synFields())
	r := record.New(synFields())
	for i := range 100 {
		if err := db.Write(synRow(r, host(i), 443, "synack", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	release := hold(t, path, "BEGIN IMMEDIATE")
	begun := time.Now()
	if err := db.Write(synRow(r, host(100), 443, "synack", 1)); err != nil {
		t.Fatal(err)
	}
	err := db.Flush()
	if took := time.Since(begun); took < 900*time.Millisecond || took > 10*time.Second {
		t.Errorf("gave up after %v, want about the second that was asked for", took)
	}
	stays(t, db, err, "another program has locked it", "write rows to")
	release()
	if _, rows := readAll(t, path, "aa01"); len(rows) != 100 {
		t.Errorf("got %d rows, want the 100 that were flushed", len(rows))
	}
}

// TestLockGivenBack: somebody who gives the lock back in time costs nothing.
func TestLockGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	db, err := OpenSQLite(path, SQLiteOptions{Busy: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Begin(scanOf("aa01", 1)), db.Open(synFields())); err != nil {
		t.Fatal(err)
	}
	release := hold(t, path, "BEGIN IMMEDIATE")
	flushed := make(chan error)
	go func() {
		err := db.Write(synRow(record.New(synFields()), host(1), 443, "synack", 1))
		flushed <- errors.Join(err, db.Flush())
	}()
	select {
	case err := <-flushed:
		t.Errorf("flush while another holds the lock: got %v, want that it waits", err)
	case <-time.After(200 * time.Millisecond):
		release()
		if err := <-flushed; err != nil {
			t.Error(err)
		}
	}
	finish(t, db, 2)
}

func TestOpenRefuses(t *testing.T) {
	ours := func(t *testing.T, path string, commands ...string) {
		if err := open(t, path, scanOf("aa01", 1), synFields()).Close(); err != nil {
			t.Fatal(err)
		}
		db, err := connect(path, "mode=rw", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, c := range commands {
			if _, err := db.ExecContext(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    string
	}{
		{"newer", func(t *testing.T, path string) { ours(t, path, "PRAGMA user_version = 2") }, "use a newer zmap"},
		{"odd", func(t *testing.T, path string) { ours(t, path, "PRAGMA user_version = -3") }, "are of version -3, which no zmap has made"},
		{"foreign", func(t *testing.T, path string) { ours(t, path, "PRAGMA application_id = 7") }, "it is another program's"},
		{"text", func(t *testing.T, path string) { write(t, path, strings.Repeat("saddr,sport\n", 100)) }, "this is no SQLite database"},
		{"short", func(t *testing.T, path string) { write(t, path, "x") }, "this is no SQLite database"},
		{"folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "this is a folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "scans.db")
			tt.prepare(t, path)
			before, _ := os.ReadFile(path)
			_, err := OpenSQLite(path, SQLiteOptions{Busy: time.Second})
			says(t, err, "open SQLite database "+path, tt.want)
			_, err = OpenSQLiteSource(path, "")
			says(t, err, "read SQLite database "+path, tt.want)
			_, err = Scans(path)
			says(t, err, path, tt.want)
			if after, _ := os.ReadFile(path); string(before) != string(after) {
				t.Error("the file is another afterwards")
			}
		})
	}
	nowhere := filepath.Join(t.TempDir(), "no", "scans.db")
	_, err := OpenSQLite(nowhere, SQLiteOptions{})
	says(t, err, nowhere, "see whether the folder is there")
	_, err = OpenSQLite("", SQLiteOptions{})
	says(t, err, "the path is empty")
	_, err = OpenSQLiteSource(nowhere, "")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("source of no file: got %v, want that it does not exist", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenWhileLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	if err := open(t, path, scanOf("aa01", 1), synFields()).Close(); err != nil {
		t.Fatal(err)
	}
	release := hold(t, path, "BEGIN IMMEDIATE")
	_, err := OpenSQLite(path, SQLiteOptions{Busy: 200 * time.Millisecond})
	says(t, err, path, "another program has locked it")
	release()
}

func TestFieldsThatHaveNoColumn(t *testing.T) {
	field := func(name string, t record.Type) []record.Field { return []record.Field{{Name: name, Type: t}} }
	for _, tt := range []struct {
		schema *record.Schema
		want   string
	}{
		{record.NewSchema(field("data", record.Binary)), `column "data" of table observation is TEXT, and field "data" needs BLOB: write to another file`},
		{record.NewSchema(field("sport", record.String)), `column "sport" of table observation is INTEGER, and field "sport" needs TEXT`},
		{record.NewSchema(field("ID", record.Int)), `field "ID" cannot have column "ID", which is that of the table`},
		{record.NewSchema(field("scan", record.Int)), `that of the table`},
		{record.NewSchema(field("a", record.Int), field("A", record.Int)), `field "A" cannot have column "A", which is that of field "a"`},
		{record.NewSchema(field("a_key", record.Int), field("a", record.Addr)), `which is that of field "a_key": leave it out`},
	} {
		path := filepath.Join(t.TempDir(), "scans.db")
		finish(t, open(t, path, scanOf("aa01", 1), record.NewSchema(field("data", record.String))), 2)
		db, err := OpenSQLite(path, SQLiteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Begin(scanOf("aa02", 1)); err != nil {
			t.Fatal(err)
		}
		stays(t, db, db.Open(tt.schema), tt.want)
		if all, err := Scans(path); err != nil || len(all) != 1 {
			t.Errorf("got %d scans and %v, want the one before", len(all), err)
		}
	}
}

func TestOrderOfCalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	finish(t, open(t, path, scanOf("aa01", 1), synFields()), 2)
	fresh := func() *SQLite {
		db, err := OpenSQLite(path, SQLiteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := fresh()
	stays(t, db, db.Open(synFields()), "Begin comes before Open")
	db = fresh()
	stays(t, db, db.Write(record.New(synFields())), "Open comes before Write")
	db = fresh()
	stays(t, db, db.Begin(sink.Scan{}), "it has no ID")
	db = fresh()
	stays(t, db, errors.Join(db.Begin(scanOf("aa01", 1)), db.Open(synFields())).(interface{ Unwrap() []error }).Unwrap()[0], "a scan is written once")
	db = fresh()
	if err := db.Close(); err != nil {
		t.Errorf("close of an unused database: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := db.Write(record.New(synFields())); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: got %v, want one that says so", err)
	}
}

// A scan that was not ended keeps its rows, and is the newest only if no scan has ended.
func TestInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	for i, id := range []string{"aa01", "ab02", "ac03"} {
		db := open(t, path, scanOf(id, int64(i)), synFields())
		for k := range i + 1 {
			if err := db.Write(synRow(record.New(synFields()), host(k), 443, "synack", 1)); err != nil {
				t.Fatal(err)
			}
		}
		if id == "ab02" {
			finish(t, db, 9)
		} else if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if id == "aa01" {
			if _, rows := readAll(t, path, ""); len(rows) != 1 {
				t.Errorf("got %d rows of the only scan, want 1", len(rows))
			}
		}
	}
	all, err := Scans(path)
	if err != nil || len(all) != 3 {
		t.Fatalf("got %d scans and %v, want 3", len(all), err)
	}
	for i, s := range all {
		if s.Rows != int64(i+1) || s.Ended.IsZero() != (s.ID != "ab02") || s.Probe != "tcp_synscan" || string(s.Config) != `{"rate":10}` {
			t.Errorf("scan %d: got %+v", i, s)
		}
	}
	for prefix, want := range map[string]int{"": 2, "aa": 1, "aa01": 1, "ac03": 3} {
		if _, rows := readAll(t, path, prefix); len(rows) != want {
			t.Errorf("scan %q: got %d rows, want %d", prefix, len(rows), want)
		}
	}
	for prefix, want := range map[string]string{"a": "beginning of several scans, aa01 and ab02 among them", "x": `no scan in it whose ID begins with "x"`, "%": "no scan in it"} {
		_, err := OpenSQLiteSource(path, prefix)
		says(t, err, path, want)
	}
}

// TestSourceRefuses: what is in the database may have been written by anybody.
func TestSourceRefuses(t *testing.T) {
	for command, want := range map[string]string{
		"UPDATE scan SET fields = '[]x'":                                                       "scan aa01: read its fields",
		`UPDATE scan SET fields = '[{"name":"a b","type":"int"}]'`:                             "illegal or taken",
		`UPDATE scan SET fields = '[{"name":"ttl","type":"int"},{"name":"TTL","type":"int"}]'`: "illegal or taken",
		`UPDATE scan SET fields = '[{"name":"ttl","type":"float"}]'`:                           `type "float", which there is none of`,
		`UPDATE scan SET fields = '[{"name":"more","type":"int"}]'`:                            `field "more" has no column`,
		"UPDATE scan SET n = -5":                                                               "number -5, which no zmap gave it",
		"DELETE FROM scan":                                                                     "there is no scan in it",
		"UPDATE observation SET saddr = 'host'":                                                `column saddr holds "host", which is no address`,
		"UPDATE observation SET ttl = 1.5":                                                     "column ttl holds 1.5, which no field does",
		"UPDATE observation SET timestamp_str = 9223372036854775807":                           "column timestamp_str holds 9223372036854775807, which is no time",
		"UPDATE observation SET classification = zeroblob(17000000)":                           "too big",
		"ALTER TABLE observation RENAME TO o; CREATE VIEW observation AS SELECT * FROM o":      "its tables scan and observation are missing",
	} {
		path := filepath.Join(t.TempDir(), "scans.db")
		db := open(t, path, scanOf("aa01", 1), synFields())
		if err := db.Write(synRow(record.New(synFields()), host(1), 443, "synack", 1)); err != nil {
			t.Fatal(err)
		}
		finish(t, db, 2)
		other, err := connect(path, "mode=rw", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.ExecContext(t.Context(), command); err != nil {
			t.Fatal(err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		err = drain(path)
		says(t, err, path, want)
	}
}

// errEndless is what drain returns of a database with more rows than it can have.
var errEndless = errors.New("rows do not end")

// drain reads a database to its end or first error.
func drain(path string) error {
	src, err := OpenSQLiteSource(path, "")
	if err != nil {
		return err
	}
	defer src.Close()
	r := record.New(src.Schema())
	for range 100_000 {
		if err := src.Read(r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			if again := src.Read(r); !errors.Is(again, err) {
				return fmt.Errorf("a second error: %w", again)
			}
			return err
		}
	}
	return errEndless
}
