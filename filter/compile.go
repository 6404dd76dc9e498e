package filter

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/zmap-go/zmap/record"
)

// A Program is a compiled filter. It is immutable and may be used by several goroutines at once. The zero Program matches
// every row.
type Program struct {
	root  expr
	match predicate
}

// predicate is a compiled node. Closures over a field's position cost about 1.5 ns each; walking the tree costs several
// times that.
type predicate func(*record.Record) bool

// Compile compiles a filter over rows of schema s. The empty text is the filter that matches every row; a text of blanks
// alone is a mistake, as in C ZMap. The error is an [*Error].
func Compile(text string, s *record.Schema) (*Program, error) {
	if text == "" {
		return &Program{}, nil
	}
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := (&checker{src: text, schema: s}).check(root); err != nil {
		return nil, err
	}
	return &Program{root: root, match: compile(root)}, nil
}

// Match says whether the filter keeps r, which must be a record of the schema that the filter was compiled for.
func (p *Program) Match(r *record.Record) bool {
	return p.match == nil || p.match(r)
}

// Fields returns the positions of the fields that the filter reads, in the order in which it names them, some perhaps twice.
func (p *Program) Fields() []int { return fields(p.root, nil) }

// String returns the filter in its plain form: compiling it gives the same filter.
func (p *Program) String() string {
	if p.root == nil {
		return ""
	}
	var b strings.Builder
	p.root.write(&b)
	return b.String()
}

func compile(e expr) predicate {
	switch e := e.(type) {
	case *anyOf:
		return compileAny(compileEach(e.terms))
	case *allOf:
		return compileAll(compileEach(e.terms))
	case *negation:
		of := compile(e.of)
		return func(r *record.Record) bool { return !of(r) }
	case *compare:
		return compileCompare(e)
	}
	return nil
}

func compileEach(terms []expr) []predicate {
	out := make([]predicate, len(terms))
	for i, t := range terms {
		out[i] = compile(t)
	}
	return out
}

func compileAny(terms []predicate) predicate {
	if len(terms) == 2 {
		a, b := terms[0], terms[1]
		return func(r *record.Record) bool { return a(r) || b(r) }
	}
	return func(r *record.Record) bool {
		for _, t := range terms {
			if t(r) {
				return true
			}
		}
		return false
	}
}

func compileAll(terms []predicate) predicate {
	if len(terms) == 2 {
		a, b := terms[0], terms[1]
		return func(r *record.Record) bool { return a(r) && b(r) }
	}
	return func(r *record.Record) bool {
		for _, t := range terms {
			if !t(r) {
				return false
			}
		}
		return true
	}
}

func compileCompare(e *compare) predicate {
	switch e.lit.kind {
	case literalNumber:
		return compileNumber(e)
	case literalText:
		return compileText(e)
	case literalAddress, literalNetwork:
	}
	return compileAddress(e)
}

// compileNumber compares as numbers, not as 64 bits: a negative value is below every unsigned one.
func compileNumber(e *compare) predicate {
	i, lit := e.index, number{int64(e.lit.num), e.lit.num, e.lit.negative}
	if !lit.negative && lit.signed >= 0 { // no negative value has these bits: the common case needs no look at the kind
		want := lit.bits
		if e.op == opEqual {
			return func(r *record.Record) bool { return r.Values[i].Uint() == want }
		}
		if e.op == opUnequal {
			return func(r *record.Record) bool { return r.Values[i].Uint() != want }
		}
	}
	switch e.op {
	case opEqual:
		return func(r *record.Record) bool { return lit.order(&r.Values[i]) == 0 }
	case opUnequal:
		return func(r *record.Record) bool { return lit.order(&r.Values[i]) != 0 }
	case opLess:
		return func(r *record.Record) bool { return lit.order(&r.Values[i]) < 0 }
	case opGreater:
		return func(r *record.Record) bool { return lit.order(&r.Values[i]) > 0 }
	case opAtMost:
		return func(r *record.Record) bool { return lit.order(&r.Values[i]) <= 0 }
	case opAtLeast, opIn:
	}
	return func(r *record.Record) bool { return lit.order(&r.Values[i]) >= 0 }
}

type number struct {
	signed   int64
	bits     uint64
	negative bool
}

// order returns whether v is below (-1), equal to (0) or above (1) the number.
func (n number) order(v *record.Value) int {
	negative := v.Kind() == record.KindInt && v.Int() < 0
	switch {
	case negative && n.negative:
		return cmp.Compare(v.Int(), n.signed)
	case negative:
		return -1
	case n.negative:
		return 1
	default:
		return cmp.Compare(v.Uint(), n.bits)
	}
}

func compileText(e *compare) predicate {
	i, want := e.index, e.lit.text
	if e.op == opEqual {
		return func(r *record.Record) bool { return textIs(&r.Values[i], want) }
	}
	return func(r *record.Record) bool { return !textIs(&r.Values[i], want) }
}

// textIs says whether v is the text want. Text from the wire is held as bytes; null is no text, not even the empty one.
func textIs(v *record.Value, want string) bool {
	switch v.Kind() {
	case record.KindString:
		return v.Text() == want
	case record.KindBytes:
		return string(v.Bytes()) == want // the compiler makes no copy for a comparison
	default:
		return false
	}
}

func compileAddress(e *compare) predicate {
	i, net, want := e.index, e.lit.prefix, e.lit.prefix.Addr()
	if e.lit.kind == literalNetwork {
		if e.op == opUnequal {
			return func(r *record.Record) bool { return !net.Contains(r.Values[i].Addr()) }
		}
		return func(r *record.Record) bool { return net.Contains(r.Values[i].Addr()) }
	}
	switch e.op {
	case opUnequal:
		return func(r *record.Record) bool { return r.Values[i].Addr() != want }
	case opLess:
		return func(r *record.Record) bool { a := r.Values[i].Addr(); return sameFamily(a, want) && a.Less(want) }
	case opGreater:
		return func(r *record.Record) bool { a := r.Values[i].Addr(); return sameFamily(a, want) && want.Less(a) }
	case opAtMost:
		return func(r *record.Record) bool { a := r.Values[i].Addr(); return sameFamily(a, want) && !want.Less(a) }
	case opAtLeast:
		return func(r *record.Record) bool { a := r.Values[i].Addr(); return sameFamily(a, want) && !a.Less(want) }
	case opEqual, opIn:
	}
	return func(r *record.Record) bool { return r.Values[i].Addr() == want }
}

// sameFamily says whether a and b have a numerical order: not if one is null, nor an IPv4 and the other an IPv6 address.
func sameFamily(a, b netip.Addr) bool { return a.BitLen() == b.BitLen() }
