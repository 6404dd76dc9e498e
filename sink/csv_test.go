package sink

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
)

// TestCSVValues is about what each kind of value looks like in fields of each type.
func TestCSVValues(t *testing.T) {
	tests := []struct {
		typ  record.Type
		v    record.Value
		want string
	}{
		{record.String, record.Value{}, ""},
		{record.String, record.Text(""), ""},
		{record.String, record.Text("plain; text"), "plain; text"},
		{record.String, record.Text("a,b"), `"a,b"`},
		{record.String, record.Text(`say "x"`), `"say ""x"""`},
		{record.String, record.Text("a\nb"), "\"a\nb\""},
		{record.String, record.Text("a\rb"), "\"a\rb\""},
		{record.String, record.Bytes([]byte("nginx, \xff")), "\"nginx, \xff\""},
		{record.Int, record.Uint(18446744073709551615), "18446744073709551615"},
		{record.Int, record.Signed(-5), "-5"},
		{record.Int, record.Boolean(true), "1"},
		{record.Bool, record.Boolean(true), "1"},
		{record.Bool, record.Boolean(false), "0"},
		{record.Bool, record.Uint(2), "1"},
		{record.Binary, record.Bytes([]byte{0x00, 0xab, 0xff}), "00abff"},
		{record.Binary, record.Text("az"), "617a"},
		{record.Addr, addr("2001:db8::1"), "2001:db8::1"},
		{record.Addr, addr("255.255.255.255"), "255.255.255.255"},
		{record.Time, record.Moment(0), "1970-01-01T00:00:00.000+0000"},
		{record.Time, record.Moment(-1), "1969-12-31T23:59:59.999+0000"},
	}
	for _, tt := range tests {
		r := record.New(record.NewSchema([]record.Field{{Name: "x", Type: tt.typ}}))
		r.Values[0] = tt.v
		if got := render(t, "csv", Options{Fields: "x", NoHeader: true}, r); got != tt.want+"\n" {
			t.Errorf("%v %+v: got %q, want %q", tt.typ, tt.v, got, tt.want+"\n")
		}
	}
}

func TestCSVRefusesLists(t *testing.T) {
	s := record.NewSchema([]record.Field{{Name: "saddr", Type: record.Addr}, {Name: "dns_answers", Type: record.Repeated}})
	var b bytes.Buffer
	c := NewCSV(&b, Options{Fields: "saddr,dns_answers"})
	err := c.Open(s)
	if err == nil || !strings.Contains(err.Error(), `field "dns_answers" is a list, which csv cannot hold: use -O json`) {
		t.Errorf("open with a list: got %v", err)
	}
	if again := c.Close(); !errors.Is(again, err) || b.Len() != 0 {
		t.Errorf("close after that: got %v and output %q, want the same error and none", again, b.String())
	}
	if err := NewCSV(&b, Options{Fields: "saddr"}).Open(s); err != nil {
		t.Errorf("open without the list: got %v", err)
	}
}

// parseCSV is an obvious reader of RFC 4180, which, other than encoding/csv, leaves line ends and empty lines as they are.
func parseCSV(t *testing.T, text string) [][]string {
	t.Helper()
	var rows [][]string
	var row []string
	for text != "" {
		cell := ""
		if text[0] == '"' {
			text = text[1:]
			for {
				i := strings.IndexByte(text, '"')
				if i < 0 {
					t.Fatalf("quoted cell has no end: %q", text)
				}
				cell, text = cell+text[:i], text[i+1:]
				if !strings.HasPrefix(text, `"`) {
					break
				}
				cell, text = cell+`"`, text[1:]
			}
		} else {
			i := strings.IndexAny(text, ",\n")
			cell, text = text[:i], text[i:]
			if strings.ContainsAny(cell, "\"\r") {
				t.Fatalf("plain cell %q", cell)
			}
		}
		row = append(row, cell)
		if text[0] == '\n' {
			rows, row = append(rows, row), nil
		} else if text[0] != ',' {
			t.Fatalf("cell is followed by %q", text)
		}
		text = text[1:]
	}
	return rows
}

// FuzzCSV demands that two readers get out of the output what went in.
func FuzzCSV(f *testing.F) {
	f.Add("plain", "a,b", []byte{1})
	f.Add(`"`, "\r\n", []byte("\"\xff"))
	f.Add("", "", []byte{})
	f.Add(",", "#x", []byte("\r"))
	s := record.NewSchema([]record.Field{{Name: "n", Type: record.Int}, {Name: "a", Type: record.String}, {Name: "b", Type: record.String}, {Name: "c", Type: record.String}})
	f.Fuzz(func(t *testing.T, a, b string, c []byte) {
		r := record.New(s)
		r.Values[0], r.Values[1], r.Values[2] = record.Uint(7), record.Text(a), record.Text(b)
		r.SetBytes(3, c)
		want := [][]string{{"n", "a", "b", "c"}, {"7", a, b, string(c)}, {"7", a, b, string(c)}}
		text := render(t, "csv", Options{Fields: "*"}, r, r)
		if diff := cmp.Diff(want, parseCSV(t, text)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		got, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatalf("encoding/csv on %q: %v", text, err)
		}
		for _, row := range want {
			for i, cell := range row {
				row[i] = strings.ReplaceAll(cell, "\r\n", "\n") // as encoding/csv does
			}
		}
		if !slices.EqualFunc(want, got, slices.Equal[[]string]) {
			t.Errorf("encoding/csv on %q: got %q, want %q", text, got, want)
		}
	})
}
