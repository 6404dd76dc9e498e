package cli

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// compatible are the options of C ZMap 4.3 that exist here, long name and letter, with * for those that take an argument.
const compatible = `
target-ports* p, output-file* o, blocklist-file* b, allowlist-file* w, list-of-ips-file* I,
rate* r, bandwidth* B, batch*, max-targets* n, max-runtime* t, max-results* N, probes* P, cooldown-time* c, seed* e, retries*,
dryrun d, fast-dryrun, shards*, shard*,
source-port* s, validate-source-port*, source-ip* S, gateway-mac* G, source-mac*, interface* i, netmap-wait-ping*, iplayer X,
probe-module* M, probe-args*, probe-ttl*, list-probe-modules,
output-fields* f, output-module* O, output-args*, output-filter*, list-output-modules, list-output-fields, no-header-row,
dedup-method*, dedup-window-size*,
verbosity* v, log-file* l, log-directory* L, disable-syslog, metadata-file* m, status-updates-file* u, quiet q, notes*, user-metadata*,
max-sendto-failures*, min-hitrate*, config* C, sender-threads* T, cores*, ignore-blocklist-errors, help h, version V`

// spelling returns an option as in compatible.
func spelling(f *pflag.Flag) string {
	s := f.Name
	if f.NoOptDefVal == "" {
		s += "*"
	}
	if f.Shorthand != "" {
		s += " " + f.Shorthand
	}
	return s
}

func TestOptionsOfCZMap(t *testing.T) {
	have := make(map[string]bool)
	letters := make(map[string]string)
	for _, s := range sections(defaults()) {
		s.flags.VisitAll(func(f *pflag.Flag) {
			have[spelling(f)] = true
			if other := letters[f.Shorthand]; f.Shorthand != "" && other != "" {
				t.Errorf("-%s is --%s and --%s", f.Shorthand, other, f.Name)
			}
			letters[f.Shorthand] = f.Name
		})
	}
	for _, want := range strings.Split(compatible, ",") {
		if want = strings.TrimSpace(want); !have[want] {
			t.Errorf("there is no option %q", want)
		}
		delete(have, want)
	}
	var others []string
	for s := range have {
		name, _, _ := strings.Cut(s, " ")
		others = append(others, strings.TrimSuffix(name, "*"))
	}
	slices.Sort(others)
	if d := cmp.Diff(others, ours()); d != "" {
		t.Errorf("options that C ZMap does not have (-those that there are +ours()):\n%s", d)
	}
}

// Every option is in the help once, below the title of its section.
func TestHelpNamesEveryOptionOnce(t *testing.T) {
	list := sections(defaults())
	var b bytes.Buffer
	printHelp(&b, list)
	_, help, _ := strings.Cut(b.String(), "\n"+list[0].title+":\n")
	for i, s := range list {
		next := "Probe modules (--probe-module)"
		if i+1 < len(list) {
			next = list[i+1].title
		}
		part, rest, found := strings.Cut(help, "\n"+next+":\n")
		if !found {
			t.Fatalf("the help has no heading %q after %q", next, s.title)
		}
		help = rest
		s.flags.VisitAll(func(f *pflag.Flag) {
			line := regexp.MustCompile(`(?m)^ (     | -` + f.Shorthand + `, )--` + f.Name + `(=[A-Z]+)?( |$)`)
			if n := len(line.FindAllString(part, -1)); n != 1 {
				t.Errorf("section %q has %d lines for --%s, want 1", s.title, n, f.Name)
			}
			if n := len(regexp.MustCompile(`(?m)^ .*--`+f.Name+`[= \n]`).FindAllString(b.String(), -1)); n < 1 {
				t.Errorf("the help does not have --%s", f.Name)
			}
		})
		if n, lines := strings.Count("\n"+part, "\n  -")+strings.Count("\n"+part, "\n      --"), size(s.flags); n != lines {
			t.Errorf("section %q has %d options, want %d:\n%s", s.title, n, lines, part)
		}
	}
}

func size(fs *pflag.FlagSet) int {
	n := 0
	fs.VisitAll(func(*pflag.Flag) { n++ })
	return n
}

func TestHelpFitsTheScreen(t *testing.T) {
	var b bytes.Buffer
	printHelp(&b, sections(defaults()))
	for line := range strings.Lines(b.String()) {
		if len(line) > 130 || strings.HasSuffix(line, " \n") || strings.ContainsAny(line, "`\t") {
			t.Errorf("bad line of %d characters: %q", len(line), line)
		}
	}
}

// What the help says about defaults is what they are.
func TestHelpTellsTheDefaults(t *testing.T) {
	stated := regexp.MustCompile(`\(default (\w+)\)`)
	computed := map[string]string{"rate": "10000", "min-hitrate": "0"} // 10000 is the library's, for -1
	for _, s := range sections(defaults()) {
		s.flags.VisitAll(func(f *pflag.Flag) {
			m := stated.FindStringSubmatch(f.Usage)
			if m == nil {
				return
			}
			want := f.Value.String()
			if c, ok := computed[f.Name]; ok {
				want = c
			}
			if m[1] != want {
				t.Errorf("--%s: the help says default %s, it is %s", f.Name, m[1], want)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	text := "the quick brown fox jumps over the lazy dog"
	for width := 12; width < 60; width++ {
		got := wrap(text, 4, width)
		if d := cmp.Diff(strings.Fields(text), strings.Fields(got)); d != "" {
			t.Errorf("wrap to %d loses words (-want +got):\n%s", width, d)
		}
		for i, line := range strings.Split(got, "\n") {
			if i == 0 {
				line = "    " + line
			}
			if len(line) > width {
				t.Errorf("wrap to %d: line %q is %d long", width, line, len(line))
			}
			if i > 0 && !strings.HasPrefix(line, "    ") {
				t.Errorf("wrap to %d: line %q is not indented", width, line)
			}
		}
	}
}
