package annotate

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// separator is the number of bytes, all zero, between the search tree of a database and its data (MaxMind DB file format 2.0,
// "Data Section Separator").
const separator = 16

// A database is a table in MaxMind's format: its tree leads from an address to the offset of a record.
type database struct {
	tree *maxminddb.Reader
	rows map[uintptr]uint32 // rows of notes by offset
}

func (d *database) find(addr netip.Addr) (uint32, bool) {
	res := d.tree.Lookup(addr)
	if !res.Found() { // or an IPv6 address in a database of IPv4
		return 0, false
	}
	row, ok := d.rows[res.Offset()]
	return row, ok
}

// readDatabase reads a database and all records that its tree leads to, so that none can turn out wrong, or take time, when
// answers arrive: addresses of a scan are in random order, and would find little of what others have left in a cache.
func readDatabase(b []byte) (*Table, error) {
	tree, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, err
	}
	d := &database{tree: tree, rows: make(map[uintptr]uint32)}
	w := newWriter(Known())
	if err := d.walk(b, func(offset uintptr) error { return d.add(offset, w) }); err != nil {
		return nil, err
	}
	t := &Table{notes: w.doneKnown(), nets: d}
	if len(t.fields) == 0 {
		return nil, fmt.Errorf("it is of type %s and says nothing of systems or places that is understood here",
			quote(tree.Metadata.DatabaseType))
	}
	return t, nil
}

// walk calls add with the offsets of all records that the tree of b leads to, some of them more than once. It goes through the
// nodes as they lie in the file: that takes no longer than the file is long, whatever a broken tree looks like.
func (d *database) walk(b []byte, add func(offset uintptr) error) error {
	nodes, bits := uint64(d.tree.Metadata.NodeCount), uint64(d.tree.Metadata.RecordSize)
	if bits != 24 && bits != 28 && bits != 32 {
		return fmt.Errorf("records of its tree have %d bits; only 24, 28 and 32 are known", bits)
	}
	size := bits / 4
	if nodes > uint64(len(b))/size {
		return fmt.Errorf("the tree has %d nodes, more than the file is long", nodes)
	}
	for i := range nodes {
		node := b[i*size : (i+1)*size]
		left, right := children(node)
		for _, to := range []uint64{left, right} {
			switch {
			case to <= nodes: // another node, or nothing
			case to < nodes+separator:
				return fmt.Errorf("at offset %d: a node of the tree leads to no record", i*size)
			default:
				if err := add(uintptr(to - nodes - separator)); err != nil {
					return fmt.Errorf("at offset %d: %w", nodes*size+to-nodes, err)
				}
			}
		}
	}
	return nil
}

// children returns where a node leads to ("Binary Search Tree Section" of the format).
func children(node []byte) (left, right uint64) {
	switch len(node) {
	case 6: // two times 24 bits
		return uint64(node[0])<<16 | uint64(node[1])<<8 | uint64(node[2]), uint64(node[3])<<16 | uint64(node[4])<<8 | uint64(node[5])
	case 7: // two times 28 bits, of which the highest four share the byte in the middle
		left = uint64(node[3]>>4)<<24 | uint64(node[0])<<16 | uint64(node[1])<<8 | uint64(node[2])
		right = uint64(node[3]&15)<<24 | uint64(node[4])<<16 | uint64(node[5])<<8 | uint64(node[6])
		return left, right
	default:
		return uint64(binary.BigEndian.Uint32(node)), uint64(binary.BigEndian.Uint32(node[4:]))
	}
}

// add reads the record at an offset into the data, unless it was read before.
func (d *database) add(offset uintptr, w *writer) error {
	if _, done := d.rows[offset]; done {
		return nil
	}
	e, err := decode(d.tree.LookupOffset(offset))
	if err != nil {
		return err
	}
	w.number(0, e.asn)
	for i, s := range []string{e.org, e.country, e.continent, e.region, e.city} { // the order of Known
		if err := w.text(i+1, s); err != nil {
			return err
		}
	}
	d.rows[offset], err = w.row()
	return err
}

// An entry is what a record says.
type entry struct {
	asn                                   uint32
	org, country, continent, region, city string
}

// A nested record is one of MaxMind's own databases, and of those made after them.
type nested struct {
	ASN     uint32 `maxminddb:"autonomous_system_number"`
	Org     string `maxminddb:"autonomous_system_organization"`
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	Regions []struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"subdivisions"`
	City struct {
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"city"`
}

// A flat record is one of those databases that have a text for each column, such as IPinfo's.
type flat struct {
	ASN       any    `maxminddb:"asn"` // AS64496, or the number
	Name      string `maxminddb:"as_name"`
	Org       string `maxminddb:"as_org"`
	Country   string `maxminddb:"country"` // the code, or the name where the code has a column of its own
	Code      string `maxminddb:"country_code"`
	Continent string `maxminddb:"continent_code"`
	Region    string `maxminddb:"region"`
	State     string `maxminddb:"state1"`
	City      string `maxminddb:"city"`
}

// decode reads a record of either form. One of a third form is empty; one that is broken is an error.
func decode(res maxminddb.Result) (entry, error) {
	var n nested
	err := res.Decode(&n)
	if err := broken(err); err != nil {
		return entry{}, err
	}
	e := entry{asn: n.ASN, org: n.Org, country: n.Country.Code, continent: n.Continent.Code, city: n.City.Names.English}
	if len(n.Regions) > 0 {
		e.region = n.Regions[0].Code
	}
	if err == nil && e != (entry{}) {
		return e.checked(), nil
	}
	var f flat
	if err := res.Decode(&f); err != nil {
		return entry{}, broken(err)
	}
	e = entry{
		org: cmp.Or(f.Name, f.Org), country: cmp.Or(f.Code, f.Country), continent: f.Continent,
		region: cmp.Or(f.Region, f.State), city: f.City,
	}
	switch asn := f.ASN.(type) {
	case string:
		e.asn, _ = parseASN(asn) // what is no number is none
	case uint64:
		if asn <= math.MaxUint32 {
			e.asn = uint32(asn)
		}
	}
	return e.checked(), nil
}

// broken returns err unless it says that a record is of another form.
func broken(err error) error {
	var form maxminddb.UnmarshalTypeError
	if errors.As(err, &form) {
		return nil
	}
	return err
}

// checked returns e without codes that are none.
func (e entry) checked() entry {
	if !isCode(e.country) {
		e.country = ""
	}
	if !isCode(e.continent) {
		e.continent = ""
	}
	return e
}
