package cli

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/probe"
)

// Every old name, and every beginning of one that begins nothing of today, is the option of today, and is said to be old; the
// names of today are not.
func TestOldOptions(t *testing.T) {
	_, fs := newOptions()
	names := optionsOf(fs)
	for old, want := range oldOptions() {
		if slices.Contains(names, old) || oldOptions()[want] != "" {
			t.Errorf("--%s is old and of today", old)
		}
		if !slices.Contains(names, want) {
			t.Errorf("--%s was the name of --%s, and there is no such option", old, want)
		}
		if today, said := spelled(fs, old); today != want || said != old {
			t.Errorf("--%s is --%s, old name %q; want --%s", old, today, said, want)
		}
		for n := range len(old) {
			beginning := old[:n]
			today, said := spelled(fs, beginning)
			switch match := beginningWith(names, beginning); {
			case len(match) > 0 && said != "":
				t.Errorf("--%s is --%s, old name %q, and begins %v", beginning, today, said, match)
			case len(match) == 0 && today != want && len(beginningWith(olds(), beginning)) == 1:
				t.Errorf("--%s is --%s, want --%s", beginning, today, want)
			}
		}
	}
	for _, name := range names {
		if today, said := spelled(fs, name); today != name || said != "" {
			t.Errorf("--%s is --%s, old name %q", name, today, said)
		}
	}
}

func olds() []string {
	var names []string
	for old := range oldOptions() {
		names = append(names, old)
	}
	return names
}

// TestOptionsOfInstalledCZMap goes through the help of a C ZMap that is installed: its options, old or not, exist here, with
// the same letter, and with an argument if they have one there.
func TestOptionsOfInstalledCZMap(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), installedZMap(t), "-C", "/dev/null", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	options, _, _ := strings.Cut(string(out), "\nExamples:")
	_, fs := newOptions()
	found := regexp.MustCompile(`(?m)^ +(?:-(\w), )? *--([a-z-]+)(=?)`).FindAllStringSubmatch(options, -1)
	for _, m := range found {
		today, _ := spelled(fs, m[2])
		f := fs.Lookup(today)
		if f == nil || f.Shorthand != m[1] || (f.NoOptDefVal == "") != (m[3] != "") {
			t.Errorf("option %q of C ZMap: here it is %+v", strings.TrimSpace(m[0]), f)
		}
	}
	if len(found) < 40 {
		t.Errorf("the help names %d options: too few to be those of C ZMap", len(found))
	}
}

// TestFieldsOfInstalledCZMap goes through the fields of its modules.
func TestFieldsOfInstalledCZMap(t *testing.T) {
	path := installedZMap(t)
	list := func(args ...string) []string {
		out, err := exec.CommandContext(t.Context(), path, append([]string{"-C", "/dev/null"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	args := map[string]string{"udp": "text:x", "dns": "A,example.com"}
	n := 0
	for _, module := range list("--list-probe-modules") {
		p, err := probe.New(module, probe.Args{Text: args[module]})
		if err != nil {
			t.Errorf("probe module %s of C ZMap: %v", module, err)
			continue
		}
		schema := engine.Schema(p.Describe())
		for _, line := range list("-M", module, "--list-output-fields") {
			name, _, _ := strings.Cut(line, " ")
			if _, ok := schema.Find(name); !ok {
				t.Errorf("%s has no field %q, and in C ZMap it has", module, name)
			}
			n++
		}
	}
	if n < 60 {
		t.Errorf("the lists name %d fields: too few to be those of C ZMap", n)
	}
}

// FuzzSpelled demands of any word that it is an option's name of today, an old one, the beginning of one, or returned as it is.
func FuzzSpelled(f *testing.F) {
	for _, s := range []string{"rate", "blacklist-file", "blackl", "b", "", "ignore-", "vpn", "allow", "target-port", "x"} {
		f.Add(s)
	}
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, s := range sections(defaults()) {
		fs.AddFlagSet(s.flags)
	}
	names := optionsOf(fs)
	f.Fuzz(func(t *testing.T, name string) {
		today, old := spelled(fs, name)
		switch {
		case old != "":
			if oldOptions()[old] != today || !strings.HasPrefix(old, name) || !slices.Contains(names, today) {
				t.Errorf("%q is %q, old name %q", name, today, old)
			}
		case today != name:
			if !strings.HasPrefix(today, name) || !slices.Contains(names, today) {
				t.Errorf("%q is %q", name, today)
			}
		}
	})
}
