package sink

import (
	"io"
	"slices"

	"github.com/zmap-go/zmap/record"
)

// JSON writes one JSON object for each row, a line each, without blanks. Keys come in the order of the selection, each
// once; null fields are left out, at every level. Bytes are hexadecimal strings, addresses and times are strings, JSON documents stand
// as they are.
type JSON struct {
	output
}

// NewJSON returns a sink that writes JSON lines to w.
func NewJSON(w io.Writer, o Options) *JSON {
	return &JSON{newOutput(w, o)}
}

// Open implements [Sink].
func (j *JSON) Open(s *record.Schema) error {
	if err := j.open(s); err != nil {
		return err
	}
	seen := make(map[int]bool)
	j.columns = slices.DeleteFunc(j.columns, func(c column) bool {
		again := seen[c.index]
		seen[c.index] = true
		return again
	})
	for i := range j.columns {
		c := &j.columns[i]
		c.key = string(append(appendJSONText([]byte{','}, s.Field(c.index).Name), ':'))
	}
	return nil
}

// Write implements [Sink].
func (j *JSON) Write(r *record.Record) error {
	if j.err != nil {
		return j.err
	}
	b, start := j.buf, len(j.buf)
	for i := range j.columns {
		col := &j.columns[i]
		v := &r.Values[col.index]
		if !v.IsNull() {
			b = append(b, col.key...)
			b = j.appendValue(b, v, col.typ)
		}
	}
	return j.finish(append(closeList(b, start, '{', '}'), '\n'))
}

// closeList makes a list of what was appended since start, each element with a comma before it: the first comma becomes
// the opening bracket.
func closeList(b []byte, start int, opening, closing byte) []byte {
	if len(b) == start {
		return append(b, opening, closing)
	}
	b[start] = opening
	return append(b, closing)
}

func (j *JSON) appendValue(b []byte, v *record.Value, t record.Type) []byte {
	switch shapeOf(v, t) {
	case shapeNumber:
		return appendNumber(b, v)
	case shapeTruth:
		if v.Bool() {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case shapeText:
		if v.Kind() == record.KindBytes {
			return appendJSONText(b, v.Bytes())
		}
		return appendJSONText(b, v.Text())
	case shapeHex:
		b = append(b, '"')
		if v.Kind() == record.KindBytes {
			b = appendHex(b, v.Bytes())
		} else {
			b = appendHex(b, v.Text())
		}
		return append(b, '"')
	case shapeAddr:
		return append(appendAddr(append(b, '"'), v), '"')
	case shapeTime:
		return append(j.stamp.append(append(b, '"'), v), '"')
	case shapeList:
		return j.appendList(b, v.List())
	case shapeJSON:
		return append(b, v.Bytes()...)
	case shapeNull:
	}
	return b
}

func (j *JSON) appendList(b []byte, list []record.Object) []byte {
	start := len(b)
	for _, object := range list {
		b = append(b, ',')
		b = j.appendObject(b, object)
	}
	return closeList(b, start, '[', ']')
}

func (j *JSON) appendObject(b []byte, object record.Object) []byte {
	start := len(b)
	for i := range object {
		m := &object[i]
		if m.Value.IsNull() {
			continue
		}
		b = append(appendJSONText(append(b, ','), m.Name), ':')
		b = j.appendValue(b, &m.Value, untyped)
	}
	return closeList(b, start, '{', '}')
}
