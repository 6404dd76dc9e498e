package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// newOptions returns options and the flags that set them, as the scan's command line has them.
func newOptions() (*scanOptions, *pflag.FlagSet) {
	o, all := defaults(), pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, s := range sections(o) {
		all.AddFlagSet(s.flags)
	}
	completePrefix(all, func(string) {})
	return o, all
}

// FuzzApplyConf checks that a configuration file does what its lines would do on a command line, and that its mistakes are
// named by file and line.
func FuzzApplyConf(f *testing.F) {
	for _, s := range []string{
		"p 80\nrate = 0x10\n# c\nquiet", "target-ports \"80, 443\"\nseed -1", "rat 5", "max 5", "quiet 1", "rate", "config x", "q\nq", "r 5\nrate 6",
		"blacklist-file \"/etc/zmap/blacklist.conf\"", "min-hitrate 0.5 # y", "output-filter 'success = 1'", "include missing", "notes ''", "S \"\"",
	} {
		f.Add(s)
	}
	path := filepath.Join(f.TempDir(), "zmap.conf")
	place := regexp.MustCompile(`zmap\.conf:[1-9][0-9]*: `)
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, flags := newOptions()
		if _, err := applyConf(flags, path); err != nil {
			if !place.MatchString(err.Error()) {
				t.Fatalf("%q: the error has no file and line: %v", text, err)
			}
			return
		}
		settings, err := readConf(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		var args []string
		for _, s := range settings {
			switch {
			case len(s.name) > 1 && s.bare:
				args = append(args, "--"+s.name)
			case len(s.name) > 1:
				args = append(args, "--"+s.name+"="+s.value)
			case s.bare:
				args = append(args, "-"+s.name)
			default:
				args = append(args, "-"+s.name, s.value)
			}
		}
		want, line := newOptions()
		if err := line.Parse(args); err != nil {
			t.Fatalf("%q is taken as a file, but as a command line %q: %v", text, strings.Join(args, " "), err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: the file gives %+v, the command line %q %+v", text, got, args, want)
		}
	})
}
