package target

import (
	"errors"
	"fmt"
	"strconv"
)

// maxFaults bounds how many mistakes of one list are reported one by one, so that naming the wrong file does not print it.
const maxFaults = 10

// maxQuote bounds how much of a user's text is repeated in an error.
const maxQuote = 80

// faults collects the mistakes of one input, so that they are reported together.
type faults struct {
	list []error
	more int // mistakes beyond maxFaults, only counted
}

func (f *faults) add(err error) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, err)
		return
	}
	f.more++
}

func (f *faults) count() int { return len(f.list) + f.more }

// err returns all mistakes as one error, a line each, or nil when there are none.
func (f *faults) err() error {
	switch {
	case f.more > 0:
		return errors.Join(append(f.list[:maxFaults:maxFaults], fmt.Errorf("and %d more mistakes of this kind", f.more))...)
	case len(f.list) == 1:
		return f.list[0]
	}
	return errors.Join(f.list...)
}

// quote returns s in quotes, shortened to a length that fits a line.
func quote(s string) string {
	if len(s) > maxQuote {
		return strconv.Quote(s[:maxQuote]) + "..."
	}
	return strconv.Quote(s)
}

// An Origin says where an entry was written: a line of a file, or, with line 0, something that has no lines. The zero
// Origin is a command-line argument.
type Origin struct {
	Name string // file name, or what else supplied the entry
	Line int    // from 1; 0 when there are no lines
}

// String returns "file:line", the bare name, or "argument".
func (o Origin) String() string {
	switch {
	case o.Name == "":
		return "argument"
	case o.Line == 0:
		return o.Name
	}
	return o.Name + ":" + strconv.Itoa(o.Line)
}

// An EntryError says which entry of a list cannot be used, where it was written, and why.
type EntryError struct {
	Origin Origin
	Entry  string
	Err    error // says what to type instead
}

// Error returns one line: origin, entry and reason.
func (e *EntryError) Error() string {
	if e.Origin == (Origin{}) {
		return "argument " + quote(e.Entry) + ": " + e.Err.Error()
	}
	if e.Entry == "" {
		return e.Origin.String() + ": " + e.Err.Error()
	}
	return e.Origin.String() + ": " + quote(e.Entry) + ": " + e.Err.Error()
}

// Unwrap returns the reason alone.
func (e *EntryError) Unwrap() error { return e.Err }
