package filter

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// testSchema has the fields of C ZMap that filters are written about, and one of every type.
func testSchema() *record.Schema {
	return record.NewSchema([]record.Field{
		{Name: "saddr", Type: record.Addr},
		{Name: "icmp_responder", Type: record.Addr},
		{Name: "sport", Type: record.Int},
		{Name: "acknum", Type: record.Int},
		{Name: "delta", Type: record.Int}, // the one that is signed
		{Name: "classification", Type: record.String},
		{Name: "server", Type: record.String},
		{Name: "success", Type: record.Bool},
		{Name: "repeat", Type: record.Bool},
		{Name: "data", Type: record.Binary},
		{Name: "dns_answers", Type: record.Repeated},
		{Name: "timestamp_str", Type: record.Time},
	})
}

// testRow is the row that the table of verdicts is about. icmp_responder is null; server is text from the wire.
func testRow(s *record.Schema) *record.Record {
	r := record.New(s)
	set := func(name string, v record.Value) {
		i, ok := s.Lookup(name)
		if !ok {
			panic(name)
		}
		r.Values[i] = v
	}
	set("saddr", record.Address(netip.MustParseAddr("20.0.0.8")))
	set("sport", record.Uint(80))
	set("acknum", record.Uint(3052641758))
	set("delta", record.Signed(-5))
	set("classification", record.Text("synack"))
	set("server", record.Bytes([]byte("it's \"nginx\"\n\xff")))
	set("success", record.Boolean(true))
	set("repeat", record.Boolean(false))
	return r
}

func TestCompileErrors(t *testing.T) {
	tests := []struct {
		filter string
		pos    int
		msg    string // a part of the message
	}{
		{" \t\n", 3, `expected the name of a field, "not" or "(", found end of filter`},
		{"success", 7, `expected "=", "!=", "<", ">", "<=", ">=" or "in" after "success", found end of filter`},
		{"success 1", 8, `after "success", found "1"`},
		{"success = ", 10, `expected a number, a word, quoted text or an address after "=", found end of filter`},
		{"success = = 1", 10, `after "=", found "="`},
		{"saddr in (1)", 9, `after "in", found "("`},
		{"success = 1 repeat = 0", 12, `expected "&&", "||" or the end of the filter, found "repeat"`},
		{"success = 1 AND repeat = 0", 12, `found "AND"`},
		{"success = 1)", 11, `found ")"`},
		{"(success = 1", 12, `expected "&&", "||" or ")", found end of filter`},
		{"success = 1 &&", 14, `found end of filter`},
		{"1 = success", 0, `found "1"`},
		{`"success" = 1`, 0, `expected the name of a field`},
		{"and = 1", 0, `found "and"`},
		{"not = 1", 4, `found "="`},
		{"success = 1 & repeat = 0", 12, `expected "&&", found a single "&"`},
		{"success = 1 | repeat = 0", 12, `expected "||", found a single "|"`},
		{"success @ 1", 8, `unexpected character "@": text that contains it needs quotes`},
		{"success = é", 10, `unexpected character "é"`},
		{"success = \xff", 10, `unexpected character "\xff"`},
		{"success = -", 10, `unexpected character "-"`},
		{"sport = 80x", 8, `"80x" is neither a number nor a word: text that begins with a digit needs quotes`},
		{"sport = 0x50", 8, `"0x50" is neither a number nor a word`},
		{"sport = 8-9", 8, `"8-9" is neither a number nor a word`},
		{"sport = 18446744073709551616", 8, "number 18446744073709551616 is out of range"},
		{"sport = -9223372036854775809", 8, "number -9223372036854775809 is out of range"},
		{"saddr = 1.2.3", 8, `"1.2.3" is neither an address nor a network`},
		{"saddr = 1.2.3.4/33", 8, `"1.2.3.4/33" is neither an address nor a network`},
		{"saddr = 010.2.3.4", 8, `neither an address`},
		{"server = nginx.org", 9, `text that contains ".", ":" or "/" needs quotes`},
		{`server = "nginx`, 9, `quoted text has no end: expected another "`},
		{`server = 'nginx"`, 9, `quoted text has no end: expected another '`},
		{`server = "a\q"`, 11, `unknown escape`},
		{`server = "a\x4"`, 11, `unknown escape`},
		{`server = "a\`, 11, `unknown escape`},
		{"sprot = 1", 0, `unknown field "sprot": did you mean "sport"?`},
		{"repeat = 0 && timestamp.str = x", 14, `neither an address`},
		{"repeat = 0 && timestamps-str = x", 14, `did you mean "timestamp_str"?`},
		{"timestamp-str = x", 0, `field "timestamp_str" holds a time`},
		{"Success = 1", 0, `did you mean "success"?`},
		{"xyzzy = 1", 0, `unknown field "xyzzy" (--list-output-fields shows all)`},
		{"success = yes", 10, `field "success" is true or false: expected 1 or 0, found yes`},
		{"success = 1.2.3.4", 10, `expected 1 or 0, found 1.2.3.4`},
		{`sport = "80"`, 8, `field "sport" holds a number: expected a number, found "80"`},
		{"sport in 80", 6, `field "sport" holds a number, and "in" expects an address`},
		{"classification = 5", 17, `field "classification" holds text: expected a word or quoted text, as in "5"`},
		{"classification = 1.2.3.4", 17, `as in "1.2.3.4"`},
		{"classification < rst", 15, `expected "=" or "!=", found "<"`},
		{"classification in rst", 15, `found "in"`},
		{"saddr = localhost", 8, `field "saddr" holds an address: expected an address or a network, found localhost`},
		{"saddr = 5", 8, `expected an address or a network, found 5`},
		{"saddr = 'fe80::1%eth0'", 8, `expected an address or a network`},
		{"saddr < 10.0.0.0/8", 6, `10.0.0.0/8 is a network: expected "=", "!=" or "in" before it, found "<"`},
		{"data = 00", 0, `field "data" holds bytes, which cannot be compared`},
		{"dns_answers = x", 0, `field "dns_answers" holds a list, which cannot be compared`},
		{"timestamp_str = x", 0, `holds a time as text, which cannot be compared`},
		{strings.Repeat("(", 300) + "sport = 1" + strings.Repeat(")", 300), 200, "nested more than 200 deep"},
		{strings.Repeat("!", 300) + "sport = 1", 200, "nested more than 200 deep"},
	}
	s := testSchema()
	for _, tt := range tests {
		p, err := Compile(tt.filter, s)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Compile(%q): got %v, %v, want an *Error", tt.filter, p, err)
			continue
		}
		if e.Pos != tt.pos || !strings.Contains(e.Msg, tt.msg) || e.Source != tt.filter {
			t.Errorf("Compile(%q): got %d %q, want %d %q", tt.filter, e.Pos, e.Msg, tt.pos, tt.msg)
		}
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  Error
		want string
	}{
		{
			Error{"success = 1 && sprot = 80", 15, "unknown field"},
			"unknown field\n    success = 1 && sprot = 80\n                   ^",
		},
		{Error{"sport =", 7, "m"}, "m\n    sport =\n           ^"},
		{Error{"", 0, "m"}, "m\n    \n    ^"},
		{Error{"sport = 1\n\t&& é\x1b[2J @\nx", 21, "m"}, "m\n     && é?[2J @\n              ^"},
		{Error{"sport", 99, "m"}, "m\n    sport\n         ^"},
		{
			Error{strings.Repeat("a", 100) + "!" + strings.Repeat("b", 100), 100, "m"},
			"m\n    ..." + strings.Repeat("a", 48) + "!" + strings.Repeat("b", 47) + "...\n" + strings.Repeat(" ", 4+3+48) + "^",
		},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%+v:\ngot\n%s\nwant\n%s", tt.err, got, tt.want)
		}
	}
}

func TestString(t *testing.T) {
	tests := []struct{ filter, want string }{
		{"", ""},
		{"success==1&&( repeat=0 )", "success = 1 && repeat = 0"},
		{"sport=1||sport=2&&sport=3", "sport = 1 || sport = 2 && sport = 3"},
		{"(sport=1||sport=2)&&sport=3", "(sport = 1 || sport = 2) && sport = 3"},
		{"(sport=1 or sport=2) or sport=3", "(sport = 1 || sport = 2) || sport = 3"},
		{"sport=1 and (sport=2 and sport=3)", "sport = 1 && (sport = 2 && sport = 3)"},
		{"!(sport=1&&!!sport=2)", "not (sport = 1 && not not sport = 2)"},
		{"sport > -0007", "sport > -7"},
		{"icmp-responder = 1.1.1.1 && server = dns-answers", "icmp_responder = 1.1.1.1 && server = dns-answers"},
		{`server = 'a"b\\' || server="in" || server="x-1" || server = "\x00é\xff"`, `server = "a\"b\\" || server = "in" || server = x-1 || server = "\x00é\xff"`},
		{"saddr in 10.1.2.3/8 && saddr != '2001:DB8::1'", "saddr in 10.0.0.0/8 && saddr != 2001:db8::1"},
	}
	s := testSchema()
	for _, tt := range tests {
		p, err := Compile(tt.filter, s)
		if err != nil {
			t.Errorf("Compile(%q): %v", tt.filter, err)
			continue
		}
		if got := p.String(); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.filter, got, tt.want)
		}
	}
}

// TestLongChain makes sure that the length of a filter does not count as depth.
func TestLongChain(t *testing.T) {
	s := testSchema()
	p, err := Compile(strings.Repeat("(!sport = 80) || ", 20000)+"sport = 80", s)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Match(testRow(s)) {
		t.Error("the last term of a long chain did not count")
	}
}

func TestZeroProgram(t *testing.T) {
	var p Program
	if !p.Match(testRow(testSchema())) || p.String() != "" {
		t.Errorf("the zero Program: got %v %q, want true and no text", p.Match(testRow(testSchema())), p.String())
	}
}

func TestMatchAllocs(t *testing.T) {
	s := testSchema()
	r := testRow(s)
	for _, text := range []string{
		"success = 1 && repeat = 0",
		"(sport < 81 or delta >= -5) and not acknum > 18446744073709551615 and delta <= 0 and delta != -6 and sport > 1",
		"server != nginx && classification = synack && server = x || saddr in 20.0.0.0/8 && saddr != 20.0.0.0/9",
		"saddr > 1.2.3.4 && saddr < ::1 || saddr >= 1.2.3.4 && saddr <= 255.1.1.1 && saddr = 20.0.0.8 && saddr != 1.1.1.1",
	} {
		p, err := Compile(text, s)
		if err != nil {
			t.Fatalf("Compile(%q): %v", text, err)
		}
		if n := testing.AllocsPerRun(100, func() { p.Match(r) }); n != 0 {
			t.Errorf("%q: got %v allocations per row, want 0", text, n)
		}
	}
}
