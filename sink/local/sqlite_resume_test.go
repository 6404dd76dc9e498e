package local

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// TestResume kills a store after it has written more than it has saved, again and again, while another scan writes to the same
// database: in the end each row that was saved is there once, with its parts, and nothing else of the scan is.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	s := partsSchema()
	at, _ := s.Lookup("certificates")
	other := open(t, path, scanOf("other", 1), s)
	n, r := 0, record.New(s)
	write := func(db *SQLite, rows int) {
		t.Helper()
		for range rows {
			r.Reset()
			synRow(r, host(n%5000), 443, "synack", int64(n+1)*1000)
			r.Values[at] = record.List([]record.Object{certificate(n%7, true)})
			if err := db.Write(r); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	db := open(t, path, scanOf("killed", 2), s)
	place, kept := "", 0
	for round := range 6 {
		if round > 0 {
			var err error
			if db, err = OpenSQLite(path, SQLiteOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Begin(scanOf("killed", 2)), db.Resume(s, place)); err != nil {
				t.Fatal(err)
			}
		}
		write(db, 300+round)
		kept += 300 + round
		var err error
		if place, err = db.Save(); err != nil || place != fmt.Sprint(kept) {
			t.Fatalf("%v: place %s, want %d", err, place, kept)
		}
		n += 10_000
		write(db, 2000) // hosts of whom nothing stays
		n -= 12_000
		if err := errors.Join(db.Flush(), db.conn.Close(), db.db.Close()); err != nil { // as when the process dies
			t.Fatal(err)
		}
		write(other, 10)
		if err := other.Flush(); err != nil {
			t.Fatal(err)
		}
		n -= 10
	}
	last, err := OpenSQLite(path, SQLiteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(last.Begin(scanOf("killed", 2)), last.Resume(s, place)); err != nil {
		t.Fatal(err)
	}
	finish(t, last, 9)
	finish(t, other, 9)
	for query, want := range map[string]string{
		"SELECT count(*), count(DISTINCT timestamp_str) FROM observation WHERE scan = 2":       fmt.Sprintf("%d|%[1]d", kept),
		"SELECT count(*) FROM observed_certificate":                                            fmt.Sprint(kept + 60),
		"SELECT count(*) FROM host WHERE saddr_key NOT IN (SELECT saddr_key FROM observation)": "0",
		"SELECT count(*) FROM observation WHERE saddr_key NOT IN (SELECT saddr_key FROM host)": "0",
		"SELECT count(*) FROM scan WHERE reason = 'done'":                                      "2",
		"PRAGMA foreign_key_check":                                                             "",
	} {
		if got := strings.TrimSpace(shell(t, path, query)); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

// TestResumeRefuses what is not the database that was left.
func TestResumeRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	db := open(t, path, scanOf("a", 1), synFields())
	r := record.New(synFields())
	for i := range 10 {
		if err := db.Write(synRow(r, host(i), 1, "synack", 1)); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, db, 2)
	for _, c := range []struct{ id, place, want string }{
		{"b", "3", "scan b is not in it"},
		{"a", "11", "it has 10 rows of the scan, and had 11"},
		{"a", "x", "is no number of rows"},
		{"a", "-1", "is no number of rows"},
		{"a", "", "is no number of rows"},
		{"a", "9999999999999999", "is no number of rows"},
	} {
		db, err := OpenSQLite(path, SQLiteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Begin(scanOf(c.id, 1)), db.Resume(synFields(), c.place)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
		db.Close()
	}
	if got := shell(t, path, "SELECT count(*) FROM observation", "SELECT reason FROM scan"); got != "10\ndone" {
		t.Errorf("after all that: %q", got)
	}
}
