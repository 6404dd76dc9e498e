package cli

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// manners are command lines that C ZMap takes or refuses while it reads them, in the words that its versions from 2.1 on have
// in common. --version comes behind each of them: a program that takes the line prints its version and does nothing else.
var manners = []struct {
	line string
	ok   bool
}{
	{"", true},
	{"-p80", true},
	{"-p 80", true},
	{"-qd", true},
	{"-qdp80", true},
	{"-qdp 80", true},
	{"--rate=5", true},
	{"--rate 5", true},
	{"10.0.0.0/8 -q 10.1.0.0/16 -d", true},
	{"-d -- -q", true},
	{"--rat 5", true},
	{"--ra=5", true},
	{"--max-t 5", true},
	{"--max 5", false},
	{"--out x", false},
	{"--dry", true},
	{"--shard 1 --shards 2", true},
	{"--shards 2 --shard 1", true},
	{"-q -q", false},
	{"-qq", false},
	{"-q --quiet", false},
	{"--quiet --qui", false},
	{"-r 5 -r 5", false},
	{"-r 5 --rate 5", false},
	{"-o a -o a", false},
	{"--quiet=1", false},
	{"--dryrun=", false},
	{"--bogus", false},
	{"--bogus=5", false},
	{"-Z", false},
	{"-qZ", false},
	{"-r 0x10", true},
	{"-r 010", true},
	{"-r 08", false},
	{"-r 0x", false},
	{"-r 0x1g", false},
	{"-r 5x", false},
	{"-r 1.5", false},
	{"-r 1e3", false},
	{"-r 1_000", false},
	{"-r 0o7", false},
	{"-r +5", true},
	{"-r -1", true},
	{"-e -5", true},
	{"-e 0x7fffffffffffffff", true},
	{"-c 5 -n 5 -N 5 -t 5 -P 5 -T 5", true},
	{"-n 5% -o - -f saddr", true},
	{"-S -5", true},
	{"--source-ip --quiet", true},
}

// installedZMap returns the path of a C ZMap on this machine.
func installedZMap(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/usr/sbin/zmap", "/usr/local/sbin/zmap", "/usr/bin/zmap"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skip("no C ZMap is installed to compare with")
	return ""
}

// words splits a line of manners and asks for the version.
func words(line string) []string {
	before, after, found := strings.Cut(line, "-- ")
	all := append(strings.Fields(before), "--version")
	if found {
		all = append(append(all, "--"), strings.Fields(after)...)
	}
	return all
}

// differences are command lines that C ZMap takes and this program does not, with the reason.
var differences = map[string]string{
	"--rate=":        "an empty number is a mistake, not 0",
	"--output-file=": "an empty name is a mistake, such as an unset variable",
	"--sh 2":         "it could be --shard or --shards",
	"-r -5":          "a range is checked at once, not after other mistakes",
	"-T 300":         "a range is checked at once, not after other mistakes",
}

// takes says whether this program takes a command line.
func takes(line string) bool {
	return Main(append([]string{"zmap"}, words(line)...), Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}) == exitOK
}

func TestManners(t *testing.T) {
	for _, m := range manners {
		if got := takes(m.line); got != m.ok {
			t.Errorf("zmap %s: taken %v, want %v", m.line, got, m.ok)
		}
	}
	for line, why := range differences {
		if takes(line) {
			t.Errorf("zmap %s: taken, but %s", line, why)
		}
	}
}

// TestMannersOfCZMap checks that the list above is true of an installed C ZMap, which sends nothing for a version, and which
// this test's network namespace would keep from reaching anyone.
func TestMannersOfCZMap(t *testing.T) {
	path := installedZMap(t)
	for _, m := range manners {
		args := append([]string{"-C", "/dev/null"}, words(m.line)...)
		err := exec.CommandContext(t.Context(), path, args...).Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if (err == nil) != m.ok {
			t.Errorf("%s %s: %v, want ok %v", path, m.line, err, m.ok)
		}
	}
	for line := range differences {
		args := append([]string{"-C", "/dev/null"}, words(line)...)
		if err := exec.CommandContext(t.Context(), path, args...).Run(); err != nil {
			t.Errorf("%s %s: %v, so this is no difference", path, line, err)
		}
	}
}

// confManners are configuration files that C ZMap takes or refuses.
var confManners = []struct {
	text string
	ok   bool
}{
	{"", true},
	{"\n\n   \n", true},
	{"# rate x", true},
	{"rate 5", true},
	{"rate=5", true},
	{"rate  =  5", true},
	{"  rate\t5 # five", true},
	{"rate 5\r\n", true},
	{"quiet", true},
	{"quiet 1", false},
	{"quiet=1", false},
	{"rat 5", true},
	{"max 5", false},
	{"p 80\nc 5\nq", true},
	{"Z 5", false},
	{"rate", false},
	{"rate 5x", false},
	{"rate==5", false},
	{"rate:5", false},
	{"\"rate\" 5", false},
	{"=5", false},
	{"bogus", false},
	{"bogus 5", false},
	{"rate 5\nrate 6", false},
	{"rate 5\nr 6", false},
	{"notes \"a b\" # c", true},
	{"notes 'a b'", true},
	{"notes \"a", false},
	{"notes \"a\" b", false},
	{"notes a b", false},
	{"notes=a b", false},
	{"notes a\"b\"", false},
	{"notes a#b", true},
	{"notes \"#\" #", true},
	{"source-ip -5", true},
	{"probe-args=text:a=b", true},
	{"include other.conf", true},
	{"include \"other.conf\"\nquiet", true},
	{"include other.conf\nseed 5", false},
	{"include missing.conf", false},
}

// confDifferences are configuration files that C ZMap takes and this program does not, with the reason.
var confDifferences = map[string]string{
	"rate=":    "an empty number is a mistake, not 0",
	"notes=#":  "a value that is missing is one",
	"config x": "nothing reads it, which whoever wrote it does not know",
	"include":  "it names no file",
}

// confTaken says whether this program takes a configuration file.
func confTaken(t *testing.T, text string) bool {
	t.Helper()
	if err := os.WriteFile("zmap.conf", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Main([]string{"zmap", "-C", "zmap.conf", "-V"}, Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}) == exitOK
}

// TestConfManners checks that this program takes and refuses what C ZMap does, and that an installed C ZMap agrees.
func TestConfManners(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("other.conf", []byte("seed 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range confManners {
		if got := confTaken(t, m.text); got != m.ok {
			t.Errorf("%q: taken %v, want %v", m.text, got, m.ok)
		}
	}
	for text, why := range confDifferences {
		if confTaken(t, text) {
			t.Errorf("%q: taken, but %s", text, why)
		}
	}
	path := installedZMap(t)
	takes := func(text string) bool {
		if err := os.WriteFile("zmap.conf", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.CommandContext(t.Context(), path, "-C", "zmap.conf", "-V").Run() == nil
	}
	for _, m := range confManners {
		if got := takes(m.text); got != m.ok {
			t.Errorf("%s, %q: taken %v, want %v", path, m.text, got, m.ok)
		}
	}
	for text := range confDifferences {
		if !takes(text) {
			t.Errorf("%s, %q: not taken, so this is no difference", path, text)
		}
	}
}
