package monitor

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A jsonObject is a JSON object being written on one line in the manner of C ZMap's JSON library: blanks inside brackets
// and after commas and colons, slashes escaped. Members keep the order in which they are added.
type jsonObject struct {
	b       []byte
	members int
}

func openObject(dst []byte) *jsonObject { return &jsonObject{b: append(dst, '{')} }

func (o *jsonObject) close() []byte { return append(o.b, " }"...) }

func (o *jsonObject) key(name string) {
	if o.members > 0 {
		o.b = append(o.b, ',')
	}
	o.members++
	o.b = append(o.b, ' ')
	o.b = append(appendJSONString(o.b, name), ": "...)
}

func (o *jsonObject) text(name, v string) {
	o.key(name)
	o.b = appendJSONString(o.b, v)
}

// given adds v unless it is empty.
func (o *jsonObject) given(name, v string) {
	if v != "" {
		o.text(name, v)
	}
}

func (o *jsonObject) int(name string, v int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}

func (o *jsonObject) uint(name string, v uint64) {
	o.key(name)
	o.b = strconv.AppendUint(o.b, v, 10)
}

// limit adds v, and -1 for 0, which stands for no limit.
func (o *jsonObject) limit(name string, v uint64) {
	if v == 0 {
		o.int(name, -1)
		return
	}
	o.uint(name, v)
}

// flag adds 0 or 1: the format has no truth values.
func (o *jsonObject) flag(name string, v bool) {
	if v {
		o.int(name, 1)
		return
	}
	o.int(name, 0)
}

// double adds v, which has a decimal point or an exponent also where it is whole. What is no number is 0.0.
func (o *jsonObject) double(name string, v float64) {
	o.key(name)
	o.b = appendDouble(o.b, v)
}

// number adds v as an integer if it is whole. What is no number is 0.
func (o *jsonObject) number(name string, v float64) {
	o.key(name)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		o.b = append(o.b, '0')
	case v == math.Trunc(v) && math.Abs(v) < 1<<63:
		o.b = strconv.AppendInt(o.b, int64(v), 10)
	default:
		o.b = appendDouble(o.b, v)
	}
}

// time adds t as date, time and zone; the zero time is the Unix epoch.
func (o *jsonObject) time(name string, t time.Time, loc *time.Location) {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	o.text(name, t.In(loc).Format("2006-01-02T15:04:05-0700"))
}

// raw adds the JSON value v with its words as they are. What is no JSON becomes a string, so that the object stays valid.
func (o *jsonObject) raw(name string, v []byte) {
	var one bytes.Buffer
	if err := json.Compact(&one, v); err != nil {
		o.text(name, string(v))
		return
	}
	o.key(name)
	o.b = appendSpaced(o.b, string([]rune(one.String()))) // by way of runes: what is no UTF-8 becomes U+FFFD
}

// addList adds an array whose elements add appends.
func addList[T any](o *jsonObject, name string, list []T, add func([]byte, T) []byte) {
	o.key(name)
	o.b = append(o.b, '[')
	for i, v := range list {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = add(append(o.b, ' '), v)
	}
	o.b = append(o.b, " ]"...)
}

func (o *jsonObject) texts(name string, list []string) { addList(o, name, list, appendJSONString) }

func (o *jsonObject) addrs(name string, list []netip.Addr) {
	addList(o, name, list, func(dst []byte, a netip.Addr) []byte { return appendJSONString(dst, a.String()) })
}

func (o *jsonObject) ports(name string, list []uint16) {
	addList(o, name, list, func(dst []byte, p uint16) []byte { return strconv.AppendUint(dst, uint64(p), 10) })
}

// appendDouble appends the shortest form that reads back as v.
func appendDouble(dst []byte, v float64) []byte {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(dst, "0.0"...)
	case a != 0 && (a < 1e-4 || a >= 1e17):
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	case v == math.Trunc(v):
		return strconv.AppendFloat(dst, v, 'f', 1, 64)
	default:
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
}

// appendJSONString appends s in quotes. Bytes that are not UTF-8 become U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	const escaped, letters = "\"\\/\b\f\n\r\t", "\"\\/bfnrt"
	dst = append(dst, '"')
	for _, r := range s {
		at := strings.IndexRune(escaped, r)
		switch {
		case r == utf8.RuneError || r >= ' ' && at < 0:
			dst = utf8.AppendRune(dst, r)
		case at >= 0:
			dst = append(dst, '\\', letters[at])
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
		}
	}
	return append(dst, '"')
}

// appendSpaced appends compact JSON with the blanks that a [jsonObject] has, and its strings with slashes escaped.
func appendSpaced(dst []byte, compact string) []byte {
	quoted := false
	for i := 0; i < len(compact); i++ {
		c := compact[i]
		switch {
		case quoted && c == '\\':
			dst = append(dst, c, compact[i+1])
			i++
			continue
		case quoted && c == '/':
			dst = append(dst, '\\')
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '}' || c == ']'):
			dst = append(dst, ' ')
		}
		dst = append(dst, c)
		if quoted || i+1 == len(compact) {
			continue
		}
		opened := c == '{' || c == '['
		closes := compact[i+1] == '}' || compact[i+1] == ']'
		if c == ',' || c == ':' || opened && !closes {
			dst = append(dst, ' ')
		}
	}
	return dst
}
