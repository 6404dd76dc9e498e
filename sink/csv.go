package sink

import (
	"fmt"
	"io"

	"github.com/zmap-go/zmap/record"
)

// CSV writes comma separated values: a header of the field names unless told not to, then one line for each row. Truth
// values are 1 and 0, bytes are hexadecimal, null is empty. Text, and the text of JSON documents, is quoted where it has to be.
type CSV struct {
	output
}

// NewCSV returns a sink that writes csv to w.
func NewCSV(w io.Writer, o Options) *CSV {
	return &CSV{newOutput(w, o)}
}

// Open implements [Sink].
func (c *CSV) Open(s *record.Schema) error {
	if err := c.open(s); err != nil {
		return err
	}
	for _, col := range c.columns {
		if col.typ == record.Repeated {
			c.err = fmt.Errorf("field %q is a list, which csv cannot hold: use -O json", s.Field(col.index).Name)
			return c.err
		}
	}
	if c.options.NoHeader {
		return nil
	}
	for i, col := range c.columns {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = append(c.buf, s.Field(col.index).Name...)
	}
	c.buf = append(c.buf, '\n')
	return c.Flush()
}

// Write implements [Sink].
func (c *CSV) Write(r *record.Record) error {
	if c.err != nil {
		return c.err
	}
	b := c.buf
	for i := range c.columns {
		if i > 0 {
			b = append(b, ',')
		}
		col := &c.columns[i]
		b = c.appendValue(b, &r.Values[col.index], col.typ)
	}
	return c.finish(append(b, '\n'))
}

func (c *CSV) appendValue(b []byte, v *record.Value, t record.Type) []byte {
	switch shapeOf(v, t) {
	case shapeNumber:
		return appendNumber(b, v)
	case shapeTruth:
		if v.Bool() {
			return append(b, '1')
		}
		return append(b, '0')
	case shapeText, shapeJSON:
		if v.Kind() == record.KindBytes {
			return appendCSVText(b, v.Bytes())
		}
		return appendCSVText(b, v.Text())
	case shapeHex:
		if v.Kind() == record.KindBytes {
			return appendHex(b, v.Bytes())
		}
		return appendHex(b, v.Text())
	case shapeAddr:
		return appendAddr(b, v)
	case shapeTime:
		return c.stamp.append(b, v)
	case shapeNull, shapeList:
	}
	return b
}
