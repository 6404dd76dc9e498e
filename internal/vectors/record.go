package vectors

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
)

// Record returns a row of a schema of its own, from lines "name type value": see testdata/README.md.
func Record(t testing.TB, lines []string) *record.Record {
	t.Helper()
	var fields []record.Field
	var values []record.Value
	for _, line := range lines {
		part := strings.SplitN(line, " ", 3)
		if len(part) != 3 {
			t.Fatalf("%q is no field of a row: write name type value", line)
		}
		typ, v, err := value(part[1], part[2])
		if err != nil {
			t.Fatalf("field %q: %v", line, err)
		}
		fields = append(fields, record.Field{Name: part[0], Type: typ})
		values = append(values, v)
	}
	r := record.New(record.NewSchema(fields))
	copy(r.Values, values)
	return r
}

// value returns the type and the value that two words of a line mean.
func value(kind, text string) (typ record.Type, v record.Value, err error) {
	types := map[string]record.Type{
		"string": record.String, "int": record.Int, "bool": record.Bool, "binary": record.Binary, "repeated": record.Repeated,
		"addr": record.Addr, "time": record.Time, "json": record.JSON,
	}
	typ, ok := types[kind]
	switch {
	case !ok:
		return 0, v, fmt.Errorf("%q is no type", kind)
	case text == "null":
		return typ, v, nil
	}
	switch typ {
	case record.String:
		var s string
		s, err = strconv.Unquote(text)
		v = record.Text(s)
	case record.Int:
		v, err = number(text)
	case record.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		v = record.Boolean(b)
	case record.Binary:
		var b []byte
		b, err = hex.DecodeString(text)
		v = record.Bytes(b)
	case record.Addr:
		var a netip.Addr
		a, err = netip.ParseAddr(text)
		v = record.Address(a)
	case record.Time:
		var at time.Time
		at, err = time.Parse(time.RFC3339Nano, text)
		v = record.Moment(at.UnixNano())
	case record.JSON:
		v = record.Bytes([]byte(text))
	case record.Repeated:
		v, err = list(text)
	}
	return typ, v, err
}

// number returns an integer, signed if it is negative.
func number(text string) (record.Value, error) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return record.Uint(n), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return record.Signed(n), err
}

// list returns a list of objects from JSON. The order of members is kept, which encoding/json alone does not do.
func list(text string) (record.Value, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := element(d)
	if err != nil {
		return v, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, fmt.Errorf("there is more behind the list: %w", err)
	}
	return v, nil
}

// element returns the next value, of which lists hold objects.
func element(d *json.Decoder) (record.Value, error) {
	token, err := d.Token()
	if err != nil {
		return record.Value{}, err
	}
	switch token := token.(type) {
	case string:
		return record.Text(token), nil
	case bool:
		return record.Boolean(token), nil
	case json.Number:
		return number(token.String())
	case json.Delim:
		var objects []record.Object
		for d.More() {
			o, err := object(d)
			if err != nil {
				return record.Value{}, err
			}
			objects = append(objects, o)
		}
		_, err := d.Token()
		return record.List(objects), err
	default:
		return record.Value{}, nil
	}
}

// object returns the next object.
func object(d *json.Decoder) (record.Object, error) {
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	o := record.Object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := element(d)
		if err != nil {
			return nil, err
		}
		o = append(o, record.Member{Name: fmt.Sprint(name), Value: v})
	}
	_, err := d.Token()
	return o, err
}
