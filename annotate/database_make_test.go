package annotate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// A note is a network with a record of a database.
type note struct {
	prefix netip.Prefix
	record mmdbtype.Map
}

// makeDatabase returns a database in which the later of nested networks covers the earlier.
func makeDatabase(t testing.TB, o mmdbwriter.Options, list ...note) []byte {
	t.Helper()
	o.IncludeReservedNetworks = true
	w, err := mmdbwriter.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		net := &net.IPNet{IP: n.prefix.Addr().AsSlice(), Mask: net.CIDRMask(n.prefix.Bits(), n.prefix.Addr().BitLen())}
		if err := w.Insert(net, n.record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// asRecord is a record of MaxMind's database of systems.
func asRecord(n uint32, org string) mmdbtype.Map {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n), "autonomous_system_organization": mmdbtype.String(org)}
}

// cityRecord is one of MaxMind's database of cities.
func cityRecord(continent, country, region, city string) mmdbtype.Map {
	names := func(s string) mmdbtype.Map {
		return mmdbtype.Map{"en": mmdbtype.String(s), "de": mmdbtype.String(s + " (de)")}
	}
	return mmdbtype.Map{
		"city":         mmdbtype.Map{"geoname_id": mmdbtype.Uint32(2673730), "names": names(city)},
		"continent":    mmdbtype.Map{"code": mmdbtype.String(continent), "names": names(continent)},
		"country":      mmdbtype.Map{"iso_code": mmdbtype.String(country), "names": names(country)},
		"location":     mmdbtype.Map{"latitude": mmdbtype.Float64(59.3), "longitude": mmdbtype.Float64(18.06)},
		"subdivisions": mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String(region), "names": names(region)}},
	}
}

// bigDatabase has n networks of half as many cities.
func bigDatabase(t testing.TB, n int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	list := make([]note, n)
	for i := range list {
		k := r.IntN(n / 2)
		list[i] = note{randomPrefix(r, i%5 == 0), cityRecord("EU", fmt.Sprintf("%c%c", 'A'+k%26, 'A'+k/26%26), fmt.Sprint(k%100), fmt.Sprintf("City %d", k))}
	}
	return makeDatabase(t, mmdbwriter.Options{DatabaseType: "Test-City"}, list...)
}
