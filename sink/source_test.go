package sink

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
)

// newSource returns the source of a format.
func newSource(t testing.TB, format string, r io.Reader, o SourceOptions) (Source, error) {
	t.Helper()
	switch format {
	case "csv":
		return NewCSVSource(r, o)
	case "json":
		return NewJSONSource(r, o)
	}
	t.Fatalf("no source of format %s", format)
	return nil, nil
}

// readText returns what a source of format has, each row as cells, and the error that it ends with.
func readText(t testing.TB, format, text string, o SourceOptions) (*record.Schema, [][]string, error) {
	t.Helper()
	s, err := newSource(t, format, strings.NewReader(text), o)
	if err != nil {
		return nil, nil, err
	}
	return readAll(t, s)
}

// readAll returns the rows of a source, and the error that it ends with.
func readAll(t testing.TB, s Source) (*record.Schema, [][]string, error) {
	t.Helper()
	r := record.New(s.Schema())
	var rows [][]string
	for {
		err := s.Read(r)
		if errors.Is(err, io.EOF) {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return s.Schema(), rows, nil
		}
		if err != nil {
			if again := s.Read(r); again == nil || again.Error() != err.Error() {
				t.Errorf("Read after the error %v: got %v, want the same", err, again)
			}
			return s.Schema(), rows, err
		}
		row := make([]string, len(r.Values))
		for i := range r.Values {
			row[i] = cell(&r.Values[i])
		}
		rows = append(rows, row)
	}
}

// cell shows a value with its kind. Numbers are the same whether signed or not.
func cell(v *record.Value) string {
	switch v.Kind() {
	case record.KindNull:
		return ""
	case record.KindUint, record.KindInt:
		return "n:" + string(appendNumber(nil, v))
	case record.KindBool:
		if v.Bool() {
			return "b:1"
		}
		return "b:0"
	case record.KindString:
		return "s:" + v.Text()
	case record.KindBytes:
		return "x:" + hex.EncodeToString(v.Bytes())
	case record.KindAddr:
		return "a:" + v.Addr().String()
	case record.KindTime:
		return "t:" + v.Time().UTC().Format(time.RFC3339Nano)
	case record.KindList:
		var b strings.Builder
		b.WriteByte('[')
		for _, object := range v.List() {
			b.WriteByte('{')
			for i := range object {
				if !object[i].Value.IsNull() {
					b.WriteString(object[i].Name + "=" + cell(&object[i].Value) + " ")
				}
			}
			b.WriteByte('}')
		}
		b.WriteByte(']')
		return b.String()
	}
	return "?"
}

// dice makes schemas and rows.
type dice struct {
	*rand.Rand
	lists bool // CSV cannot hold them
}

func newDice(seed uint64, lists bool) dice { return dice{rand.New(rand.NewPCG(seed, 1)), lists} }

func (d dice) schema() *record.Schema {
	types := []record.Type{record.String, record.Int, record.Bool, record.Binary, record.Addr, record.Time, record.JSON}
	if d.lists {
		types = append(types, record.Repeated)
	}
	fields := make([]record.Field, 1+d.IntN(9))
	for i := range fields {
		fields[i] = record.Field{Name: "f" + string(rune('a'+i)), Type: types[d.IntN(len(types))]}
	}
	return record.NewSchema(fields)
}

// text returns text of the characters that formats trip over.
func (d dice) text() string {
	pieces := []string{"a", ",", `"`, "\n", "\r\n", "\r", "\x00", " ", "é", "\u2028", "0", "/", "\\", "{", "]", "192.0.2.1", "\U0001F600", "=", "true"}
	var b strings.Builder
	for range d.IntN(6) {
		b.WriteString(pieces[d.IntN(len(pieces))])
	}
	return b.String()
}

func (d dice) addr() netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	if d.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

func (d dice) value(t record.Type) record.Value {
	if d.IntN(5) == 0 {
		return record.Value{}
	}
	switch t {
	case record.Int:
		if d.IntN(4) == 0 {
			return record.Signed(-int64(d.Uint64() >> 1))
		}
		return record.Uint(d.Uint64() >> d.IntN(64))
	case record.Bool:
		return record.Boolean(d.IntN(2) == 0)
	case record.Binary:
		return record.Bytes([]byte(d.text()))
	case record.Addr:
		return record.Address(d.addr())
	case record.Time:
		return record.Moment(d.Int64N(4e18) / 1e6 * 1e6) // formats hold milliseconds
	case record.Repeated:
		list := make([]record.Object, d.IntN(3))
		for i := range list {
			for k := range d.IntN(4) {
				inner := []record.Type{record.String, record.Int, record.Bool}[d.IntN(3)]
				list[i] = append(list[i], record.Member{Name: string(rune('a' + k)), Value: d.value(inner)})
			}
		}
		return record.List(list)
	case record.JSON:
		return record.Bytes(d.document())
	case record.String:
	}
	return record.Text(d.text())
}

// document returns a JSON document as [record.Record.Document] leaves it.
func (d dice) document() []byte {
	var v any = d.text()
	for range d.IntN(4) {
		if v = map[string]any{d.text(): v, "n": d.Uint32(), "none": nil}; d.IntN(2) == 0 {
			v = []any{v, true}
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func (d dice) rows(s *record.Schema, n int) []*record.Record {
	rows := make([]*record.Record, n)
	for i := range rows {
		rows[i] = record.New(s)
		for k := range rows[i].Values {
			rows[i].Values[k] = d.value(s.Field(k).Type)
		}
	}
	return rows
}

// TestSourcesReadWhatSinksWrite: rows of random schemas come back as they were, and writing those again gives the same text. CSV
// makes null of what is empty.
func TestSourcesReadWhatSinksWrite(t *testing.T) {
	for _, f := range formats() {
		for seed := range uint64(400) {
			d := newDice(seed, f.Name == "json")
			s := d.schema()
			rows := d.rows(s, 1+d.IntN(20))
			text := render(t, f.Name, Options{Fields: "*"}, rows...)
			o := SourceOptions{Schema: s}
			want := make([][]string, len(rows))
			for i, r := range rows {
				for k := range r.Values {
					c := cell(&r.Values[k])
					if f.Name == "csv" && (c == "s:" || c == "x:") {
						c = ""
					}
					want[i] = append(want[i], c)
				}
			}
			schema, got, err := readText(t, f.Name, text, o)
			if err != nil {
				t.Fatalf("%s, seed %d: %v, in\n%q", f.Name, seed, err, text)
			}
			if diff := cmp.Diff(want, got); diff != "" || !slices.Equal(schema.Fields(), s.Fields()) {
				t.Fatalf("%s, seed %d: schema %v, rows (-want +got):\n%s", f.Name, seed, schema.Fields(), diff)
			}
			crlf := strings.ReplaceAll(text, "\n", "\r\n")
			if f.Name == "json" || !strings.Contains(text, `"`) {
				_, got, err := readText(t, f.Name, "\uFEFF"+crlf, o)
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Fatalf("%s, seed %d, with CRLF: %v (-want +got):\n%s", f.Name, seed, err, diff)
				}
			}
		}
	}
}

// TestSourcesCut: of a text that breaks off anywhere, the whole rows come back, and then an error that names the line.
func TestSourcesCut(t *testing.T) {
	for _, f := range formats() {
		for seed := range uint64(20) {
			d := newDice(seed, f.Name == "json")
			s := d.schema()
			text := render(t, f.Name, Options{Fields: "*"}, d.rows(s, 3)...)
			_, whole, err := readText(t, f.Name, text, SourceOptions{Schema: s})
			if err != nil {
				t.Fatal(err)
			}
			for n := range len(text) {
				_, rows, err := readText(t, f.Name, text[:n], SourceOptions{Schema: s})
				if len(rows) > len(whole) || len(rows) > 0 && !cmp.Equal(rows, whole[:len(rows)]) {
					t.Fatalf("%s, first %d bytes of %q: got rows %q", f.Name, n, text, rows)
				}
				if err == nil && len(rows) == len(whole) || err != nil && !strings.Contains(err.Error(), "line ") && n > 0 {
					t.Fatalf("%s, first %d bytes of %q: got %d rows and error %v", f.Name, n, text, len(rows), err)
				}
			}
		}
	}
}

// TestSourceReaderFails: an error of the reader comes behind the rows before it, also if it was met while looking ahead.
func TestSourceReaderFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	for format, text := range map[string]string{"csv": "saddr\n192.0.2.1\n192.0.2.2\n192.", "json": "{\"saddr\":\"192.0.2.1\"}\n{\"saddr\":\"192.0.2.2\"}\n{"} {
		s, err := newSource(t, format, io.MultiReader(strings.NewReader(text), failing{broken}), SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, rows, err := readAll(t, s)
		if want := [][]string{{"a:192.0.2.1"}, {"a:192.0.2.2"}}; !cmp.Equal(rows, want) || !errors.Is(err, broken) {
			t.Errorf("%s: got rows %q and error %v, want %q and %v", format, rows, err, want, broken)
		}
	}
}

// endless is a text without end.
type endless struct{ piece []byte }

func (e endless) Read(b []byte) (int, error) { return copy(b, e.piece), nil }

// TestSourceRowsAreBounded: a row without end is an error, at the first megabyte.
func TestSourceRowsAreBounded(t *testing.T) {
	tests := []struct{ format, begin, piece string }{
		{"csv", "saddr\n", "x"},
		{"csv", "saddr\n\"", "\n"},
		{"csv", "", "x"},
		{"json", "", " "},
		{"json", "{", "[{"},
	}
	for _, tt := range tests {
		piece := bytes.Repeat([]byte(tt.piece), 1000)
		s, err := newSource(t, tt.format, io.MultiReader(strings.NewReader(tt.begin), endless{piece}), SourceOptions{})
		if err == nil {
			_, _, err = readAll(t, s)
		}
		if !errors.Is(err, errLong) || !strings.Contains(err.Error(), ": line ") {
			t.Errorf("%s %q and %q without end: got %v", tt.format, tt.begin, tt.piece, err)
		}
	}
}

// TestSourcesKnowLargeNumbers: what is guessed and what is known says which numbers take 64 bits, for sinks that ask.
func TestSourcesKnowLargeNumbers(t *testing.T) {
	elem := record.NewSchema([]record.Field{{Name: "a", Type: record.Int}})
	o := SourceOptions{Field: func(name string) (record.Field, bool) {
		return record.Field{Type: record.Repeated, Elem: elem}, name == "l"
	}}
	for format, text := range map[string]string{"csv": "n,small\n9223372036854775808,1\n", "json": `{"n":9223372036854775808,"small":1,"l":[]}` + "\n"} {
		s, err := newSource(t, format, strings.NewReader(text), o)
		if err != nil {
			t.Fatal(err)
		}
		if f := s.Schema().Fields(); !f[0].Full || f[1].Full || f[1].Type != record.Int || format == "json" && f[2].Elem != elem {
			t.Errorf("%s: fields are %+v", format, f)
		}
	}
}
