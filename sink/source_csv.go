package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zmap-go/zmap/record"
)

// CSVSource reads comma separated values as this program and C ZMap write them: RFC 4180 with line ends of either kind, and a
// header unless the options have the names of the columns. An empty cell is null: an empty text cannot be told from it. A
// column that is there twice counts once; both must say the same.
//
// Everything else is an error: another number of columns, a quote where none may be, a NUL or carriage return outside
// quotes, a last line without its end. (encoding/csv is no help here: it leaves out empty lines, which are rows of one null, and
// carriage returns in texts.)
type CSVSource struct {
	lines   *lineReader
	schema  *record.Schema
	columns []sourceColumn
	row     csvRow
	first   bool // the row has been read already: the first of a text without header
	err     error
}

// sourceColumn is one column of the text.
type sourceColumn struct {
	index int // of the field
	typ   record.Type
	again int    // column that this one repeats, -1 if none
	last  string // what the field of a text had in the last row
}

// NewCSVSource returns a source that reads r, which stays the caller's. It reads the header, and as many rows ahead as
// [SourceOptions] says if there are fields of unknown type.
func NewCSVSource(r io.Reader, o SourceOptions) (*CSVSource, error) {
	c := &CSVSource{lines: newLineReader(r)}
	c.lines.skipMark()
	names := slices.Clone(o.Names)
	err := c.row.read(c.lines)
	switch {
	case errors.Is(err, io.EOF) && names == nil:
		return nil, errors.New("read CSV header: the text is empty")
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read CSV header: line 1: %w", err)
	case names == nil:
		for _, cell := range c.row.cells {
			names = append(names, string(cell))
		}
	default:
		c.first = err == nil && !slices.EqualFunc(names, c.row.cells, func(a string, b []byte) bool { return a == string(b) })
	}
	if err := c.open(names, &o); err != nil {
		return nil, fmt.Errorf("read CSV header: %w", err)
	}
	return c, nil
}

// open makes the schema of columns.
func (c *CSVSource) open(names []string, o *SourceOptions) error {
	var fields []record.Field
	var guessed []int
	at := make(map[string]int)
	for i, name := range names {
		name, err := fieldName(name)
		if err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
		if first, ok := at[name]; ok {
			c.columns = append(c.columns, sourceColumn{again: first})
			continue
		}
		at[name] = i
		field, known := o.known(name)
		switch {
		case field.Type == record.Repeated:
			return fmt.Errorf("column %d: %s is a list, which CSV cannot hold", i+1, name)
		case !known && o.Schema != nil:
			return fmt.Errorf("column %d: %s is not among the fields expected", i+1, name)
		case !known:
			guessed = append(guessed, i)
		}
		c.columns = append(c.columns, sourceColumn{index: len(fields), typ: field.Type, again: -1})
		fields = append(fields, field)
	}
	if len(guessed) > 0 {
		c.guess(guessed, fields)
	}
	c.schema = record.NewSchema(fields)
	return nil
}

// guess finds out the types of some columns.
func (c *CSVSource) guess(columns []int, fields []record.Field) {
	guesses := make([]guess, len(c.columns))
	look := func(row *csvRow) {
		if len(row.cells) != len(c.columns) {
			return // Read says so when it is there
		}
		for _, i := range columns {
			switch cell := row.cells[i]; {
			case len(cell) == 0:
			case isNumber(cell):
				guesses[i].addNumber(cell)
			default:
				guesses[i].addText(string(cell))
			}
		}
	}
	if c.first {
		look(&c.row)
	}
	var row csvRow
	lines := newLineReader(bytes.NewReader(c.lines.ahead()))
	for n := 0; n < aheadRows && row.read(lines) == nil; n++ {
		look(&row)
	}
	for _, i := range columns {
		col := &c.columns[i]
		guesses[i].complete(&fields[col.index])
		col.typ = fields[col.index].Type
	}
}

// Schema implements [Source].
func (c *CSVSource) Schema() *record.Schema { return c.schema }

// Read implements [Source].
func (c *CSVSource) Read(r *record.Record) error {
	if c.err != nil {
		return c.err
	}
	line := c.lines.lines + 1
	if c.first {
		c.first, line = false, 1
	} else {
		c.err = c.row.read(c.lines)
	}
	if c.err == nil {
		c.err = c.set(r)
	}
	if c.err != nil && !errors.Is(c.err, io.EOF) {
		c.err = fmt.Errorf("read CSV: line %d: %w", line, c.err)
	}
	return c.err
}

// set fills r from the cells.
func (c *CSVSource) set(r *record.Record) error {
	r.Reset()
	cells := c.row.cells
	if len(cells) != len(c.columns) {
		return fmt.Errorf("has %d columns, expected %d", len(cells), len(c.columns))
	}
	for i := range c.columns {
		col := &c.columns[i]
		switch {
		case col.again >= 0:
			if first := col.again; !bytes.Equal(cells[first], cells[i]) {
				return fmt.Errorf("columns %d and %d are both %s, and differ", first+1, i+1, c.schema.Field(c.columns[first].index).Name)
			}
		case len(cells[i]) > 0:
			if err := setText(&r.Values[col.index], r, col.typ, cells[i], &col.last); err != nil {
				return fmt.Errorf("field %s: %w", c.schema.Field(col.index).Name, err)
			}
		}
	}
	return nil
}

// Close implements [Source]. There is nothing to give up.
func (c *CSVSource) Close() error { return nil }
