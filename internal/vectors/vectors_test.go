package vectors

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sample = "source: a test\nallow: 10.0.0.0/8\nallow: x: y\n\n00 0102 # three\n03\n"

func TestParse(t *testing.T) {
	v, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.All("allow"); !slices.Equal(got, []string{"10.0.0.0/8", "x: y"}) || v.Get("source") != "a test" || v.Get("other") != "" {
		t.Errorf("allow is %q, source %q", got, v.Get("source"))
	}
	if got := v.Bytes(t); !bytes.Equal(got, []byte{0, 1, 2, 3}) || v.String() != sample {
		t.Errorf("bytes are %x, the text %q", got, v)
	}
	c := v.Clone()
	c.Set("source", "another")
	c.Set("more", "1")
	if v.String() != sample || !strings.HasPrefix(c.String(), "source: another\nallow: 10.0.0.0/8\nallow: x: y\nmore: 1\n\n") {
		t.Errorf("the copy is %q, the original %q", c, v)
	}
	for _, bad := range []string{"", "x", ": y\n", "a b: c\n", "a:b\n", "a: \n", "a: b \n", "\n\nx"} {
		if v, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", bad, v)
		}
	}
}

// A failing test is a testing.TB that takes note of failures.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper()               {}
func (f *failing) Errorf(string, ...any) { f.failed = true }

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.txt")
	v, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	v.path = path
	got, notes := v.Clone(), &failing{TB: t}
	if v.Check(notes, got, false); notes.failed {
		t.Error("a vector differs from itself")
	}
	got.Set("source", "changed")
	if v.Check(notes, got, false); !notes.failed {
		t.Error("a change is not noticed")
	}
	v.Check(t, got, true)
	if text, err := os.ReadFile(path); err != nil || string(text) != got.String() {
		t.Errorf("the file has %q, %v; want %q", text, err, got)
	}
}

// FuzzParse checks that a text that is accepted comes out again, but for its last line ends.
func FuzzParse(f *testing.F) {
	for _, s := range []string{sample, "a: b", "a: b\n\n\n\n", "a: b\n\nx\n\ny\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		if got := v.String(); strings.TrimRight(got, "\n") != strings.TrimRight(text, "\n") {
			t.Fatalf("%q comes out as %q", text, got)
		}
		again, err := Parse(v.String())
		if err != nil || !slices.Equal(again.Head, v.Head) || !slices.Equal(again.Body, v.Body) {
			t.Fatalf("%q is read as %v, %v the second time", v, again, err)
		}
	})
}

func TestRecord(t *testing.T) {
	r := Record(t, []string{
		`s string "a\n\xff"`, `i int 18446744073709551615`, `j int -5`, `b bool true`, `x binary 00ff`, `a addr 192.0.2.1`,
		`t time 1970-01-01T00:00:00.001Z`, `n string null`, `l repeated [{"b":1,"a":[{"c":"x"},{}],"n":null,"t":true}]`,
	})
	v := r.Values
	if v[0].Text() != "a\n\xff" || v[1].Uint() != 1<<64-1 || v[2].Int() != -5 || !v[3].Bool() || !bytes.Equal(v[4].Bytes(), []byte{0, 0xff}) ||
		v[5].Addr().String() != "192.0.2.1" || v[6].UnixNano() != 1e6 || !v[7].IsNull() {
		t.Errorf("values are %+v", v)
	}
	o := v[8].List()[0]
	inner := o[1].Value.List()
	if len(o) != 4 || o[0].Name != "b" || o[0].Value.Uint() != 1 || len(inner) != 2 || inner[0][0].Value.Text() != "x" || len(inner[1]) != 0 ||
		!o[2].Value.IsNull() || !o[3].Value.Bool() {
		t.Errorf("the object is %+v", o)
	}
	for _, bad := range [][2]string{
		{"strin", "x"},
		{"string", "x"},
		{"int", "x"},
		{"int", "18446744073709551616"},
		{"bool", "2x"},
		{"binary", "0"},
		{"addr", "x"},
		{"time", "x"},
		{"repeated", "["},
		{"repeated", `[{"a":1]`},
		{"repeated", `[] []`},
	} {
		if _, v, err := value(bad[0], bad[1]); err == nil {
			t.Errorf("value(%q, %q) = %+v, want an error", bad[0], bad[1], v)
		}
	}
}
