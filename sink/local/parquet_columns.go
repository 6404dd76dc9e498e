package local

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"github.com/zmap-go/zmap/record"
)

// A parquetColumn is one field of the rows. It is made of leaves, which have values: one, two for an address, as many as members for
// a list.
type parquetColumn struct {
	record.Field
	index   int // of the field in the rows
	leaf    int // first of the column's
	members []record.Field
}

// A parquetLeaf has the values of the rows that are gathered.
type parquetLeaf struct{ values []parquet.Value }

// Definition levels: which parts of the path to a leaf are there.
const (
	levelNull   = 0 // the field is null
	levelEmpty  = 1 // the list is empty, or a plain value is there
	levelObject = 2 // the object is there, its member is null
	levelMember = 3 // the member is there
)

// parquetColumns selects the columns that the list of fields names.
func parquetColumns(s *record.Schema, fields string) ([]*parquetColumn, error) {
	if fields == "" {
		fields = "*"
	}
	indexes, err := s.Select(fields)
	if err != nil {
		return nil, err
	}
	var columns []*parquetColumn
	names := make(map[string]string) // in lower case, as SQL has them, with the field
	leaf := 0
	for i, index := range indexes {
		if slices.Contains(indexes[:i], index) {
			continue
		}
		c := &parquetColumn{Field: s.Field(index), index: index, leaf: leaf}
		columns = append(columns, c)
		for _, name := range c.names() {
			if other, taken := names[strings.ToLower(name)]; taken {
				return nil, fmt.Errorf("fields %s and %s need columns of one name, %s: leave one of them out", other, c.Name, name)
			}
			names[strings.ToLower(name)] = c.Name
		}
		leaf += len(c.names())
		if isNested(&c.Field) {
			c.members = c.Elem.Fields()
			leaf += len(c.members) - 1
		}
	}
	return columns, nil
}

// isNested says whether a field has a column for each member of its objects: JSON text holds those of which nobody knows any.
func isNested(f *record.Field) bool {
	return f.Type == record.Repeated && f.Elem != nil && f.Elem.Len() > 0
}

// names are the names of what a field becomes at the top of the file.
func (c *parquetColumn) names() []string {
	if c.Type == record.Addr {
		return []string{c.Name, c.Name + "_key"}
	}
	return []string{c.Name}
}

// orderedGroup is a group of columns in the order of the rows, where the library's sorts them by name.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

// Fields implements [parquet.Node].
func (o orderedGroup) Fields() []parquet.Field { return o.fields }

// order returns the group of nodes in the order of names.
func order(nodes parquet.Group, names []string) parquet.Node {
	fields := nodes.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int { return slices.Index(names, a.Name()) - slices.Index(names, b.Name()) })
	return orderedGroup{nodes, fields}
}

// parquetSchema returns what columns look like in a file.
func parquetSchema(columns []*parquetColumn) *parquet.Schema {
	nodes := parquet.Group{}
	var names []string
	for _, c := range columns {
		names = append(names, c.names()...)
		switch {
		case c.Type == record.Addr:
			nodes[c.Name] = parquet.Optional(parquet.Encoded(parquet.String(), &parquet.Plain)) // read by all; addresses do not repeat
			nodes[c.Name+"_key"] = parquet.Optional(parquet.Leaf(parquet.FixedLenByteArrayType(16)))
		case isNested(&c.Field):
			members := parquet.Group{}
			memberNames := make([]string, len(c.members))
			for i := range c.members {
				members[c.members[i].Name] = leafNode(&c.members[i])
				memberNames[i] = c.members[i].Name
			}
			nodes[c.Name] = parquet.Optional(parquet.List(order(members, memberNames)))
		default:
			nodes[c.Name] = leafNode(&c.Field)
		}
	}
	return parquet.NewSchema("zmap", order(nodes, names))
}

// leafNode returns what one value looks like in a file.
func leafNode(f *record.Field) parquet.Node {
	var n parquet.Node
	switch f.Type {
	case record.Int:
		n = parquet.Encoded(parquet.Int(64), &parquet.RLEDictionary)
		if f.Full {
			n = parquet.Uint(64)
		}
	case record.Bool:
		n = parquet.Leaf(parquet.BooleanType)
	case record.Binary:
		n = parquet.Encoded(parquet.Leaf(parquet.ByteArrayType), &parquet.Plain)
	case record.Time:
		n = parquet.Timestamp(parquet.Microsecond)
	case record.Repeated, record.JSON:
		n = parquet.Encoded(parquet.JSON(), &parquet.Plain)
	case record.String, record.Addr:
		n = parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	}
	return parquet.Optional(n)
}

// add gathers the value of a column.
func (p *Parquet) add(c *parquetColumn, v *record.Value) error {
	if isNested(&c.Field) {
		return p.addList(c, v)
	}
	x, err := p.value(&c.Field, v)
	if err != nil {
		return err
	}
	level := levelEmpty
	if v.IsNull() {
		level = levelNull
	}
	p.put(c.leaf, x, 0, level)
	if c.Type != record.Addr {
		return nil
	}
	key := parquet.NullValue()
	if !v.IsNull() {
		b := v.Addr().As16()
		key = parquet.FixedLenByteArrayValue(p.keep(b[:]).ByteArray())
	}
	p.put(c.leaf+1, key, 0, level)
	return nil
}

// put gathers one value of a leaf.
func (p *Parquet) put(leaf int, v parquet.Value, repetition, definition int) {
	l := &p.leaves[leaf]
	l.values = append(l.values, v.Level(repetition, definition, leaf))
}

// addList gathers the objects of a list.
func (p *Parquet) addList(c *parquetColumn, v *record.Value) error {
	list := v.List()
	if len(list) == 0 {
		level := levelEmpty
		if v.IsNull() {
			level = levelNull
		}
		for i := range c.members {
			p.put(c.leaf+i, parquet.NullValue(), 0, level)
		}
		return nil
	}
	for n, object := range list {
		found := 0
		for i := range c.members {
			x, level := parquet.NullValue(), levelObject
			for k := range object {
				m := &object[k]
				if m.Name != c.members[i].Name {
					continue
				}
				found++
				if m.Value.IsNull() {
					continue
				}
				var err error
				if x, err = p.member(&c.members[i], &m.Value); err != nil {
					return fmt.Errorf("field %s: %w", c.Name, err)
				}
				level = levelMember
			}
			p.put(c.leaf+i, x, min(n, 1), level)
		}
		if found != len(object) {
			return fmt.Errorf("field %s: an object has members that the schema does not name, or one twice", c.Name)
		}
	}
	return nil
}

// member is value for members of objects, where bytes in a text print as hexadecimal.
func (p *Parquet) member(f *record.Field, v *record.Value) (parquet.Value, error) {
	if f.Type == record.String && v.Kind() == record.KindBytes {
		begin := len(p.text)
		p.text = hex.AppendEncode(p.text, v.Bytes())
		return p.kept(begin), nil
	}
	return p.value(f, v)
}

// value returns a value of the file.
func (p *Parquet) value(f *record.Field, v *record.Value) (parquet.Value, error) {
	if v.IsNull() {
		return parquet.NullValue(), nil
	}
	k := v.Kind()
	isNumber := k == record.KindUint || k == record.KindInt || k == record.KindBool
	switch {
	case f.Type == record.Int && isNumber:
		isNegative := k == record.KindInt && v.Int() < 0
		if v.Uint() > math.MaxInt64 && isNegative == f.Full { // negative without a sign, or large with one
			return parquet.Value{}, fmt.Errorf("field %s: %d does not fit its column: only fields that are Full hold 2^63 and more, and those nothing below 0", f.Name, v.Uint())
		}
		return parquet.Int64Value(v.Int()), nil
	case f.Type == record.Bool && isNumber:
		return parquet.BooleanValue(v.Bool()), nil
	case f.Type == record.Time && k == record.KindTime:
		return parquet.Int64Value(floorMicro(v.UnixNano())), nil
	case f.Type == record.Addr && k == record.KindAddr:
		begin := len(p.text)
		p.text = v.Addr().AppendTo(p.text)
		return p.kept(begin), nil
	case f.Type == record.String && k == record.KindString:
		return p.keepText([]byte(v.Text())), nil
	case f.Type == record.String && k == record.KindBytes:
		return p.keepText(v.Bytes()), nil
	case (f.Type == record.Binary || f.Type == record.JSON) && k == record.KindBytes:
		return p.keep(v.Bytes()), nil
	case f.Type == record.Binary && k == record.KindString:
		return p.keep([]byte(v.Text())), nil
	}
	if f.Type == record.Repeated && k == record.KindList {
		return p.keep([]byte(p.lists.encode(v).(string))), nil
	}
	return parquet.Value{}, fmt.Errorf("field %s of type %s has a value of kind %d, which no column holds", f.Name, f.Type, k)
}

// appendValid appends text with U+FFFD in the place of every byte that is not part of UTF-8.
func appendValid(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[size:]
	}
	return dst
}

// A parquetField is a field as the footer has it.
type parquetField struct {
	Name string         `json:"name"`
	Type string         `json:"type"`
	Full bool           `json:"full,omitempty"`
	Elem []parquetField `json:"elem,omitempty"`
}

// describeFields returns the fields of columns as JSON.
func describeFields(columns []*parquetColumn) (string, error) {
	fields := make([]record.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.Field
	}
	b, err := json.Marshal(describeAll(fields))
	return string(b), err
}

func describeAll(fields []record.Field) []parquetField {
	out := make([]parquetField, len(fields))
	for i, f := range fields {
		out[i] = parquetField{Name: f.Name, Type: typeName(f.Type), Full: f.Full}
		if isNested(&f) {
			out[i].Elem = describeAll(f.Elem.Fields())
		}
	}
	return out
}
