package local

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// TestParquetRefuses: what a column cannot hold is an error that names the field.
func TestParquetRefuses(t *testing.T) {
	elem := record.NewSchema([]record.Field{{Name: "a", Type: record.Int}})
	for _, c := range []struct {
		f    record.Field
		v    record.Value
		want string
	}{
		{record.Field{Type: record.Int}, record.Uint(1 << 63), "field x: 9223372036854775808 does not fit its column"},
		{record.Field{Type: record.Int, Full: true}, record.Signed(-1), "field x: 18446744073709551615 does not fit its column"},
		{record.Field{Type: record.Addr}, record.Text("1"), "field x of type string has a value of kind"},
		{record.Field{Type: record.Repeated, Elem: elem}, record.List([]record.Object{{{Name: "b", Value: record.Uint(1)}}}), "field x: an object has members that the schema does not name"},
		{record.Field{Type: record.Repeated, Elem: elem}, record.List([]record.Object{{{Name: "a", Value: record.Text("1")}}}), "field x: field a of type int"},
		{record.Field{Type: record.Int, Full: true}, record.Uint(1<<64 - 1), ""},
		{record.Field{Type: record.Int}, record.Signed(-1 << 63), ""},
		{record.Field{Type: record.Int}, record.Boolean(true), ""},
		{record.Field{Type: record.Bool}, record.Uint(1), ""},
		{record.Field{Type: record.String}, record.Bytes([]byte("wire")), ""},
		{record.Field{Type: record.Binary}, record.Text("text"), ""},
	} {
		c.f.Name = "x"
		s := record.NewSchema([]record.Field{c.f})
		p := NewParquet(io.Discard, ParquetOptions{})
		if err := p.Open(s); err != nil {
			t.Fatal(err)
		}
		r := record.New(s)
		r.Values[0] = c.v
		err := p.Write(r)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v in %+v: got %v, want %q", c.v, c.f, err, c.want)
		}
		if again := errors.Join(p.Close()); (again == nil) != (c.want == "") {
			t.Errorf("Close after %v: got %v", err, again)
		}
	}
	for _, fields := range [][]record.Field{
		{{Name: "a", Type: record.Addr}, {Name: "A_KEY", Type: record.Int}},
	} {
		if err := NewParquet(io.Discard, ParquetOptions{}).Open(record.NewSchema(fields)); err == nil {
			t.Errorf("%v: got no error", fields)
		}
	}
}

// TestParquetNamesItsFile: until Close there is only NAME.part, an old NAME stays until then, and what was left behind by others
// stays as it is.
func TestParquetNamesItsFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a.parquet")
	for name, text := range map[string]string{path: "old", path + ".part": "of a killed scan"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	has := func(name, text string) {
		t.Helper()
		if b, err := os.ReadFile(name); err != nil || text != "" && string(b) != text {
			t.Errorf("%s has %.20q, %v, want %q", name, b, err, text)
		}
	}
	p, err := CreateParquet(path, ParquetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Open(schemas(t)["icmp_echoscan"]); err != nil {
		t.Fatal(err)
	}
	has(path, "old")
	has(path+".2.part", "")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	has(path+".part", "of a killed scan")
	if s, err := OpenParquet(path); err != nil {
		t.Error(err)
	} else {
		s.Close()
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("there are %v", entries)
	}
	p, err = CreateParquet(filepath.Join(folder, "b.parquet"), ParquetOptions{}) // never opened: nothing stays
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("there are %v", entries)
	}
	if _, err := CreateParquet(filepath.Join(folder, "none", "a.parquet"), ParquetOptions{}); err == nil || !strings.Contains(err.Error(), "create output file: open "+folder+"/none/a.parquet.part: no such file or directory") {
		t.Errorf("a folder that does not exist: got %v", err)
	}
}

// TestParquetDamaged: what is cut off or changed is an error that names the file, or gives rows, and never a panic.
func TestParquetDamaged(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a.parquet")
	s := schemas(t)["dns"]
	writeParquet(t, path, s, 300)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += len(whole)/60 + 1 {
		if _, _, err := readParquet(t, folder, whole[:n]); err == nil || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), "read footer") {
			t.Fatalf("the first %d bytes: got %v", n, err)
		}
	}
	rejected, step := 0, len(whole)/150
	for n := 0; n < len(whole); n += step {
		changed := append([]byte{}, whole...)
		changed[n] ^= 0x55
		if _, rows, err := readParquet(t, folder, changed); err != nil {
			rejected++
			if !strings.Contains(err.Error(), folder) {
				t.Errorf("byte %d changed: the error names no file: %v", n, err)
			}
		} else if rows != 300 {
			t.Errorf("byte %d changed: got %d rows and no error", n, rows)
		}
	}
	if rejected < len(whole)/step/2 {
		t.Errorf("%d of %d damaged files were rejected", rejected, len(whole)/step)
	}
	if _, _, err := readParquet(t, folder, []byte("saddr,sport\n192.0.2.1,80\n")); err == nil {
		t.Error("CSV is read as Parquet")
	}
}

// readParquet reads what there is in a file.
func readParquet(t testing.TB, folder string, content []byte) (*record.Schema, int, error) {
	t.Helper()
	path := filepath.Join(folder, "x.parquet")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := OpenParquet(path)
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	r := record.New(s.Schema())
	for n := 0; ; n++ {
		if err := s.Read(r); errors.Is(err, io.EOF) {
			return s.Schema(), n, nil
		} else if err != nil {
			return s.Schema(), n, err
		}
	}
}

// FuzzParquetFields demands that fields which are read are described the same again.
func FuzzParquetFields(f *testing.F) {
	for _, s := range schemas(f) {
		columns, err := parquetColumns(s, "*")
		if err != nil {
			f.Fatal(err)
		}
		text, err := describeFields(columns)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fields, err := parseParquetFields(text)
		if err != nil {
			return
		}
		columns, err := parquetColumns(record.NewSchema(fields), "*")
		if err != nil {
			return
		}
		parquetSchema(columns)
		again, err := describeFields(columns)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseParquetFields([]byte(again)); err != nil || len(back) != len(fields) {
			t.Errorf("%s, described again %s: %v", text, again, err)
		}
	})
}

// FuzzOpenParquet demands an end for what is no file of ours.
func FuzzOpenParquet(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.parquet")
	writeParquet(f, path, record.NewSchema([]record.Field{{Name: "saddr", Type: record.Addr}, {Name: "sport", Type: record.Int}}), 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		readParquet(t, folder, content)
	})
}

// TestParquetFullDisk writes to the device that is always full.
func TestParquetFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("this system has no /dev/full: %v", err)
	}
	defer full.Close()
	p := NewParquet(full, ParquetOptions{})
	s := schemas(t)["icmp_echoscan"]
	if err := p.Open(s); err != nil {
		t.Fatal(err)
	}
	var failed error
	randomRows(s, 10, func(r *record.Record) { failed = errors.Join(failed, p.Write(r)) })
	if failed = errors.Join(failed, p.Close()); failed == nil || !strings.Contains(failed.Error(), "write output: ") || !strings.Contains(failed.Error(), "/dev/full: no space left on device") {
		t.Errorf("got %v", failed)
	}
	var _ sink.Sink = p
}
