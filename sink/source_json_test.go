package sink

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
)

func TestJSONSource(t *testing.T) {
	tests := []struct {
		name, text string
		o          SourceOptions
		schema     string
		rows       [][]string
	}{
		{
			"C ZMap 4.3, null fields left out",
			`{"saddr":"20.0.0.2","ttl":60,"classification":"icmp","success":false,"timestamp_str":"2026-11-22T15:22:19.973+0000"}` + "\n" +
				`{"saddr":"20.0.0.0","sport":80,"ttl":60,"classification":"synack","success":true,"timestamp_str":"2026-11-22T15:23:02.480+0000"}` + "\n",
			SourceOptions{},
			"saddr:string sport:int ttl:int classification:string success:bool timestamp_str:string",
			[][]string{
				{"a:20.0.0.2", "", "n:60", "s:icmp", "b:0", "t:2026-11-22T15:22:19.973Z"},
				{"a:20.0.0.0", "n:80", "n:60", "s:synack", "b:1", "t:2026-11-22T15:23:02.48Z"},
			},
		},
		{
			"C ZMap, success of two kinds", "{\"success\":1}\n{\"success\":false}\n{\"success\":true}\n",
			SourceOptions{},
			"success:int",
			[][]string{{"n:1"}, {"n:0"}, {"n:1"}},
		},
		{
			"the same with the type known", "{\"success\":1}\n{\"success\":false}\n",
			SourceOptions{Field: types},
			"success:bool",
			[][]string{{"b:1"}, {"b:0"}},
		},
		{
			"lists", `{"l":[{"name":"a\/b","n":-1,"ok":true,"in":[{}]},{}], "e" : [ ] , "x":"é\u00e9\ud83d\ude00"}` + "\r\n",
			SourceOptions{},
			"l:repeated e:repeated x:string",
			[][]string{{"[{name=s:a/b n=n:-1 ok=b:1 in=[{}] }{}]", "[]", "s:éé\U0001F600"}},
		},
		{"old names", `{"icmp-type":3}` + "\n", SourceOptions{}, "icmp_type:int", [][]string{{"n:3"}}},
		{"hyphens and a schema", `{"icmp-type":3}` + "\n", SourceOptions{Schema: record.NewSchema([]record.Field{{Name: "icmp_type", Type: record.Int}})}, "icmp_type:int", [][]string{{"n:3"}}},
		{"nulls", "{\"a\":null}\n{}\n", SourceOptions{}, "a:string", [][]string{{""}, {""}}},
		{"documents", "{\"data\":{\"a\" : [ 1 ]}}\n{\"data\":null}\n{\"data\":[1,2]}\n", SourceOptions{}, "data:json", [][]string{{`x:` + hexOf(`{"a":[1]}`)}, {""}, {`x:` + hexOf(`[1,2]`)}}},
		{"mixed is text", "{\"a\":1}\n{\"a\":\"x\"}\n", SourceOptions{}, "a:string", [][]string{{"s:1"}, {"s:x"}}},
		{"nothing", "", SourceOptions{}, "", nil},
	}
	for _, tt := range tests {
		s, rows, err := readText(t, "json", tt.text, tt.o)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := describe(s); got != tt.schema {
			t.Errorf("%s: fields are %s, want %s", tt.name, got, tt.schema)
		}
		if diff := cmp.Diff(tt.rows, rows); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func TestJSONSourceErrors(t *testing.T) {
	few := SourceOptions{Schema: record.NewSchema([]record.Field{{Name: "a", Type: record.Int}, {Name: "l", Type: record.Repeated}, {Name: "at", Type: record.Time}})}
	tests := []struct {
		text string
		o    SourceOptions
		rows int
		want string
	}{
		{"{\"a\":1}\n[]\n", few, 1, `read JSON: line 2: "[]" is no JSON object`},
		{"{\"a\":1}\n{\"a\":1}{\"a\":1}\n", few, 1, "read JSON: line 2: is no JSON object: invalid character '{' after top-level value"},
		{"{\"a\":1}\n\n", few, 1, "read JSON: line 2: is no JSON object: unexpected end of JSON input"},
		{"{\"a\":1}\n\x00\x00\n", few, 1, `read JSON: line 2: is no JSON object: invalid character '\x00'`},
		{"{\"a\":1}\n{\"a\":2}", few, 1, "read JSON: line 2: has no end"},
		{"{\"a\":1}\n{\"b\":1}\n", few, 1, `line 2: field "b" is not among the fields expected`},
		{"{\"a\":1,\"a\":1}\n", few, 0, `line 1: field "a" is there twice`},
		{"{\"a\":1.5}\n", few, 0, `line 1: field "a": "1.5" is no integer of 64 bits`},
		{"{\"a\":1e3}\n", few, 0, `"1e3" is no integer of 64 bits`},
		{"{\"a\":\"1\"}\n", few, 0, `line 1: field "a": "\"1\"" is not what the field holds: int`},
		{"{\"a\":{}}\n", few, 0, `"{}" is not what the field holds: int`},
		{"{\"at\":1}\n", few, 0, `"1" is not what the field holds`},
		{"{\"at\":\"\"}\n", few, 0, `"" is no time such as`},
		{"{\"l\":[1]}\n", few, 0, "a list has elements that are no objects"},
		{"{\"l\":[{\"x\":{}}]}\n", few, 0, `is not what the field holds`},
		{"{\"l\":" + strings.Repeat(`[{"l":`, 9) + "1" + strings.Repeat("}]", 9) + "}\n", few, 0, "lists are more than 8 deep"},
		{"{\"a\":1}\n{\"1st\":1}\n", SourceOptions{}, 1, `line 2: field "1st" is new`},
		{strings.Repeat("{\"a\":1}\n", aheadRows) + "{\"b\":1}\n", SourceOptions{}, aheadRows, `line 10001: field "b" is new: no row among the first 10000, or 4 MB, has it; give a schema`},
	}
	for _, tt := range tests {
		_, rows, err := readText(t, "json", tt.text, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(rows) != tt.rows {
			t.Errorf("%.80q: got %d rows and error %v, want %d and %s", tt.text, len(rows), err, tt.rows, tt.want)
		}
	}
}

// TestWalk takes every value apart as encoding/json does.
func TestWalk(t *testing.T) {
	text := ` { "a" : [ 1 , {"b":"]}\"\\"} ] , "\u00e9,":-1.5e3,"":"","n":null ,"o":{"x":[[]],"y":{}} } `
	var want map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	got := map[string]json.RawMessage{}
	if err := walkObject([]byte(text), func(key, value []byte) error {
		got[string(key)] = value
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzJSONSource demands that rows which are read are written and read again the same, and that objects fall into the members
// that encoding/json finds.
func FuzzJSONSource(f *testing.F) {
	f.Add(`{"saddr":"192.0.2.1","sport":80,"success":true}` + "\n")
	f.Add(`{"l":[{"a":"b\/","c":-1},{}],"x":null}` + "\r\n{}\n")
	f.Add(`{"icmp-type":3,"raw_data":"00ff","timestamp_str":"2026-11-22T15:22:19.973+0000"}` + "\n")
	f.Add(` { "a" : [ 1 , {"b":"]}\"\\"} ] , "\u00e9,":-1.5e3,"":"" } ` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		checkAgain(t, "json", text, SourceOptions{Field: types})
		line, _, _ := strings.Cut(text, "\n")
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(line), &want) != nil || want == nil {
			return
		}
		got := map[string]json.RawMessage{}
		if err := walkObject([]byte(line), func(key, value []byte) error {
			got[string(key)] = value
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	})
}
