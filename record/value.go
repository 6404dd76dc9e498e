package record

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A Kind says what a [Value] holds.
type Kind uint8

// The kinds of values. The zero kind is null.
const (
	KindNull Kind = iota
	KindUint
	KindInt
	KindBool
	KindString
	KindBytes
	KindAddr
	KindTime
	KindList
)

// A Value is one cell of a row. The zero Value is null. Strings and bytes are held by reference: those that come from a
// [Record]'s setters live until that record is reset.
type Value struct {
	kind Kind
	is6  bool
	num  uint64
	hi   uint64
	text string
	raw  []byte
	list *[]Object // a pointer: lists are rare and values are many
}

// An Object is one element of a repeated field: named values, in order.
type Object []Member

// A Member is one named value of an [Object].
type Member struct {
	Name  string
	Value Value
}

// Uint returns an integer value.
func Uint(v uint64) Value { return Value{kind: KindUint, num: v} }

// Signed returns a signed integer value.
func Signed(v int64) Value { return Value{kind: KindInt, num: uint64(v)} }

// Boolean returns a truth value.
func Boolean(v bool) Value {
	var b Value
	b.SetBool(v)
	return b
}

// Text returns a string value.
func Text(s string) Value { return Value{kind: KindString, text: s} }

// Bytes returns a binary value that refers to b.
func Bytes(b []byte) Value { return Value{kind: KindBytes, raw: b} }

// List returns a repeated value that refers to l.
func List(l []Object) Value { return Value{kind: KindList, list: &l} }

// Address returns an address value; an invalid address is null.
func Address(a netip.Addr) Value {
	var v Value
	v.SetAddr(a)
	return v
}

// Moment returns a time value from nanoseconds since the Unix epoch.
func Moment(unixNano int64) Value { return Value{kind: KindTime, num: uint64(unixNano)} }

// The setters give v another value. They touch no more of it than that takes, a few bytes where an assignment moves all of it:
// rows are filled with them.

// SetUint makes v an integer.
func (v *Value) SetUint(n uint64) { v.kind, v.num = KindUint, n }

// SetBool makes v a truth value.
func (v *Value) SetBool(b bool) {
	v.kind, v.num = KindBool, 0
	if b {
		v.num = 1
	}
}

// SetText makes v a string.
func (v *Value) SetText(s string) { v.kind, v.text = KindString, s }

// SetAddr makes v an address, or null if a is invalid.
func (v *Value) SetAddr(a netip.Addr) {
	switch {
	case a.Is4():
		b := a.As4()
		v.kind, v.is6, v.num = KindAddr, false, uint64(binary.BigEndian.Uint32(b[:]))
	case a.IsValid():
		b := a.As16()
		v.kind, v.is6 = KindAddr, true
		v.hi, v.num = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	default:
		v.kind = KindNull
	}
}

// SetTime makes v a time, in nanoseconds since the Unix epoch.
func (v *Value) SetTime(unixNano int64) { v.kind, v.num = KindTime, uint64(unixNano) }

// Kind returns what v holds.
func (v *Value) Kind() Kind { return v.kind }

// IsNull says whether v is null.
func (v *Value) IsNull() bool { return v.kind == KindNull }

// Uint returns the integer, or 1 and 0 for a truth value; 0 for every other kind, as ZMap's filters compare null.
func (v *Value) Uint() uint64 {
	switch v.kind {
	case KindUint, KindInt, KindBool:
		return v.num
	default:
		return 0
	}
}

// Int returns the integer as a signed number, with the same rule for other kinds as [Value.Uint].
func (v *Value) Int() int64 { return int64(v.Uint()) }

// Bool returns the truth value: an integer or truth value that is not 0.
func (v *Value) Bool() bool { return v.Uint() != 0 }

// Text returns the string of a string value, else "".
func (v *Value) Text() string {
	if v.kind != KindString {
		return ""
	}
	return v.text
}

// Bytes returns the bytes of a binary value, else nil. Callers must not write to them.
func (v *Value) Bytes() []byte {
	if v.kind != KindBytes {
		return nil
	}
	return v.raw
}

// List returns the objects of a repeated value, else nil.
func (v *Value) List() []Object {
	if v.kind != KindList {
		return nil
	}
	return *v.list
}

// Addr returns the address of an address value, else the invalid one.
func (v *Value) Addr() netip.Addr {
	if v.kind != KindAddr {
		return netip.Addr{}
	}
	if !v.is6 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(v.num))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.hi)
	binary.BigEndian.PutUint64(b[8:], v.num)
	return netip.AddrFrom16(b)
}

// Time returns the moment of a time value in local time, else the zero time.
func (v *Value) Time() time.Time {
	if v.kind != KindTime {
		return time.Time{}
	}
	return time.Unix(0, int64(v.num))
}

// UnixNano returns the moment of a time value as nanoseconds since the Unix epoch, else 0.
func (v *Value) UnixNano() int64 {
	if v.kind != KindTime {
		return 0
	}
	return int64(v.num)
}
