package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/zmap-go/zmap/record"
)

// Rows in a batch are values one after the other, as many as the origin has fields. A value is a byte that says what it is, and
// then
//
//	number, signed    a varint (encoding/binary)
//	text, bytes       their length, a varint, and the bytes
//	IPv4, IPv6        4 or 16 bytes in network order
//	time              nanoseconds since the Unix epoch, 8 bytes, little endian
//	list              the number of objects; for each the number of members; for each name and value
const (
	valueNull byte = iota
	valueNumber
	valueSigned
	valueFalse
	valueTrue
	valueText
	valueBytes
	valueIPv4
	valueIPv6
	valueTime
	valueList
)

// maxDepth is how deep lists may be inside lists: a reader of a hostile file must not run out of stack. What is deeper becomes
// null; no probe module goes beyond two.
const maxDepth = 8

// appendRow appends the values of r at those positions.
func appendRow(b []byte, r *record.Record, indexes []int) []byte {
	for _, i := range indexes {
		b = appendValue(b, &r.Values[i], 0)
	}
	return b
}

func appendValue(b []byte, v *record.Value, depth int) []byte {
	switch v.Kind() {
	case record.KindNull:
	case record.KindUint:
		return binary.AppendUvarint(append(b, valueNumber), v.Uint())
	case record.KindInt:
		return binary.AppendVarint(append(b, valueSigned), v.Int())
	case record.KindBool:
		if v.Bool() {
			return append(b, valueTrue)
		}
		return append(b, valueFalse)
	case record.KindString:
		return appendBlock(append(b, valueText), v.Text())
	case record.KindBytes:
		return appendBlock(append(b, valueBytes), v.Bytes())
	case record.KindAddr:
		a := v.Addr()
		if a.Is4() {
			four := a.As4()
			return append(append(b, valueIPv4), four[:]...)
		}
		sixteen := a.As16()
		return append(append(b, valueIPv6), sixteen[:]...)
	case record.KindTime:
		return binary.LittleEndian.AppendUint64(append(b, valueTime), uint64(v.UnixNano()))
	case record.KindList:
		if depth < maxDepth {
			return appendList(append(b, valueList), v.List(), depth)
		}
	}
	return append(b, valueNull)
}

func appendList(b []byte, list []record.Object, depth int) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, object := range list {
		b = binary.AppendUvarint(b, uint64(len(object)))
		for i := range object {
			b = appendBlock(b, object[i].Name)
			b = appendValue(b, &object[i].Value, depth+1)
		}
	}
	return b
}

func appendBlock[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A rowDecoder reads the rows of a batch. Bytes of the rows are parts of the batch; texts are copies, one for all rows in
// sequence that have the same in a field.
type rowDecoder struct {
	data  []byte
	texts []string // the last of each field
}

func newRowDecoder(data []byte) *rowDecoder { return &rowDecoder{data: data} }

// decode fills r with the next row. The error says what is wrong with the bytes.
func (d *rowDecoder) decode(r *record.Record) error {
	r.Reset()
	if d.texts == nil {
		d.texts = make([]string, len(r.Values))
	}
	for i := range r.Values {
		if err := d.value(&r.Values[i], &d.texts[i], 0); err != nil {
			return fmt.Errorf("field %s: %w", r.Schema.Field(i).Name, err)
		}
	}
	return nil
}

func (d *rowDecoder) value(v *record.Value, text *string, depth int) error {
	what, err := d.take(1)
	if err != nil {
		return err
	}
	switch what[0] {
	case valueNull:
		*v = record.Value{}
	case valueNumber:
		n, err := d.number()
		v.SetUint(n)
		return err
	case valueSigned:
		n, size := binary.Varint(d.data)
		if size <= 0 {
			return errNumber
		}
		d.data = d.data[size:]
		*v = record.Signed(n)
	case valueFalse, valueTrue:
		v.SetBool(what[0] == valueTrue)
	case valueText:
		b, err := d.block()
		if *text != string(b) {
			*text = string(b)
		}
		v.SetText(*text)
		return err
	case valueBytes:
		b, err := d.block()
		*v = record.Bytes(b)
		return err
	case valueIPv4, valueIPv6:
		size := 4
		if what[0] == valueIPv6 {
			size = 16
		}
		b, err := d.take(size)
		a, _ := netip.AddrFromSlice(b)
		v.SetAddr(a)
		return err
	case valueTime:
		b, err := d.take(8)
		if err == nil {
			v.SetTime(int64(binary.LittleEndian.Uint64(b)))
		}
		return err
	case valueList:
		return d.list(v, depth)
	default:
		return fmt.Errorf("unknown kind %d of a value", what[0])
	}
	return nil
}

func (d *rowDecoder) list(v *record.Value, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("lists more than %d deep", maxDepth)
	}
	n, err := d.number()
	if err != nil || n > uint64(len(d.data)) { // each object takes a byte at least
		return errors.Join(err, errNumber)
	}
	list := make([]record.Object, 0, min(n, 64))
	for range n {
		members, err := d.number()
		if err != nil || members > uint64(len(d.data)) {
			return errors.Join(err, errNumber)
		}
		object := make(record.Object, 0, min(members, 64))
		for range members {
			name, err := d.block()
			if err != nil {
				return err
			}
			m := record.Member{Name: string(name)}
			var text string
			if err := d.value(&m.Value, &text, depth+1); err != nil {
				return err
			}
			object = append(object, m)
		}
		list = append(list, object)
	}
	*v = record.List(list)
	return nil
}

var errNumber = errors.New("number is broken or too large")

func (d *rowDecoder) number() (uint64, error) {
	n, size := binary.Uvarint(d.data)
	if size <= 0 {
		return 0, errNumber
	}
	d.data = d.data[size:]
	return n, nil
}

func (d *rowDecoder) block() ([]byte, error) {
	n, err := d.number()
	if err != nil {
		return nil, err
	}
	if n > uint64(len(d.data)) {
		return nil, io.ErrUnexpectedEOF
	}
	return d.take(int(n))
}

func (d *rowDecoder) take(n int) ([]byte, error) {
	if n > len(d.data) {
		return nil, io.ErrUnexpectedEOF
	}
	b := d.data[:n:n]
	d.data = d.data[n:]
	return b, nil
}
