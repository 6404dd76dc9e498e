package record

import (
	"fmt"
	"strings"
)

// A Type says how a field's values print and compare. The names that users see are those of ZMap's
// --list-output-fields.
type Type uint8

// The types of fields. Addr and Time print as strings; sinks that have better types for them use those.
const (
	String   Type = iota // text
	Int                  // unsigned 64-bit integer (signed for the few fields that say so)
	Bool                 // true or false
	Binary               // bytes; hexadecimal in text formats
	Repeated             // a list of objects
	Addr                 // an IP address, "string" to users
	Time                 // a moment with microseconds, "string" to users
	JSON                 // bytes that are one JSON document, on one line; see [Record.Document]
)

// String returns the type's name as ZMap prints it.
func (t Type) String() string {
	switch t {
	case Int:
		return "int"
	case Bool:
		return "bool"
	case Binary:
		return "binary"
	case Repeated:
		return "repeated"
	case JSON:
		return "json"
	case String, Addr, Time:
	}
	return "string"
}

// A Field is one column: its name, its type and one line for --list-output-fields.
type Field struct {
	Name string
	Type Type
	Doc  string
	// Full says that an [Int] needs all 64 bits, without a sign: others are below 2^63. Sinks with both kinds of columns ask.
	Full bool
	// Elem has the members of the objects in a [Repeated], which are named here or null; nil if nobody knows them. Text members
	// may hold bytes, which print as hexadecimal.
	Elem *Schema
	// Key names the member of Elem that an object is known by: objects with the same key are the same from there on, and what
	// stands before it is of this row alone. Databases store what is the same once, and the rows refer to it. "" if there is none.
	Key string
}

// KeyIndex returns the position of [Field.Key] in Elem, and whether there is one.
func (f *Field) KeyIndex() (int, bool) {
	if f.Type != Repeated || f.Key == "" || f.Elem == nil {
		return 0, false
	}
	return f.Elem.Lookup(f.Key)
}

// A Schema is an ordered list of fields. It is immutable and may be shared.
type Schema struct {
	fields []Field
	index  map[string]int
}

// NewSchema returns a schema of the fields of all groups, in order. It panics if a name occurs twice or is not made of
// lower-case letters, digits and underscores (upper case is let through for names that C ZMap has): that is a mistake of
// the program, not of its input.
func NewSchema(groups ...[]Field) *Schema {
	s := &Schema{index: make(map[string]int)}
	for _, g := range groups {
		for _, f := range g {
			if _, dup := s.index[f.Name]; dup || !Legal(f.Name) {
				panic(fmt.Sprintf("record: field name %q is illegal or taken", f.Name))
			}
			s.index[f.Name] = len(s.fields)
			s.fields = append(s.fields, f)
		}
	}
	return s
}

// Legal says whether name can be a field's, since it is a legal column name everywhere: a letter or underscore, then letters,
// digits and underscores.
func Legal(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// Len returns the number of fields.
func (s *Schema) Len() int { return len(s.fields) }

// Field returns field i, counted from 0.
func (s *Schema) Field(i int) Field { return s.fields[i] }

// Fields returns all fields in order. The slice is the schema's own: callers must not write to it.
func (s *Schema) Fields() []Field { return s.fields }

// Lookup returns the position of the field called name.
func (s *Schema) Lookup(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}

// Find is Lookup for names that users type: a field has also the name that it had before C ZMap 3.0, with hyphens.
func (s *Schema) Find(name string) (int, bool) {
	if i, ok := s.index[name]; ok {
		return i, true
	}
	return s.Lookup(strings.ReplaceAll(name, "-", "_"))
}

// Select parses a list of names, separated by commas or blanks as in --output-fields, or "*" for all, and returns their
// positions in the order given; see [Schema.Find]. The error names the unknown field.
func (s *Schema) Select(list string) ([]int, error) {
	if strings.TrimSpace(list) == "*" {
		all := make([]int, len(s.fields))
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	var out []int
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		i, ok := s.Find(name)
		if !ok {
			return nil, fmt.Errorf("unknown output field %q (--list-output-fields shows them)", name)
		}
		out = append(out, i)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no output field named (--list-output-fields shows them)")
	}
	return out, nil
}
