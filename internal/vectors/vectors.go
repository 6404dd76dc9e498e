// Package vectors reads and refreshes the golden vectors in testdata/ of the module, by which tests of several packages check
// what they own, and which other implementations can run. testdata/README.md says what is in them.
//
//	for _, v := range vectors.Files(t, "order") {
//		got := v.Clone()
//		got.Set("prime", ...)
//		v.Check(t, got, *update) // writes got if update is set
//	}
//
// It is for tests alone.
package vectors

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Vector is one file: fields, an empty line, and a body whose lines mean what its kind says.
type Vector struct {
	Name string // of the file, without its extension
	Head []Field
	Body []string // lines

	path string
}

// A Field is one line of the head.
type Field struct{ Name, Value string }

// Parse reads the text of a file.
func Parse(text string) (*Vector, error) {
	v := &Vector{}
	head, body, _ := strings.Cut(text, "\n\n")
	for i, line := range strings.Split(strings.TrimSuffix(head, "\n"), "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.TrimSpace(value) != value || value == "" {
			return nil, fmt.Errorf("line %d: %q is no field; write name: value", i+1, line)
		}
		v.Head = append(v.Head, Field{name, value})
	}
	if body = strings.TrimSuffix(body, "\n"); body != "" {
		v.Body = strings.Split(body, "\n")
	}
	return v, nil
}

// String returns the text of the file.
func (v *Vector) String() string {
	var b strings.Builder
	for _, f := range v.Head {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if len(v.Body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.Join(v.Body, "\n"))
	}
	return b.String()
}

// Files returns all vectors of a kind, which is a directory in testdata, sorted by name.
func Files(t testing.TB, kind string) []*Vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "testdata", kind, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors of kind %s: %v", kind, err)
	}
	var all []*Vector
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		v.Name, v.path = strings.TrimSuffix(filepath.Base(path), ".txt"), path
		all = append(all, v)
	}
	return all
}

// root returns the directory of the module, in or below which tests run.
func root(t testing.TB) string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no directory above this one has a go.mod: %v", err)
	return ""
}

// Clone returns a copy.
func (v *Vector) Clone() *Vector {
	c := *v
	c.Head, c.Body = slices.Clone(v.Head), slices.Clone(v.Body)
	return &c
}

// All returns the values of all fields of that name.
func (v *Vector) All(name string) []string {
	var values []string
	for _, f := range v.Head {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}

// Get returns the value of the field of that name, "" if there is none.
func (v *Vector) Get(name string) string {
	for _, f := range v.Head {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Set changes the field of that name, or adds it as the last one.
func (v *Vector) Set(name, value string) {
	for i := range v.Head {
		if v.Head[i].Name == name {
			v.Head[i].Value = value
			return
		}
	}
	v.Head = append(v.Head, Field{name, value})
}

// Bytes returns the bytes of a body in hexadecimal, where blanks mean nothing and # begins a comment.
func (v *Vector) Bytes(t testing.TB) []byte {
	t.Helper()
	var digits strings.Builder
	for _, line := range v.Body {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("%s: %v", v.path, err)
	}
	return b
}

// Check fails the test if got, which was made anew, differs from v. With update it becomes the file's text.
func (v *Vector) Check(t testing.TB, got *Vector, update bool) {
	t.Helper()
	switch {
	case got.String() == v.String():
	case update:
		if err := os.WriteFile(v.path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: -update writes\n%s\nin the place of\n%s", v.path, got, v)
	}
}
