package annotate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/zmap-go/zmap/record"
)

// mustRead reads a table that has nothing wrong with it.
func mustRead(t testing.TB, name string, content []byte) *Table {
	t.Helper()
	table, err := readTable(bytes.NewReader(content), name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// about is what a says of an address, as name=value for all that is not null.
func about(t testing.TB, a Annotator, addr string) string {
	t.Helper()
	values := make([]record.Value, len(a.Fields()))
	for i := range values {
		values[i] = record.Text("what was there before")
	}
	a.Annotate(netip.MustParseAddr(addr), values)
	var out []string
	for i, f := range a.Fields() {
		switch v := &values[i]; {
		case v.IsNull():
		case f.Type == record.Int:
			out = append(out, fmt.Sprintf("%s=%d", f.Name, v.Uint()))
		default:
			out = append(out, f.Name+"="+v.Text())
		}
	}
	return strings.Join(out, " ")
}

// names are the names of fields.
func names(fields []record.Field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Name)
	}
	return out
}

// TestLongestPrefixAgainstSearch compares tables of random networks, many of them within one another, with a search through
// all of their lines.
func TestLongestPrefixAgainstSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for round := range 40 {
		var text strings.Builder
		var list []note
		asn := make(map[netip.Prefix]uint32)
		for i := range 1 + r.IntN(400) {
			p := nestedPrefix(r)
			if _, twice := asn[p]; twice {
				continue
			}
			as := uint32(i + 1)
			asn[p] = as
			fmt.Fprintf(&text, "%v\t%d\n", p, as)
			list = append(list, note{p, asRecord(as, "")})
		}
		plain := mustRead(t, "plain", []byte(text.String()))
		byLength(list) // a database has the shorter networks cut up by the longer, which are written later
		db := mustRead(t, "x.mmdb", makeDatabase(t, mmdbwriter.Options{}, list...))
		for range 500 {
			addr := nestedPrefix(r).Addr()
			want := ""
			if as := search(asn, addr); as != 0 {
				want = fmt.Sprintf("asn=%d", as)
			}
			if got := about(t, plain, addr.String()); got != want {
				t.Fatalf("round %d: the text says %q of %v, the search through its lines %q", round, got, addr, want)
			}
			if got := about(t, db, addr.String()); got != want {
				t.Fatalf("round %d: the database says %q of %v, the search through its networks %q", round, got, addr, want)
			}
		}
	}
}

// search is a slow twin of a table.
func search(asn map[netip.Prefix]uint32, addr netip.Addr) uint32 {
	best, found := -1, uint32(0)
	for p, as := range asn {
		if p.Contains(addr) && p.Bits() > best {
			best, found = p.Bits(), as
		}
	}
	return found
}

// nestedPrefix is a network out of a small part of the world, so that many contain one another; 0.0.0.0/0 and ::/0, which is
// cut down to what a database has for IPv6, among them.
func nestedPrefix(r *rand.Rand) netip.Prefix {
	few := func() byte { return byte(r.IntN(3)) }
	if r.IntN(2) == 0 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{few() + 1, few() << 6, few(), few()}), r.IntN(33)).Masked()
	}
	a := [16]byte{0x2a, few(), few() << 5, few(), few(), few(), few(), few(), 15: few()}
	return netip.PrefixFrom(netip.AddrFrom16(a), 3+r.IntN(126)).Masked()
}

func TestDatabases(t *testing.T) {
	net := netip.MustParsePrefix
	s := func(s string) mmdbtype.String { return mmdbtype.String(s) }
	for _, c := range []struct {
		name   string
		record mmdbtype.Map
		fields []string
		want   string
	}{
		{"systems", asRecord(64496, "Example"), []string{"asn", "as_org"}, "asn=64496 as_org=Example"},
		{
			"cities", cityRecord("EU", "SE", "AB", "Stockholm"),
			[]string{"country", "continent", "region", "city"},
			"country=SE continent=EU region=AB city=Stockholm",
		},
		{"flat", mmdbtype.Map{
			"asn": s("AS64496"), "as_name": s("Example"), "as_domain": s("example.com"), "country": s("Sweden"), "country_code": s("SE"),
			"continent": s("Europe"), "continent_code": s("EU"),
		}, []string{"asn", "as_org", "country", "continent"}, "asn=64496 as_org=Example country=SE continent=EU"},
		{"flat place", mmdbtype.Map{"country": s("SE"), "region": s("Stockholm"), "city": s("Stockholm")}, []string{"country", "region", "city"}, "country=SE region=Stockholm city=Stockholm"},
		{"number of a flat one", mmdbtype.Map{"asn": mmdbtype.Uint32(64496)}, []string{"asn"}, "asn=64496"},
		{"codes that are none", mmdbtype.Map{"asn": s("none"), "as_name": s("x"), "country_code": s("S1"), "continent_code": s("EUR")}, []string{"as_org"}, "as_org=x"},
		{"wide number", mmdbtype.Map{"asn": mmdbtype.Uint64(1 << 32), "as_name": s("x")}, []string{"as_org"}, "as_org=x"},
	} {
		for _, bits := range []int{24, 28, 32} {
			t.Run(fmt.Sprint(c.name, " ", bits), func(t *testing.T) {
				db := mustRead(t, "t.mmdb", makeDatabase(
					t, mmdbwriter.Options{RecordSize: bits},
					note{net("192.0.2.0/24"), c.record}, note{net("2001:db8::/32"), c.record}, note{net("198.51.100.0/24"), mmdbtype.Map{}},
				))
				if d := cmp.Diff(c.fields, names(db.Fields())); d != "" {
					t.Error("fields (-want +got):\n" + d)
				}
				for addr, want := range map[string]string{
					"192.0.2.1": c.want, "::ffff:192.0.2.1": c.want, "2001:db8::1": c.want,
					"192.0.3.1": "", "198.51.100.1": "", "2001:db9::1": "", "0.0.0.0": "", "255.255.255.255": "", "::": "",
				} {
					if got := about(t, db, addr); got != want {
						t.Errorf("%s: got %q, want %q", addr, got, want)
					}
				}
			})
		}
	}
}

func TestDatabaseOfIPv4Alone(t *testing.T) {
	db := mustRead(t, "t.mmdb", makeDatabase(t, mmdbwriter.Options{IPVersion: 4}, note{netip.MustParsePrefix("192.0.2.0/24"), asRecord(64496, "Example")}))
	if got := about(t, db, "192.0.2.1"); got != "asn=64496 as_org=Example" {
		t.Errorf("got %q", got)
	}
	if got := about(t, db, "2001:db8::1"); got != "" {
		t.Errorf("it says %q of an IPv6 address", got)
	}
}

func TestJoin(t *testing.T) {
	a := mustRead(t, "a.csv", []byte("prefix,asn,country\n192.0.2.0/24,64496,\n192.0.2.128/25,,SE\n"))
	b := mustRead(t, "b.csv", []byte("prefix,country,kind,asn\n192.0.2.0/24,DE,hosting,64511\n198.51.100.0/24,FR,,\n"))
	if got := Join(a); got != Annotator(a) {
		t.Error("one table is not itself when joined")
	}
	j := Join(a, b)
	if d := cmp.Diff([]string{"asn", "country", "kind"}, names(j.Fields())); d != "" {
		t.Error("fields (-want +got):\n" + d)
	}
	for addr, want := range map[string]string{
		"192.0.2.1":    "asn=64496 country=DE kind=hosting",
		"192.0.2.129":  "asn=64511 country=SE kind=hosting", // the longer prefix of a says nothing of the system
		"198.51.100.1": "country=FR",
		"203.0.113.1":  "",
	} {
		if got := about(t, j, addr); got != want {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
	if got := about(t, Join(b, a), "192.0.2.129"); got != "country=DE kind=hosting asn=64511" {
		t.Errorf("the other way round: got %q", got)
	}
}

func TestAnnotateDoesNotAllocate(t *testing.T) {
	text := mustRead(t, "a.csv", []byte("prefix,asn,org\n192.0.2.0/24,64496,Example\n2001:db8::/32,64497,Other\n"))
	db := mustRead(t, "b.mmdb", makeDatabase(t, mmdbwriter.Options{}, note{netip.MustParsePrefix("192.0.2.0/24"), cityRecord("EU", "SE", "AB", "Stockholm")}))
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("203.0.113.1")}
	for name, a := range map[string]Annotator{"text": text, "database": db, "joined": Join(text, db)} {
		values := make([]record.Value, len(a.Fields()))
		if n := testing.AllocsPerRun(100, func() {
			for _, addr := range addrs {
				a.Annotate(addr, values)
			}
		}); n != 0 {
			t.Errorf("%s: %g allocations", name, n)
		}
	}
}
