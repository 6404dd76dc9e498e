package fingerprint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// lookup is the slow twin of the walker: all values of a decoded tree that a path leads to, written down, in no order.
func lookup(v any, segments []string) []string {
	if list, ok := v.([]any); ok {
		var all []string
		for _, e := range list {
			all = append(all, lookup(e, segments)...)
		}
		return all
	}
	if len(segments) == 0 {
		switch v := v.(type) {
		case map[string]any:
			return []string{"object"}
		case string:
			return []string{fmt.Sprintf("%q", v)}
		}
		return []string{fmt.Sprint(v)}
	}
	var all []string
	if segments[0] == "**" {
		all = lookup(v, segments[1:])
	}
	object, _ := v.(map[string]any)
	for k, e := range object {
		switch s := segments[0]; s {
		case "**":
			all = append(all, lookup(e, segments)...)
		case "*", k:
			all = append(all, lookup(e, segments[1:])...)
		}
	}
	return all
}

func (v value) String() string {
	switch v.kind {
	case kindObject:
		return "object"
	case kindText:
		return fmt.Sprintf("%q", v.text)
	case kindNumber:
		return fmt.Sprint(v.num)
	case kindBool:
		return fmt.Sprint(v.num == 1)
	}
	return "<nil>"
}

// comparable says that the slow twin can be compared with: no key stands twice in an object, which a map forgets, and no bound is
// reached.
func comparable(dec *json.Decoder, depth int) bool {
	t, err := dec.Token()
	if err != nil || depth > maxDepth {
		return false
	}
	switch t := t.(type) {
	case json.Delim:
		keys := make(map[string]bool)
		for n := 0; dec.More(); n++ {
			if n > maxValues {
				return false
			}
			if t == '{' {
				k, err := dec.Token()
				if err != nil || keys[k.(string)] {
					return false
				}
				keys[k.(string)] = true
			}
			if !comparable(dec, depth+1) {
				return false
			}
		}
		_, err := dec.Token()
		return err == nil
	case string:
		return len(t) < maxText && !strings.Contains(t, "\uFFFD")
	}
	return true
}

func testPaths() []string {
	return []string{"a", "a.b", "*.a", "**.a", "**.a.b", "a.**.b", "**.a.*.b", "**.a.**.b", "*.*", "**.**.a", "a.a.a", "**.*"}
}

// check compares what the walker finds with what the slow twin does.
func check(t *testing.T, in []byte) {
	t.Helper()
	var tree any
	valid := json.Unmarshal(in, &tree) == nil
	p := newPaths()
	var w walker
	slots := make(map[string]int)
	for _, path := range testPaths() {
		slot, err := p.add(path)
		if err != nil {
			t.Fatal(err)
		}
		slots[path] = slot
	}
	w.walk(in, p)
	if !valid || !comparable(json.NewDecoder(strings.NewReader(string(in))), 0) {
		return
	}
	for path, slot := range slots {
		segments, _ := splitPath(path)
		want := lookup(tree, segments)
		if len(want) > maxValues {
			continue
		}
		var got []string
		for _, v := range w.values[slot] {
			got = append(got, v.String())
		}
		slices.Sort(got)
		slices.Sort(want)
		// The twin finds a value once for each way there, the walker once.
		if want = slices.Compact(want); !slices.Equal(slices.Compact(got), want) {
			t.Errorf("%s in %s: got %q, want %q", path, in, got, want)
		}
	}
}

func documents() []string {
	return []string{
		`{"a":1}`, `{"a":{"b":"x"}}`, `{"a":[{"b":1},{"b":[2,3]}],"b":{"a":null}}`, `{"x":{"a":{"y":{"b":true}}}}`,
		`{"a":{"a":{"a":{"b":{"b":"deep"}}}}}`, `[{"a":false}]`, `{"a":"q\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, `{"\u0061":{"\u0062":-1.5e3}}`,
		` { "a" : [ [ [ 1 ] , { } ] ] , "b" : "}]{[" } `, `{"skip":{"x":"\\","y":[{"a":"\\\""}]},"a":7}`, `"a"`, `{}`, `{"a":{"a":[{"a":1},{"b":{"c":2}}]}}`,
	}
}

func TestWalkerFindsWhatSlowTwinDoes(t *testing.T) {
	for _, d := range documents() {
		if !json.Valid([]byte(d)) {
			t.Fatalf("%s is no JSON", d)
		}
		check(t, []byte(d))
	}
}

// FuzzWalk compares the walker with encoding/json and the slow twin, and has it read what is no JSON.
func FuzzWalk(f *testing.F) {
	for _, d := range documents() {
		f.Add([]byte(d))
	}
	f.Add([]byte(`{"a":"\ud83d`))
	f.Add([]byte(strings.Repeat(`{"a":`, 200)))
	f.Fuzz(func(t *testing.T, in []byte) { check(t, in) })
}

func TestBoundsOfWalker(t *testing.T) {
	p := newPaths()
	slot, _ := p.add("a")
	var w walker
	w.walk([]byte(`{"a":[`+strings.Repeat("1,", 1000)+`1]}`), p)
	if got := len(w.values[slot]); got != maxValues {
		t.Errorf("got %d values, want %d", got, maxValues)
	}
	for _, long := range []string{strings.Repeat("x", maxText+1), strings.Repeat(`\n`, maxText+1), strings.Repeat(`y\n`, maxText)} {
		w.walk([]byte(`{"a":"`+long+`"}`), p)
		if v := w.values[slot][0]; len(v.text) != maxText || !v.cut {
			t.Errorf("got %d bytes, cut %v, want %d", len(v.text), v.cut, maxText)
		}
	}
}
