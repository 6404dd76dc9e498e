package sink

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/zmap-go/zmap/record"
)

// The functions here append values to a row. They are shared by the formats and allocate nothing but room in the row.

// A shape is how a value is written, which neither its kind nor its field's type says alone: truth values may be held as
// numbers and the other way round, and text from the wire is held as bytes.
type shape uint8

const (
	shapeNull shape = iota
	shapeNumber
	shapeTruth
	shapeText
	shapeHex
	shapeAddr
	shapeTime
	shapeList
	shapeJSON
)

// untyped is the type of values that are no fields: members of objects have only their kind.
const untyped = record.Repeated

// shapeOf returns the shape of a value in a field of type t.
func shapeOf(v *record.Value, t record.Type) shape {
	switch v.Kind() {
	case record.KindUint, record.KindInt:
		if t == record.Bool {
			return shapeTruth
		}
		return shapeNumber
	case record.KindBool:
		if t == record.Int {
			return shapeNumber
		}
		return shapeTruth
	case record.KindString:
		if t == record.Binary {
			return shapeHex
		}
		return shapeText
	case record.KindBytes:
		switch t {
		case record.String:
			return shapeText
		case record.JSON:
			return shapeJSON
		case record.Int, record.Bool, record.Binary, record.Repeated, record.Addr, record.Time:
		}
		return shapeHex
	case record.KindAddr:
		return shapeAddr
	case record.KindTime:
		return shapeTime
	case record.KindList:
		return shapeList
	case record.KindNull:
	}
	return shapeNull
}

// appendNumber appends a number in decimal.
func appendNumber(b []byte, v *record.Value) []byte {
	if v.Kind() == record.KindInt {
		return strconv.AppendInt(b, v.Int(), 10)
	}
	return strconv.AppendUint(b, v.Uint(), 10)
}

// digits are those of hexadecimal numbers, as C ZMap writes them.
const digits = "0123456789abcdef"

// appendHex appends bytes in hexadecimal.
func appendHex[T string | []byte](b []byte, s T) []byte {
	for i := range len(s) {
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return b
}

// appendAddr appends an address in its usual text form.
func appendAddr(b []byte, v *record.Value) []byte { return v.Addr().AppendTo(b) }

// appendCSVText appends text, in quotes if a reader would otherwise take it for something else (RFC 4180, section 2,
// rules 5 to 7). NUL is quoted as well: outside quotes it is what a crashed file system leaves.
func appendCSVText[T string | []byte](b []byte, s T) []byte {
	plain := true
	for i := range len(s) {
		switch s[i] {
		case ',', '"', '\r', '\n', 0:
			plain = false
		}
	}
	if plain {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendJSONText appends text as a JSON string (RFC 8259, section 7) with the choice of escapes that json-c makes: "/" is
// escaped, DEL and all of Unicode are not. A byte that is not part of UTF-8 becomes U+FFFD.
func appendJSONText[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := decodeRune(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		} else if c >= ' ' && c != '"' && c != '\\' && c != '/' {
			i++
			continue
		}
		b = append(b, s[done:i]...)
		b = appendJSONEscape(b, c)
		i++
		done = i
	}
	b = append(b, s[done:]...)
	return append(b, '"')
}

func decodeRune[T string | []byte](s T) (rune, int) {
	var char [utf8.UTFMax]byte
	return utf8.DecodeRune(char[:copy(char[:], s)])
}

func appendJSONEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\', '/':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	if c < ' ' {
		return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
	return utf8.AppendRune(b, utf8.RuneError)
}

// A stamp prints times as 2026-11-22T15:22:19.970+0000. Rows come many to the second, so it keeps what it printed for the
// last one. It is owned by one goroutine.
type stamp struct {
	location *time.Location // nil is local time
	second   int64          // that prefix and zone are for
	prefix   []byte         // date and time; empty before the first time
	zone     []byte
}

// append appends the time of v, milliseconds rounded down.
func (s *stamp) append(b []byte, v *record.Value) []byte {
	nano := v.UnixNano()
	second, rest := nano/1e9, nano%1e9
	if rest < 0 { // before 1970
		second, rest = second-1, rest+1e9
	}
	if second != s.second || len(s.prefix) == 0 {
		t := time.Unix(second, 0)
		if s.location != nil {
			t = t.In(s.location)
		}
		s.second = second
		s.prefix = t.AppendFormat(s.prefix[:0], "2006-01-02T15:04:05.")
		s.zone = t.AppendFormat(s.zone[:0], "-0700")
	}
	b = append(b, s.prefix...)
	b = append(b, '0'+byte(rest/1e8), '0'+byte(rest/1e7%10), '0'+byte(rest/1e6%10))
	return append(b, s.zone...)
}
