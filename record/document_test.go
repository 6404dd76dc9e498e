package record

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDocument(t *testing.T) {
	tests := []struct{ doc, want, err string }{
		{"", "", ""},
		{"null", "", ""},
		{" null\n", "", ""},
		{`{"a": [1, 2 ],` + "\n\t" + `"b": "c d"}`, `{"a":[1,2],"b":"c d"}`, ""},
		{`"x"`, `"x"`, ""},
		{"-1.50e3", "-1.50e3", ""},
		{"\"\xff\"", "\"\uFFFD\"", ""},
		{"{", "", "is no JSON document: unexpected end"},
		{"{}{}", "", "is no JSON document: invalid character '{'"},
		{"nul", "", "is no JSON document"},
		{"\"a\nb\"", "", "is no JSON document"},
	}
	r := New(testSchema())
	before := r.Copy([]byte("before"))
	for _, tt := range tests {
		v, err := r.Document([]byte(tt.doc))
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: got error %v, want %q", tt.doc, err, tt.err)
		}
		if got := string(v.Bytes()); got != tt.want || v.IsNull() != (tt.want == "") {
			t.Errorf("%q: got %q, want %q", tt.doc, got, tt.want)
		}
		_ = append(v.Bytes(), 'x') // must not reach the next one's place
	}
	if string(before) != "before" {
		t.Errorf("what stood in the memory before: got %q", before)
	}
	dst := New(testSchema())
	v, err := r.Document([]byte("[1]"))
	if err != nil {
		t.Fatal(err)
	}
	r.Values[1] = v
	dst.Set(r)
	r.Reset()
	_ = r.Copy(bytes.Repeat([]byte{0xff}, 1000))
	if got := string(dst.Values[1].Bytes()); got != "[1]" {
		t.Errorf("a row that was set from it: got %q", got)
	}
}

// FuzzDocument demands one line of UTF-8 that means what went in, from exactly what encoding/json takes for a document.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{"{}", `{"a":[1,"\u0000"]}`, "null", "\xff", "\"\xff\"", "[ 1 ]\n", `"\ud800"`, "{"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		r := New(testSchema())
		v, err := r.Document(doc)
		if valid := json.Valid(doc) || len(doc) == 0; valid != (err == nil) {
			t.Fatalf("%q: got %v, encoding/json says %v", doc, err, valid)
		}
		if err != nil || v.IsNull() {
			return
		}
		if bytes.ContainsAny(v.Bytes(), "\n\r") || !utf8.Valid(v.Bytes()) {
			t.Errorf("%q: got %q", doc, v.Bytes())
		}
		var want, got any
		if err := json.Unmarshal(doc, &want); err != nil {
			return // a number that is too large for encoding/json
		}
		// encoding/json makes one U+FFFD of each wrong byte, Document one of all in sequence.
		if err := json.Unmarshal(v.Bytes(), &got); err != nil || utf8.Valid(doc) && !reflect.DeepEqual(want, got) {
			t.Errorf("%q: got %q, %v", doc, v.Bytes(), err)
		}
	})
}
