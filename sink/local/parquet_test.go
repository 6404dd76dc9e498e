package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// schemas are those of all probe modules.
func schemas(t testing.TB) map[string]*record.Schema {
	t.Helper()
	all := make(map[string]*record.Schema)
	for _, m := range probe.Modules() {
		p, err := probe.Sample(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[m.Name] = engine.Schema(p.Describe())
	}
	all["documents"] = record.NewSchema([]record.Field{{Name: "saddr", Type: record.Addr}, {Name: "data", Type: record.JSON}, {Name: "more", Type: record.JSON}})
	return all
}

// randomField returns a value that a field can hold, and null now and then.
func randomField(d *rand.Rand, f *record.Field) record.Value {
	if d.IntN(5) == 0 {
		return record.Value{}
	}
	words := []string{"", "a", "synack", "é\U0001F600", "a,\"\n\x00", strings.Repeat("long ", 50), "x\xffy"}
	switch f.Type {
	case record.Int:
		n := d.Uint64() >> d.IntN(64)
		switch {
		case f.Full:
			return record.Uint(n)
		case d.IntN(4) == 0:
			return record.Signed(-int64(n >> 1))
		}
		return record.Uint(n >> 1)
	case record.Bool:
		return record.Boolean(d.IntN(2) == 0)
	case record.Binary:
		return record.Bytes([]byte(words[d.IntN(len(words))]))
	case record.Addr:
		var b [16]byte
		for i := range b {
			b[i] = byte(d.Uint32())
		}
		if d.IntN(2) == 0 {
			return record.Address(netip.AddrFrom16(b))
		}
		return record.Address(netip.AddrFrom4([4]byte(b[:4])))
	case record.Time:
		return record.Moment(d.Int64() >> 1 * int64(1-2*d.IntN(2)))
	case record.Repeated:
		list := make([]record.Object, d.IntN(4))
		for i := range list {
			for _, m := range f.Elem.Fields() {
				if d.IntN(4) > 0 {
					list[i] = append(list[i], record.Member{Name: m.Name, Value: randomField(d, &m)})
				}
			}
		}
		return record.List(list)
	case record.JSON:
		return record.Bytes([]byte([]string{`{"a":"\u0000é,\"","b":[1,{}]}`, `"x"`, "[]", "0"}[d.IntN(4)]))
	case record.String:
	}
	return record.Text(words[d.IntN(len(words))])
}

// randomRows calls with for each of n rows of a schema. The rows are the same for the same seed.
func randomRows(s *record.Schema, n int, with func(r *record.Record)) {
	d := rand.New(rand.NewPCG(7, 8))
	r := record.New(s)
	for range n {
		r.Reset()
		for i := range r.Values {
			f := s.Field(i)
			r.Values[i] = randomField(d, &f)
		}
		with(r)
	}
}

// asRead shows a value as it is read again.
func asRead(v *record.Value) string {
	switch v.Kind() {
	case record.KindNull:
		return "null"
	case record.KindUint:
		return fmt.Sprint(v.Uint())
	case record.KindInt:
		return fmt.Sprint(v.Int())
	case record.KindBool:
		return fmt.Sprint(v.Bool())
	case record.KindString:
		return fmt.Sprintf("%q", appendValid(nil, []byte(v.Text())))
	case record.KindBytes:
		return fmt.Sprintf("%x", v.Bytes())
	case record.KindAddr:
		return v.Addr().String()
	case record.KindTime:
		return time.UnixMicro(floorMicro(v.UnixNano())).UTC().Format(time.RFC3339Nano)
	case record.KindList:
		var b strings.Builder
		for _, object := range v.List() {
			b.WriteByte('{')
			for i := range object {
				if m := &object[i]; !m.Value.IsNull() {
					b.WriteString(m.Name + "=" + asRead(&m.Value) + " ")
				}
			}
			b.WriteByte('}')
		}
		return "[" + b.String() + "]"
	}
	return "?"
}

func asReadRow(r *record.Record) []string {
	out := make([]string, len(r.Values))
	for i := range r.Values {
		out[i] = asRead(&r.Values[i])
	}
	return out
}

// writeParquet writes rows to a Parquet file.
func writeParquet(t testing.TB, path string, s *record.Schema, n int) {
	t.Helper()
	p, err := CreateParquet(path, ParquetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Begin(testScan()), p.Open(s)); err != nil {
		t.Fatal(err)
	}
	randomRows(s, n, func(r *record.Record) {
		if err := p.Write(r); err != nil {
			t.Fatal(err)
		}
	})
	if err := errors.Join(p.End(testOutcome()), p.Close()); err != nil {
		t.Fatal(err)
	}
}

func testScan() sink.Scan {
	return sink.Scan{
		ID: strings.Repeat("0f", 16), Started: time.Date(2026, 11, 22, 15, 23, 2, 480608000, time.UTC), Probe: "dns", Version: "1.2.3",
		Config: json.RawMessage(`{"rate":10000}`),
	}
}

func testOutcome() sink.Outcome {
	return sink.Outcome{Ended: time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC), Reason: "done", Counts: json.RawMessage(`{"sent":3}`)}
}

// TestParquetRowsComeBack writes rows of all probe modules and reads them, over several batches.
func TestParquetRowsComeBack(t *testing.T) {
	for name, s := range schemas(t) {
		path := filepath.Join(t.TempDir(), name+".parquet")
		const n = 3*parquetBatchRows + 17
		writeParquet(t, path, s, n)
		src, err := OpenParquet(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range s.Fields() {
			if got := src.Schema().Field(i); got.Name != f.Name || got.Type != f.Type || got.Full != f.Full {
				t.Errorf("%s: field %d is %+v, want %+v", name, i, got, f)
			}
		}
		got := record.New(src.Schema())
		row := 0
		randomRows(s, n, func(want *record.Record) {
			row++
			if err := src.Read(got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asReadRow(want), asReadRow(got)); diff != "" {
				t.Fatalf("%s, row %d (-want +got):\n%s", name, row, diff)
			}
		})
		if err := src.Read(got); !errors.Is(err, io.EOF) {
			t.Errorf("%s: behind the last row: got %v", name, err)
		}
		if diff := cmp.Diff(testScan(), src.Scan()); diff != "" {
			t.Errorf("scan (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(testOutcome(), src.Outcome()); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestParquetNames: the names of all columns of all probe modules are legal in BigQuery, DuckDB and PostgreSQL.
func TestParquetNames(t *testing.T) {
	legal := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`) // PostgreSQL cuts names at 63 bytes
	reserved := regexp.MustCompile(`(?i)^(_table_|_file_|_partition|_row_timestamp|__root__|_colidentifier|_change_)|^(oid|tableoid|xmin|cmin|xmax|cmax|ctid)$`)
	check := func(module, name string) {
		if !legal.MatchString(name) || reserved.MatchString(name) {
			t.Errorf("%s: column %q is not legal everywhere", module, name)
		}
	}
	for module, s := range schemas(t) {
		columns, err := parquetColumns(s, "*") // refuses names that differ in case alone
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range columns {
			for _, name := range c.names() {
				check(module, name)
			}
			for _, m := range c.members {
				check(module, m.Name)
			}
		}
	}
}

// TestParquetRowGroups: row groups have the size that they are to have, and no rows make a file as well.
func TestParquetRowGroups(t *testing.T) {
	s := record.NewSchema([]record.Field{{Name: "n", Type: record.Int}, {Name: "data", Type: record.Binary}})
	for _, c := range []struct{ rows, bytes, groups int }{{0, 0, 0}, {1, 0, 1}, {2*parquetGroupRows + 1, 8, 3}, {20 * parquetBatchRows, 8 << 10, 3}} {
		var b bytes.Buffer
		p := NewParquet(&b, ParquetOptions{})
		if err := p.Open(s); err != nil {
			t.Fatal(err)
		}
		r := record.New(s)
		data := make([]byte, c.bytes)
		for i := range c.rows {
			r.Values[0].SetUint(uint64(i))
			r.Values[1] = record.Bytes(data)
			if err := p.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "a.parquet")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := OpenParquet(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(src.parquet.RowGroups()); got != c.groups {
			t.Errorf("%d rows of %d bytes: got %d row groups, want %d", c.rows, c.bytes, got, c.groups)
		}
		got := record.New(src.Schema())
		for i := range c.rows {
			if err := src.Read(got); err != nil || got.Values[0].Uint() != uint64(i) || len(got.Values[1].Bytes()) != c.bytes {
				t.Fatalf("row %d: got %v, %v", i, asReadRow(got), err)
			}
		}
		if err := src.Read(got); !errors.Is(err, io.EOF) {
			t.Errorf("behind the last row: got %v", err)
		}
		src.Close()
	}
}

// TestParquetFields: a selection is written in its order, each field once.
func TestParquetFields(t *testing.T) {
	s := schemas(t)["dns"]
	var b bytes.Buffer
	p := NewParquet(&b, ParquetOptions{Fields: "sport,saddr,sport"})
	if err := p.Open(s); err != nil {
		t.Fatal(err)
	}
	sport, _ := s.Lookup("sport")
	if want := []int{sport, 0}; !slices.Equal(p.Fields(), want) {
		t.Errorf("fields are %v, want %v", p.Fields(), want)
	}
	for fields, want := range map[string]string{"nope": `unknown output field "nope"`, ",": "no output field named"} {
		if err := NewParquet(&b, ParquetOptions{Fields: fields}).Open(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fields %q: got %v, want %s", fields, err, want)
		}
	}
}

// TestParquetUnknownMembers: a list of objects whose members nobody knows is JSON text, and comes back.
func TestParquetUnknownMembers(t *testing.T) {
	s := record.NewSchema([]record.Field{{Name: "l", Type: record.Repeated}})
	path := filepath.Join(t.TempDir(), "a.parquet")
	p, err := CreateParquet(path, ParquetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(s); err != nil {
		t.Fatal(err)
	}
	lists := []record.Value{
		{},
		record.List(nil),
		record.List([]record.Object{{{Name: "a", Value: record.Uint(1)}, {Name: "in", Value: record.List([]record.Object{{}})}}, {}}),
	}
	r := record.New(s)
	for _, l := range lists {
		r.Values[0] = l
		if err := p.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	src, err := OpenParquet(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got := record.New(src.Schema())
	for i := range lists {
		if err := src.Read(got); err != nil || asRead(&got.Values[0]) != asRead(&lists[i]) {
			t.Errorf("row %d: got %s, %v, want %s", i, asRead(&got.Values[0]), err, asRead(&lists[i]))
		}
	}
}

// TestParquetRotates: files that are rotated are complete, and each knows its scan.
func TestParquetRotates(t *testing.T) {
	folder := t.TempDir()
	r := sink.NewRotating(sink.RotateOptions{
		Path: filepath.Join(folder, "a.parquet"), Size: 1,
		New: func(w io.Writer) sink.Sink { return NewParquet(w, ParquetOptions{}) },
	})
	s := record.NewSchema([]record.Field{{Name: "n", Type: record.Int}, {Name: "data", Type: record.Binary}})
	if err := errors.Join(r.Begin(testScan()), r.Open(s)); err != nil {
		t.Fatal(err)
	}
	row := record.New(s)
	data := make([]byte, 100)
	const n = parquetGroupRows + 10
	for i := range n {
		row.Values[0].SetUint(uint64(i))
		row.Values[1] = record.Bytes(data)
		if err := r.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.End(testOutcome()), r.Close()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 2 {
		t.Fatalf("there are %v, %v, want 2 files", entries, err)
	}
	rows := 0
	for i, e := range entries {
		src, err := OpenParquet(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if src.Scan().ID != testScan().ID || (src.Outcome().Reason == "") != (i == 0) {
			t.Errorf("%s: scan %+v, outcome %+v", e.Name(), src.Scan(), src.Outcome())
		}
		got := record.New(src.Schema())
		for ; src.Read(got) == nil; rows++ {
			if got.Values[0].Uint() != uint64(rows) {
				t.Fatalf("row %d: got %v", rows, asReadRow(got))
			}
		}
		src.Close()
	}
	if rows != n {
		t.Errorf("got %d rows, want %d", rows, n)
	}
}
