package filter

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// TestFields changes rows under random filters: what fields hold that a filter does not name makes no difference to it.
func TestFields(t *testing.T) {
	s := testSchema()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		text := written(rng, randomExpr(rng, s, rng.IntN(4)))
		p, err := Compile(text, s)
		if err != nil {
			t.Fatalf("Compile(%q): %v", text, err)
		}
		named := p.Fields()
		for range 20 {
			r, other := randomRow(rng, s), randomRow(rng, s)
			for _, i := range named {
				other.Values[i] = r.Values[i]
			}
			if p.Match(r) != p.Match(other) {
				t.Fatalf("%q reads fields %v, but says different things of rows that differ in others:\n%+v\n%+v", text, named, r.Values, other.Values)
			}
		}
	}
}

// TestFieldsCount makes filters in which every comparison matters: each is of a field of its own, and false of one value and
// true of another. With those values, each field that the filter names decides somewhere, and it names no other.
func TestFieldsCount(t *testing.T) {
	s := testSchema()
	rng := rand.New(rand.NewPCG(9, 10))
	for range 500 {
		terms := randomTerms(rng, s)
		p, err := Compile(written(rng, joined(rng, terms)), s)
		if err != nil {
			t.Fatal(err)
		}
		verdicts := make([]bool, 1<<len(terms)) // by the set of terms that are true
		for set := range verdicts {
			r := record.New(s)
			for k, term := range terms {
				r.Values[term.field] = term.values[set>>k&1]
			}
			verdicts[set] = p.Match(r)
		}
		var want []int
		for k, term := range terms {
			want = append(want, term.field)
			decides := false
			for set, verdict := range verdicts {
				decides = decides || verdict != verdicts[set^1<<k]
			}
			if !decides {
				t.Fatalf("%q: field %d decides nothing", p, term.field)
			}
		}
		if got := slices.Sorted(slices.Values(p.Fields())); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Fatalf("%q: fields %v, want %v", p, got, want)
		}
	}
}

// A term is a comparison with a value of its field of which it is false, and one of which it is true.
type term struct {
	expr   expr
	field  int
	values [2]record.Value
}

// randomTerms returns terms of different fields, at least one, in any order.
func randomTerms(rng *rand.Rand, s *record.Schema) []term {
	most := 1 + rng.IntN(6)
	var terms []term
	for len(terms) < most {
		c := randomCompare(rng, s).(*compare)
		i, _ := s.Lookup(c.field)
		if slices.ContainsFunc(terms, func(t term) bool { return t.field == i }) {
			continue
		}
		found := term{expr: c, field: i}
		var has [2]bool
		for range 100 {
			r, side := randomRow(rng, s), 0
			if slowMatch(c, r) {
				side = 1
			}
			found.values[side], has[side] = r.Values[i], true
		}
		if has[0] && has[1] {
			terms = append(terms, found)
		}
	}
	return terms
}

// joined returns a tree of all terms.
func joined(rng *rand.Rand, terms []term) expr {
	e := terms[0].expr
	if n := len(terms); n > 1 {
		at := 1 + rng.IntN(n-1)
		both := []expr{joined(rng, terms[:at]), joined(rng, terms[at:])}
		if e = (&anyOf{both}); rng.IntN(2) == 0 {
			e = &allOf{both}
		}
	}
	if rng.IntN(4) == 0 {
		return &negation{e}
	}
	return e
}
