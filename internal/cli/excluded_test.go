package cli

import (
	"os/exec"
	"strings"
	"testing"
)

// TestStandardEtc says where the machine's files are; every other test has them elsewhere.
func TestStandardEtc(t *testing.T) {
	if got := Standard().Etc; got != "/etc/zmap" {
		t.Errorf("the folder of the machine's files is %q", got)
	}
}

// words of all kinds, for shellQuote.
var quoted = []string{
	"zmap", "-p", "80,443", "10.0.0.0/8", "--output-filter=success = 1", "--seed=5", "a=b", "", " ", "it's", "'", "''", `"x"`, "$HOME", "`id`",
	"*", "~", "~root", "a\\b", "\\", "a\nb", "\t", "#x", "a;b", "a&&b", "(x)", "{a,b}", "!x", "[ab]", "<in", ">out", "|", "é", "\x80", "-", "--",
}

// A shell must take what shellQuote returns for the word itself.
func checkShellQuote(t *testing.T, word string) {
	t.Helper()
	if strings.ContainsRune(word, 0) {
		return // no argument of a program
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '%s.' "+shellQuote(word)+" "+shellQuote(word)).Output()
	if want := word + "." + word + "."; err != nil || string(out) != want {
		t.Errorf("a shell takes %s for %q, error %v; want %q", shellQuote(word), out, err, want)
	}
}

func TestShellQuote(t *testing.T) {
	for _, w := range quoted {
		checkShellQuote(t, w)
	}
	for word, want := range map[string]string{"10.0.0.0/8": "10.0.0.0/8", "--rate=5": "--rate=5", "a=b": "'a=b'", "": "''", "it's": `'it'\''s'`} {
		if got := shellQuote(word); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", word, got, want)
		}
	}
}

func FuzzShellQuote(f *testing.F) {
	for _, w := range quoted {
		f.Add(w)
	}
	f.Fuzz(checkShellQuote)
}
