package annotate

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/zmap-go/zmap/record"
)

// smallDatabase has two networks.
func smallDatabase(t testing.TB, bits int) []byte {
	return makeDatabase(
		t, mmdbwriter.Options{RecordSize: bits, BuildEpoch: 1, DatabaseType: "Test"},
		note{netip.MustParsePrefix("192.0.2.0/24"), asRecord(64496, "Example")},
		note{netip.MustParsePrefix("2001:db8::/32"), cityRecord("EU", "SE", "AB", "Stockholm")},
	)
}

// TestCutDatabases opens a database that ends too early, at every byte.
func TestCutDatabases(t *testing.T) {
	whole := smallDatabase(t, 28)
	for n := range whole {
		if table, err := readTable(bytes.NewReader(whole[:n]), "t.mmdb"); err == nil {
			// What is left may be a database: the metadata are last, and not all of them are needed.
			if got := about(t, table, "192.0.2.1"); got != "asn=64496 as_org=Example" {
				t.Fatalf("%d of %d bytes are a database that says %q", n, len(whole), got)
			}
		} else if n > 0 && !strings.HasPrefix(err.Error(), "read database t.mmdb: ") {
			t.Fatalf("%d of %d bytes: got %v", n, len(whole), err)
		}
	}
}

func TestBrokenDatabases(t *testing.T) {
	whole := smallDatabase(t, 24)
	four := makeDatabase(t, mmdbwriter.Options{RecordSize: 24, IPVersion: 4}, note{netip.MustParsePrefix("192.0.2.0/24"), asRecord(64496, "Example")})
	tree := bytes.Index(whole, make([]byte, separator)) // the first node may have zeros, but not so many
	nodes := uint32(tree / 6)
	patched := func(at int, b ...byte) []byte {
		out := bytes.Clone(whole)
		copy(out[at:], b)
		return out
	}
	record24 := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n)[1:] }
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"text":           {[]byte("prefix,asn\n"), "read database t.mmdb: error opening database: invalid MaxMind DB file"},
		"separator":      {patched(0, record24(nodes+3)...), "read database t.mmdb: "},
		"beyond the end": {patched(0, record24(1<<24-1)...), "read database t.mmdb: at offset "},
		"bad record":     {patched(tree+separator, 0, 0, 0, 0, 0, 0, 0, 0), "read database t.mmdb: at offset "},
		"nothing known":  {makeDatabase(t, mmdbwriter.Options{DatabaseType: "Odd"}, note{netip.MustParsePrefix("192.0.2.0/24"), mmdbtype.Map{"is_anonymous": mmdbtype.Bool(true)}}), `read database t.mmdb: it is of type "Odd" and says nothing of systems or places that is understood here`},
		"empty":          {makeDatabase(t, mmdbwriter.Options{}), `read database t.mmdb: it is of type "" and says nothing`},
		"odd records":    {bytes.Replace(four, []byte("record_size\xa1\x18"), []byte("record_size\xa1\x19"), 1), "read database t.mmdb: records of its tree have 25 bits; only 24, 28 and 32 are known"},
	} {
		_, err := readTable(bytes.NewReader(c.content), "t.mmdb")
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
}

// TestTreeThatLeadsBack looks addresses up in a tree whose nodes lead to the first one, and to each other in every way: as a
// tree it would have more networks than there are addresses.
func TestTreeThatLeadsBack(t *testing.T) {
	whole := smallDatabase(t, 24)
	tree := bytes.Index(whole, make([]byte, separator))
	for name, to := range map[string]func(node int) int{
		"the root":      func(int) int { return 0 },
		"the next node": func(node int) int { return min(node+1, tree/6-1) },
	} {
		loop := bytes.Clone(whole)
		for i := range tree / 6 {
			for _, rec := range [][]byte{loop[i*6 : i*6+3], loop[i*6+3 : i*6+6]} {
				n := int(rec[0])<<16 | int(rec[1])<<8 | int(rec[2])
				if n <= tree/6 {
					copy(rec, binary.BigEndian.AppendUint32(nil, uint32(to(i)))[1:])
				}
			}
		}
		table, err := readTable(bytes.NewReader(loop), "t.mmdb")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		values := make([]record.Value, len(table.Fields()))
		for _, a := range []string{"0.0.0.0", "255.255.255.255", "192.0.2.1", "::", "2001:db8::1", "ffff::"} {
			table.Annotate(netip.MustParseAddr(a), values)
		}
	}
}
