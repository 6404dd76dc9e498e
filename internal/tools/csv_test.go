package tools

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
)

// csvSeeds are rows, complete or not.
var csvSeeds = []string{
	"", "a", "a,b", "a,b,c\n", `"a","b"` + "\n", `"a,b",c`, `"a""b",c`, `a"b,c`, `"a"b,c"d",e`, `,,`, `"",""`, "\"a\nb\",c\n", "\"a\r\nb\",c\r\n",
	`"a`, `"a,b`, "\"a\nb", "a\r\n", `x,"y` + "\n" + `z",w` + "\n", `"",x`, `"""",x`, `"""`, "a,\"\"\n", "\r", "\"\r\n\"", `""a,b`,
	"\"a\"b\nc\",d\ne,f\n", "\"a\"\"\nb\"\nc,d\n", "a\"\nb\"\n", "\"a\" \n\",b",
}

// firstRecord returns the first record of text as encoding/csv reads it, and whether it begins in the first line.
func firstRecord(text string) ([]string, bool) {
	r := csv.NewReader(strings.NewReader(text))
	r.LazyQuotes = true
	r.FieldsPerRecord = -1
	record, err := r.Read()
	if errors.Is(err, io.EOF) || err != nil {
		return nil, false
	}
	line, _ := r.FieldPos(0)
	return record, line == 1
}

// checkCSV compares the fields of a record with those of encoding/csv, and where the record ends.
func checkCSV(t *testing.T, text string) {
	t.Helper()
	record, ok := firstRecord(text)
	if !ok {
		return
	}
	state, n := csvStart, 0
	for line := range strings.Lines(text) {
		n += len(line)
		if state = state.after(trimEnd([]byte(line))); state != csvQuoted {
			break
		}
	}
	rest, restOK := firstRecord(text[n:])
	second := csv.NewReader(strings.NewReader(text))
	second.LazyQuotes, second.FieldsPerRecord = true, -1
	second.Read()
	if want, err := second.Read(); restOK && (err != nil || strings.Join(rest, "|") != strings.Join(want, "|")) {
		t.Errorf("the record behind the first of %q is %q, want %q, %v", text, rest, want, err)
	}
	body := trimEnd([]byte(text[:n]))
	for i, want := range record {
		field, ok := csvField(nil, body, i)
		// encoding/csv makes \n of \r\n in fields, and takes a \r at the end of the input for nothing.
		got := strings.TrimSuffix(strings.ReplaceAll(string(field), "\r\n", "\n"), "\r")
		want = strings.TrimSuffix(want, "\r")
		if state == csvQuoted { // never closed
			got, want = strings.TrimRight(got, "\r\n"), strings.TrimRight(want, "\r\n")
		}
		if !ok || got != want {
			t.Errorf("field %d of %q = %q, %v, want %q", i, text, field, ok, want)
		}
	}
	if field, ok := csvField(nil, body, len(record)); ok {
		t.Errorf("%q has a field %d, %q, want %d fields", text, len(record), field, len(record))
	}
}

func TestCSVMatchesEncodingCSV(t *testing.T) {
	for _, s := range csvSeeds {
		checkCSV(t, s)
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range csvSeeds {
		f.Add(s)
	}
	f.Fuzz(checkCSV)
}

func TestCSVFieldPointsIntoRecord(t *testing.T) {
	record := []byte(`20.0.0.1,80,1`)
	if n := testing.AllocsPerRun(100, func() { csvField(nil, record, 1) }); n != 0 {
		t.Errorf("csvField of a record without quotes allocates %v times", n)
	}
}

func TestCSVColumn(t *testing.T) {
	for _, c := range []struct {
		header string
		want   int
	}{
		{"saddr", 0},
		{"ip", 0},
		{"sport,saddr", 1},
		{"saddr_raw,ipid,saddr", 2},
		{"ip,saddr", 0},
		{`"success","saddr"`, 1},
		{"ipid,saddr_raw,daddr", -1},
		{"", -1},
		{"Saddr,IP", -1},
	} {
		if got := csvColumn([]byte(c.header), addrNames...); got != c.want {
			t.Errorf("csvColumn(%q) = %d, want %d", c.header, got, c.want)
		}
	}
}
