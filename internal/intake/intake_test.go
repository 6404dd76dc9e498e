package intake

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// all reads everything: entries and mistakes, a line each.
func all(t *testing.T, r *Reader) (entries []Entry, mistakes []string) {
	t.Helper()
	for {
		e, err := r.Next()
		var bad *LineError
		switch {
		case err == nil:
			entries = append(entries, e)
		case errors.As(err, &bad):
			mistakes = append(mistakes, err.Error())
		case errors.Is(err, io.EOF):
			return entries, mistakes
		default:
			t.Fatal(err)
		}
	}
}

func p(s string) netip.Prefix { return netip.MustParsePrefix(s) }

var samePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestForms(t *testing.T) {
	for line, want := range map[string]Entry{
		"192.0.2.1":                                         {Net: p("192.0.2.1/32")},
		"  192.0.2.1\t# mine":                               {Net: p("192.0.2.1/32")},
		"192.0.2.0/24\r":                                    {Net: p("192.0.2.0/24")},
		"192.0.2.77/24":                                     {Net: p("192.0.2.0/24")},
		"192.0.2.1:443":                                     {Net: p("192.0.2.1/32"), Port: 443},
		"[2001:db8::1]:443":                                 {Net: p("2001:db8::1/128"), Port: 443},
		"2001:db8::/112":                                    {Net: p("2001:db8::/112")},
		"::ffff:192.0.2.1":                                  {Net: p("192.0.2.1/32")},
		"WWW.Example.org.":                                  {Name: "www.example.org"},
		"www.example.org:8443":                              {Name: "www.example.org", Port: 8443},
		"192.0.2.1,443":                                     {Net: p("192.0.2.1/32"), Port: 443},
		"192.0.2.1, www.example.org":                        {Net: p("192.0.2.1/32"), Name: "www.example.org"},
		"192.0.2.1, www.example.org, web, 443":              {Net: p("192.0.2.1/32"), Name: "www.example.org", Tag: "web", Port: 443},
		"192.0.2.1,,,8443":                                  {Net: p("192.0.2.1/32"), Port: 8443},
		"192.0.2.0/30, , web,":                              {Net: p("192.0.2.0/30"), Tag: "web"},
		",www.example.org,,":                                {Name: "www.example.org"},
		`"192.0.2.1","www.example.org","a, b","443"`:        {Net: p("192.0.2.1/32"), Name: "www.example.org", Tag: "a, b", Port: 443},
		`{"saddr":"192.0.2.1","sport":443}`:                 {Net: p("192.0.2.1/32"), Port: 443},
		`{"saddr":"192.0.2.1","success":1,"repeat":false}`:  {Net: p("192.0.2.1/32")},
		`{"ip":"192.0.2.1","domain":"a.example","port":80}`: {Net: p("192.0.2.1/32"), Name: "a.example", Port: 80},
		`{"domain":"a.example","tag":"x","data":{"a":[1]}}`: {Name: "a.example", Tag: "x"},
		"\xef\xbb\xbf192.0.2.1":                             {Net: p("192.0.2.1/32")},
	} {
		want.Line = 1
		got, mistakes := all(t, New(strings.NewReader(line), "in"))
		if d := cmp.Diff([]Entry{want}, got, samePrefix); d != "" || mistakes != nil {
			t.Errorf("%q (-want +got):\n%s%v", line, d, mistakes)
		}
	}
}

// TestScanRows reads what scanners have written.
func TestScanRows(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		want   []string // address, port
		passed uint64
	}{
		"C ZMap, all fields": {
			"saddr,saddr_raw,sport,classification,success,repeat\n192.0.2.1,1,80,synack,1,0\n192.0.2.2,2,80,rst,0,0\n192.0.2.1,1,80,synack,1,1\n",
			[]string{"192.0.2.1/32 80"},
			2,
		},
		"C ZMap, without a header": {"192.0.2.1\n192.0.2.2\n", []string{"192.0.2.1/32 0", "192.0.2.2/32 0"}, 0},
		"two ports":                {"192.0.2.1,80\n192.0.2.1,443\n", []string{"192.0.2.1/32 80", "192.0.2.1/32 443"}, 0},
		"JSON":                     {`{"saddr":"192.0.2.1","sport":80,"success":true}` + "\n" + `{"saddr":"192.0.2.2","success":0}`, []string{"192.0.2.1/32 80"}, 1},
		"another order":            {"sport,saddr\n80,192.0.2.1\n", []string{"192.0.2.1/32 80"}, 0},
		"blank lines first":        {"\n# of monday\nsaddr\n192.0.2.1\n", []string{"192.0.2.1/32 0"}, 0},
	} {
		r := New(iotest.OneByteReader(strings.NewReader(c.text)), "in")
		entries, mistakes := all(t, r)
		var got []string
		for _, e := range entries {
			got = append(got, e.Net.String()+" "+cmpText(e.Port))
		}
		if d := cmp.Diff(c.want, got); d != "" || mistakes != nil || r.Passed() != c.passed {
			t.Errorf("%s: %d passed over, want %d; %v (-want +got):\n%s", name, r.Passed(), c.passed, mistakes, d)
		}
	}
}

func cmpText(n uint16) string {
	s := ""
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	if s == "" {
		return "0"
	}
	return s
}

// TestMistakes names the file and the line of each, and goes on.
func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"256.0.0.1":                    "neither an address nor a name",
		"word":                         "neither an address nor a name",
		"192.0.2.0/33":                 "no network",
		"192.0.2.1,a.example,x,0":      "no port",
		"192.0.2.1:0":                  "no port",
		"192.0.2.1:99999":              "neither an address nor a name",
		"192.0.2.1,70000":              "no port",
		"a,b,c,d,e":                    "5 fields",
		"x, a.example":                 "no address",
		",,tag,443":                    "neither an address nor a name",
		`"192.0.2.1`:                   "comma separated values",
		`{"saddr":`:                    "no JSON object",
		`{"saddr":"192.0.2.1"} {}`:     "no JSON object",
		`{}`:                           "neither an address nor a name",
		"2001:db8::/64":                "as large as /104",
		"fe80::1%eth0":                 "a zone",
		"[fe80::1%eth0]:80":            "a zone",
		strings.Repeat("x", 3*MaxLine): "longer than",
	} {
		entries, mistakes := all(t, New(strings.NewReader("192.0.2.7\n"+line+"\n192.0.2.9\n"), "in"))
		if len(entries) != 2 || entries[1].Line != 3 || len(mistakes) != 1 || !strings.HasPrefix(mistakes[0], "in:2: ") || !strings.Contains(mistakes[0], want) {
			t.Errorf("%.40q: %d entries, %q; want %q", line, len(entries), mistakes, want)
		}
		if len(mistakes) == 1 && len(mistakes[0]) > 300 {
			t.Errorf("%.40q: a mistake of %d bytes", line, len(mistakes[0]))
		}
	}
}

// TestLongLines are read up to the bound, and passed over beyond it, wherever the pieces of it end.
func TestLongLines(t *testing.T) {
	for _, n := range []int{64<<10 - 1, 64 << 10, 64<<10 + 1, MaxLine - 10, MaxLine, MaxLine + 1, MaxLine + 64<<10, 2 * MaxLine} {
		line := `{"saddr":"192.0.2.1","x":"` + strings.Repeat("x", n-28) + `"}`
		for _, end := range []string{"", "\n", "\n192.0.2.2"} {
			entries, mistakes := all(t, New(strings.NewReader(line+end), "in"))
			wantEntries, wantMistakes := strings.Count(end, ".2.2"), 1
			if n+min(1, len(end)) <= MaxLine {
				wantEntries, wantMistakes = wantEntries+1, 0
			}
			if len(entries) != wantEntries || len(mistakes) != wantMistakes {
				t.Errorf("%d bytes and %q: %d entries, %q", n, end, len(entries), mistakes)
			}
		}
	}
}

// TestInputFails says where.
func TestInputFails(t *testing.T) {
	r := New(io.MultiReader(strings.NewReader("192.0.2.1\n"), iotest.ErrReader(io.ErrClosedPipe)), "in")
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	_, err := r.Next()
	var bad *LineError
	if !errors.Is(err, io.ErrClosedPipe) || errors.As(err, &bad) || !strings.HasPrefix(err.Error(), "in:2: ") {
		t.Errorf("got %v", err)
	}
}

// FuzzNext reads anything: it ends, names lines in order, and what it returns is whole, and comes again when it is written as zgrab2
// has it.
func FuzzNext(f *testing.F) {
	for _, s := range []string{
		"192.0.2.1\n", "saddr,sport,success\n192.0.2.1,80,1\n", `{"saddr":"192.0.2.1","sport":80}`, "192.0.2.0/24, a.example, tag, 80",
		"\"a\"\"b\",c\n", "[::1]:80\n#\n", "\xef\xbb\xbfip\n", "::ffff:10.0.0.0/104", "a.example:80 # x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := New(iotest.HalfReader(strings.NewReader(s)), "in")
		last := uint64(0)
		for {
			e, err := r.Next()
			var bad *LineError
			switch {
			case errors.As(err, &bad):
				e.Line = bad.Line
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				t.Fatal(err)
			case !e.Net.IsValid() && e.Name == "", e.Net.IsValid() && (e.Net != e.Net.Masked() || e.Net.Addr().Is4In6() && e.Net.Bits() > 95):
				t.Fatalf("%+v of %q", e, s)
			}
			if e.Line <= last {
				t.Fatalf("line %d after %d", e.Line, last)
			}
			last = e.Line
			if err == nil {
				again(t, e)
			}
		}
	})
}

// again writes e and reads it.
func again(t *testing.T, e Entry) {
	t.Helper()
	if strings.ContainsAny(e.Tag, "\",\r\n") || strings.HasPrefix(e.Tag, "#") || strings.Contains(e.Tag, " #") || strings.Contains(e.Tag, "\t#") ||
		strings.TrimSpace(e.Tag) != e.Tag {
		return
	}
	port, network := "", ""
	if e.Port != 0 {
		port = cmpText(e.Port)
	}
	if e.Net.IsValid() {
		network = e.Net.String()
	}
	line := network + "," + e.Name + "," + e.Tag + "," + port
	entries, mistakes := all(t, New(strings.NewReader(line), "in"))
	e.Line = 1
	if d := cmp.Diff([]Entry{e}, entries, samePrefix); d != "" || mistakes != nil {
		t.Fatalf("%q: %v (-want +got):\n%s", line, mistakes, d)
	}
}
