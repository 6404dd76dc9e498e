package sink

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// resumers are the text formats over a file.
func resumers() map[string]func(io.Writer) Resumer {
	return map[string]func(io.Writer) Resumer{
		"csv":  func(w io.Writer) Resumer { return NewCSV(w, Options{Fields: "saddr,sport"}) },
		"json": func(w io.Writer) Resumer { return NewJSON(w, Options{Fields: "saddr,sport"}) },
	}
}

// written returns what is in a file, decompressed.
func written(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Decompress(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestResume kills a sink between a Save and the next again and again: what was written after the last Save is gone, and all else is
// there once, as if nothing had happened.
func TestResume(t *testing.T) {
	for format, open := range resumers() {
		for _, end := range []string{"", ".gz", ".zst"} {
			name := format + end
			whole, pieces := filepath.Join(t.TempDir(), "whole"+end), filepath.Join(t.TempDir(), "pieces"+end)
			place := ""
			for round := range 5 {
				f, file := opened(t, pieces)
				s := open(file)
				var err error
				if round == 0 {
					err = s.Open(synSchema())
				} else {
					err = s.Resume(synSchema(), place)
				}
				if err != nil {
					t.Fatalf("%s, round %d: %v", name, round, err)
				}
				for save := range 3 {
					for range round + save { // none at first
						if err := s.Write(synRow(t)); err != nil {
							t.Fatal(err)
						}
					}
					if place, err = s.Save(); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
				}
				for range 1000 {
					if err := s.Write(synRow(t)); err != nil { // lost
						t.Fatal(err)
					}
				}
				if err := s.(Flusher).Flush(); err != nil {
					t.Fatal(err)
				}
				f.Close() // killed
			}
			finish(t, pieces, place, open)
			file, err := Create(whole)
			if err != nil {
				t.Fatal(err)
			}
			s := open(file)
			err = s.Open(synSchema())
			for range 45 {
				err = errors.Join(err, s.Write(synRow(t)))
			}
			if err := errors.Join(err, s.Close(), file.Close()); err != nil {
				t.Fatal(err)
			}
			if got, want := written(t, pieces), written(t, whole); got != want {
				t.Errorf("%s: %d lines, want %d", name, strings.Count(got, "\n"), strings.Count(want, "\n"))
			}
		}
	}
}

// opened opens a file as a process does that may carry it on.
func opened(t *testing.T, path string) (*os.File, *File) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	file, err := NewFile(path, f)
	if err != nil {
		t.Fatal(err)
	}
	return f, file
}

// finish carries a file on for the last time, without another row.
func finish(t *testing.T, path, place string, open func(io.Writer) Resumer) {
	t.Helper()
	f, file := opened(t, path)
	s := open(file)
	if err := errors.Join(s.Resume(synSchema(), place), s.Close(), file.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestNoWayBack has sinks that cannot be carried on, and say so.
func TestNoWayBack(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	pipe, err := NewFile("pipe", w)
	if err != nil {
		t.Fatal(err)
	}
	null, err := Create(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	standard, err := Create("-")
	if err != nil {
		t.Fatal(err)
	}
	for what, to := range map[string]io.Writer{"writer": io.Discard, "pipe": pipe, "device": null, "standard output": standard} {
		for format, open := range resumers() {
			s := open(to)
			if err := s.Resume(synSchema(), "0"); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s into a %s: Resume says %v", format, what, err)
			}
			if what == "standard output" {
				continue // a header would be in the way of the test's own output
			}
			s = open(to)
			if err := s.Open(synSchema()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Save(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s into a %s: Save says %v", format, what, err)
			}
		}
	}
}

// TestBadPlaces are refused, and the file stays.
func TestBadPlaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	if err := os.WriteFile(path, []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"", "x", "-1", "10", "99999999999999999999", "1.5"} {
		f, file := opened(t, path)
		if err := NewCSV(file, Options{}).Resume(synSchema(), place); err == nil {
			t.Errorf("place %q is taken", place)
		}
		f.Close()
	}
	if text, err := os.ReadFile(path); string(text) != "something" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}
