package sink

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
)

// types is what a caller knows about some fields.
func types(name string) (record.Field, bool) {
	t, ok := map[string]record.Type{
		"saddr": record.Addr, "sport": record.Int, "success": record.Bool, "timestamp_str": record.Time, "raw_data": record.Binary,
		"classification": record.String, "dns_answers": record.Repeated, "icmp_unreach_str": record.String, "repeat": record.Bool,
	}[name]
	return record.Field{Type: t}, ok
}

// TestCSVSource has texts of C ZMap and of others.
func TestCSVSource(t *testing.T) {
	tests := []struct {
		name, text string
		o          SourceOptions
		schema     string // name:type of the fields
		rows       [][]string
	}{
		{
			"C ZMap 4.3, known types",
			"saddr,sport,classification,success,icmp_unreach_str,repeat,timestamp_str\n" +
				"20.0.0.0,80,synack,1,,0,2026-11-22T15:23:02.480+0000\n20.0.0.2,,icmp,0,host unreachable,0,2026-11-22T16:22:19.973+0100\n",
			SourceOptions{Field: types},
			"saddr:string sport:int classification:string success:bool icmp_unreach_str:string repeat:bool timestamp_str:string",
			[][]string{
				{"a:20.0.0.0", "n:80", "s:synack", "b:1", "", "b:0", "t:2026-11-22T15:23:02.48Z"},
				{"a:20.0.0.2", "", "s:icmp", "b:0", "s:host unreachable", "b:0", "t:2026-11-22T15:22:19.973Z"},
			},
		},
		{
			"C ZMap 2.1, hyphens and nothing known",
			"saddr,timestamp-str,ttl,icmp-unreach-str,x,name\n20.0.0.0,2026-11-22T15:23:02.480+0000,60,,007,1\n::1,2026-11-22T15:23:02Z,-1,,5,a\n",
			SourceOptions{},
			"saddr:string timestamp_str:string ttl:int icmp_unreach_str:string x:string name:string",
			[][]string{
				{"a:20.0.0.0", "t:2026-11-22T15:23:02.48Z", "n:60", "", "s:007", "s:1"},
				{"a:::1", "t:2026-11-22T15:23:02Z", "n:-1", "", "s:5", "s:a"},
			},
		},
		{"default mode, no header", "20.0.0.8\n20.0.0.9\n", SourceOptions{Names: []string{"saddr"}}, "saddr:string", [][]string{{"a:20.0.0.8"}, {"a:20.0.0.9"}}},
		{"names given, and a header", "saddr\n20.0.0.9\n", SourceOptions{Names: []string{"saddr"}}, "saddr:string", [][]string{{"a:20.0.0.9"}}},
		{"nothing but names", "", SourceOptions{Names: []string{"saddr"}}, "saddr:string", nil},
		{"no rows", "saddr\n", SourceOptions{}, "saddr:string", nil},
		{"rows of one null", "a\n\n\r\nx\n", SourceOptions{}, "a:string", [][]string{{""}, {""}, {"s:x"}}},
		{"quotes", "a,b\r\n\"x,\"\"y\r\nz\",\"\"\r\n", SourceOptions{}, "a:string b:string", [][]string{{"s:x,\"y\r\nz", ""}}},
		{"a field twice", "saddr,sport,saddr\n::1,80,::1\n", SourceOptions{Field: types}, "saddr:string sport:int", [][]string{{"a:::1", "n:80"}}},
		{"true and false", "success\ntrue\nfalse\n", SourceOptions{Field: types}, "success:bool", [][]string{{"b:1"}, {"b:0"}}},
	}
	for _, tt := range tests {
		s, rows, err := readText(t, "csv", tt.text, tt.o)
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

// describe lists the fields of a schema with their types.
func describe(s *record.Schema) string {
	words := make([]string, s.Len())
	for i, f := range s.Fields() {
		words[i] = f.Name + ":" + f.Type.String()
	}
	return strings.Join(words, " ")
}

// TestCSVSourceErrors: every error says where it is, and the rows before it are there.
func TestCSVSourceErrors(t *testing.T) {
	known := SourceOptions{Field: types}
	tests := []struct {
		text string
		o    SourceOptions
		rows int
		want string
	}{
		{"", known, 0, "read CSV header: the text is empty"},
		{"saddr", known, 0, "read CSV header: line 1: has no end"},
		{"saddr,1st\n", known, 0, `read CSV header: column 2: "1st" is no name of a field`},
		{"20.0.0.8\n20.0.0.9\n", known, 0, `read CSV header: column 1: "20.0.0.8" is no name of a field`},
		{"dns_answers\n", known, 0, "read CSV header: column 1: dns_answers is a list, which CSV cannot hold"},
		{"x\n", SourceOptions{Schema: synSchema()}, 0, "read CSV header: column 1: x is not among the fields expected"},
		{"saddr,sport\n::1,1\n::1\n", known, 1, "read CSV: line 3: has 1 columns, expected 2"},
		{"saddr,sport\n::1,1\n::1,1,1\n", known, 1, "read CSV: line 3: has 3 columns, expected 2"},
		{"saddr,sport\n::1,1\n\n", known, 1, "read CSV: line 3: has 1 columns, expected 2"},
		{"saddr\n::1\n::g\n", known, 1, `read CSV: line 3: field saddr: "::g" is no IP address`},
		{"saddr\nfe80::1%eth0\n", known, 0, `line 2: field saddr: "fe80::1%eth0" is no IP address`},
		{"sport\n8O\n", known, 0, `line 2: field sport: "8O" is no integer of 64 bits`},
		{"sport\n18446744073709551616\n", known, 0, "is no integer of 64 bits"},
		{"sport\n+1\n", known, 0, "is no integer of 64 bits"},
		{"success\n2\n", known, 0, `"2" is no truth value: expected 1 or 0`},
		{"raw_data\n0g\n", known, 0, `"0g" is no hexadecimal number`},
		{"raw_data\n0\n", known, 0, `"0" is no hexadecimal number`},
		{"timestamp_str\n2026-11-22\n", known, 0, `"2026-11-22" is no time such as`},
		{"timestamp_str\n1500-01-01T00:00:00Z\n", known, 0, "is no time such as"},
		{"a\nx\ny\"z\n\"\n", known, 1, `line 3: column 1: character '"' outside quotes`},
		{"a\n\"x\"y\n", known, 0, "line 2: column 1: text behind the closing quote"},
		{"a\nx\n\"y\nz\n", known, 1, "line 3: has no end: the text breaks off here"},
		{"a\n\"x\ny\"\nx\x00\n", known, 1, "line 4: column 1: character '\\x00' outside quotes"},
		{"a\nx\ry\n", known, 0, `line 2: column 1: character '\r' outside quotes`},
		{"a\nx\ny", known, 1, "line 3: has no end: the text breaks off here, or a line end is missing"},
		{"a,b,a\n1,2,1\n1,2,3\n", known, 1, "line 3: columns 1 and 3 are both a, and differ"},
	}
	for _, tt := range tests {
		_, rows, err := readText(t, "csv", tt.text, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(rows) != tt.rows {
			t.Errorf("%q: got %d rows and error %v, want %d and %s", tt.text, len(rows), err, tt.rows, tt.want)
		}
	}
}

// TestCSVSourceGuessesWrongly: what comes behind the rows looked at and does not fit is an error, not a row of nothing.
func TestCSVSourceGuessesWrongly(t *testing.T) {
	text := "n\n" + strings.Repeat("1\n", aheadRows) + "x\n"
	_, rows, err := readText(t, "csv", text, SourceOptions{})
	if err == nil || !strings.Contains(err.Error(), `line 10002: field n: "x" is no integer`) || len(rows) != aheadRows {
		t.Errorf("got %d rows and error %v", len(rows), err)
	}
}

// FuzzCSVSource demands that rows which are read are written and read again the same.
func FuzzCSVSource(f *testing.F) {
	f.Add("saddr,sport\n192.0.2.1,80\n", false)
	f.Add("\uFEFFa,b\r\n\"x,\"\"y\r\nz\",\r\n", true)
	f.Add("timestamp-str,raw_data,success\n2026-11-22T15:23:02.480+0000,00ff,1\n,,\n", false)
	f.Add("a,a\n1,1\n", false)
	f.Fuzz(func(t *testing.T, text string, named bool) {
		o := SourceOptions{Field: types}
		if named {
			o.Names = []string{"saddr", "x", "timestamp_str"}
		}
		checkAgain(t, "csv", text, o)
	})
}

// checkAgain reads a text, writes the rows, reads those, and compares.
func checkAgain(t *testing.T, format, text string, o SourceOptions) {
	t.Helper()
	schema, want, err := readText(t, format, text, o)
	if err != nil || len(want) == 0 {
		return
	}
	s, err := newSource(t, format, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	out := named(format).New(&b, Options{Fields: "*"})
	if err := out.Open(schema); err != nil {
		t.Fatal(err)
	}
	r := record.New(schema)
	for range want {
		if err := s.Read(r); err != nil {
			t.Fatal(err)
		}
		for i := range r.Values { // texts hold milliseconds
			if v := &r.Values[i]; v.Kind() == record.KindTime && v.UnixNano()%1e6 != 0 {
				return
			}
		}
		if err := out.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	_, got, err := readText(t, format, b.String(), SourceOptions{Schema: schema})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%q, written again %q: %v (-want +got):\n%s", text, b.String(), err, diff)
	}
}
