package zmap

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/lab"
)

// TestScanAnnotatesRows scans hosts of four kinds with a text of systems and a database of countries, and compares every row
// with what the two were made of. An error of the gateway is about the target.
func TestScanAnnotatesRows(t *testing.T) {
	network := startNet(t,
		lab.Hosts{Prefix: prefix("10.3.0.0/24"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.3.1.0/24"), Kind: lab.Refuse},
		lab.Hosts{Prefix: prefix("10.3.2.0/25"), Kind: lab.ICMPError, Type: 3, Code: 1},
		lab.Hosts{Prefix: prefix("10.3.3.0/25"), Kind: lab.Twice},
	)
	systems := openTable(t, "systems.tsv", "10.3.0.0/16\t64496\n10.3.0.128/25\t64497\n10.3.2.64/26\t64498\n"+network.Link().Gateway.String()+"\t64499\n")
	countries := openTable(t, "countries.mmdb", countryDatabase(t, map[string]string{"10.3.0.0/24": "SE", "10.3.1.128/25": "DE", "10.3.2.0/25": "FR"}))
	country := func(a netip.Addr) string {
		switch {
		case prefix("10.3.0.0/24").Contains(a):
			return "SE"
		case prefix("10.3.1.128/25").Contains(a):
			return "DE"
		case prefix("10.3.2.0/25").Contains(a):
			return "FR"
		}
		return ""
	}
	asn := func(a netip.Addr) uint64 {
		switch {
		case prefix("10.3.0.128/25").Contains(a):
			return 64497
		case prefix("10.3.2.64/26").Contains(a):
			return 64498
		}
		return 64496
	}

	c, rows := synScan("10.3.0.0/22")
	filtered := &table{}
	c.Annotate = []annotate.Annotator{systems, countries}
	c.Outputs = append(c.Outputs, Output{Name: "filtered", Sink: filtered, Filter: "asn = 64497 && success = 1 && country = SE"})
	run(t, c)
	kinds := make(map[string]int)
	for _, r := range rows.rows {
		a := r.addr("saddr")
		kinds[r.class()]++
		if r.num("asn") != asn(a) || r.get("country").Text() != country(a) || r.get("country").IsNull() != (country(a) == "") {
			t.Errorf("%v (%s): system %d, country %q; want %d, %q", a, r.class(), r.num("asn"), r.get("country").Text(), asn(a), country(a))
		}
	}
	if kinds["synack"] < 256+128 || kinds["rst"] != 256 || kinds["icmp"] != 128 {
		t.Errorf("rows are %v: too few to prove anything", kinds)
	}
	if n := len(filtered.count(func(r row) bool { return prefix("10.3.0.128/25").Contains(r.addr("saddr")) })); n != 128 || len(filtered.rows) != 128 {
		t.Errorf("the filter lets %d rows pass, %d of them right; want 128", len(filtered.rows), n)
	}
}

// openTable opens a table with that in it.
func openTable(t *testing.T, name, content string) *annotate.Table {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := annotate.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// countryDatabase is a database of the countries of networks.
func countryDatabase(t *testing.T, countries map[string]string) string {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-Country", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, code := range countries {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(n, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
