package outputs

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Spec is what a user says of one output:
//
//	KIND                             csv
//	KIND=DESTINATION                 sqlite=scan.db
//	KIND=DESTINATION,NAME=VALUE,...  csv=a.csv,fields=saddr,sport,filter=success = 1
//
// A value ends before the next ",NAME=", so that lists of fields need no quoting.
type Spec struct {
	Kind        Kind
	Destination string // file, URL or command; "" if none is named
	options     map[string]string
}

// option is where a value begins: behind a comma and a name.
var option = regexp.MustCompile(`,([a-z][a-z-]*)=`)

// ParseFile is Parse, and takes the name of a file as well, if it ends as those of a kind do, compressed or not.
func ParseFile(text string) (Spec, error) {
	end := filepath.Ext(strings.TrimSuffix(strings.TrimSuffix(text, ".gz"), ".zst"))
	for _, k := range Kinds() {
		if slices.Contains(k.ends, end) && !strings.Contains(text, "=") {
			return Spec{Kind: k, Destination: text}, nil
		}
	}
	return Parse(text)
}

// Parse reads a Spec.
func Parse(text string) (Spec, error) {
	places := option.FindAllStringSubmatchIndex(text, -1)
	head := text
	if len(places) > 0 {
		head = text[:places[0][0]]
	}
	name, dest, named := strings.Cut(head, "=")
	kind, err := lookup(name)
	if err != nil {
		return Spec{}, err
	}
	s := Spec{Kind: kind, Destination: dest, options: make(map[string]string)}
	if named && dest == "" {
		return Spec{}, fmt.Errorf("%s= names no %s", name, kind.Destination)
	}
	for i, p := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		if err := s.set(text[p[2]:p[3]], text[p[1]:end]); err != nil {
			return Spec{}, err
		}
	}
	return s, nil
}

// set sets an option that the kind has.
func (s *Spec) set(name, value string) error {
	names := []string{"fields", "filter"}
	options := s.Kind.Options
	if s.Kind.server != nil {
		options = slices.Concat(options, queueOptions())
	}
	for _, o := range options {
		names = append(names, o.Name)
	}
	switch {
	case !slices.Contains(names, name):
		return fmt.Errorf("%s has no option %q; it has %s", s.Kind.Name, name, strings.Join(names, ", "))
	case s.options[name] != "":
		return fmt.Errorf("%s= is there twice", name)
	case value == "":
		return fmt.Errorf("%s= has no value", name)
	}
	s.options[name] = value
	return nil
}

// Option returns the value of an option, "" if it was not given.
func (s *Spec) Option(name string) string { return s.options[name] }

// lookup returns the kind with that name.
func lookup(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	last := len(names) - 1
	return Kind{}, fmt.Errorf("unknown output module %q: expected %s or %s", name, strings.Join(names[:last], ", "), names[last])
}
