package citizen

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/target"
)

// Excluded is what a scan leaves out, though it was asked for by name, for no other reason than that a blocklist names
// special-purpose networks.
type Excluded struct {
	List    string  // name of the blocklist
	Entries []Entry // those to blame, ascending
	Classes []Class // what to allow: the classes of Entries, and those that are allowed already
}

// maxShown bounds how many entries a text names one by one.
const maxShown = 4

// String names the entries, with their purpose and the lines they are on.
func (x *Excluded) String() string {
	var names []string
	for i, e := range x.Entries {
		if i == maxShown {
			names = append(names, fmt.Sprintf("%d more", len(x.Entries)-i))
			break
		}
		names = append(names, fmt.Sprintf("%s, %s, %s (%s:%d)", e.Prefix, e.Name, e.RFC, x.List, e.Line))
	}
	return strings.Join(names, " and ")
}

// A SpecialError says that a scan has nothing to do because of special-purpose networks on its blocklist, and which classes
// to allow. It wraps the error that it explains.
type SpecialError struct {
	Excluded
	Err error // wraps a [target.EmptyError]
}

// Error returns what is excluded by what, and the classes that allow it.
func (e *SpecialError) Error() string {
	return fmt.Sprintf("%v: the blocklist has %s; to scan it, allow %s", target.ErrEmpty, &e.Excluded, JoinClasses(e.Classes))
}

// Unwrap returns the error without the explanation.
func (e *SpecialError) Unwrap() error { return e.Err }

// Explain returns a [SpecialError] if err wraps a [target.EmptyError], and there would be something to scan if more classes
// were allowed. It returns err if other entries would have to change as well.
func (s *Special) Explain(err error) error {
	empty, ok := errors.AsType[*target.EmptyError](err)
	if !ok {
		return err
	}
	x := s.excluded(s.touched(empty.Without(s.has)))
	if x == nil {
		return err
	}
	return &SpecialError{Excluded: *x, Err: err}
}

// Missed returns what space leaves out of what was asked for by name: of the list of addresses or, if that is nil, of the
// networks to scan, of which only those count that the space has nothing of. It returns nil if that is nothing.
func (s *Special) Missed(space *target.Space, list *target.List) *Excluded {
	if len(s.entries) == 0 {
		return nil
	}
	return s.excluded(s.touched(space.Missed(list, s.has)))
}

// excluded returns the entries with what they need to be allowed, nil if there are none.
func (s *Special) excluded(entries []Entry) *Excluded {
	if len(entries) == 0 {
		return nil
	}
	classes := slices.DeleteFunc(Classes(), func(c Class) bool {
		return !slices.Contains(s.allow, c) && !slices.ContainsFunc(entries, func(e Entry) bool { return e.Class == c })
	})
	return &Excluded{List: s.list, Entries: entries, Classes: classes}
}
