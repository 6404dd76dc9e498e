package citizen

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/target"
)

// maxShown bounds how many entries a text names one by one.
const maxShown = 4

// A SpecialError says that a scan has nothing to do because the list of special-purpose networks excludes all that was
// asked for, and how to allow it. It wraps the error that it explains.
type SpecialError struct {
	Entries []Entry // that exclude what was asked for, ascending
	Classes []Class // what to allow: the classes of Entries and those that were allowed already
	Err     error   // wraps a [target.EmptyError]
	reason  string
}

// Error returns what is excluded by what, and the option that allows it.
func (e *SpecialError) Error() string {
	return fmt.Sprintf("%v: %s\n%s", target.ErrEmpty, e.reason, advice(e.Entries, e.Classes))
}

// Unwrap returns the error without the explanation.
func (e *SpecialError) Unwrap() error { return e.Err }

// Option returns the option that allows what was asked for, such as "--allow-special private". It takes the place of one
// that was given.
func (e *SpecialError) Option() string { return option(e.Classes) }

// Explain returns a [SpecialError] if err wraps a [target.EmptyError], and there would be something to scan if the list
// had not been added to the builder. It returns err if other lists or entries would have to change as well.
func (s *Special) Explain(err error) error {
	empty, ok := errors.AsType[*target.EmptyError](err)
	if !ok {
		return err
	}
	lines := make(map[int]bool)
	for p := range empty.Without(SpecialOrigin) {
		s.touch(p, lines)
		if len(lines) == len(s.entries) {
			break
		}
	}
	found := s.named(lines)
	if len(found) == 0 {
		return err
	}
	return &SpecialError{Entries: found, Classes: s.allowing(found), Err: err, reason: empty.Reason}
}

// Advice says of entries that they are not scanned by default and with which option they are. It is empty if there are
// no entries. It is meant for those that [Special.Excluded] returns.
func (s *Special) Advice(entries []Entry) string {
	if len(entries) == 0 {
		return ""
	}
	return advice(entries, s.allowing(entries))
}

// allowing returns the classes that are allowed and those of the entries.
func (s *Special) allowing(entries []Entry) []Class {
	return slices.DeleteFunc(Classes(), func(c Class) bool {
		return !slices.Contains(s.allow, c) && !slices.ContainsFunc(entries, func(e Entry) bool { return e.Class == c })
	})
}

func advice(entries []Entry, allow []Class) string {
	var b strings.Builder
	for i, e := range entries {
		if i == maxShown {
			fmt.Fprintf(&b, "and %d more\n", len(entries)-i)
			break
		}
		fmt.Fprintf(&b, "%s is not scanned by default: %s (%s)\n", e.Prefix, e.Name, e.RFC)
	}
	it := "it"
	if len(entries) > 1 {
		it = "them"
	}
	fmt.Fprintf(&b, "to scan %s, use %s", it, option(allow))
	return b.String()
}

func option(allow []Class) string { return "--allow-special " + joinClasses(allow) }
