package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/citizen"
)

// The values of options follow getopt_long and the number rules of C ZMap: numbers in any base that C's strtol knows, and
// no option twice.

// once refuses a second value for an option. It is part of every value below.
type once struct {
	set   bool
	again bool // a second one is no mistake
}

// Sentinel errors, which pflag wraps into its own.
var (
	errTwice  = errors.New("option given more than once")
	errEmpty  = errors.New("the argument is empty")
	errNumber = errors.New("is not a number")
)

func (o *once) take() error {
	if o.set && !o.again {
		return errTwice
	}
	o.set = true
	return nil
}

// allowAgain lets the option be given more than once.
func (o *once) allowAgain() { o.again = true }

// allowAgain lets all options of fs be given more than once: shell completion parses a command line several times.
func allowAgain(fs *pflag.FlagSet) {
	fs.VisitAll(func(f *pflag.Flag) {
		if v, ok := f.Value.(interface{ allowAgain() }); ok {
			v.allowAgain()
		}
	})
}

// textValue is an option with a string.
type textValue struct {
	once
	p     *string
	empty bool // an empty string has a meaning
}

func (v *textValue) String() string { return deref(v.p) }
func (v *textValue) Type() string   { return "string" }

// Set takes the string as it is. Where an empty one has no meaning it is a mistake: an unset variable in a script must not
// be a scan without a blocklist.
func (v *textValue) Set(s string) error {
	if err := v.take(); err != nil {
		return err
	}
	if s == "" && !v.empty {
		return errEmpty
	}
	*v.p = s
	return nil
}

// listValue is an option that may be given several times.
type listValue struct {
	p     *[]string
	given bool // what is there is no default
}

func (v *listValue) String() string { return strings.Join(*v.p, " ") }
func (v *listValue) Type() string   { return "string" }

// Set adds one more.
func (v *listValue) Set(s string) error {
	if s == "" {
		return errEmpty
	}
	if !v.given {
		*v.p, v.given = nil, true
	}
	*v.p = append(*v.p, s)
	return nil
}

// intValue is an option with an integer between bounds.
type intValue struct {
	once
	p        *int64
	min, max int64
}

func (v *intValue) String() string { return strconv.FormatInt(derefInt(v.p), 10) }
func (v *intValue) Type() string   { return "number" }

// Set takes a number as C's strtol with base 0 reads it: decimal, 0x or 0 octal, leading blanks allowed.
func (v *intValue) Set(s string) error {
	if err := v.take(); err != nil {
		return err
	}
	n, err := parseInt(s)
	if err != nil {
		return err
	}
	if n < v.min || n > v.max {
		return fmt.Errorf("must be between %d and %d", v.min, v.max)
	}
	*v.p = n
	return nil
}

// parseInt reads an integer as strtoll with base 0, all of s.
func parseInt(s string) (int64, error) {
	n, err := strconv.ParseInt(cNumber(s), 0, 64)
	return n, numberError(err)
}

// cNumber returns s without what C allows before a number, or nothing if s is a number of Go that is none of C.
func cNumber(s string) string {
	t := strings.TrimLeft(s, " \t\n\v\f\r")
	if digits := strings.ToLower(strings.TrimLeft(t, "+-")); strings.ContainsAny(digits, "_o") || strings.HasPrefix(digits, "0b") {
		return ""
	}
	return t
}

// numberError words an error of package strconv.
func numberError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strconv.ErrRange):
		return errors.New("is too large a number")
	default:
		return errNumber
	}
}

// seedValue is an option with a 64-bit seed; negative numbers stand for their two's complement, as in C ZMap.
type seedValue struct {
	once
	p **uint64
}

func (v *seedValue) String() string { return "" }
func (v *seedValue) Type() string   { return "number" }

// Set takes a signed or unsigned number of 64 bits.
func (v *seedValue) Set(s string) error {
	if err := v.take(); err != nil {
		return err
	}
	u, err := strconv.ParseUint(strings.TrimPrefix(cNumber(s), "+"), 0, 64)
	if err != nil {
		n, serr := strconv.ParseInt(cNumber(s), 0, 64)
		u, err = uint64(n), numberError(serr)
	}
	if err != nil {
		return err
	}
	*v.p = &u
	return nil
}

// percentValue is an option with a percentage, which may have a fraction.
type percentValue struct {
	once
	p *float64
}

func (v *percentValue) String() string { return "" }
func (v *percentValue) Type() string   { return "number" }

// Set takes a number from 0 to 100.
func (v *percentValue) Set(s string) error {
	if err := v.take(); err != nil {
		return err
	}
	f, err := decimal(strings.TrimSpace(s))
	if err != nil || f < 0 || f > 100 {
		return errors.New("is not a number from 0 to 100")
	}
	*v.p = f
	return nil
}

// classValue is an option with classes of special-purpose networks. It can be given again, which adds to it: so a command
// line that lacks a class is mended by more words at its end.
type classValue struct{ p *[]citizen.Class }

func (v *classValue) String() string { return "" }
func (v *classValue) Type() string   { return "classes" }

// Set takes names of classes with commas between them.
func (v *classValue) Set(s string) error {
	classes, err := citizen.ParseClasses(s)
	*v.p = append(*v.p, classes...)
	return err
}

// flagOn is the value that pflag gives to an option without one. Nobody can type it.
const flagOn = "\x00"

// flagValue is an option without a value.
type flagValue struct {
	once
	p *bool
}

// String and Type are a boolean flag's, which cobra reads to see whether help is wanted.
func (v *flagValue) String() string { return strconv.FormatBool(v.p != nil && *v.p) }
func (v *flagValue) Type() string   { return "bool" }

// Set refuses any value: --quiet=1 is a mistake.
func (v *flagValue) Set(s string) error {
	if err := v.take(); err != nil {
		return err
	}
	if s != flagOn {
		return errors.New("the option takes no argument")
	}
	*v.p = true
	return nil
}

func deref(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func derefInt(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// completePrefix lets fs take any unambiguous beginning of a long option for the option, as getopt_long does, and old names.
// What begins several is left as it is: the name of one of them, or unknown. Say gets a line about each old name, once.
func completePrefix(fs *pflag.FlagSet, say func(line string)) {
	said := make(map[string]bool)
	fs.SetNormalizeFunc(func(fs *pflag.FlagSet, name string) pflag.NormalizedName {
		today, old := spelled(fs, name)
		if old != "" && !said[old] {
			said[old] = true
			say(renamed("option", "--"+old, "--"+today))
		}
		return pflag.NormalizedName(today)
	})
}

// optionsOf returns the long names of fs.
func optionsOf(fs *pflag.FlagSet) []string {
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// beginningWith returns those of the names that begin with text.
func beginningWith(names []string, text string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !strings.HasPrefix(s, text) })
}
