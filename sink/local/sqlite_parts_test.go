package local

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// partsSchema has certificates as a scan with grabs has them, much abbreviated.
func partsSchema() *record.Schema {
	members := []record.Field{
		{Name: "valid", Type: record.Bool},
		{Name: "sha256", Type: record.Binary},
		{Name: "subject", Type: record.String},
		{Name: "not_after", Type: record.Time},
		{Name: "key_bits", Type: record.Int},
		{Name: "der", Type: record.Binary},
	}
	return record.NewSchema(synFields().Fields(), []record.Field{{Name: "certificates", Type: record.Repeated, Elem: record.NewSchema(members), Key: "sha256"}})
}

// certificate returns an object of which all but valid follows from n.
func certificate(n int, valid bool) record.Object {
	o := record.Object{
		{Name: "valid", Value: record.Boolean(valid)},
		{Name: "sha256", Value: record.Bytes(fmt.Appendf(nil, "%032d", n))},
		{Name: "subject", Value: record.Text(fmt.Sprintf("CN=\"n%d\", O=Ünïted", n))},
		{Name: "not_after", Value: record.Moment(int64(n) * 86400e9)},
		{Name: "key_bits", Value: record.Uint(uint64(n))},
		{Name: "der", Value: record.Bytes(fmt.Appendf(nil, "\x00\xff%d", n))},
	}
	if n%5 == 0 {
		o[2].Value = record.Value{}
	}
	return o
}

func show(list []record.Object) string {
	var b strings.Builder
	for _, o := range list {
		for i := range o {
			m := &o[i]
			if m.Value.IsNull() {
				continue
			}
			fmt.Fprintf(&b, "%s=%d:%s%x%d%d ", m.Name, m.Value.Kind(), m.Value.Text(), m.Value.Bytes(), m.Value.Uint(), m.Value.UnixNano())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestPartsAreStoredOnce writes rows that share certificates, in two scans, and reads them again.
func TestPartsAreStoredOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	rng := rand.New(rand.NewPCG(3, 4))
	s := partsSchema()
	at, _ := s.Lookup("certificates")
	distinct := make(map[int]bool)
	links := 0
	for scan := range 2 {
		id := fmt.Sprint("scan", scan)
		db := open(t, path, scanOf(id, int64(scan)), s)
		if !slices.Contains(db.Fields(), at) {
			t.Fatal("the store does not want certificates")
		}
		var want []string
		r := record.New(s)
		for i := range 100 {
			r.Reset()
			synRow(r, host(i), 443, "synack", int64(i))
			var list []record.Object
			for range rng.IntN(4) {
				n := rng.IntN(20)
				distinct[n] = true
				links++
				list = append(list, certificate(n, rng.IntN(2) == 0))
			}
			if list != nil {
				r.Values[at] = record.List(list)
			}
			want = append(want, show(list))
			if err := db.Write(r); err != nil {
				t.Fatal(err)
			}
			if i%17 == 0 {
				if err := db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		finish(t, db, int64(scan)+10)
		schema, rows := readAll(t, path, id)
		k, ok := schema.Lookup("certificates")
		if !ok || schema.Field(k).Key != "sha256" {
			t.Fatalf("the source has the fields %v", schema.Fields())
		}
		for i, r := range rows {
			if got := show(r.Values[k].List()); got != want[i] {
				t.Errorf("row %d: got\n%swant\n%s", i, got, want[i])
			}
		}
	}
	for query, want := range map[string]string{
		"SELECT count(*) FROM certificate":          fmt.Sprint(len(distinct)),
		"SELECT count(*) FROM observed_certificate": fmt.Sprint(links),
		"PRAGMA foreign_key_check":                  "",
		"SELECT count(*) FROM pragma_table_info('observation') WHERE name='certificates'":                                                       "0",
		"SELECT count(*) FROM observed_certificate o JOIN certificate c ON c.sha256 = o.certificate JOIN observation b ON b.id = o.observation": fmt.Sprint(links),
	} {
		if got := strings.TrimSpace(shell(t, path, query)); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

// TestPartsWithoutKeys: what cannot be known again is left out, and names that are taken are refused.
func TestPartsWithoutKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := partsSchema()
	at, _ := s.Lookup("certificates")
	db := open(t, path, scanOf("a", 1), s)
	r := synRow(record.New(s), host(1), 443, "synack", 1)
	r.Values[at] = record.List([]record.Object{{{Name: "subject", Value: record.Text("x")}}, certificate(1, true)})
	if err := db.Write(r); err != nil {
		t.Fatal(err)
	}
	finish(t, db, 2)
	_, rows := readAll(t, path, "a")
	k, _ := rows[0].Schema.Lookup("certificates")
	if got := len(rows[0].Values[k].List()); got != 1 {
		t.Errorf("got %d certificates, want the one with a key", got)
	}
	elem := record.NewSchema([]record.Field{{Name: "id", Type: record.Binary}})
	for _, name := range []string{"scans", "hosts", "observations"} {
		bad := record.NewSchema(synFields().Fields(), []record.Field{{Name: name, Type: record.Repeated, Elem: elem, Key: "id"}})
		other, err := OpenSQLite(path, SQLiteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Begin(scanOf(name, 3)); err != nil {
			t.Fatal(err)
		}
		if err := other.Open(bad); err == nil {
			t.Errorf("field %s: got no error", name)
		}
		other.Close()
	}
}
