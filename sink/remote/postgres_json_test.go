package remote

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestPostgresDocument(t *testing.T) {
	for doc, want := range map[string]string{
		`{"a":1}`:                    `{"a":1}`,
		`"\u0041\u0000"`:             `"\u0041\ufffd"`,
		`"\\u0000"`:                  `"\\u0000"`,
		`"\\\u0000"`:                 `"\\\ufffd"`,
		`"\ud83d\ude00\u0000"`:       `"\ud83d\ude00\ufffd"`,
		`"\ud83d"`:                   `"\ufffd"`,
		`"\ude00\ud83d"`:             `"\ufffd\ufffd"`,
		`"\ud83d\ud83d\ude00"`:       `"\ufffd\ud83d\ude00"`,
		`"\ud83d\u0000"`:             `"\ufffd\ufffd"`,
		`"\n\"\u00E9"`:               `"\n\"\u00E9"`,
		`{"\u0000":["\uDC00",null]}`: `{"\ufffd":["\ufffd",null]}`,
	} {
		if got := string(postgresDocument([]byte(doc))); got != want {
			t.Errorf("%s: got %s, want %s", doc, got, want)
		}
	}
}

// FuzzPostgresDocument demands that what encoding/json reads, which takes halves of pairs for U+FFFD, is the same but for NUL.
func FuzzPostgresDocument(f *testing.F) {
	for _, seed := range []string{`"\ud83d\ude00"`, `"\ud83d"`, `"\\\u0000"`, `{"a":"\udc00\u0000"}`, `[]`, `"\ud83d\ud83d\ude00"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		got := string(postgresDocument([]byte(doc))) // no panic on anything
		var want, have any
		if json.Unmarshal([]byte(doc), &want) != nil {
			return
		}
		if err := json.Unmarshal([]byte(got), &have); err != nil {
			t.Fatalf("%q became %q: %v", doc, got, err)
		}
		if !reflect.DeepEqual(have, without(want)) {
			t.Errorf("%q became %q", doc, got)
		}
	})
}

// without returns v with U+FFFD for NUL.
func without(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", "\uFFFD")
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
	case map[string]any:
		out := make(map[string]any)
		for k, x := range v {
			out[strings.ReplaceAll(k, "\x00", "\uFFFD")] = without(x)
		}
		return out
	}
	return v
}
