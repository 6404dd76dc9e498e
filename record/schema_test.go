package record

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testSchema() *Schema {
	return NewSchema(
		[]Field{{Name: "saddr", Type: Addr, Doc: "address"}, {Name: "sport", Type: Int, Doc: "port"}},
		nil,
		[]Field{{Name: "success", Type: Bool, Doc: "success"}, {Name: "LI_VN_MODE", Type: Int, Doc: "as C ZMap spells it"}},
	)
}

func TestTypeString(t *testing.T) {
	want := map[Type]string{
		String: "string", Int: "int", Bool: "bool", Binary: "binary", Repeated: "repeated", Addr: "string", Time: "string", JSON: "json",
	}
	for typ, name := range want {
		if got := typ.String(); got != name {
			t.Errorf("type %d: got %q, want %q", typ, got, name)
		}
	}
}

func TestSchema(t *testing.T) {
	s := testSchema()
	names := []string{"saddr", "sport", "success", "LI_VN_MODE"}
	if s.Len() != len(names) || len(s.Fields()) != len(names) {
		t.Fatalf("length: got %d and %d fields, want %d", s.Len(), len(s.Fields()), len(names))
	}
	for i, name := range names {
		if got := s.Field(i); got.Name != name || got != s.Fields()[i] {
			t.Errorf("field %d: got %+v and %+v, want %s", i, got, s.Fields()[i], name)
		}
		if got, ok := s.Lookup(name); got != i || !ok {
			t.Errorf("Lookup(%q): got %d, %v, want %d", name, got, ok, i)
		}
	}
	for _, name := range []string{"", "SADDR", "sadd", "*"} {
		if got, ok := s.Lookup(name); ok {
			t.Errorf("Lookup(%q): got %d, want none", name, got)
		}
	}
	if s := NewSchema(); s.Len() != 0 {
		t.Errorf("a schema of nothing: got %d fields", s.Len())
	}
}

func TestNewSchemaPanics(t *testing.T) {
	for _, groups := range [][][]Field{
		{{{Name: "a"}, {Name: "a"}}},
		{{{Name: "a"}}, {{Name: "b"}, {Name: "a"}}},
		{{{Name: ""}}},
		{{{Name: "1a"}}},
		{{{Name: "a-b"}}},
		{{{Name: "a b"}}},
		{{{Name: "a,b"}}},
		{{{Name: "é"}}},
		{{{Name: "*"}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewSchema(%v): no panic", groups)
				}
			}()
			NewSchema(groups...)
		}()
	}
	NewSchema([]Field{{Name: "a"}, {Name: "_a1"}, {Name: "A"}, {Name: "a1_"}})
}

func TestSelect(t *testing.T) {
	tests := []struct {
		list string
		want []int
		err  string
	}{
		{"*", []int{0, 1, 2, 3}, ""},
		{" *\n", []int{0, 1, 2, 3}, ""},
		{"saddr", []int{0}, ""},
		{"sport,saddr", []int{1, 0}, ""},
		{"sport saddr\tsuccess\nLI_VN_MODE", []int{1, 0, 2, 3}, ""},
		{"LI-VN_MODE,LI-VN-MODE LI_VN_MODE", []int{3, 3, 3}, ""}, // hyphens, as before C ZMap 3.0
		{"LI-VN-MODES", nil, `unknown output field "LI-VN-MODES"`},
		{" , saddr,,sport , saddr,", []int{0, 1, 0}, ""},
		{"saddr,nope,neither", nil, `unknown output field "nope" (--list-output-fields shows them)`},
		{"saddr,*", nil, `unknown output field "*"`},
		{"Saddr", nil, `unknown output field "Saddr"`},
		{"", nil, "no output field named"},
		{" ,\t", nil, "no output field named"},
	}
	s := testSchema()
	for _, tt := range tests {
		got, err := s.Select(tt.list)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("Select(%q): got %v, want %q", tt.list, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Select(%q) (-want +got):\n%s", tt.list, diff)
		}
	}
}

// FuzzSelect demands that a list that is accepted means the names in it, in order.
func FuzzSelect(f *testing.F) {
	for _, seed := range []string{"*", "saddr,sport", " ,success\t", "saddr saddr", "x"} {
		f.Add(seed)
	}
	s := testSchema()
	f.Fuzz(func(t *testing.T, list string) {
		got, err := s.Select(list)
		if err != nil {
			if got != nil {
				t.Errorf("Select(%q): got %v beside error %v", list, got, err)
			}
			return
		}
		names := make([]string, len(got))
		for i, index := range got {
			names[i] = s.Field(index).Name
		}
		if again, err := s.Select(strings.Join(names, ",")); err != nil || !slices.Equal(again, got) {
			t.Errorf("Select(%q): got %v, whose names %q select %v, %v", list, got, names, again, err)
		}
	})
}
