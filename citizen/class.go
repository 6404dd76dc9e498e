package citizen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Class is a kind of special-purpose network, under the name that users give to allow it. The valid ones are those
// that [Classes] returns.
type Class string

// The classes. The list special.txt says which networks are of which class.
const (
	ThisNetwork   Class = "thisnetwork"
	Private       Class = "private"
	Shared        Class = "shared"
	Loopback      Class = "loopback"
	LinkLocal     Class = "linklocal"
	IETF          Class = "ietf"
	Documentation Class = "documentation"
	SixToFour     Class = "6to4"
	Benchmark     Class = "benchmark"
	Multicast     Class = "multicast"
	Reserved      Class = "reserved"
	Broadcast     Class = "broadcast"
)

var classes = []Class{
	ThisNetwork, Private, Shared, Loopback, LinkLocal, IETF, Documentation, SixToFour, Benchmark, Multicast, Reserved, Broadcast,
}

// Classes returns all classes in the order of their first networks. The slice is the caller's.
func Classes() []Class { return slices.Clone(classes) }

// ParseClasses reads names of classes with commas between them, such as "private,shared". Blanks around a name and the
// case of letters do not matter. The result holds each class once, in the order of [Classes].
func ParseClasses(text string) ([]Class, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("no class of networks named: write one or more of %s", JoinClasses(classes))
	}
	var found []Class
	for name := range strings.SplitSeq(text, ",") {
		found = append(found, Class(strings.ToLower(strings.TrimSpace(name))))
	}
	return sortClasses(found)
}

// Check returns an error unless c is one of [Classes].
func (c Class) Check() error {
	switch {
	case c == "":
		return errors.New("empty name of a class of networks: write names with one comma between them, such as private,shared")
	case !slices.Contains(classes, c):
		return fmt.Errorf("no class of networks is called %.40q: write one or more of %s", string(c), JoinClasses(classes))
	}
	return nil
}

// sortClasses returns each class once, in the order of [Classes], or an error that names the first one that is unknown.
func sortClasses(found []Class) ([]Class, error) {
	for _, c := range found {
		if err := c.Check(); err != nil {
			return nil, err
		}
	}
	var sorted []Class
	for _, c := range classes {
		if slices.Contains(found, c) {
			sorted = append(sorted, c)
		}
	}
	return sorted, nil
}

// JoinClasses returns the names with commas between them. It is the inverse of [ParseClasses].
func JoinClasses(list []Class) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = string(c)
	}
	return strings.Join(names, ",")
}
