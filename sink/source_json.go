package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zmap-go/zmap/record"
)

// JSONSource reads JSON lines as this program and C ZMap write them: an object a line, null fields left out or null. Without a
// schema in the options it has the fields of the rows that it looks at ahead, in their order; a field that comes up later is an
// error.
//
// What JSON has no types for comes back as text inside lists: addresses, times and bytes. Numbers must be integers of 64 bits.
// A number in a field of text is its digits.
type JSONSource struct {
	lines  *lineReader
	schema *record.Schema
	guess  bool     // the schema is made of the first rows
	seen   []int    // line that had field i last
	last   []string // text that field i had last
	err    error
}

// NewJSONSource returns a source that reads r, which stays the caller's. It reads ahead, unless the options have a schema.
func NewJSONSource(r io.Reader, o SourceOptions) (*JSONSource, error) {
	j := &JSONSource{lines: newLineReader(r), schema: o.Schema}
	j.lines.skipMark()
	if j.schema == nil {
		j.schema, j.guess = guessFields(newLineReader(bytes.NewReader(j.lines.ahead())), &o), true
	}
	j.seen, j.last = make([]int, j.schema.Len()), make([]string, j.schema.Len())
	return j, nil
}

// guessFields returns the fields of the rows of lines. It stops at a row that is wrong: Read says so when it is there.
func guessFields(lines *lineReader, o *SourceOptions) *record.Schema {
	var names []string
	guesses := make(map[string]*guess)
	for range aheadRows {
		lines.line = lines.line[:0]
		if lines.more() != nil {
			break
		}
		at := 0 // a new name comes behind the one that it follows in its row
		err := walkObject(lines.line, func(key, value []byte) error {
			name, err := fieldName(string(key))
			if err != nil {
				return err
			}
			g := guesses[name]
			if g == nil {
				g = &guess{}
				guesses[name] = g
				names = slices.Insert(names, at, name)
			} else if at == len(names) || names[at] != name {
				at = slices.Index(names, name)
			}
			at++
			g.addJSON(value)
			return nil
		})
		if err != nil {
			break
		}
	}
	fields := make([]record.Field, len(names))
	for i, name := range names {
		f, known := o.known(name)
		if g := guesses[name]; !known || o.Schema == nil && g.typ() == record.JSON { // objects are objects: data of grabs is not that of udp
			g.complete(&f)
		}
		fields[i] = f
	}
	return record.NewSchema(fields)
}

// addJSON takes note of a value.
func (g *guess) addJSON(value []byte) {
	switch value[0] {
	case '"':
		if text, err := unquoteJSON(value); err == nil {
			g.addText(string(text))
		}
	case 't', 'f':
		g.truth = true
	case '[':
		g.list = true
	case '{':
		g.object = true
	case 'n':
	default:
		g.addNumber(value)
	}
}

// Schema implements [Source].
func (j *JSONSource) Schema() *record.Schema { return j.schema }

// Read implements [Source].
func (j *JSONSource) Read(r *record.Record) error {
	if j.err != nil {
		return j.err
	}
	r.Reset()
	j.lines.line = j.lines.line[:0]
	line := j.lines.lines + 1
	if j.err = j.lines.more(); j.err == nil {
		j.err = walkObject(j.lines.line, func(key, value []byte) error { return j.set(r, key, value) })
	}
	if j.err != nil && !errors.Is(j.err, io.EOF) {
		j.err = fmt.Errorf("read JSON: line %d: %w", line, j.err)
	}
	return j.err
}

// set sets the field called key.
func (j *JSONSource) set(r *record.Record, key, value []byte) error {
	i, ok := j.schema.Lookup(string(key))
	if !ok {
		i, ok = j.schema.Find(string(key))
	}
	switch {
	case !ok && j.guess:
		return fmt.Errorf("field %s is new: no row among the first %d, or %d MB, has it; give a schema", shorten(key), aheadRows, aheadSize>>20)
	case !ok:
		return fmt.Errorf("field %s is not among the fields expected", shorten(key))
	case j.seen[i] == j.lines.lines:
		return fmt.Errorf("field %s is there twice", shorten(key))
	}
	j.seen[i] = j.lines.lines
	if err := setJSON(&r.Values[i], r, j.schema.Field(i).Type, value, &j.last[i]); err != nil {
		return fmt.Errorf("field %s: %w", shorten(key), err)
	}
	return nil
}

// setJSON sets v, of a field of type t, to a value of a JSON text.
func setJSON(v *record.Value, r *record.Record, t record.Type, value []byte, last *string) error {
	if t == record.JSON {
		var err error
		*v, err = r.Document(value)
		return err
	}
	switch value[0] {
	case 'n':
		return nil
	case 't', 'f':
		switch t {
		case record.Bool:
			v.SetBool(value[0] == 't')
			return nil
		case record.Int:
			v.SetUint(0) // C ZMap writes 1 and false in one field
			if value[0] == 't' {
				v.SetUint(1)
			}
			return nil
		case record.String, record.Addr, record.Time, record.Binary, record.Repeated, record.JSON:
		}
	case '[':
		if t == record.Repeated {
			list, err := readList(value, r, 0)
			*v = record.List(list)
			return err
		}
	case '{':
	case '"':
		switch t {
		case record.Int, record.Bool, record.Repeated, record.JSON:
		case record.String, record.Addr, record.Time, record.Binary:
			text, err := unquoteJSON(value)
			if err != nil {
				return err
			}
			return setText(v, r, t, text, last)
		}
	default: // a number
		switch t {
		case record.Int, record.Bool, record.String:
			return setText(v, r, t, value, last)
		case record.Addr, record.Time, record.Binary, record.Repeated, record.JSON:
		}
	}
	return fmt.Errorf("%s is not what the field holds: %s", shorten(value), t)
}

// maxDepth is how deep lists may be in lists.
const maxDepth = 8

// readList returns the objects of a list.
func readList(value []byte, r *record.Record, depth int) ([]record.Object, error) {
	list := []record.Object{}
	if depth == maxDepth {
		return nil, fmt.Errorf("lists are more than %d deep", maxDepth)
	}
	for rest := skipSpace(value[1:]); rest[0] != ']'; {
		if rest[0] != '{' {
			return nil, errors.New("a list has elements that are no objects")
		}
		n := valueLen(rest)
		object := record.Object{}
		err := walkMembers(rest[:n], func(key, value []byte) error {
			m := record.Member{Name: string(key)}
			err := setMember(&m.Value, r, value, depth+1)
			object = append(object, m)
			return err
		})
		if err != nil {
			return nil, err
		}
		list = append(list, object)
		if rest = skipSpace(rest[n:]); rest[0] == ',' {
			rest = skipSpace(rest[1:])
		}
	}
	return list, nil
}

// setMember sets v, a member of an object in a list, to what value is by its looks.
func setMember(v *record.Value, r *record.Record, value []byte, depth int) error {
	t := record.Int
	switch value[0] {
	case '[':
		list, err := readList(value, r, depth)
		*v = record.List(list)
		return err
	case '"', '{':
		t = record.String
	case 't', 'f':
		t = record.Bool
	}
	var last string
	return setJSON(v, r, t, value, &last)
}

// Close implements [Source]. There is nothing to give up.
func (j *JSONSource) Close() error { return nil }
