package sink

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
)

// TestJSONLists compares with a part of a dns row of C ZMap, and with what nulls inside objects must do.
func TestJSONLists(t *testing.T) {
	s := record.NewSchema([]record.Field{{Name: "dns_questions", Type: record.Repeated}, {Name: "dns_answers", Type: record.Repeated}})
	r := record.New(s)
	r.Values[0] = record.List([]record.Object{{
		{Name: "name", Value: record.Text("example.com")},
		{Name: "qtype", Value: record.Uint(1)},
		{Name: "qtype_str", Value: record.Text("A")},
		{Name: "qclass", Value: record.Uint(1)},
	}})
	r.Values[1] = record.List([]record.Object{{
		{Name: "name", Value: record.Text("example.com")},
		{Name: "type", Value: record.Uint(15)},
		{Name: "type_str", Value: record.Text("MX")},
		{Name: "class", Value: record.Uint(1)},
		{Name: "ttl", Value: record.Uint(300)},
		{Name: "rdlength", Value: record.Uint(9)},
		{Name: "rdata_is_parsed", Value: record.Uint(1)},
		{Name: "rdata", Value: record.Text("10 mail.example.com")},
	}})
	want := `{"dns_questions":[{"name":"example.com","qtype":1,"qtype_str":"A","qclass":1}],"dns_answers":[{"name":"example.com",` +
		`"type":15,"type_str":"MX","class":1,"ttl":300,"rdlength":9,"rdata_is_parsed":1,"rdata":"10 mail.example.com"}]}` + "\n"
	if got := render(t, "json", Options{Fields: "*"}, r); got != want {
		t.Errorf("dns row:\ngot  %swant %s", got, want)
	}

	r.Values[0] = record.List(nil)
	r.Values[1] = record.List([]record.Object{
		{},
		{{Name: "gone", Value: record.Value{}}},
		{{Name: "gone", Value: record.Value{}}, {Name: "raw", Value: record.Bytes([]byte{1, 0xfe})}, {Name: "ok", Value: record.Boolean(true)}},
		{{Name: `k"/`, Value: record.List([]record.Object{{{Name: "n", Value: record.Signed(-1)}}})}, {Name: "a", Value: addr("::1")}},
	})
	want = `{"dns_questions":[],"dns_answers":[{},{},{"raw":"01fe","ok":true},{"k\"\/":[{"n":-1}],"a":"::1"}]}` + "\n"
	if got := render(t, "json", Options{Fields: "*"}, r); got != want {
		t.Errorf("nulls:\ngot  %swant %s", got, want)
	}
}

// TestJSONValues is about what each kind of value looks like in fields of each type.
func TestJSONValues(t *testing.T) {
	tests := []struct {
		typ  record.Type
		v    record.Value
		want string
	}{
		{record.String, record.Text(""), `""`},
		{record.String, record.Text(`a/b "c" \`), `"a\/b \"c\" \\"`},
		{record.String, record.Text("\b\f\n\r\t\x00\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\""},
		{record.String, record.Text("é \u2028 \U0001F600 <&>"), "\"é \u2028 \U0001F600 <&>\""},
		{record.String, record.Text("\xff\xfe/\xe2\x82"), "\"\uFFFD\uFFFD\\/\uFFFD\uFFFD\""},
		{record.String, record.Text("\uFFFD"), "\"\uFFFD\""},
		{record.String, record.Bytes([]byte("wire\n")), `"wire\n"`},
		{record.Int, record.Uint(18446744073709551615), "18446744073709551615"},
		{record.Int, record.Signed(-5), "-5"},
		{record.Int, record.Boolean(true), "1"},
		{record.Bool, record.Uint(1), "true"},
		{record.Bool, record.Boolean(false), "false"},
		{record.Binary, record.Bytes([]byte{0x00, 0xab}), `"00ab"`},
		{record.Binary, record.Text("az"), `"617a"`},
		{record.Addr, addr("2001:db8::1"), `"2001:db8::1"`},
		{record.Time, record.Moment(1795360939973386000), `"2026-11-22T15:22:19.973+0000"`},
	}
	for _, tt := range tests {
		r := record.New(record.NewSchema([]record.Field{{Name: "x", Type: tt.typ}}))
		r.Values[0] = tt.v
		if got, want := render(t, "json", Options{Fields: "x"}, r), `{"x":`+tt.want+"}\n"; got != want {
			t.Errorf("%v %+v: got %q, want %q", tt.typ, tt.v, got, want)
		}
	}
}

// slowUTF8 replaces every byte that is not part of UTF-8.
func slowUTF8(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		b.WriteRune(r)
		s = s[size:]
	}
	return b.String()
}

// FuzzJSON demands that encoding/json gets out of the output what went in, and that a row is one line.
func FuzzJSON(f *testing.F) {
	f.Add("plain", []byte("a/b\\\"\n"), []byte{0, 0xff}, uint64(1<<63), int64(-1))
	f.Add("\xff\xe2\x82", []byte("\u2028\x7f\x1f"), []byte{}, uint64(0), int64(1))
	s := record.NewSchema([]record.Field{
		{Name: "a", Type: record.String},
		{Name: "b", Type: record.String},
		{Name: "c", Type: record.Binary},
		{Name: "u", Type: record.Int},
		{Name: "i", Type: record.Int},
		{Name: "l", Type: record.Repeated},
	})
	f.Fuzz(func(t *testing.T, a string, b, c []byte, u uint64, i int64) {
		r := record.New(s)
		r.Values[0] = record.Text(a)
		r.SetBytes(1, b)
		r.SetBytes(2, c)
		r.Values[3], r.Values[4] = record.Uint(u), record.Signed(i)
		r.Values[5] = record.List([]record.Object{{{Name: a, Value: record.Text(string(b))}}, {}})
		text := render(t, "json", Options{Fields: "*"}, r)
		if strings.Count(text, "\n") != 1 || !utf8.ValidString(text) {
			t.Fatalf("not one line of UTF-8: %q", text)
		}
		var got struct {
			A, B, C *string
			U       uint64
			I       int64
			L       []map[string]string
		}
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatalf("encoding/json on %q: %v", text, err)
		}
		want := got
		want.A, want.B, want.C = nil, nil, nil
		a = slowUTF8(a)
		want.A = &a
		if len(b) > 0 {
			want.B = new(slowUTF8(string(b)))
		}
		if len(c) > 0 {
			want.C = new(hex.EncodeToString(c))
		}
		want.U, want.I = u, i
		want.L = []map[string]string{{a: slowUTF8(string(b))}, {}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	})
}
