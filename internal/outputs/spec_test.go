package outputs

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, kind, destination string
		options                 map[string]string
	}{
		{"csv", "csv", "", nil},
		{"csv=a.csv", "csv", "a.csv", nil},
		{"csv,fields=saddr", "csv", "", map[string]string{"fields": "saddr"}},
		{"json=a=b.json", "json", "a=b.json", nil},
		{"json=a,b.json", "json", "a,b.json", nil},
		{"csv=a.csv,fields=saddr,sport,filter=success = 1 && sport = 80", "csv", "a.csv", map[string]string{"fields": "saddr,sport", "filter": "success = 1 && sport = 80"}},
		{"csv=a.csv,filter=saddr=10.0.0.0/8,fields=*", "csv", "a.csv", map[string]string{"fields": "*", "filter": "saddr=10.0.0.0/8"}},
		{"exec=jq '.a, .b',format=csv", "exec", "jq '.a, .b'", map[string]string{"format": "csv"}},
	} {
		s, err := Parse(c.text)
		if err != nil || s.Kind.Name != c.kind || s.Destination != c.destination || !maps.Equal(s.options, c.options) {
			t.Errorf("%s: got %s, %q, %v, error %v; want %+v", c.text, s.Kind.Name, s.Destination, s.options, err, c)
		}
	}
}

// TestKinds holds the table to what is said of it.
func TestKinds(t *testing.T) {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
		if k.Doc == "" || k.Destination == "" || k.open == nil || k.Text && k.Store {
			t.Errorf("kind %s is not described", k.Name)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("kinds %v are not sorted", names)
	}
}

// TestDefaults is about rows and fields of outputs that say nothing of them.
func TestDefaults(t *testing.T) {
	text, store := Kind{Name: "json", Text: true}, Kind{Name: "store", Store: true}
	defaults := Env{Fields: "saddr", DefaultMode: true}
	given := Env{Fields: "sport", Filter: "sport = 80", GivenFields: true, GivenFilter: true}
	own := map[string]string{"fields": "daddr", "filter": "ttl = 1"}
	for _, c := range []struct {
		name           string
		spec           Spec
		env            Env
		fields, filter string
		defaultMode    bool
	}{
		{"text", Spec{Kind: text}, defaults, "saddr", "", true},
		{"text as typed", Spec{Kind: text}, given, "sport", "sport = 80", false},
		{"text of its own", Spec{Kind: text, options: own}, defaults, "daddr", "ttl = 1", false},
		{"store", Spec{Kind: store}, defaults, "", "repeat = 0", false},
		{"store as typed", Spec{Kind: store}, given, "sport", "sport = 80", false},
		{"store of its own", Spec{Kind: store, options: own}, given, "daddr", "ttl = 1", false},
	} {
		out := c.spec.output(&c.env)
		if got := c.spec.fields(&c.env); got != c.fields || out.Filter != c.filter || out.DefaultMode != c.defaultMode {
			t.Errorf("%s: fields %q, filter %q, default mode %t; want %q, %q, %t", c.name, got, out.Filter, out.DefaultMode, c.fields, c.filter, c.defaultMode)
		}
	}
}

// FuzzParse: what is understood gives all of the text back, and can be opened or is refused.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"csv", "csv=a.csv,fields=saddr,filter=a=1", "exec=jq .a,format=json", "json=,x=", ",a=b", "csv=a,b=c,fields=saddr", "a.csv.gz", "scan.jsonl", "x.db", ".csv"} {
		f.Add(s)
	}
	schema := record.NewSchema([]record.Field{{Name: "saddr", Type: record.Addr}})
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		file, ferr := ParseFile(text)
		switch {
		case ferr == nil && file.Destination == text: // the name of a file
			if strings.Contains(text, "=") || len(file.Kind.ends) == 0 {
				t.Errorf("%q is taken for a file of kind %s", text, file.Kind.Name)
			}
		case fmt.Sprint(ferr) != fmt.Sprint(err) || file.String() != s.String():
			t.Errorf("%q as a file or an output: %v, error %v; as an output: %v, error %v", text, &file, ferr, &s, err)
		}
		if err != nil {
			return
		}
		n := len(s.Kind.Name)
		if s.Destination != "" {
			n += 1 + len(s.Destination)
		}
		for name, value := range s.options {
			n += len(",=") + len(name) + len(value)
		}
		if n != len(text) || !strings.HasPrefix(text, s.Kind.Name) {
			t.Errorf("%q: %d bytes are understood of %d: %+v", text, n, len(text), s)
		}
		_, _ = s.Pretend(schema, &Env{Create: func(string) (io.Writer, error) { return io.Discard, nil }})
	})
}

// TestNoPasswords: what outputs are called is seen in logs, errors and metadata.
func TestNoPasswords(t *testing.T) {
	for _, text := range []string{
		"http=https://user:s3cret@collector.example/rows?token=s3cret", "http=%zz:s3cret@x", "http=postgres://a:s3cret@[::1",
	} {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s.String(), "s3cret") {
			t.Errorf("%s is called %s", text, &s)
		}
		if _, err := s.Open(record.NewSchema([]record.Field{{Name: "saddr"}}), &Env{}); err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v", text, err)
		}
	}
}

// FuzzSplitScan: the parts are those of the name.
func FuzzSplitScan(f *testing.F) {
	for _, s := range []string{"scan.db", "scan.db#1f", "a#b#c", "#", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, scan := splitScan(name)
		if path != name && path+"#"+scan != name || strings.Contains(scan, "#") {
			t.Errorf("%q: parts %q and %q", name, path, scan)
		}
	})
}
