package fingerprint

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v4"
)

// runTests has a rule pass its own tests: data that it must say something of, and data that it must not.
//
//	tests:
//	  positive:
//	    - data: {ssh: {result: {server_id: {software: OpenSSH_9.6}}}}
//	      version: "9.6"
//	  negative:
//	    - data: {ssh: {result: {server_id: {software: dropbear}}}}
func runTests(at place, r *rule, p *paths, n *yaml.Node) error {
	if n == nil {
		return nil
	}
	all, err := members(at, n, "positive", "negative")
	if err != nil {
		return err
	}
	only := &Set{rules: []*rule{r}, paths: p}
	for _, m := range all {
		for _, item := range items(m.value) {
			if err := only.runTest(at, item, m.key == "positive"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Set) runTest(at place, n *yaml.Node, positive bool) error {
	all, err := members(at, n, "data", "vendor", "product", "version", "cpe")
	if err != nil {
		return err
	}
	at = at.on(n)
	want := make(map[string]string)
	var data []byte
	for _, m := range all {
		if m.key == "data" {
			if data, err = asJSON(at, m.value); err != nil {
				return err
			}
			continue
		}
		if want[m.key], err = text(at, m.value); err != nil {
			return err
		}
	}
	if data == nil {
		return at.errorf("a test has data")
	}
	found := s.Match(data)
	if (len(found) > 0) != positive {
		return at.errorf("its test has it match: %v, and it is %v", positive, len(found) > 0)
	}
	for key, w := range want {
		if !positive {
			return at.errorf("what is not to match has no %s", key)
		}
		f := found[0]
		if got := map[string]string{"vendor": f.Vendor, "product": f.Product, "version": f.Version, "cpe": f.CPE}[key]; got != w {
			return at.errorf("its test wants %s %q, and it gives %q", key, w, got)
		}
	}
	return nil
}

// asJSON writes a node as JSON: data of a test, in which texts may be long.
func asJSON(at place, n *yaml.Node) ([]byte, error) {
	var b strings.Builder
	if err := writeJSON(&b, at, n, 0); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

func writeJSON(b *strings.Builder, at place, n *yaml.Node, depth int) error {
	if depth > maxDepth {
		return at.on(n).errorf("data is nested deeper than %d", maxDepth)
	}
	switch {
	case n.Kind == yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, n.Content[i].Value)
			b.WriteByte(':')
			if err := writeJSON(b, at, n.Content[i+1], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case n.Kind == yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, at, c, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case n.Kind != yaml.ScalarNode:
		return at.on(n).errorf("data cannot hold %s", describe(n))
	case n.Tag != "!!str" && json.Valid([]byte(n.Value)):
		b.WriteString(n.Value)
	default:
		writeText(b, n.Value)
	}
	return nil
}

func writeText(b *strings.Builder, s string) {
	text, err := json.Marshal(s)
	if err != nil {
		panic("fingerprint: text that is no JSON") // all text is
	}
	b.Write(text)
}
