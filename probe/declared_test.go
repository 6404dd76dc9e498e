package probe

import (
	"math"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// checkDeclared demands that a row holds what its schema says: sinks with typed columns believe it.
func checkDeclared(t *testing.T, module string, s *record.Schema, values []record.Value) {
	t.Helper()
	for i := range values {
		f, v := s.Field(i), &values[i]
		if why := undeclared(&f, v); why != "" {
			t.Fatalf("%s: field %s: %s", module, f.Name, why)
		}
		for _, object := range v.List() {
			for k := range object {
				m := &object[k]
				at, ok := f.Elem.Lookup(m.Name)
				if !ok {
					t.Fatalf("%s: objects of %s have %s, which the schema does not name", module, f.Name, m.Name)
				}
				member := f.Elem.Field(at)
				isHex := member.Type == record.String && m.Value.Kind() == record.KindBytes
				if why := undeclared(&member, &m.Value); why != "" && !isHex {
					t.Fatalf("%s: %s of %s: %s", module, m.Name, f.Name, why)
				}
			}
		}
	}
}

// undeclared says what is wrong with a value in a field, if anything is.
func undeclared(f *record.Field, v *record.Value) string {
	if v.IsNull() {
		return ""
	}
	fits := map[record.Type][]record.Kind{
		record.String: {record.KindString, record.KindBytes}, record.Int: {record.KindUint, record.KindInt, record.KindBool},
		record.Bool: {record.KindBool, record.KindUint}, record.Binary: {record.KindBytes, record.KindString},
		record.Addr: {record.KindAddr}, record.Time: {record.KindTime}, record.Repeated: {record.KindList},
	}
	for _, k := range fits[f.Type] {
		if k == v.Kind() {
			if k == record.KindUint && !f.Full && v.Uint() > math.MaxInt64 {
				return "a number above 2^63-1 in a field that is not Full"
			}
			return ""
		}
	}
	return "a value of another kind"
}

// TestUndeclaredIsSeen says what the check finds.
func TestUndeclaredIsSeen(t *testing.T) {
	for _, c := range []struct {
		f  record.Field
		v  record.Value
		ok bool
	}{
		{record.Field{Type: record.Int}, record.Uint(1 << 63), false},
		{record.Field{Type: record.Int, Full: true}, record.Uint(1 << 63), true},
		{record.Field{Type: record.Int}, record.Text("1"), false},
		{record.Field{Type: record.Addr}, record.Value{}, true},
		{record.Field{Type: record.Time}, record.Uint(1), false},
	} {
		if why := undeclared(&c.f, &c.v); (why == "") != c.ok {
			t.Errorf("%+v with %+v: got %q", c.f, c.v, why)
		}
	}
}
