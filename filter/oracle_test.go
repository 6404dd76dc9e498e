package filter

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// slowMatch is the obvious twin of the compiled filter: it walks the tree, looks fields up by name and computes with
// integers of any size.
func slowMatch(e expr, r *record.Record) bool {
	switch e := e.(type) {
	case *anyOf:
		result := false
		for _, t := range e.terms {
			result = slowMatch(t, r) || result
		}
		return result
	case *allOf:
		result := true
		for _, t := range e.terms {
			result = slowMatch(t, r) && result
		}
		return result
	case *negation:
		return !slowMatch(e.of, r)
	case *compare:
		i, _ := r.Schema.Lookup(e.field)
		switch r.Schema.Field(i).Type {
		case record.Int, record.Bool:
			return ordered(slowValue(r.Values[i]).Cmp(slowLiteral(e.lit)), e.op)
		case record.String:
			v := r.Values[i]
			equal := !v.IsNull() && v.Text()+string(v.Bytes()) == e.lit.text
			return equal == (e.op == opEqual)
		case record.Addr:
			return slowAddress(r.Values[i].Addr(), e)
		case record.Binary, record.Repeated, record.Time:
		}
	}
	panic(fmt.Sprintf("%T", e))
}

func ordered(order int, op operator) bool {
	switch op {
	case opEqual:
		return order == 0
	case opUnequal:
		return order != 0
	case opLess:
		return order < 0
	case opGreater:
		return order > 0
	case opAtMost:
		return order <= 0
	case opAtLeast:
		return order >= 0
	case opIn:
	}
	panic(op)
}

func slowValue(v record.Value) *big.Int {
	switch v.Kind() {
	case record.KindInt:
		return big.NewInt(v.Int())
	case record.KindUint:
		return new(big.Int).SetUint64(v.Uint())
	case record.KindBool:
		if v.Bool() {
			return big.NewInt(1)
		}
	default:
	}
	return new(big.Int)
}

func slowLiteral(l literal) *big.Int {
	n, ok := new(big.Int).SetString(l.String(), 10)
	if !ok {
		panic(l.String())
	}
	return n
}

// slowAddress compares addresses as big numbers, and networks by the numbers of their first and last address.
func slowAddress(a netip.Addr, e *compare) bool {
	first, bits := e.lit.prefix.Addr(), e.lit.prefix.Addr().BitLen()
	if a.BitLen() != bits {
		return e.op == opUnequal
	}
	value, lo := new(big.Int).SetBytes(a.AsSlice()), new(big.Int).SetBytes(first.AsSlice())
	if e.op != opEqual && e.op != opUnequal && e.op != opIn {
		return ordered(value.Cmp(lo), e.op)
	}
	hi := new(big.Int).Lsh(big.NewInt(1), uint(bits-e.lit.prefix.Bits()))
	hi.Add(hi, lo)
	inside := value.Cmp(lo) >= 0 && value.Cmp(hi) < 0
	return inside == (e.op != opUnequal)
}

// The values that random filters and rows are made of: few and at the edges, so that they meet.

func someNumbers() []uint64 {
	return []uint64{0, 1, 2, 80, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64}
}

func someSigned() []int64 { return []int64{math.MinInt64, -80, -1, 0, 80, math.MaxInt64} }

func someTexts() []string {
	return []string{"", "synack", "rst", "or", "in", "a b", "10.0.0.1", "5", "\x00\xff\"'\\\n", "é"}
}

func someAddrs() []string {
	return []string{
		"0.0.0.0", "10.0.0.1", "10.0.0.2", "10.255.255.255", "11.0.0.0", "255.255.255.255",
		"::", "::1", "::a00:1", "::ffff:10.0.0.1", "2001:db8::1",
	}
}

func someLengths() []int { return []int{0, 1, 8, 24, 31, 32, 64, 127, 128} }

func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

// randomRow returns a row whose values have the types of their fields or are null.
func randomRow(rng *rand.Rand, s *record.Schema) *record.Record {
	r := record.New(s)
	for i, f := range s.Fields() {
		switch f.Type {
		case record.Int:
			r.Values[i] = pick(rng, []record.Value{{}, record.Uint(pick(rng, someNumbers())), record.Signed(pick(rng, someSigned())), record.Boolean(true)})
		case record.Bool:
			r.Values[i] = pick(rng, []record.Value{{}, record.Boolean(true), record.Boolean(false), record.Uint(1)})
		case record.String:
			text := pick(rng, someTexts())
			r.Values[i] = pick(rng, []record.Value{{}, record.Text(text), record.Bytes([]byte(text))})
		case record.Addr:
			r.Values[i] = pick(rng, []record.Value{{}, record.Address(netip.MustParseAddr(pick(rng, someAddrs())))})
		case record.Binary, record.Repeated, record.Time:
		}
	}
	return r
}

// randomExpr returns a well-typed tree as the parser would build it.
func randomExpr(rng *rand.Rand, s *record.Schema, depth int) expr {
	if depth == 0 || rng.IntN(3) == 0 {
		return randomCompare(rng, s)
	}
	if rng.IntN(4) == 0 {
		return &negation{randomExpr(rng, s, depth-1)}
	}
	terms := make([]expr, 2+rng.IntN(3))
	for i := range terms {
		terms[i] = randomExpr(rng, s, depth-1)
	}
	if rng.IntN(2) == 0 {
		return &anyOf{terms}
	}
	return &allOf{terms}
}

func randomCompare(rng *rand.Rand, s *record.Schema) expr {
	for {
		f := pick(rng, s.Fields())
		c := &compare{field: f.Name, op: operator(rng.IntN(6))}
		switch f.Type {
		case record.Int, record.Bool:
			c.lit = literal{kind: literalNumber, num: pick(rng, someNumbers())}
			if n := pick(rng, someSigned()); n < 0 && rng.IntN(2) == 0 {
				c.lit = literal{kind: literalNumber, num: uint64(n), negative: true}
			}
		case record.String:
			c.op = operator(rng.IntN(2))
			c.lit = literal{kind: literalText, text: pick(rng, someTexts())}
		case record.Addr:
			a := netip.MustParseAddr(pick(rng, someAddrs()))
			c.lit = literal{kind: literalAddress, prefix: netip.PrefixFrom(a, a.BitLen())}
			if bits := pick(rng, someLengths()); bits <= a.BitLen() && !a.Is4In6() && rng.IntN(2) == 0 {
				c.op = pick(rng, []operator{opEqual, opUnequal, opIn})
				c.lit = literal{kind: literalNetwork, prefix: netip.PrefixFrom(a, bits).Masked()}
			}
		case record.Binary, record.Repeated, record.Time:
			continue
		}
		return c
	}
}

// TestOracle writes random trees as text in the styles that users have, and demands that compiling the text gives the
// verdicts of the tree that was written.
func TestOracle(t *testing.T) {
	s := testSchema()
	rng := rand.New(rand.NewPCG(1, 2))
	verdicts := map[bool]int{}
	for range 20000 {
		tree := randomExpr(rng, s, rng.IntN(5))
		text := written(rng, tree)
		p, err := Compile(text, s)
		if err != nil {
			t.Fatalf("Compile(%q): %v", text, err)
		}
		for range 5 {
			r := randomRow(rng, s)
			got, want := p.Match(r), slowMatch(tree, r)
			if got != want {
				t.Fatalf("%q on %+v: got %v, want %v", text, r.Values, got, want)
			}
			verdicts[want]++
		}
	}
	if verdicts[true] < 10000 || verdicts[false] < 10000 {
		t.Errorf("random filters are not worth much: verdicts %v", verdicts)
	}
}

// written returns a tree as text with random spelling of operators, blanks and needless brackets.
func written(rng *rand.Rand, e expr) string {
	blank := func() string { return pick(rng, []string{" ", "\n", "\t ", "  "}) }
	join := func(terms []expr, ops []string, tight bool) string {
		parts := make([]string, len(terms))
		for i, term := range terms {
			parts[i] = written(rng, term)
			_, isAny := term.(*anyOf)
			_, isAll := term.(*allOf)
			if isAny || isAll && tight {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		out := parts[0]
		for _, part := range parts[1:] {
			out += blank() + pick(rng, ops) + blank() + part
		}
		return out
	}
	text := ""
	switch e := e.(type) {
	case *anyOf:
		return join(e.terms, []string{"||", "or"}, false)
	case *allOf:
		return join(e.terms, []string{"&&", "and"}, true)
	case *negation:
		text = pick(rng, []string{"!", "not ", "not\n"})
		switch e.of.(type) {
		case *anyOf, *allOf:
			text += "(" + written(rng, e.of) + ")"
		default:
			text += written(rng, e.of)
		}
	case *compare:
		text = e.field + " " + e.op.String() + blank() + e.lit.String()
		if e.op == opEqual {
			text = strings.Replace(text, " = ", pick(rng, []string{"=", "==", " = "}), 1)
		}
	}
	if rng.IntN(5) == 0 {
		text = "(" + blank() + text + ")"
	}
	return text
}

// TestStringRoundTrip demands that the plain form of a random tree compiles to that tree.
func TestStringRoundTrip(t *testing.T) {
	s := testSchema()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		var b strings.Builder
		randomExpr(rng, s, 5).write(&b)
		p, err := Compile(b.String(), s)
		if err != nil {
			t.Fatalf("Compile(%q): %v", b.String(), err)
		}
		if got := p.String(); got != b.String() {
			t.Fatalf("got  %q\nwant %q", got, b.String())
		}
	}
}
