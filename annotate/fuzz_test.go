package annotate

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// useOf looks addresses up in a table that was read from foreign bytes: its fields must be legal, and its values of their types.
func useOf(t *testing.T, table *Table, addr netip.Addr) {
	record.NewSchema(table.Fields()) // panics at names that are not legal
	values := make([]record.Value, len(table.Fields()))
	for _, a := range []netip.Addr{addr, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.IPv6Unspecified(), {}} {
		table.Annotate(a, values)
		for i, f := range table.Fields() {
			want := record.KindString
			if f.Type == record.Int {
				want = record.KindUint
			}
			if k := values[i].Kind(); k != record.KindNull && k != want {
				t.Fatalf("%v: field %s of type %v has a value of kind %d", a, f.Name, f.Type, k)
			}
		}
	}
}

// FuzzText reads texts; the first line of what is left of each must come out as it does when it is read again.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"prefix,asn,org,country\n192.0.2.0/24,AS64496,\"Example, Inc.\",SE\n", "; x\n192.0.2.0/24\t64496\n", "192.0.2.0\t24\t64496_1\n",
		"\xef\xbb\xbf# a\ncidr\tx y\n::ffff:192.0.2.0/120\t\"", "network,1,2\n2001:db8::/32,a,b\n", "prefix,org\n0.0.0.0/0,\"a\nb\"\n",
	} {
		f.Add([]byte(s), []byte{192, 0, 2, 1})
		f.Add(zipped(s), make([]byte, 16))
	}
	f.Fuzz(func(t *testing.T, content, addr []byte) {
		table, err := readTable(bytes.NewReader(content), "t.csv")
		if err != nil {
			return
		}
		a, _ := netip.AddrFromSlice(addr)
		useOf(t, table, a)
	})
}

// FuzzDatabase reads databases and looks addresses up in them.
func FuzzDatabase(f *testing.F) {
	for _, bits := range []int{24, 28, 32} {
		f.Add(smallDatabase(f, bits), []byte{192, 0, 2, 1})
	}
	f.Fuzz(func(t *testing.T, content, addr []byte) {
		table, err := readTable(bytes.NewReader(content), "t.mmdb")
		if err != nil {
			return
		}
		a, _ := netip.AddrFromSlice(addr)
		useOf(t, table, a)
	})
}
