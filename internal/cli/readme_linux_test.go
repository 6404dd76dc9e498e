package cli

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/lab"
)

// readme returns the lines of README.md's blocks in a language.
func readme(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```"+language
		case inside:
			lines = append(lines, line)
		}
	}
	return lines
}

// shellWords splits a command line as a shell does, as far as the README goes: blanks, single quotes, comments.
func shellWords(line string) []string {
	line, _, _ = strings.Cut(line, " # ")
	out := strings.Fields(line)
	for i := range out {
		out[i] = strings.Trim(out[i], "'")
	}
	return out
}

// The README's network stands for one of the reader's own, as it says. This one is nobody's special network, and exists in the
// test's Internet alone.
const (
	readmeNetwork = "192.0.2."
	ownNetwork    = "20.0.2."
)

// TestREADMECommands runs every zmap command of the README against a test Internet, with a network of its own in it.
func TestREADMECommands(t *testing.T) {
	commands := readme(t, "sh")
	net, err := lab.New(t.Context(), lab.World{
		Ports: []uint16{22, 80, 443},
		Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix(ownNetwork + "0/28"), Kind: lab.Kernel}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("blocklist.txt", []byte(ownNetwork+"7 # asked us\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, line := range commands {
		args := shellWords(strings.ReplaceAll(line, readmeNetwork, ownNetwork))
		if len(args) == 0 || args[0] != "zmap" {
			continue
		}
		if outputs.Minimal && (strings.Contains(line, ".db") || strings.Contains(line, "parquet")) {
			continue
		}
		ran++
		var out, errs bytes.Buffer
		scans := !slices.Contains([]string{"diff", "convert", "certs"}, args[1])
		if scans {
			args = append(args, "-c", "1")
		}
		if code := Main(args, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
			t.Errorf("%s: exit code %d\n%s", line, code, errs.String())
		}
		if !scans || strings.Contains(line, "parquet=") || strings.Contains(line, "survey.db") {
			continue // TestScripts says what is in the files
		}
		rows := out.String()
		if i := strings.Index(line, " -o "); i >= 0 {
			text, err := os.ReadFile(strings.Fields(line[i:])[1])
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			rows = string(text)
		}
		if strings.Contains(line, "--explain") {
			if !strings.Contains(rows, "\n  asked by this scan            256\n") {
				t.Errorf("%s: no plan:\n%s", line, rows)
			}
			continue
		}
		if n := strings.Count(rows, ownNetwork); n < 3 {
			t.Errorf("%s: %d addresses in the output, want at least 3:\n%s", line, n, rows)
		}
		if strings.Contains(line, "blocklist.txt") && strings.Contains(rows, ownNetwork+"7\n") {
			t.Errorf("%s: a blocked address is in the output", line)
		}
	}
	if ran < 5 {
		t.Errorf("README.md has %d zmap commands, want 5 or more", ran)
	}
}

// TestREADMEProgram checks that the README's Go lines are those of the example that the compiler sees.
func TestREADMEProgram(t *testing.T) {
	example, err := os.ReadFile(filepath.Join("..", "..", "example_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	lines := readme(t, "go")
	if len(lines) == 0 {
		t.Fatal("README.md has no Go program")
	}
	for _, line := range lines {
		if !strings.Contains(string(example), strings.TrimSpace(line)) {
			t.Errorf("README.md says %q, and example_test.go does not", line)
		}
	}
}
