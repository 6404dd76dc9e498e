package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// The configuration file has one option a line:
//
//	name value          # a comment
//	name = "value"
//	name=value
//	flag
//	include other.conf
//
// Names are long option names, beginnings of them, or single letters. Values may stand in double or single quotes, which
// know no escapes; unquoted ones end at a blank, a quote or #.

// Bounds of a configuration file, so that a wrong path does not fill the memory.
const (
	maxConfLine    = 64 << 10
	maxConfInclude = 16 // files inside files
)

// A setting is one line of a configuration file.
type setting struct {
	name  string
	value string
	bare  bool   // there was no value
	at    string // file:line
}

// applyConf sets the options that the file at path names and the command line does not. Remarks are what there is to say about
// names that it took.
func applyConf(fs *pflag.FlagSet, path string) (remarks []string, err error) {
	settings, err := readConf(path, 0)
	if err != nil {
		return nil, err
	}
	typed := givenIn(fs)
	for _, s := range settings {
		f, old := lookUp(fs, s.name)
		switch {
		case f == nil || f.Name == "config":
			return nil, fmt.Errorf("%s: there is no option %s", s.at, s.name)
		case typed[f.Name]:
			continue
		case s.bare && f.NoOptDefVal == "":
			return nil, fmt.Errorf("%s: option %s needs a value", s.at, f.Name)
		case !s.bare && f.NoOptDefVal != "":
			return nil, fmt.Errorf("%s: option %s takes no value", s.at, f.Name)
		case s.bare:
			s.value = f.NoOptDefVal
		}
		if err := fs.Set(f.Name, s.value); err != nil {
			return nil, fmt.Errorf("%s: %w", s.at, optionError(fs, err))
		}
		if old != "" {
			remarks = append(remarks, s.at+": "+renamed("option", old, f.Name))
		}
	}
	return remarks, nil
}

// lookUp returns the option that a name stands for, nil if there is none, and the old name if it is one.
func lookUp(fs *pflag.FlagSet, name string) (f *pflag.Flag, old string) {
	if len(name) == 1 {
		return fs.ShorthandLookup(name), ""
	}
	today, old := spelled(fs, name)
	return fs.Lookup(today), old
}

// readConf returns the settings of a configuration file and the files it includes, in order.
func readConf(path string, depth int) ([]setting, error) {
	if depth > maxConfInclude {
		return nil, fmt.Errorf("read configuration %s: more than %d files include one another", path, maxConfInclude)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	own, err := parseConf(f, path)
	if err != nil {
		return nil, err
	}
	var out []setting
	for _, s := range own {
		if s.name != "include" {
			out = append(out, s)
			continue
		}
		if s.bare {
			return nil, fmt.Errorf("%s: include names no file", s.at)
		}
		more, err := readConf(included(path, s.value), depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.at, err)
		}
		out = append(out, more...)
	}
	return out, nil
}

// included returns the path of a file that the one at path includes: beside it or, as for C ZMap, from where the program was
// started.
func included(path, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	beside := filepath.Join(filepath.Dir(path), name)
	if _, err := os.Stat(beside); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return beside
}

// parseConf reads settings from r; name is for messages.
func parseConf(r io.Reader, name string) ([]setting, error) {
	var out []setting
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxConfLine)
	n := 0
	for lines.Scan() {
		n++
		s, ok, err := parseConfLine(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if ok {
			s.at = fmt.Sprintf("%s:%d", name, n)
			out = append(out, s)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, n+1, err)
	}
	return out, nil
}

// confBlank are the characters between the parts of a line.
const confBlank = " \t\r\v\f"

// parseConfLine reads one line; ok is false for a line without a setting.
func parseConfLine(line string) (s setting, ok bool, err error) {
	line = strings.Trim(line, confBlank)
	if line == "" || line[0] == '#' {
		return setting{}, false, nil
	}
	end := strings.IndexAny(line, confBlank+"=#\"'")
	if end < 0 {
		return setting{name: line, bare: true}, true, nil
	}
	s.name = line[:end]
	if s.name == "" {
		return setting{}, false, fmt.Errorf("%q is not the name of an option", line)
	}
	rest := strings.TrimLeft(line[end:], confBlank)
	assigned := strings.HasPrefix(rest, "=")
	if assigned {
		rest = strings.TrimLeft(rest[1:], confBlank)
	}
	if rest == "" || rest[0] == '#' {
		if assigned {
			return setting{}, false, fmt.Errorf("option %s has no value behind the = sign", s.name)
		}
		s.bare = true
		return s, true, nil
	}
	s.value, rest, err = confValue(rest)
	if err != nil {
		return setting{}, false, err
	}
	if rest = strings.TrimLeft(rest, confBlank); rest != "" && rest[0] != '#' {
		return setting{}, false, fmt.Errorf("there is more behind the value of %s: %q; put values with blanks into quotes", s.name, rest)
	}
	return s, true, nil
}

// confValue splits a value off the beginning of text, which is not empty.
func confValue(text string) (value, rest string, err error) {
	if q := text[0]; q == '"' || q == '\'' {
		value, rest, ok := strings.Cut(text[1:], text[:1])
		if !ok {
			return "", "", errors.New("a quote is not closed")
		}
		return value, rest, nil
	}
	end := strings.IndexAny(text, confBlank+"#\"'")
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:], nil
}
