package fingerprint

import (
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// An Error says what is wrong with a rule, and where.
type Error struct {
	File string // name of the file, as it was given
	Line int    // from 1; 0 if it is the file as a whole
	Rule string // name of the rule; "" outside of rules, or if it has none
	Err  error  // what is wrong
}

// Error names file, line and rule.
func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	if e.Rule != "" {
		s += ": rule " + e.Rule
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns what is wrong, without the place.
func (e *Error) Unwrap() error { return e.Err }

// A place is where something stands.
type place struct {
	file string
	line int
	rule string
}

func (p place) errorf(format string, args ...any) *Error {
	return &Error{File: p.file, Line: p.line, Rule: p.rule, Err: fmt.Errorf(format, args...)}
}

// on returns the place of n in the same file and rule.
func (p place) on(n *yaml.Node) place {
	p.line = n.Line
	return p
}

// A member is a key of a mapping with its value.
type member struct {
	key   string
	value *yaml.Node
}

// members returns what a mapping holds, in order, if its keys are among those given and stand once.
func members(p place, n *yaml.Node, keys ...string) ([]member, error) {
	if n.Kind != yaml.MappingNode {
		return nil, p.on(n).errorf("a mapping belongs here, not %s", describe(n))
	}
	var all []member
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || !slices.Contains(keys, k.Value):
			return nil, p.on(k).errorf("there is no key %q here: %q", k.Value, keys)
		case slices.ContainsFunc(all, func(m member) bool { return m.key == k.Value }):
			return nil, p.on(k).errorf("key %s stands twice", k.Value)
		}
		all = append(all, member{k.Value, v})
	}
	return all, nil
}

// items returns what a list holds; one that is not a list is taken for a list of itself.
func items(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return []*yaml.Node{n}
}

// text returns the text of a scalar, whatever its type: 1.18 is a version here.
func text(p place, n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return "", p.on(n).errorf("text belongs here, not %s", describe(n))
	}
	return n.Value, nil
}

// number returns the number that a scalar is.
func number(p place, n *yaml.Node) (float64, error) {
	f, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || f != f {
		return 0, p.on(n).errorf("a number belongs here, not %s", describe(n))
	}
	return f, nil
}

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(n.Value)
}
