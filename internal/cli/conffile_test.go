package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConf(t *testing.T) {
	text := strings.Join([]string{
		"### a comment",
		"",
		"  rate 10000   # another",
		"target-ports=80,443",
		"interface = \"eth 0\"",
		"notes 'it''s'",
		"quiet",
		"p 80\r",
		"output-file\t\"a#b\"#c",
		"seed=5#",
	}, "\n")
	got, err := parseConf(strings.NewReader(text), "f")
	if err == nil {
		t.Fatalf("text behind a closed quote passes: %v", got)
	}
	text = strings.Replace(text, "'it''s'", "'it is'", 1)
	got, err = parseConf(strings.NewReader(text), "f")
	if err != nil {
		t.Fatal(err)
	}
	want := []setting{
		{name: "rate", value: "10000", at: "f:3"},
		{name: "target-ports", value: "80,443", at: "f:4"},
		{name: "interface", value: "eth 0", at: "f:5"},
		{name: "notes", value: "it is", at: "f:6"},
		{name: "quiet", bare: true, at: "f:7"},
		{name: "p", value: "80", at: "f:8"},
		{name: "output-file", value: "a#b", at: "f:9"},
		{name: "seed", value: "5", at: "f:10"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(setting{})); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
}

func TestParseConfRefuses(t *testing.T) {
	for _, c := range []struct{ line, part string }{
		{`rate 10 20`, "more behind"},
		{`rate "10`, "not closed"},
		{`rate 10'`, "more behind"},
		{`= 10`, "not the name"},
		{`rate =`, "no value"},
		{`rate = # ten`, "no value"},
	} {
		_, err := parseConf(strings.NewReader("\n"+c.line+"\n"), "zmap.conf")
		if err == nil || !strings.Contains(err.Error(), c.part) || !strings.HasPrefix(err.Error(), "zmap.conf:2: ") {
			t.Errorf("line %q: error %v, want one with zmap.conf:2 and %q", c.line, err, c.part)
		}
	}
}

func TestReadConfIncludes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	main := write("a.conf", "rate 5\ninclude b.conf\nquiet\n")
	write("b.conf", "seed 7\n")
	got, err := readConf(main, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range got {
		names = append(names, s.name)
	}
	if diff := cmp.Diff([]string{"rate", "seed", "quiet"}, names); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
	loop := write("loop.conf", "include loop.conf\n")
	if _, err := readConf(loop, 0); err == nil {
		t.Error("a file that includes itself is read without an error")
	}
	missing := write("missing.conf", "rate 1\ninclude nowhere.conf\n")
	if _, err := readConf(missing, 0); err == nil || !strings.Contains(err.Error(), "missing.conf:2") {
		t.Errorf("missing include: error %v, want one that names missing.conf:2", err)
	}
}

// FuzzParseConf checks that what is read comes out again the same after it has been written in the plainest way.
func FuzzParseConf(f *testing.F) {
	for _, s := range []string{"rate 10", "a = \"b c\" # d", "x='y'", "flag", "#", "a=\"", "include f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseConf(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		var b strings.Builder
		for _, s := range got {
			b.WriteString(s.name)
			switch {
			case s.bare:
			case strings.Contains(s.value, `"`):
				b.WriteString(" '" + s.value + "'")
			default:
				b.WriteString(` "` + s.value + `"`)
			}
			b.WriteByte('\n')
		}
		again, err := parseConf(strings.NewReader(b.String()), "f")
		if err != nil {
			t.Fatalf("%q came from %q and is refused: %v", b.String(), text, err)
		}
		for i := range got {
			got[i].at = ""
			if i < len(again) {
				again[i].at = ""
			}
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(setting{})); diff != "" {
			t.Errorf("settings of %q differ (-want +got):\n%s", text, diff)
		}
	})
}
