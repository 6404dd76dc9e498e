package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/target"
)

// What to tell a user who names networks that the default blocklist has: which entry it is, and their own command line with
// the option that allows just this class.

// commandBreak stands before a command in a text. On a terminal the command has a line of its own, to be copied whole.
const commandBreak = "\n    "

// An excludedError is a scan that has nothing to do because of the default blocklist.
type excludedError struct {
	*citizen.SpecialError
	retry string // the command that scans what the user named
}

// Error says what excludes the networks, and which command scans them.
func (e *excludedError) Error() string {
	return fmt.Sprintf("%v: the blocklist has %s; to scan it:%s%s", target.ErrEmpty, &e.Excluded, commandBreak, e.retry)
}

// Unwrap returns the error without the command.
func (e *excludedError) Unwrap() error { return e.SpecialError }

// advise turns the error of a scan that the default blocklist leaves nothing of into one with a command. A list that the
// user chose is explained as one.
func (j *job) advise(err error) error {
	special, ok := errors.AsType[*citizen.SpecialError](err)
	switch {
	case !ok:
		return err
	case j.o.ownList:
		return special.Err
	default:
		return &excludedError{special, j.o.allowing(special.Classes)}
	}
}

// warnOfExcluded says what a scan leaves out of what was named, though not all of it.
func (j *job) warnOfExcluded(x *citizen.Excluded) {
	if x == nil || j.o.ownList {
		return
	}
	j.log.Warn(fmt.Sprintf("part of what is named is not scanned: the blocklist has %s; to scan it: %s", x, j.o.allowing(x.Classes)),
		"module", "zmap")
}

// allowing returns the command line with the option that allows classes, as a shell takes it. Classes that it allows itself
// need not be said again, those that a configuration file allows do: an option on the command line hides those in files.
func (o *scanOptions) allowing(classes []citizen.Class) string {
	if o.line["allow-special"] {
		classes = slices.DeleteFunc(slices.Clone(classes), func(c citizen.Class) bool { return slices.Contains(o.allowSpecial, c) })
	}
	option := []string{"--allow-special", citizen.JoinClasses(classes)}
	words := slices.Clone(o.argv)
	at := len(words)
	if slices.Contains(words, "--") {
		at = 1 // what follows the two dashes is no option
	}
	words = slices.Insert(words, at, option...)
	for i, w := range words {
		words[i] = shellQuote(w)
	}
	if bySudo(o.argv[0]) {
		words = slices.Insert(words, 0, "sudo")
	}
	return strings.Join(words, " ")
}

// bySudo says whether sudo has started this program itself, and not a shell that the program was started in: sudo(8) leaves the
// command that it was given in the environment. It has no part in the arguments, but whoever typed it has to type it again.
func bySudo(program string) bool {
	command, _, _ := strings.Cut(os.Getenv("SUDO_COMMAND"), " ")
	return command != "" && filepath.Base(command) == filepath.Base(program)
}

// shellQuote returns a word as the shells of POSIX take it for itself.
func shellQuote(word string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+:,./_-"
	plain := strings.Trim(word, safe) == ""
	if word != "" && plain || strings.HasPrefix(word, "-") && strings.Trim(word, safe+"=") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
