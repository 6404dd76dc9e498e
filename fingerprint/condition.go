package fingerprint

import (
	"bytes"
	"regexp"
)

// A condition is one of allOf, anyOf, negation and leaf. Those that hold leave the groups that they matched in the state.
type condition interface{ holds(*state) bool }

type (
	allOf    []condition
	anyOf    []condition
	negation struct{ of condition }
	leaf     struct {
		slot int // which path's values it looks at
		test test
	}
)

func (c allOf) holds(st *state) bool {
	before := len(st.groups)
	for _, term := range c {
		if !term.holds(st) {
			st.groups = st.groups[:before]
			return false
		}
	}
	return true
}

// The first one that holds gives its groups.
func (c anyOf) holds(st *state) bool {
	for _, term := range c {
		if term.holds(st) {
			return true
		}
	}
	return false
}

func (c negation) holds(st *state) bool {
	before := len(st.groups)
	held := c.of.holds(st)
	st.groups = st.groups[:before]
	return !held
}

// A leaf holds if one of the values passes.
func (c leaf) holds(st *state) bool {
	for i := range st.values[c.slot] {
		if c.test.passes(&st.values[c.slot][i], st) {
			return true
		}
	}
	return false
}

// A test looks at one value.
type test interface {
	passes(v *value, st *state) bool
}

type (
	present  struct{}
	equals   []literal
	contains struct{ text, rare []byte } // rare is the part that is looked for first
	within   struct{ min, max float64 }
	matches  struct {
		re     *regexp.Regexp
		needs  []byte   // text that every match contains; nil if none is known
		groups []string // names by the number of the group; nil if no group has one
	}
)

// A literal is a value that a rule names.
type literal struct {
	kind kind
	text string // of texts
	num  float64
}

func (present) passes(v *value, _ *state) bool { return v.kind != kindNull }

func (t equals) passes(v *value, _ *state) bool {
	for i := range t {
		if t[i].is(v) {
			return true
		}
	}
	return false
}

func (l *literal) is(v *value) bool {
	switch {
	case l.kind != v.kind:
		return false
	case l.kind == kindText:
		return !v.cut && string(v.text) == l.text
	}
	return l.num == v.num
}

func (t contains) passes(v *value, _ *state) bool {
	return v.kind == kindText && bytes.Contains(v.text, t.rare) && bytes.Contains(v.text, t.text)
}

func (t within) passes(v *value, _ *state) bool {
	return v.kind == kindNumber && v.num >= t.min && v.num <= t.max
}

func (t *matches) passes(v *value, st *state) bool {
	if v.kind != kindText || t.needs != nil && !bytes.Contains(v.text, t.needs) {
		return false
	}
	if t.groups == nil {
		return t.re.Match(v.text)
	}
	at := t.re.FindSubmatchIndex(v.text)
	if at == nil {
		return false
	}
	for i, name := range t.groups {
		if lo := at[2*i]; name != "" && lo >= 0 {
			st.groups = append(st.groups, group{name, v.text[lo:at[2*i+1]]})
		}
	}
	return true
}
