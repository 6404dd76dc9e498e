package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// A Record is one row: as many values as its schema has fields, all null after [Record.Reset]. It is owned by one
// goroutine at a time.
type Record struct {
	Schema *Schema
	Values []Value
	arena  *arena
}

// arena is the memory that a row's bytes from the wire are copied to. Slices handed out stay valid when it grows, since
// growing leaves the old memory alone.
type arena struct{ buf []byte }

// New returns an empty record of schema s.
func New(s *Schema) *Record {
	return &Record{Schema: s, Values: make([]Value, s.Len()), arena: &arena{}}
}

// Size returns how many bytes a new record of schema s takes, before anything is copied into its memory.
func Size(s *Schema) int {
	of := func(t reflect.Type) int { return int(t.Size()) }
	return of(reflect.TypeFor[Record]()) + of(reflect.TypeFor[arena]()) + s.Len()*of(reflect.TypeFor[Value]())
}

// Reset makes every value null and forgets the bytes copied so far, keeping the memory for the next row.
func (r *Record) Reset() {
	clear(r.Values)
	r.arena.buf = r.arena.buf[:0]
}

// Section returns the record of the fields from lo on, hi not included, that shares r's values and memory. A probe module
// writes its own fields through such a section, counted from 0. The section's Schema is nil.
func (r *Record) Section(lo, hi int) Record {
	return Record{Values: r.Values[lo:hi:hi], arena: r.arena}
}

// Copy returns a copy of b in the record's own memory, valid until Reset.
func (r *Record) Copy(b []byte) []byte {
	n := len(r.arena.buf)
	r.arena.buf = append(r.arena.buf, b...)
	return r.arena.buf[n:len(r.arena.buf):len(r.arena.buf)]
}

// SetBytes sets field i to a copy of b; nil or empty b is null.
func (r *Record) SetBytes(i int, b []byte) {
	if len(b) == 0 {
		r.Values[i] = Value{}
		return
	}
	r.Values[i] = Bytes(r.Copy(b))
}

// Document returns the value of a field of type [JSON]: a copy of the document doc in the record's own memory, without blanks
// between its tokens, so that it is one line of text, of valid UTF-8: bytes that are none become U+FFFD. The document null, and
// no bytes at all, are null. What is no JSON document (RFC 8259) is an error.
func (r *Record) Document(doc []byte) (Value, error) {
	if len(doc) == 0 {
		return Value{}, nil
	}
	if !utf8.Valid(doc) {
		doc = bytes.ToValidUTF8(doc, []byte("\uFFFD"))
	}
	begin := len(r.arena.buf)
	b := bytes.NewBuffer(r.arena.buf)
	if err := json.Compact(b, doc); err != nil {
		return Value{}, fmt.Errorf("is no JSON document: %w", err)
	}
	r.arena.buf = b.Bytes()
	text := r.arena.buf[begin:len(r.arena.buf):len(r.arena.buf)]
	if string(text) == "null" {
		return Value{}, nil
	}
	return Bytes(text), nil
}

// Set makes r the same row as src, of which it keeps nothing: bytes are copied into r's own memory, and the objects of
// repeated fields are made anew. Values before are forgotten, as by Reset.
func (r *Record) Set(src *Record) {
	r.Reset()
	r.Schema = src.Schema
	r.Values = append(r.Values[:0], src.Values...)
	for i := range r.Values {
		r.own(&r.Values[i])
	}
}

// own has v refer to nothing but constants and r's own memory.
func (r *Record) own(v *Value) {
	switch v.kind {
	case KindBytes:
		v.raw = r.Copy(v.raw)
	case KindList:
		list := make([]Object, len(*v.list))
		for i, o := range *v.list {
			list[i] = append(Object(nil), o...)
			for k := range list[i] {
				r.own(&list[i][k].Value)
			}
		}
		v.list = &list
	default:
	}
}
