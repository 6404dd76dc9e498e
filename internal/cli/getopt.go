package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// The values of options follow getopt_long and the number rules of C ZMap: numbers in any base that C's strtol knows, and
// no option twice.

// once refuses a second value for an option. It is part of every value below.
type once struct{ set bool }

// errTwice is what pflag wraps into its message about an option that was given before.
var errTwice = errors.New("option given more than once")

func (o *once) take() error {
	if o.set {
		return errTwice
	}
	o.set = true
	return nil
}

// textValue is an option with a string.
type textValue struct {
	once
	p *string
}

func (v *textValue) String() string { return deref(v.p) }
func (v *textValue) Type() string   { return "string" }

// Set takes the string as it is.
func (v *textValue) Set(s string) error {
	if err := v.take(); err != nil {
		return err
	}
	*v.p = s
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
	t := strings.TrimLeft(s, " \t\n\v\f\r")
	if strings.ContainsAny(t, "_oObB") && !strings.HasPrefix(strings.TrimLeft(t, "+-"), "0x") && !strings.HasPrefix(strings.TrimLeft(t, "+-"), "0X") {
		return 0, errors.New("is not a number")
	}
	n, err := strconv.ParseInt(t, 0, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("is too large a number")
	case err != nil || strings.Contains(t, "_"):
		return 0, errors.New("is not a number")
	}
	return n, nil
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
	if u, err := strconv.ParseUint(strings.TrimSpace(s), 0, 64); err == nil {
		*v.p = &u
		return nil
	}
	n, err := parseInt(s)
	if err != nil {
		return err
	}
	u := uint64(n)
	*v.p = &u
	return nil
}

// floatValue is an option with a number that may have a fraction.
type floatValue struct {
	once
	p *float64
}

func (v *floatValue) String() string { return "" }
func (v *floatValue) Type() string   { return "number" }

// Set takes a number that is not negative.
func (v *floatValue) Set(s string) error {
	if err := v.take(); err != nil {
		return err
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 0 || f != f {
		return errors.New("is not a number of 0 or more")
	}
	*v.p = f
	return nil
}

// flagOn is the value that pflag gives to an option without one.
const flagOn = "on"

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
		return errors.New("this option takes no value")
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

// completePrefix lets fs take any unambiguous beginning of a long option for the option, as getopt_long does. An exact
// name always wins; an ambiguous beginning stays unknown.
func completePrefix(fs *pflag.FlagSet) {
	fs.SetNormalizeFunc(func(f *pflag.FlagSet, name string) pflag.NormalizedName {
		var match []string
		f.VisitAll(func(fl *pflag.Flag) {
			if fl.Name == name {
				match = []string{name, name, name}
			}
			if strings.HasPrefix(fl.Name, name) && fl.Name != name {
				match = append(match, fl.Name)
			}
		})
		if len(match) == 1 {
			return pflag.NormalizedName(match[0])
		}
		return pflag.NormalizedName(name)
	})
}
