package fingerprint

import (
	"errors"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Bounds of conditions.
const (
	maxNested  = 16      // of conditions
	maxPattern = 4 << 10 // bytes of a regular expression
)

// condition compiles a condition. A list is one whose terms hold all.
func (r *reader) condition(at place, n *yaml.Node, depth int) (condition, error) {
	if at = at.on(n); depth > maxNested {
		return nil, at.errorf("conditions are nested deeper than %d", maxNested)
	}
	if n.Kind == yaml.SequenceNode {
		terms, err := r.terms(at, n, depth)
		return allOf(terms), err
	}
	all, err := members(at, n, "all", "any", "not", "at", "match", "equals", "contains", "present", "min", "max")
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(m member) bool { return m.key == "at" }); i >= 0 {
		path := all[i].value
		return r.leaf(at, path, slices.Delete(all, i, i+1))
	}
	if len(all) != 1 {
		return nil, at.errorf("a condition is one of all, any and not, or has a path (at) with one test")
	}
	switch m := all[0]; m.key {
	case "all":
		terms, err := r.terms(at, m.value, depth)
		return allOf(terms), err
	case "any":
		terms, err := r.terms(at, m.value, depth)
		return anyOf(terms), err
	case "not":
		before := len(r.groups)
		of, err := r.condition(at, m.value, depth+1)
		r.groups = r.groups[:before] // nothing is matched when it holds
		return negation{of}, err
	default:
		return nil, at.errorf("%s needs a path (at)", m.key)
	}
}

func (r *reader) terms(at place, n *yaml.Node, depth int) ([]condition, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, at.on(n).errorf("a list of conditions belongs here, not %s", describe(n))
	}
	terms := make([]condition, 0, len(n.Content))
	for _, c := range n.Content {
		term, err := r.condition(at, c, depth+1)
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
	return terms, nil
}

// leaf compiles a path and its test. Several paths are alternatives.
func (r *reader) leaf(at place, paths *yaml.Node, tests []member) (condition, error) {
	t, negative, err := r.test(at, tests)
	if err != nil {
		return nil, err
	}
	var any anyOf
	for _, n := range items(paths) {
		path, err := text(at, n)
		if err != nil {
			return nil, err
		}
		slot, err := r.set.paths.add(path)
		if err != nil {
			return nil, at.on(n).errorf("%w", err)
		}
		any = append(any, leaf{slot, t})
	}
	var c condition = any
	if len(any) == 1 {
		c = any[0]
	}
	if negative {
		c = negation{c}
	}
	return c, nil
}

// test compiles the test of a leaf. It says whether the leaf is to be turned round: present: false.
func (r *reader) test(at place, tests []member) (t test, negative bool, err error) {
	isRange := func(m member) bool { return m.key == "min" || m.key == "max" }
	if len(tests) > 0 && !slices.ContainsFunc(tests, func(m member) bool { return !isRange(m) }) {
		t, err = readRange(at, tests)
		return t, false, err
	}
	if len(tests) != 1 {
		return nil, false, at.errorf("a path (at) has one test: match, equals, contains, present, or min and max")
	}
	switch n := tests[0].value; tests[0].key {
	case "match":
		t, err = r.pattern(at, n)
	case "equals":
		t, err = readEquals(at, n)
	case "contains":
		var s string
		s, err = text(at, n)
		t = contains{[]byte(s), rare([]byte(s))}
	case "present":
		if n.Tag != "!!bool" {
			return nil, false, at.on(n).errorf("present is true or false, not %s", describe(n))
		}
		return present{}, n.Value == "false", nil
	default:
		return nil, false, at.errorf("%s needs no path", tests[0].key)
	}
	return t, false, err
}

func (r *reader) pattern(at place, n *yaml.Node) (*matches, error) {
	s, err := text(at, n)
	if err != nil {
		return nil, err
	}
	if len(s) > maxPattern {
		return nil, at.on(n).errorf("a regular expression has at most %d bytes", maxPattern)
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, at.on(n).errorf("%w", err)
	}
	m := &matches{re: re}
	if tree, err := syntax.Parse(s, syntax.Perl); err == nil {
		m.needs = rare(needs(tree.Simplify()))
	}
	for _, name := range re.SubexpNames() {
		if name != "" {
			m.groups = re.SubexpNames()
			r.groups = append(r.groups, name)
		}
	}
	return m, nil
}

// readEquals reads a value, or a list of them. Only numbers and booleans without quotes are such.
func readEquals(at place, n *yaml.Node) (equals, error) {
	var all equals
	for _, item := range items(n) {
		s, err := text(at, item)
		if err != nil {
			return nil, err
		}
		l := literal{kind: kindText, text: s}
		switch item.Tag {
		case "!!bool":
			l = literal{kind: kindBool}
			if s == "true" {
				l.num = 1
			}
		case "!!int", "!!float":
			f, err := number(at, item)
			if err != nil {
				return nil, err
			}
			l = literal{kind: kindNumber, num: f}
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		return nil, at.on(n).errorf("equals names no value")
	}
	return all, nil
}

func readRange(at place, tests []member) (within, error) {
	w := within{math.Inf(-1), math.Inf(1)}
	for _, m := range tests {
		f, err := number(at, m.value)
		if err != nil {
			return w, err
		}
		if m.key == "min" {
			w.min = f
		} else {
			w.max = f
		}
	}
	if w.min > w.max {
		return w, at.errorf("%w", errors.New("min is greater than max"))
	}
	return w, nil
}
