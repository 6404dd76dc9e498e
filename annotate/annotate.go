package annotate

import (
	"net/netip"

	"github.com/zmap-go/zmap/record"
)

// An Annotator knows something about addresses.
type Annotator interface {
	// Fields returns what it knows, always the same: no name twice, each a legal one ([record.NewSchema]). Callers must not
	// write to the slice.
	Fields() []record.Field
	// Annotate sets all of values, one for each of Fields, to what is known about addr, which is null for what is not.
	// Whoever implements it keeps what values refer to for as long as anybody holds them. It does not allocate, block or
	// keep values, and is called by one goroutine at a time.
	Annotate(addr netip.Addr, values []record.Value)
}

// The names of fields that have a meaning. Other columns of a text keep theirs.
const (
	fieldASN       = "asn"
	fieldOrg       = "as_org"
	fieldCountry   = "country"
	fieldContinent = "continent"
	fieldRegion    = "region"
	fieldCity      = "city"
)

// Known returns the fields that have a meaning, whichever table they come from, in their order.
func Known() []record.Field {
	return []record.Field{
		{Name: fieldASN, Type: record.Int, Doc: "number of the autonomous system that announces the address"},
		{Name: fieldOrg, Type: record.String, Doc: "organization behind the autonomous system"},
		{Name: fieldCountry, Type: record.String, Doc: "country of the address, two letters (ISO 3166-1)"},
		{Name: fieldContinent, Type: record.String, Doc: "continent of the address, two letters"},
		{Name: fieldRegion, Type: record.String, Doc: "region of the address within its country"},
		{Name: fieldCity, Type: record.String, Doc: "city of the address"},
	}
}

// A Table is an [Annotator] that was read from a file. It never changes: any number of goroutines may use it at once.
type Table struct {
	notes
	nets finder
}

// A finder is what is looked up in: it returns the row of notes for an address, and false if there is none.
type finder interface {
	find(addr netip.Addr) (uint32, bool)
}

// Fields implements [Annotator].
func (t *Table) Fields() []record.Field { return t.fields }

// Annotate implements [Annotator]. An IPv4 address in its IPv6 form (::ffff:192.0.2.1) counts as IPv4.
func (t *Table) Annotate(addr netip.Addr, values []record.Value) {
	clear(values)
	if row, ok := t.nets.find(addr.Unmap()); ok {
		t.write(row, values)
	}
}
