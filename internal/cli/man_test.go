package cli

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/probe"
)

var generate = flag.Bool("generate", false, "write the files of packaging that are made from the table of options")

// packaging is the folder of the files that are made from the program, seen from here.
var packaging = filepath.Join("..", "..", "packaging")

// generated returns the files below packaging that the program prints, and the words that make it print them.
func generated() map[string][]string {
	files := map[string][]string{
		"completion/zmap.bash": {"completion", "bash"},
		"completion/_zmap":     {"completion", "zsh"},
		"completion/zmap.fish": {"completion", "fish"},
	}
	for _, p := range manPages() {
		files["man/"+p.name+".1"] = []string{"man", p.name}
	}
	return files
}

// print1 runs the program and returns what it printed.
func print1(t *testing.T, words ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(context.Background(), append([]string{"zmap"}, words...), Streams{In: &bytes.Buffer{}, Out: &out, Err: &errs})
	if err != nil || errs.Len() > 0 {
		t.Fatalf("zmap %s: error %v, standard error %q", strings.Join(words, " "), err, errs.String())
	}
	return out.String()
}

// TestGenerated fails if a manual page or a completion script is not what the program prints now, or is nobody's.
func TestGenerated(t *testing.T) {
	if outputs.Minimal {
		t.Skip("the pages have outputs that this program is built without")
	}
	var want []string
	for name, words := range generated() {
		path := filepath.Join(packaging, filepath.FromSlash(name))
		want = append(want, path)
		text := print1(t, words...)
		if *generate {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("%s is stale: run make generate (read: %v)\n%s", name, err, cmp.Diff(string(got), text))
		}
	}
	var have []string
	for _, dir := range []string{"man", "completion"} {
		files, err := filepath.Glob(filepath.Join(packaging, dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, files...)
	}
	slices.Sort(want)
	slices.Sort(have)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("files of packaging/man and packaging/completion (-made by the program, +there):\n%s", diff)
	}
}

// TestManNames checks the words of zmap man: the page of the scan without any, and a complaint about pages there are not.
func TestManNames(t *testing.T) {
	if got, want := print1(t, "man"), print1(t, "man", "zmap"); got != want {
		t.Errorf("zmap man and zmap man zmap differ:\n%s", cmp.Diff(want, got))
	}
	var out bytes.Buffer
	err := run(context.Background(), []string{"zmap", "man", "nosuch"}, Streams{In: &bytes.Buffer{}, Out: &out, Err: &out})
	if want := `man: no page "nosuch"; there are: zmap, ziterate, zblocklist, ztee`; err == nil || err.Error() != want || out.Len() > 0 {
		t.Errorf("zmap man nosuch: got error %v and output %q, want error %s", err, out.String(), want)
	}
	if help := print1(t, "--help"); strings.Contains(help, "zmap man") {
		t.Error("the help mentions zmap man")
	}
}

// TestManWhole checks that every option, its argument and explanation, every probe module and every line of the usage is on
// the page of the scan, in the reader's view: without the markup, blanks aside.
func TestManWhole(t *testing.T) {
	var want []string
	for _, s := range sections(defaults()) {
		want = append(want, s.title)
		want = append(want, optionTexts(s.flags)...)
	}
	for _, m := range probe.Modules() {
		want = append(want, m.Name+" "+m.Help)
	}
	for _, k := range outputs.Kinds() {
		want = append(want, k.Name+" "+k.Help())
	}
	for line := range strings.Lines(usage) {
		if line = plain(line); line != "" && !strings.HasSuffix(line, ":") {
			want = append(want, line)
		}
	}
	checkPage(t, "zmap", want)
}

// TestManTools checks the same of the companion tools' pages.
func TestManTools(t *testing.T) {
	for _, name := range toolNames {
		c := toolCommand(name, Streams{})
		want := append(optionTexts(c.Flags()), c.Long, "NAME "+name+" - ", "SYNOPSIS "+c.Use, "-h, --help", "SEE ALSO zmap(1)")
		checkPage(t, name, want)
	}
}

// checkPage fails for every text that the page called name does not have.
func checkPage(t *testing.T, name string, want []string) {
	t.Helper()
	page := plain(rendered(t, print1(t, "man", name)))
	for _, w := range want {
		if !strings.Contains(page, plain(w)) {
			t.Errorf("%s(1) does not say %q", name, plain(w))
		}
	}
}

// plain returns s with one blank for any number of them.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// optionTexts returns what a page says about options.
func optionTexts(fs *pflag.FlagSet) []string {
	var texts []string
	fs.VisitAll(func(f *pflag.Flag) {
		meta, text := pflag.UnquoteUsage(f)
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		if f.NoOptDefVal == "" {
			term += "=" + meta
		}
		texts = append(texts, term+" "+text)
	})
	return texts
}

// rendered returns what a reader sees of a page that has only the requests that [roff] writes. It is another reading of the
// rules, not that of escape. The test fails at requests and escapes it does not know, which readers would warn of.
func rendered(t *testing.T, page string) string {
	t.Helper()
	var b strings.Builder
	request := regexp.MustCompile(`^\.(TH|SH|SS|PP|TP|br)((?: "[^"]*")*)$`)
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "'") || line == "" {
			t.Errorf("line %q is a request, or empty", line)
		}
		if strings.HasPrefix(line, ".") {
			m := request.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("request %q is none that a page should have", line)
				continue
			}
			line = strings.ReplaceAll(m[2], `"`, "")
		}
		b.WriteString(unescape(t, line) + "\n")
	}
	return b.String()
}

// unescape undoes the escapes of a line.
func unescape(t *testing.T, line string) string {
	t.Helper()
	known := map[string]string{
		`\-`: "-", `\&`: "", `\fB`: "", `\fI`: "", `\fR`: "",
		`\(rs`: `\`, `\(aq`: "'", `\(dq`: `"`, `\(ga`: "`", `\(ha`: "^", `\(ti`: "~",
	}
	return regexp.MustCompile(`\\(\(..|f.|\[[^]]*\]|.)?|-|[^ -~]`).ReplaceAllStringFunc(line, func(e string) string {
		if text, ok := known[e]; ok {
			return text
		}
		if c, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(e, `\[u`), "]"), 16, 32); err == nil && len(e) > 4 {
			return string(rune(c))
		}
		t.Errorf("escape %q in line %q is none that a page should have", e, line)
		return e
	})
}

// FuzzRoff checks that text comes out of a page as it went in, whatever is in it: blanks may become line breaks.
func FuzzRoff(f *testing.F) {
	for _, s := range []string{
		"plain", ".SH not a heading", "'tis", `C:\fBack\e`, "-- ^ ~ \"x\" 'y'", "a . b ' c", "é – 世 😀",
		strings.Repeat("word ", 40) + ".TP " + strings.Repeat("'x ", 40),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "`") || strings.ToValidUTF8(s, "") != s || strings.ContainsFunc(s, control) {
			return // the markup of arguments, and what no help has
		}
		want := strings.Join(strings.Fields(s), " ")
		var r roff
		r.prose(s)
		r.macro("SH", want)
		r.item(bold(want), s)
		once := strings.Join(strings.Fields(rendered(t, r.String())), " ")
		if got, want := once, strings.Join(strings.Fields(want+" "+want+" "+want+" "+want), " "); got != want {
			t.Errorf("text %q: got %q, want %q, in\n%s", s, got, want, r.String())
		}
	})
}

// control says whether c is a character that moves a cursor.
func control(c rune) bool { return c < ' ' || c == 0x7f }
