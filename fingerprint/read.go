package fingerprint

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Bounds of files of rules.
const (
	maxFile  = 4 << 20 // bytes
	maxRules = 10_000  // in one set
)

// Builtin is the name of the rules that the program brings along.
const Builtin = "builtin"

//go:embed rules/*.yaml
var shipped embed.FS

// Open returns the rules of all files named; the name [Builtin] stands for those that the program brings along.
func Open(names ...string) (*Set, error) {
	r := &reader{set: &Set{paths: newPaths()}}
	for _, name := range names {
		if err := r.open(name); err != nil {
			return nil, err
		}
	}
	return r.set, nil
}

// Read returns the rules of a text. The name is for errors.
func Read(in io.Reader, name string) (*Set, error) {
	r := &reader{set: &Set{paths: newPaths()}}
	if err := r.read(in, name); err != nil {
		return nil, err
	}
	return r.set, nil
}

// A reader adds rules to a set.
type reader struct {
	set    *Set
	groups []string // of the regular expressions of the present rule
}

func (r *reader) open(name string) error {
	if name == Builtin {
		return r.openShipped()
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open fingerprint rules: %w", err)
	}
	defer f.Close()
	return r.read(f, name)
}

func (r *reader) openShipped() error {
	names, err := fs.Glob(shipped, "rules/*.yaml")
	if err != nil {
		return fmt.Errorf("list built-in fingerprint rules: %w", err)
	}
	for _, name := range names {
		b, err := shipped.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read built-in fingerprint rules: %w", err)
		}
		if err := r.read(bytes.NewReader(b), name); err != nil {
			return err
		}
	}
	return nil
}

// read adds the rules of one text, and has each pass its own tests.
func (r *reader) read(in io.Reader, name string) error {
	at := place{file: name}
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > maxFile {
		return at.errorf("file is longer than %d MB", maxFile>>20)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return at.errorf("%w", err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return at.errorf("no rules in it")
	}
	top, err := members(at, doc.Content[0], "rules")
	if err != nil {
		return err
	}
	for _, m := range top {
		if m.value.Kind != yaml.SequenceNode {
			return at.on(m.value).errorf("rules are a list, not %s", describe(m.value))
		}
		for _, n := range m.value.Content {
			if err := r.rule(at.on(n), n); err != nil {
				return err
			}
		}
	}
	return nil
}

// rule adds one rule.
func (r *reader) rule(at place, n *yaml.Node) error {
	if len(r.set.rules) >= maxRules {
		return at.errorf("more than %d rules", maxRules)
	}
	keys := []string{"name", "note", "vendor", "product", "version", "cpe", "confidence", "hello", "when", "tests"}
	all, err := members(at, n, keys...)
	if err != nil {
		return err
	}
	nodes := make(map[string]*yaml.Node)
	for _, m := range all {
		nodes[m.key] = m.value
	}
	out := &rule{confidence: 80, at: at}
	if nodes["name"] == nil || nodes["when"] == nil {
		return at.errorf("a rule has a name and a condition (when)")
	}
	if out.name, err = text(at, nodes["name"]); err != nil {
		return err
	}
	at.rule, out.at.rule = out.name, out.name
	if slices.ContainsFunc(r.set.rules, func(o *rule) bool { return o.name == out.name }) {
		return at.errorf("there is a rule of this name already")
	}
	r.groups = nil
	if out.when, err = r.condition(at, nodes["when"], 0); err != nil {
		return err
	}
	out.groups = r.groups
	if err := out.say(at, nodes); err != nil {
		return err
	}
	if h := nodes["hello"]; h != nil {
		if out.hello, err = readHello(at, h); err != nil {
			return err
		}
	}
	r.set.rules = append(r.set.rules, out)
	return runTests(at, out, r.set.paths, nodes["tests"])
}

// say reads what a rule says of what it fits.
func (r *rule) say(at place, nodes map[string]*yaml.Node) error {
	for key, to := range map[string]*template{"vendor": &r.vendor, "product": &r.product, "version": &r.version, "cpe": &r.cpe} {
		n := nodes[key]
		if n == nil {
			continue
		}
		s, err := text(at, n)
		if err != nil {
			return err
		}
		if *to, err = parseTemplate(s, r.groups); err != nil {
			return at.on(n).errorf("%s: %w", key, err)
		}
		if key == "cpe" {
			if err := checkCPE(s); err != nil {
				return at.on(n).errorf("%w", err)
			}
		}
	}
	if nodes["version"] == nil && slices.Contains(r.groups, "version") {
		r.version = template{{group: "version"}}
	}
	if n := nodes["confidence"]; n != nil {
		f, err := number(at, n)
		if err != nil {
			return err
		}
		if r.confidence = int(f); f < 1 || f > 100 || float64(r.confidence) != f {
			return at.on(n).errorf("confidence is 1 to 100, not %s", n.Value)
		}
	}
	return nil
}

// readHello reads which suites must have been offered.
func readHello(at place, n *yaml.Node) ([]uint16, error) {
	all, err := members(at, n, "suites")
	if err != nil {
		return nil, err
	}
	var suites []uint16
	for _, m := range all {
		for _, item := range items(m.value) {
			s, err := text(at, item)
			if err != nil {
				return nil, err
			}
			id, err := parseSuite(s)
			if err != nil {
				return nil, at.on(item).errorf("%w", err)
			}
			suites = append(suites, id)
		}
	}
	if len(suites) == 0 {
		return nil, at.on(n).errorf("%w", errors.New("hello names no suites"))
	}
	slices.Sort(suites)
	return slices.Compact(suites), nil
}
