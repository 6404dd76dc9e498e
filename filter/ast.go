package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zmap-go/zmap/record"
)

// The tree of a filter. Chains of one operator are one node, so that the depth of a tree is the depth of its brackets.

type operator uint8

const (
	opEqual operator = iota
	opUnequal
	opLess
	opGreater
	opAtMost
	opAtLeast
	opIn
)

// String returns the operator as it is written.
func (o operator) String() string { return [...]string{"=", "!=", "<", ">", "<=", ">=", "in"}[o] }

type literalKind uint8

const (
	literalNumber  literalKind = iota
	literalText                // a word or quoted text
	literalAddress             // the prefix is as long as the address
	literalNetwork
)

type literal struct {
	kind     literalKind
	pos      int
	negative bool   // num is a negative int64
	num      uint64 // literalNumber
	text     string // literalText
	prefix   netip.Prefix
}

// expr is one of *anyOf, *allOf, *negation and *compare.
type expr interface{ write(*strings.Builder) }

type (
	anyOf    struct{ terms []expr } // joined by ||
	allOf    struct{ terms []expr } // joined by &&
	negation struct{ of expr }
	compare  struct {
		pos   int
		field string
		op    operator
		opPos int
		lit   literal
		index int         // of the field, set by check
		typ   record.Type // of the field, set by check
	}
)

// fields adds the positions of the fields that e reads.
func fields(e expr, to []int) []int {
	switch e := e.(type) {
	case *anyOf:
		for _, t := range e.terms {
			to = fields(t, to)
		}
	case *allOf:
		for _, t := range e.terms {
			to = fields(t, to)
		}
	case *negation:
		to = fields(e.of, to)
	case *compare:
		to = append(to, e.index)
	}
	return to
}

func (e *anyOf) write(b *strings.Builder) {
	for i, t := range e.terms {
		if i > 0 {
			b.WriteString(" || ")
		}
		_, same := t.(*anyOf)
		writeTerm(b, t, same)
	}
}

func (e *allOf) write(b *strings.Builder) {
	for i, t := range e.terms {
		if i > 0 {
			b.WriteString(" && ")
		}
		switch t.(type) {
		case *anyOf, *allOf:
			writeTerm(b, t, true)
		default:
			writeTerm(b, t, false)
		}
	}
}

func (e *negation) write(b *strings.Builder) {
	b.WriteString("not ")
	switch e.of.(type) {
	case *anyOf, *allOf:
		writeTerm(b, e.of, true)
	default:
		writeTerm(b, e.of, false)
	}
}

func writeTerm(b *strings.Builder, e expr, brackets bool) {
	if brackets {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	e.write(b)
}

func (e *compare) write(b *strings.Builder) {
	b.WriteString(e.field + " " + e.op.String() + " " + e.lit.String())
}

// String returns the literal as it is written.
func (l literal) String() string {
	switch l.kind {
	case literalNumber:
		if l.negative {
			return strconv.FormatInt(int64(l.num), 10)
		}
		return strconv.FormatUint(l.num, 10)
	case literalAddress:
		return l.prefix.Addr().String()
	case literalNetwork:
		return l.prefix.String()
	case literalText:
		if isWord(l.text) && !isReserved(l.text) {
			return l.text
		}
	}
	return quote(l.text)
}

// quote returns s in quotes, so that lexing gives s back. Bytes that are not text, or would not show, are escaped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteString("\\" + s[i:i+size])
		case r == utf8.RuneError && size == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(s[i : i+size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}
