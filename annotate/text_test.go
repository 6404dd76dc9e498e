package annotate

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zmap-go/zmap/record"
)

// byLength sorts networks, the shortest prefix first.
func byLength(list []note) {
	slices.SortStableFunc(list, func(a, b note) int { return a.prefix.Bits() - b.prefix.Bits() })
}

// zipped is content as gzip has it.
func zipped(content string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(content))
	_ = z.Close()
	return b.Bytes()
}

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       map[string]string
	}{
		{"named", "prefix,asn,org,country\n192.0.2.0/24,AS64496,\"Example, \"\"Inc.\"\"\",se\n2001:db8::/32,64497,,\n", map[string]string{
			"192.0.2.1": `asn=64496 as_org=Example, "Inc." country=SE`, "2001:db8::1": "asn=64497", "192.0.3.1": "",
		}},
		{"MaxMind's CSV", "network,autonomous_system_number,autonomous_system_organization\r\n192.0.2.0/24,64496,Example\r\n", map[string]string{"192.0.2.1": "asn=64496 as_org=Example"}},
		{"own columns", "\xef\xbb\xbfCIDR,Hosting Type,24/7\n192.0.2.0/24,vps,yes\n", map[string]string{"192.0.2.1": "hosting_type=vps _24_7=yes"}},
		{"header with tabs", "# a remark\nprefix\tasn\torg\n192.0.2.0/24\t64496\tThe \"Example\n", map[string]string{"192.0.2.1": "asn=64496 as_org=The \"Example"}},
		{"pyasn", "; IP-ASN32-DAT file\n; Original file : rib\n192.0.2.0/24\t64496\n# more\n192.0.2.0/25\t64497\n", map[string]string{"192.0.2.1": "asn=64497", "192.0.2.200": "asn=64496"}},
		{"pfx2as", "192.0.2.0\t24\t64496_64497\n198.51.100.0\t24\t64498,64499\n2001:db8::\t32\t{64500,64501}", map[string]string{"192.0.2.1": "asn=64496", "198.51.100.9": "asn=64498", "2001:db8::1": "asn=64500"}},
		{"pairs", "192.0.2.0/24,64496\n198.51.100.7,64497\n", map[string]string{"192.0.2.1": "asn=64496", "198.51.100.7": "asn=64497", "198.51.100.8": ""}},
		{"system 0", "192.0.2.0/24\t0\n192.0.0.0/16\t64496\n", map[string]string{"192.0.2.1": "", "192.0.3.1": "asn=64496"}},
		{"the first line counts", "192.0.2.0/24\t64496\n192.0.2.1/24\t64497\n", map[string]string{"192.0.2.1": "asn=64496"}},
		{"IPv4 in IPv6", "::ffff:192.0.2.0/120\t64496\n", map[string]string{"192.0.2.1": "asn=64496", "::ffff:192.0.2.1": "asn=64496"}},
		{"everything", "0.0.0.0/0\t64496\n::/0\t64497\n", map[string]string{"255.255.255.255": "asn=64496", "0.0.0.0": "asn=64496", "::": "asn=64497"}},
		{"largest system", "192.0.2.0/24\t4294967295\n", map[string]string{"192.0.2.1": "asn=4294967295"}},
		{"a cell of several lines", "prefix,org\n192.0.2.0/24,\"two\nlines\"\n", map[string]string{"192.0.2.1": "as_org=two\nlines"}},
	} {
		for kind, content := range map[string][]byte{"": []byte(c.text), ".gz": zipped(c.text)} {
			table := mustRead(t, "table.csv"+kind, content)
			for addr, want := range c.want {
				if got := about(t, table, addr); got != want {
					t.Errorf("%s%s: %s is %q, want %q", c.name, kind, addr, got, want)
				}
			}
			record.NewSchema(table.Fields()) // panics at names that are not legal
		}
	}
}

func TestFieldsOfText(t *testing.T) {
	table := mustRead(t, "dir/hosts.csv", []byte("prefix,Kind,asn\n192.0.2.0/24,,\n"))
	want := []record.Field{{Name: "kind", Type: record.String, Doc: `column "Kind" of hosts.csv`}, Known()[0]}
	if d := cmp.Diff(want, table.Fields()); d != "" {
		t.Error("fields, also of empty columns (-want +got):\n" + d)
	}
}

func TestTextsThatAreWrong(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "read table t: there is nothing in it"},
		"remarks alone":     {"# a\n; b\n\n# c", "read table t: there is nothing in it"},
		"header alone":      {"prefix,asn\n", "read table t: there is no prefix in it"},
		"no prefix column":  {"# a\naddr,asn\n", `t:2: no column is called prefix, network or cidr among "addr,asn", and "addr" is no prefix either`},
		"prefix column":     {"prefix\n", "t:1: there is no column beside the prefix"},
		"twice":             {"prefix,org,AS-Org\n", `t:1: columns "org" and "AS-Org" are both called as_org: rename one of them`},
		"two prefixes":      {"prefix,network\n", `t:1: columns "prefix" and "network" are both called prefix: rename one of them`},
		"no title":          {"prefix,asn, \n", `t:1: column 3: the title " " has neither letters nor digits: give it a name`},
		"long title":        {"prefix," + long + "\n", `t:1: column 2: the title "` + long[:maxQuote] + `"... is longer than 63 bytes`},
		"many columns":      {"prefix" + strings.Repeat(",a", 64), "t:1: there are 65 columns; at most 64 are taken"},
		"bare and wide":     {"192.0.2.0/24,64496,x\n", "t:1: the first line names no columns: write one above it, such as prefix,asn,org,country"},
		"bare and narrow":   {"192.0.2.0/24\n", "t:1: the first line names no columns: write one above it, such as prefix,asn,org,country"},
		"a cell too many":   {"# a\nprefix,asn\n192.0.2.0/24,1\n\n192.0.2.0/24,1,2\n", "t:5: there are 3 cells, and 2 columns"},
		"a cell too few":    {"192.0.2.0/24\t1\n192.0.2.0/25\n", "t:2: there are 1 cells, and 2 columns"},
		"bad prefix":        {"prefix,asn\n192.0.2.0/33,1\n", `t:2: "192.0.2.0/33" is no prefix: write 192.0.2.0/24 or 2001:db8::/32`},
		"zone":              {"prefix,asn\nfe80::1%eth0,1\n", `t:2: "fe80::1%eth0" is no prefix: write 192.0.2.0/24 or 2001:db8::/32`},
		"half mapped":       {"prefix,asn\n::ffff:0.0.0.0/90,1\n", `t:2: "::ffff:0.0.0.0/90" is no prefix: write 192.0.2.0/24 or 2001:db8::/32`},
		"no length":         {"192.0.2.0\t24\t1\n192.0.2.0\t\t1\n", `t:2: "192.0.2.0/" is no prefix: write 192.0.2.0/24 or 2001:db8::/32`},
		"bad system":        {"192.0.2.0/24\t1\n192.0.2.0/25\tAS-SET\n", `t:2: "AS-SET" is no number of an autonomous system: write 64496 or AS64496, or nothing`},
		"wide system":       {"192.0.2.0/24\t4294967296\n", `t:1: "4294967296" is no number of an autonomous system: write 64496 or AS64496, or nothing`},
		"name of a country": {"prefix,country\n192.0.2.0/24,Sweden\n", `t:2: "Sweden" is no country code of two letters: write SE, or nothing; call columns with other names of countries country_name`},
		"long text":         {"prefix,org\n192.0.2.0/24," + long + "\n", "t:2: a text has 4097 bytes; at most 4096 are taken"},
		"open quote":        {"prefix,org\n192.0.2.0/24,\"x\n192.0.2.0/25,y\n", "t:3: extraneous or missing \" in quoted-field"},
		"quote within":      {"# a\nprefix,org\n192.0.2.0/24,x\"y\n", "t:3: bare \" in non-quoted-field"},
		"endless record":    {"prefix,org\n192.0.2.0/24,\"" + strings.Repeat("x\n", maxRecord), "t, after line 1: read table: the line does not end: a quote may be open, or this is no table"},
		"endless line":      {"prefix,org\n192.0.2.0/24," + strings.Repeat("x", 2*maxRecord), "t, after line 1: read table: the line does not end: a quote may be open, or this is no table"},
		"endless remark":    {"# a\n#" + strings.Repeat("x", maxRecord), "t:2: the line does not end: a quote may be open, or this is no table"},
		"binary at the end": {"192.0.2.0/24\t1\n" + strings.Repeat("#\n", 256) + string(zipped("x")), "t:258: there are 1 cells, and 2 columns"},
	} {
		_, err := readTable(strings.NewReader(c.text), "t")
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
}

func TestBrokenGzip(t *testing.T) {
	whole := zipped("192.0.2.0/24\t64496\n" + strings.Repeat("# remark\n", 1000))
	for name, content := range map[string][]byte{
		"cut off": whole[:len(whole)-20], "header alone": whole[:5], "sum wrong": append(bytes.Clone(whole[:len(whole)-8]), 1, 2, 3, 4, 5, 6, 7, 8),
	} {
		_, err := readTable(bytes.NewReader(content), "t.gz")
		if err == nil || !strings.Contains(err.Error(), "t.gz") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), "open table: open "+path+": ") {
		t.Errorf("a file that is not there: got %v", err)
	}
	if err := os.WriteFile(path, []byte("192.0.2.0/24\t64496\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := about(t, table, "192.0.2.1"); got != "asn=64496" {
		t.Errorf("got %q", got)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a directory is a table")
	}
}

// TestMemoryOfText holds what docs/annotation.md says of memory: at most 96 bytes a prefix, what is said about it included.
func TestMemoryOfText(t *testing.T) {
	const n = 200_000
	text := bigText(n)
	before := heap()
	table := mustRead(t, "big.csv", []byte(text))
	got := heap() - before
	runtime.KeepAlive(table)
	runtime.KeepAlive(text)
	if got > 96*n || got < 16*n {
		t.Errorf("%d prefixes take %d bytes, want at most 96 for each and, if this measures anything, 16", n, got)
	}
	t.Logf("%d bytes a prefix", got/n)
}
