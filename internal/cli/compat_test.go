package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/probe"
)

// compatRows returns the rows of the tables below a heading of docs/compat.md, their cells without blanks around them.
func compatRows(t *testing.T, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/compat.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/compat.md has no section %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	var rows [][]string
	for line := range strings.Lines(part) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// TestCompatHasEveryOptionAndModule compares the tables with the program, both ways.
func TestCompatHasEveryOptionAndModule(t *testing.T) {
	var options, modules []string
	for _, s := range sections(defaults()) {
		s.flags.VisitAll(func(f *pflag.Flag) { options = append(options, "`--"+f.Name+"`") })
	}
	for _, m := range probe.Modules() {
		modules = append(modules, "`"+m.Name+"`")
	}
	for heading, want := range map[string][]string{"3. Options": options, "4. Probe modules": modules} {
		var got []string
		for _, row := range compatRows(t, heading)[1:] {
			if got = append(got, row[0]); len(row) != 2 || !strings.Contains(row[1], "`") {
				t.Errorf("docs/compat.md, %s: the row of %s names no test", heading, row[0])
			}
		}
		for _, name := range want {
			if n := len(slices.DeleteFunc(slices.Clone(got), func(g string) bool { return g != name })); n != 1 {
				t.Errorf("docs/compat.md, %s: %s has %d rows, want 1: add one with the test that covers it", heading, name, n)
			}
		}
		for _, name := range got {
			if !slices.Contains(want, name) {
				t.Errorf("docs/compat.md, %s: there is no %s", heading, name)
			}
		}
	}
}

// TestCompatHasEveryFault wants a row for each of the faults, in order.
func TestCompatHasEveryFault(t *testing.T) {
	var want, got []string
	for n := 1; n <= 60; n++ {
		if want = append(want, fmt.Sprint(n)); n == 10 {
			want = append(want, "10b")
		}
	}
	for _, row := range compatRows(t, "2. The faults of C zmap, and what happens here")[1:] {
		got = append(got, row[0])
		if len(row) != 4 || row[1] == "" || row[2] == "" || row[3] == "" && row[0] != "57" { // 57 is about a build
			t.Errorf("docs/compat.md: the row of fault %s is not complete: %q", row[0], row)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/compat.md: the faults are numbered %v, want %v", got, want)
	}
}

// TestCompatNamesTestsThatExist looks for every test that the page names, of which each difference has one.
func TestCompatNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/compat.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range compatRows(t, "1. Deliberate differences, by area") {
		if len(row) != 4 || row[3] != "shown by" && !strings.Contains(row[3], "`") {
			t.Errorf("docs/compat.md: not four cells with a test in the last: %q", row)
		}
	}
	named := 0
	for _, m := range regexp.MustCompile("`([a-z0-9_]+\\.txtar|[a-z0-9_/]+_test\\.go)(?::(\\w+))?`").FindAllStringSubmatch(string(text), -1) {
		named++
		file, function := filepath.Join("../..", m[1]), m[2]
		if strings.HasSuffix(file, ".txtar") {
			scripts, _ := filepath.Glob("testdata/*/" + m[1])
			if len(scripts) != 1 {
				t.Errorf("docs/compat.md names %s: there are %d scripts of that name", m[1], len(scripts))
			}
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("docs/compat.md: %v", err)
		} else if function != "" && !regexp.MustCompile(`(?m)^func `+function+`\(`).Match(source) {
			t.Errorf("docs/compat.md: %s has no %s", m[1], function)
		}
	}
	if named < 200 {
		t.Errorf("%d tests are named: the page is in another form", named)
	}
}
