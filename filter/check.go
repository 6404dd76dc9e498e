package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/record"
)

// checker gives every comparison the position and type of its field and makes sure that its value can be compared with it.
type checker struct {
	src    string
	schema *record.Schema
}

func (c *checker) errorf(pos int, format string, args ...any) *Error {
	return &Error{Source: c.src, Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

func (c *checker) check(e expr) *Error {
	switch e := e.(type) {
	case *anyOf:
		return c.checkAll(e.terms)
	case *allOf:
		return c.checkAll(e.terms)
	case *negation:
		return c.check(e.of)
	case *compare:
		return c.compare(e)
	}
	return nil
}

func (c *checker) checkAll(terms []expr) *Error {
	for _, t := range terms {
		if err := c.check(t); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) compare(e *compare) *Error {
	i, ok := c.schema.Find(e.field)
	if !ok {
		return c.errorf(e.pos, "unknown field %q%s", e.field, suggest(e.field, c.schema))
	}
	e.field, e.index, e.typ = c.schema.Field(i).Name, i, c.schema.Field(i).Type
	switch e.typ {
	case record.Int, record.Bool:
		return c.number(e)
	case record.String:
		return c.text(e)
	case record.Addr:
		return c.address(e)
	case record.Binary:
		return c.errorf(e.pos, "field %q holds bytes, which cannot be compared", e.field)
	case record.Repeated:
		return c.errorf(e.pos, "field %q holds a list, which cannot be compared", e.field)
	case record.JSON:
		return c.errorf(e.pos, "field %q holds a JSON document, which cannot be compared", e.field)
	case record.Time:
	}
	return c.errorf(e.pos, "field %q holds a time as text, which cannot be compared: use a field that holds it as a number", e.field)
}

func (c *checker) number(e *compare) *Error {
	switch {
	case e.lit.kind != literalNumber && e.typ == record.Bool:
		return c.errorf(e.lit.pos, "field %q is true or false: expected 1 or 0, found %s", e.field, e.lit)
	case e.lit.kind != literalNumber:
		return c.errorf(e.lit.pos, "field %q holds a number: expected a number, found %s", e.field, e.lit)
	case e.op == opIn:
		return c.errorf(e.opPos, `field %q holds a number, and "in" expects an address`, e.field)
	}
	return nil
}

func (c *checker) text(e *compare) *Error {
	switch {
	case e.lit.kind != literalText:
		return c.errorf(e.lit.pos, `field %q holds text: expected a word or quoted text, as in "%s"`, e.field, e.lit)
	case e.op != opEqual && e.op != opUnequal:
		return c.errorf(e.opPos, `field %q holds text: expected "=" or "!=", found %q`, e.field, e.op)
	}
	return nil
}

// address accepts quoted addresses too.
func (c *checker) address(e *compare) *Error {
	if e.lit.kind == literalText {
		if p, single, ok := parseAddress(e.lit.text); ok {
			e.lit.kind, e.lit.prefix = literalNetwork, p
			if single {
				e.lit.kind = literalAddress
			}
		}
	}
	switch {
	case e.lit.kind == literalAddress:
	case e.lit.kind != literalNetwork:
		return c.errorf(e.lit.pos, "field %q holds an address: expected an address or a network, found %s", e.field, e.lit)
	case e.op != opEqual && e.op != opUnequal && e.op != opIn:
		return c.errorf(e.opPos, `%s is a network: expected "=", "!=" or "in" before it, found %q`, e.lit, e.op)
	}
	return nil
}

// suggest returns a question that names the fields whose names are near to name, or "".
func suggest(name string, s *record.Schema) string {
	type near struct {
		name string
		far  int
	}
	var found []near
	limit := max(1, min(3, (len(name)+1)/3)) // 2 from five letters on: swapped neighbours are two replacements
	for _, f := range s.Fields() {
		if d := distance(strings.ToLower(name), strings.ToLower(f.Name), limit); d <= limit {
			found = append(found, near{f.Name, d})
		}
	}
	if len(found) == 0 {
		return " (--list-output-fields shows all)"
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.far - b.far })
	var names []string
	for _, n := range found[:min(3, len(found))] {
		names = append(names, fmt.Sprintf("%q", n.name))
	}
	return ": did you mean " + strings.Join(names, " or ") + "?"
}

// distance returns how many insertions, deletions and replacements of a byte make b of a (Levenshtein's distance), or
// limit+1 when the lengths alone make it more than limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
