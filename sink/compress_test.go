package sink

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// packings are the endings of names, and the program that an administrator has for them.
func packings() map[string]string {
	return map[string]string{"": "cat", ".gz": "zcat", ".zst": "zstdcat"}
}

// TestCompressedFiles writes files by name, has other programs read them, and reads them.
func TestCompressedFiles(t *testing.T) {
	d := newDice(1, true)
	for ending, program := range packings() {
		for _, f := range formats() {
			d.lists = f.Name == "json"
			s := d.schema()
			rows := d.rows(s, 2000)
			path := filepath.Join(t.TempDir(), "rows."+f.Name+ending)
			file, err := Create(path)
			if err != nil {
				t.Fatal(err)
			}
			out := f.New(file, Options{Fields: "*"})
			if err := out.Open(s); err != nil {
				t.Fatal(err)
			}
			for i, r := range rows {
				if err := out.Write(r); err != nil {
					t.Fatal(err)
				}
				if i%500 == 0 {
					if err := out.(Flusher).Flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := errors.Join(out.Close(), file.Close()); err != nil {
				t.Fatal(err)
			}
			text := render(t, f.Name, Options{Fields: "*"}, rows...)
			if _, err := exec.LookPath(program); err != nil {
				t.Logf("%s is not installed: only our own reader has looked at %s", program, ending)
			} else if got, err := exec.Command(program, path).Output(); err != nil {
				t.Errorf("%s: %v", program, err)
			} else if _, want, err := readText(t, f.Name, string(got), SourceOptions{Schema: s}); err != nil || len(want) != len(rows) {
				t.Errorf("%s gives %d rows of %d, %v", program, len(want), len(rows), err)
			}
			src, err := OpenSource(path, SourceOptions{Schema: s})
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := readAll(t, src)
			_, want, _ := readText(t, f.Name, text, SourceOptions{Schema: s})
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s%s: %v (-want +got):\n%s", f.Name, ending, err, diff)
			}
			if info, err := os.Stat(path); ending != "" && (err != nil || info.Size() > int64(len(text))*9/10) {
				t.Errorf("%s: %d bytes of text are %d", path, len(text), info.Size())
			}
		}
	}
}

// TestCompressedCut: what was flushed is readable in a file that breaks off at any place behind it, and nothing that is not right
// is read.
func TestCompressedCut(t *testing.T) {
	for ending := range packings() {
		if ending == "" {
			continue
		}
		var b bytes.Buffer
		packed, err := Compress(ending, &b)
		if err != nil {
			t.Fatal(err)
		}
		out := NewCSV(packed, Options{Fields: "saddr,saddr_raw"})
		if err := out.Open(synSchema()); err != nil {
			t.Fatal(err)
		}
		type point struct{ size, rows int }
		flushed := []point{{b.Len(), 0}}
		for i := range 60 {
			row := synRow(t)
			row.Values[1].SetUint(uint64(i) * 2654435761)
			if err := out.Write(row); err != nil {
				t.Fatal(err)
			}
			if i%7 == 0 {
				if err := out.Flush(); err != nil {
					t.Fatal(err)
				}
				flushed = append(flushed, point{b.Len(), i + 1})
			}
		}
		if err := errors.Join(out.Close(), packed.Close()); err != nil {
			t.Fatal(err)
		}
		whole := cutRows(t, b.Bytes(), 60, nil)
		for n := 0; n < b.Len(); n += 3 {
			least := -1
			for _, p := range flushed {
				if p.size <= n {
					least = p.rows
				}
			}
			cutRows(t, b.Bytes()[:n], least, whole)
		}
	}
}

// cutRows reads a compressed text and demands at least so many rows, which must be the first of whole, and an error behind them if
// they are not all; -1 if there may not even be a header.
func cutRows(t *testing.T, packed []byte, least int, whole [][]string) [][]string {
	t.Helper()
	r, err := Decompress(bytes.NewReader(packed))
	var rows [][]string
	if err == nil {
		var s Source
		if s, err = NewCSVSource(r, SourceOptions{Field: types}); err == nil {
			_, rows, err = readAll(t, s)
		}
	}
	switch {
	case len(rows) < least, whole == nil && err != nil, whole != nil && err == nil:
		t.Fatalf("%d bytes: got %d rows and error %v, want %d rows at least", len(packed), len(rows), err, least)
	case len(rows) > 0 && whole != nil && !cmp.Equal(rows, whole[:len(rows)]):
		t.Fatalf("%d bytes: got rows %q", len(packed), rows)
	case whole != nil && least >= 0 && !strings.Contains(err.Error(), "breaks off"):
		t.Fatalf("%d bytes: got error %v", len(packed), err)
	}
	return rows
}

// FuzzDecompress demands an end, and that what is not compressed comes as it is.
func FuzzDecompress(f *testing.F) {
	for ending := range packings() {
		var b bytes.Buffer
		packed, err := Compress(ending, &b)
		if err != nil {
			f.Fatal(err)
		}
		io.WriteString(packed, "saddr\n192.0.2.1\n")
		packed.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, err := Decompress(bytes.NewReader(packed))
		if err != nil {
			return
		}
		defer r.Close()
		text, err := io.ReadAll(io.LimitReader(r, 8<<20))
		isPacked := bytes.HasPrefix(packed, []byte("\x1f\x8b")) || bytes.HasPrefix(packed, []byte("\x28\xb5\x2f\xfd"))
		if !isPacked && (err != nil || !bytes.Equal(text, packed)) {
			t.Errorf("%q: got %q, %v", packed, text, err)
		}
	})
}

// TestFlushReachesTheFile: without Close, what was flushed is there: a program that is killed leaves that.
func TestFlushReachesTheFile(t *testing.T) {
	for ending := range packings() {
		path := filepath.Join(t.TempDir(), "rows.csv"+ending)
		file, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		out := NewCSV(file, Options{Fields: "saddr"})
		if err := out.Open(synSchema()); err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			writeRows(t, out, 5000) // spills in between
			if err := out.Flush(); err != nil {
				t.Fatal(err)
			}
			s, err := OpenSource(path, SourceOptions{Field: types})
			if err != nil {
				t.Fatal(err)
			}
			_, rows, err := readAll(t, s)
			if want := 5000 * (n + 1); len(rows) != want || (err == nil) != (ending == "") {
				t.Errorf("%q: got %d rows and error %v, want %d", ending, len(rows), err, want)
			}
			s.Close()
		}
	}
}
