package tools

import "bytes"

// A csvState is where in a record of comma separated values the text read so far ends. What quotes mean is as in
// encoding/csv with LazyQuotes: a field that begins with a quote ends at the next quote that a comma or the end of the
// line follows, and may hold commas and ends of lines before it; two quotes stand for one; any other quote is text.
type csvState uint8

const (
	csvStart  csvState = iota // at the beginning of a field
	csvPlain                  // in a field without quotes around it
	csvQuoted                 // in a field with quotes around it
	csvQuote                  // behind a quote in such a field
)

// after returns the state after one more line, without its end, of a record. The record goes on in the next line if that
// is csvQuoted.
func (s csvState) after(line []byte) csvState {
	if s != csvQuoted && bytes.IndexByte(line, '"') < 0 {
		return csvPlain
	}
	for _, c := range line {
		switch {
		case s == csvStart && c == '"':
			s = csvQuoted
		case s == csvQuoted && c == '"':
			s = csvQuote
		case s == csvQuoted:
		case s == csvQuote && c == '"':
			s = csvQuoted
		case c == ',':
			s = csvStart
		case s == csvQuote: // a quote in the middle of the field
			s = csvQuoted
		default:
			s = csvPlain
		}
	}
	return s
}

// csvField returns a field of a record, which has no end of a line behind it, or false if the record has no such field.
// It points into the record or into dst, of which the capacity is used.
func csvField(dst, record []byte, column int) ([]byte, bool) {
	for ; ; column-- {
		var field []byte
		more := false
		if len(record) > 0 && record[0] == '"' {
			field, record, more = csvUnquote(dst[:0], record[1:])
		} else {
			field, record, more = bytes.Cut(record, comma)
		}
		if column == 0 {
			return field, true
		}
		if !more {
			return nil, false
		}
	}
}

var comma = []byte{','}

// csvUnquote appends the field whose opening quote was before text, and returns it with what follows the comma behind it,
// if there is one. A field that is never closed ends with the text.
func csvUnquote(dst, text []byte) (field, rest []byte, more bool) {
	for {
		i := bytes.IndexByte(text, '"')
		if i < 0 {
			return append(dst, text...), nil, false
		}
		dst = append(dst, text[:i]...)
		text = text[i+1:]
		switch {
		case len(text) == 0:
			return dst, nil, false
		case text[0] == ',':
			return dst, text[1:], true
		case text[0] == '"':
			text = text[1:]
		}
		dst = append(dst, '"')
	}
}

// csvColumn returns the first column of a header that has one of the names, or -1.
func csvColumn(header []byte, names ...string) int {
	var space [64]byte
	for i := 0; ; i++ {
		field, ok := csvField(space[:0], header, i)
		if !ok {
			return -1
		}
		for _, name := range names {
			if string(field) == name {
				return i
			}
		}
	}
}
