package tools

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// jsonLine is a line of C zmap with all fields.
const jsonLine = `{"saddr":"20.0.0.2","saddr_raw":4261438218,"daddr":"10.99.0.1","daddr_raw":16802570,"ipid":4660,"ttl":60,` +
	`"classification":"icmp","success":false,"icmp_responder":"10.99.0.254","icmp_type":3,"icmp_code":1,` +
	`"icmp_unreach_str":"host unreachable","repeat":false,"cooldown":true,"timestamp_str":"2026-11-22T15:22:19.973+0000",` +
	`"timestamp_ts":1795360939,"timestamp_us":973386}`

// jsonSeeds are objects, or not quite.
var jsonSeeds = []string{
	jsonLine, `{}`, `{"ip":"1.2.3.4"}`, `{"ip":"1.2.3.4","saddr":"5.6.7.8","success":1}`, `{"saddr":null,"ip":"1.2.3.4","success":null}`,
	`{"saddr":17}`, `{ "saddr" : "1.2.3.4" , "success" : true }`, `{"x":{"saddr":"9.9.9.9","success":true},"saddr":"1.2.3.4"}`,
	`{"x":[{"saddr":"9.9.9.9"},["}",{}]],"saddr":"1.2.3.4"}`, `{"s\u0061ddr":"1.2.3.\u0034"}`, `{"saddr":"a","saddr":"b"}`,
	`{"saddr":"a","saddr":null}`, `{"x":"\\\"}","saddr":"\"\\"}`, `{"saddr":"1.2.3.4"`, `[{"saddr":"1.2.3.4"}]`, `null`, ``, `{"success":"true"}`,
	`{"success":"1"}`, `{"success":-1.5e3}`, `{"success":0.1}`, `{"success":[1]}`, `{"saddr":""}`, `{"a":-0,"b":1e5,"c":[],"d":[1,2],"e":{}}`,
	"\t{\"saddr\":\"1.2.3.4\"}\r\n", `{"SADDR":"1.2.3.4"}`,
}

// slowJSONRow decodes everything.
func slowJSONRow(line string) (row jsonRow, ok bool) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &object); err != nil || object == nil {
		return row, false
	}
	text := func(value json.RawMessage) []byte {
		var s *string
		if json.Unmarshal(value, &s) != nil || s == nil {
			return nil
		}
		return []byte(*s)
	}
	if row.addr = text(object["saddr"]); row.addr == nil {
		row.addr = text(object["ip"])
	}
	if value, there := object["success"]; there {
		row.hasSuccess = string(value) != "null"
		if s := text(value); s != nil {
			row.success = isTrue(s)
		} else {
			row.success = isTrue(value)
		}
	}
	return row, true
}

func checkJSON(t *testing.T, line string) {
	t.Helper()
	if !utf8.ValidString(line) {
		return // encoding/json replaces what is no UTF-8
	}
	got, ok := parseJSONRow([]byte(line))
	want, wantOK := slowJSONRow(line)
	if ok != wantOK || string(got.addr) != string(want.addr) || (got.addr == nil) != (want.addr == nil) ||
		got.success != want.success || got.hasSuccess != want.hasSuccess {
		t.Errorf("parseJSONRow(%q) = %+v, %v, want %+v, %v", line, got, ok, want, wantOK)
	}
}

func TestJSONMatchesEncodingJSON(t *testing.T) {
	for _, s := range jsonSeeds {
		checkJSON(t, s)
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add(s)
	}
	f.Fuzz(checkJSON)
}

func TestJSONMembers(t *testing.T) {
	var got []string
	for key, value := range jsonMembers([]byte(`{"a" : 1 ,"b\"":"x,}", "c":[1, {"d":"]"}],"e":{"f":{}},"g":true}`)) {
		got = append(got, string(key)+"="+string(value))
	}
	want := `a=1|b"="x,}"|c=[1, {"d":"]"}]|e={"f":{}}|g=true`
	if strings.Join(got, "|") != want {
		t.Errorf("members are %q, want %q", got, want)
	}
}

func TestIsTrue(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "0": false, "1": true, "true": true, "TRUE": true, "True": true, "false": false, "00": false, "007": true, "-1": true,
		"+3x": true, "x3": false, " 2": true, "--1": false, "0x1": false, "truest": false, "0.5": false,
	} {
		if got := isTrue([]byte(value)); got != want {
			t.Errorf("isTrue(%q) = %v, want %v", value, got, want)
		}
	}
}

func BenchmarkJSONRow(b *testing.B) {
	line := []byte(jsonLine)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		parseJSONRow(line)
	}
}
