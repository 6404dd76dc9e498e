package service

import (
	"fmt"
	"math"

	"github.com/zmap-go/zmap/grab"
)

// A bsonDoc is a document of BSON (bsonspec.org) as far as anything here wants it: string, bool, int32, int64, float64, bsonDoc, and
// []any of those by their names. Values of other types are left out.
type bsonDoc map[string]any

// What a document may hold in all, however deep.
const (
	maxBSONDepth  = 8
	maxBSONValues = 1000
)

// parseBSON reads one document at the front of b.
func parseBSON(b []byte) (bsonDoc, error) {
	left := maxBSONValues
	p := bsonReader{&cursor{rest: b}, &left}
	d, _, err := p.document(0)
	return d, err
}

// A bsonReader reads one document.
type bsonReader struct {
	*cursor
	left *int // values that may yet come
}

// document reads a document; list has its values in their order, whatever they are called.
func (p bsonReader) document(depth int) (d bsonDoc, list []any, err error) {
	n := int(int32(p.little(4)))
	inner := bsonReader{&cursor{rest: p.take(n - 4)}, p.left}
	if p.short || depth > maxBSONDepth {
		return nil, nil, fmt.Errorf("document of %d bytes at depth %d: %w", n, depth, grab.ErrProtocol)
	}
	d = make(bsonDoc)
	for {
		kind := byte(inner.big(1))
		if kind == 0 {
			return d, list, inner.err("document")
		}
		name := inner.text()
		if *p.left--; *p.left < 0 {
			return d, list, fmt.Errorf("document of more than %d values: %w", maxBSONValues, grab.ErrProtocol)
		}
		v, err := inner.value(kind, depth)
		if err != nil {
			return d, list, err
		}
		if v != nil {
			d[name] = v
			list = append(list, v)
		}
	}
}

// value reads a value of a type; nil for those that nothing here wants.
func (p bsonReader) value(kind byte, depth int) (any, error) {
	switch kind {
	case 1: // double
		return math.Float64frombits(p.little(8)), p.err("double")
	case 2: // string
		s := p.take(int(int32(p.little(4))))
		return string(trimZero(s)), p.err("string")
	case 3: // document
		d, _, err := p.document(depth + 1)
		return d, err
	case 4: // array
		_, list, err := p.document(depth + 1)
		return list, err
	case 5: // binary: length, subtype
		p.take(int(int32(p.little(4))))
		p.take(1)
	case 7: // object ID
		p.take(12)
	case 8: // boolean
		return p.big(1) == 1, p.err("boolean")
	case 6, 10, 0xff, 0x7f: // undefined, null, smallest and largest key
	case 9, 17: // dates and time stamps
		p.take(8)
	case 11: // regular expression
		_, _ = p.text(), p.text()
	case 16:
		return int32(p.little(4)), p.err("number")
	case 18:
		return int64(p.little(8)), p.err("number")
	case 19: // decimal
		p.take(16)
	default:
		return nil, fmt.Errorf("value of type %d: %w", kind, grab.ErrProtocol)
	}
	return nil, p.err("value")
}

// number returns a number as whole, 0 if there is none.
func (d bsonDoc) number(name string) int64 {
	switch v := d[name].(type) {
	case int32:
		return int64(v)
	case int64:
		return v
	case float64:
		if v >= math.MinInt32 && v <= math.MaxInt32 {
			return int64(v)
		}
	}
	return 0
}

// text returns a string, "" if there is none.
func (d bsonDoc) text(name string) string {
	s, _ := d[name].(string)
	return s
}

// flag returns whether a value is true.
func (d bsonDoc) flag(name string) bool {
	b, _ := d[name].(bool)
	return b
}

// texts returns the strings of an array.
func (d bsonDoc) texts(name string) []string {
	list, _ := d[name].([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
