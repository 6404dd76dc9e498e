package local

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// encode returns a value as SQLite keeps it. What is no natural content of a field of type t is kept by its kind.
func (c *columns) encode(v *record.Value, t record.Type) driver.Value {
	switch v.Kind() {
	case record.KindUint, record.KindInt, record.KindBool:
		return encodeNumber(v, t)
	case record.KindString:
		if t == record.Binary {
			return []byte(v.Text())
		}
		return encodeText(v.Text())
	case record.KindBytes:
		if t == record.String || t == record.JSON {
			return encodeText(string(v.Bytes()))
		}
		return append([]byte{}, v.Bytes()...)
	case record.KindAddr:
		return v.Addr().String()
	case record.KindTime:
		return floorMicro(v.UnixNano())
	case record.KindList:
		return c.lists.encode(v)
	case record.KindNull:
	}
	return nil
}

// encodeNumber returns an integer or truth value.
func encodeNumber(v *record.Value, t record.Type) driver.Value {
	switch {
	case t == record.Bool && v.Bool():
		return int64(1)
	case t == record.Bool:
		return int64(0)
	case v.Kind() == record.KindUint && v.Uint() > math.MaxInt64:
		return binary.BigEndian.AppendUint64(nil, v.Uint())
	}
	return v.Int()
}

// encodeText returns text as such if it is UTF-8: readers of other languages stumble over what is not.
func encodeText(s string) driver.Value {
	if utf8.ValidString(s) {
		return s
	}
	return []byte(s)
}

// floorMicro returns the microsecond that a nanosecond is in.
func floorMicro(nano int64) int64 {
	micro := nano / 1000
	if nano%1000 < 0 {
		micro--
	}
	return micro
}

// decode sets v, of a field of type t, to what encode has made of it. The value's memory is the driver's or the caller's: text
// and bytes are new for each row.
func decode(v *record.Value, t record.Type, l *lists, x driver.Value) error {
	switch x := x.(type) {
	case nil:
		*v = record.Value{}
	case int64:
		return decodeNumber(v, t, x)
	case string:
		return decodeText(v, t, l, x)
	case []byte:
		if t == record.Int && len(x) == 8 {
			v.SetUint(binary.BigEndian.Uint64(x))
			return nil
		}
		*v = record.Bytes(x)
	default:
		return fmt.Errorf("holds %v, which no field does", x)
	}
	return nil
}

func decodeNumber(v *record.Value, t record.Type, x int64) error {
	switch {
	case t == record.Bool:
		v.SetBool(x != 0)
	case t == record.Time && (x > math.MaxInt64/1000 || x < math.MinInt64/1000-1):
		return fmt.Errorf("holds %d, which is no time in microseconds between the years 1678 and 2262", x)
	case t == record.Time:
		v.SetTime(x * 1000)
	case x < 0:
		*v = record.Signed(x)
	default:
		v.SetUint(uint64(x))
	}
	return nil
}

func decodeText(v *record.Value, t record.Type, l *lists, x string) error {
	switch t {
	case record.Addr:
		a, err := netip.ParseAddr(x)
		if err != nil {
			return fmt.Errorf("holds %.100q, which is no address", x)
		}
		v.SetAddr(a)
		return nil
	case record.Repeated:
		return l.decode(v, x)
	case record.JSON:
		var err error
		if *v, err = record.New(l.schema).Document([]byte(x)); err != nil {
			return fmt.Errorf("holds %.100q, which %w", x, err)
		}
		return nil
	case record.String, record.Int, record.Bool, record.Binary, record.Time:
	}
	v.SetText(x)
	return nil
}

// lists turns lists into the JSON that the JSON output makes of them, and back. It has the one field that is needed for that.
type lists struct {
	text   bytes.Buffer
	sink   *sink.JSON
	row    *record.Record
	schema *record.Schema
}

const (
	listBegin = `{"list":`
	listEnd   = "}\n"
)

func newLists() *lists {
	l := &lists{schema: record.NewSchema([]record.Field{{Name: "list", Type: record.Repeated}})}
	l.row = record.New(l.schema)
	l.sink = sink.NewJSON(&l.text, sink.Options{Fields: "*", Location: time.UTC})
	if err := l.sink.Open(l.schema); err != nil {
		panic(fmt.Sprintf("local: JSON has no lists: %v", err))
	}
	return l
}

func (l *lists) encode(v *record.Value) driver.Value {
	l.text.Reset()
	l.row.Values[0] = *v
	if err := errors.Join(l.sink.Write(l.row), l.sink.Flush()); err != nil {
		panic(fmt.Sprintf("local: writing to memory fails: %v", err))
	}
	return strings.TrimSuffix(strings.TrimPrefix(l.text.String(), listBegin), listEnd)
}

// decode sets v to a list whose memory is its own.
func (l *lists) decode(v *record.Value, text string) error {
	source, err := sink.NewJSONSource(strings.NewReader(listBegin+text+listEnd), sink.SourceOptions{Schema: l.schema})
	if err != nil {
		return err
	}
	row := record.New(l.schema)
	if err := source.Read(row); err != nil {
		return fmt.Errorf("holds %.100q: %w", text, err)
	}
	*v = row.Values[0]
	return nil
}
