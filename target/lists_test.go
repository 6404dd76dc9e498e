package target

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// parsedRules returns what a builder has collected to block, as "address/length line" or "name line".
func parsedRules(b *Builder) []string {
	var out []string
	for _, r := range b.lists[Block].rules {
		text := r.prefix().String()
		if r.named {
			text = b.names[r.addr]
		}
		out = append(out, fmt.Sprintf("%s %d", text, r.line))
	}
	return out
}

func TestReadList(t *testing.T) {
	const text = "\xef\xbb\xbf# a comment\r\n" +
		"10.0.0.0/8 # private\r\n" +
		"\r\n" +
		"\t 20.0.0/16\tthe rest of the line, is ignored\n" +
		"   # nothing here\n" +
		"1.2.3.4#joined\n" +
		"2001:db8::/32\n" +
		"host.example/31 x\n" +
		"\v\f5.6.7.8"
	b := Builder{Resolver: fakeResolver{}}
	if err := b.Read(Block, strings.NewReader(text), "list"); err != nil {
		t.Fatal(err)
	}
	want := []string{"10.0.0.0/8 2", "20.0.0.0/16 4", "1.2.3.4/32 6", "host.example 8", "5.6.7.8/32 9"}
	if diff := cmp.Diff(want, parsedRules(&b)); diff != "" {
		t.Errorf("Read: rules differ (-want +got):\n%s", diff)
	}
	if six := b.lists[Block].six; len(six) != 1 || six[0].String() != "2001:db8::/32" || six[0].line != 7 {
		t.Errorf("IPv6 entries %v, want 2001:db8::/32 of line 7", six)
	}
}

func TestReadReportsEachBadLine(t *testing.T) {
	var text strings.Builder
	for i := range 15 {
		fmt.Fprintf(&text, "10.0.0.%d\nbad*%d\n", i, i)
	}
	var b Builder
	err := b.Read(Allow, strings.NewReader(text.String()), "nets.txt")
	if err == nil {
		t.Fatal("Read: no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 11 || !strings.HasPrefix(lines[0], `nets.txt:2: "bad*0": not an address`) || lines[10] != "and 5 more mistakes of this kind" {
		t.Errorf("Read: error %q, want ten lines beginning with nets.txt:2 and the count of the rest", err)
	}
	if e, ok := errors.AsType[*EntryError](err); !ok || e.Origin != (Origin{"nets.txt", 2}) || e.Entry != "bad*0" {
		t.Errorf("Read: error %#v, want an EntryError for line 2", err)
	}
}

func TestIgnoreErrors(t *testing.T) {
	long := strings.Repeat("x", maxLine+5)
	b := Builder{IgnoreErrors: true}
	if err := b.Read(Block, strings.NewReader("10.0.0.1\na*\n"+long+"\nname.example\n10.0.0.2\n"), "f"); err != nil {
		t.Fatalf("Read: %v, want the errors held back", err)
	}
	if err := b.Add(Block, "1.2.3.4-1.2.3.5"); err != nil {
		t.Fatalf("Add: %v, want the error held back", err)
	}
	if diff := cmp.Diff([]string{"10.0.0.1/32 1", "10.0.0.2/32 5"}, parsedRules(&b)); diff != "" {
		t.Errorf("rules differ (-want +got):\n%s", diff)
	}
	errs, total := b.Ignored()
	var got []string
	for _, err := range errs {
		got = append(got, err.Error()[:strings.Index(err.Error(), " ")])
	}
	if diff := cmp.Diff([]string{"f:2:", "f:3:", "f:4:", "argument"}, got); diff != "" || total != 4 {
		t.Errorf("Ignored(): %d, differ (-want +got):\n%s", total, diff)
	}
	for _, entry := range []string{"10.0.0.0/33", "10.0.0.0/", "x.example/99"} {
		if err := b.Add(Block, entry); err == nil {
			t.Errorf("Add(%q): no error: a bad length must not be ignored", entry)
		}
	}
	if err := b.Read(Block, strings.NewReader("1.1.1.1/40"), "f"); err == nil || !strings.HasPrefix(err.Error(), "f:1: ") {
		t.Errorf("Read of a bad length: error %v, want one about f:1", err)
	}
}

func TestAddErrorNamesTheArgument(t *testing.T) {
	var b Builder
	err := b.Add(Allow, "10.0.0.0-10.0.0.3")
	if want := `argument "10.0.0.0-10.0.0.3": ranges are not supported: write 10.0.0.0/30, each as an entry of its own`; err == nil || err.Error() != want {
		t.Errorf("Add: error %v, want %s", err, want)
	}
	if err := b.Add(Allow, " 10.0.0.0/8\n"); err != nil {
		t.Errorf("Add with blanks around: %v", err)
	}
}

func TestAddPrefix(t *testing.T) {
	var b Builder
	registry := Origin{Name: "registry"}
	for p, o := range map[string]Origin{"10.1.2.3/8": registry, "2001:db8::/32": {}} {
		if err := b.AddPrefix(Block, netip.MustParsePrefix(p), o); err != nil {
			t.Errorf("AddPrefix(%s): %v", p, err)
		}
	}
	if err := b.AddPrefix(Block, netip.Prefix{}, registry); err == nil || !strings.HasPrefix(err.Error(), "registry: ") {
		t.Errorf("AddPrefix of no network: error %v", err)
	}
	if err := b.AddPrefix(Block, netip.MustParsePrefix("20.0.0.0/8"), Origin{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"10.1.2.3/8 0", "20.0.0.0/8 0"}, parsedRules(&b)); diff != "" || len(b.lists[Block].six) != 1 {
		t.Errorf("%d IPv6 entries, rules differ (-want +got):\n%s", len(b.lists[Block].six), diff)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nets")
	if err := os.WriteFile(path, []byte("10.0.0.0/8\nx*\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b Builder
	if err := b.ReadFile(Allow, path); err == nil || !strings.HasPrefix(err.Error(), path+":2: ") {
		t.Errorf("ReadFile: error %v, want one that begins with %s:2", err, path)
	}
	if err := b.ReadFile(Allow, path+".missing"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("ReadFile of a missing file: %v", err)
	}
	if err := b.ReadFile(Allow, t.TempDir()); err == nil {
		t.Error("ReadFile of a directory: no error")
	}
}

func TestReadPassesOnReadErrors(t *testing.T) {
	b := Builder{IgnoreErrors: true}
	for _, text := range []string{"", "10.0.0.1\n", "10.0.0.1", strings.Repeat("#", 3*maxLine)} {
		r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF))
		if err := b.Read(Block, r, "f"); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "f") {
			t.Errorf("Read of %.20q and an error: %v", text, err)
		}
		r = io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := ReadList(r, "f"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("ReadList of %.20q and an error: %v", text, err)
		}
	}
}

func TestLongLines(t *testing.T) {
	x, blank := strings.Repeat("x", 3*maxLine), strings.Repeat(" ", 3*maxLine)
	text := "1.1.1.1 " + x + "\n" + // long rest of the line
		"#" + x + "\n" +
		"2.2.2.2#" + x + "\n" +
		x + " 3.3.3.3\n" + // long word
		blank + "4.4.4.4\n" +
		"5.5.5.5\n" +
		strings.Repeat("1", maxLine-1) + "\n" + // fits the buffer: an entry, though a bad one
		"6.6.6.6" + blank
	var b Builder
	err := b.Read(Block, iotest.OneByteReader(strings.NewReader(text)), "f")
	if diff := cmp.Diff([]string{"1.1.1.1/32 1", "2.2.2.2/32 3", "5.5.5.5/32 6", "6.6.6.6/32 8"}, parsedRules(&b)); diff != "" {
		t.Errorf("rules differ (-want +got):\n%s", diff)
	}
	if err == nil || len(err.Error()) > 1000 {
		t.Fatalf("Read: error of %d bytes, want a short one", len(fmt.Sprint(err)))
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "f:4: the first word of the line is longer") ||
		!strings.HasPrefix(lines[1], "f:5: ") || !strings.HasPrefix(lines[2], `f:7: "1111`) {
		t.Errorf("Read: error %q, want one each for lines 4, 5 and 7", err)
	}
}

// wordsTwin splits a text into the numbered first words of its lines, with all of it in memory.
func wordsTwin(text string) (words []string, lines []int) {
	text = strings.TrimPrefix(text, utf8BOM)
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune(" \t\v\f\r", c) }); len(f) > 0 {
			words, lines = append(words, f[0]), append(lines, i+1)
		}
	}
	return words, lines
}

// FuzzReadFile compares reading a block list with the twin of the reader and, entry by entry, with Add.
func FuzzReadFile(f *testing.F) {
	for _, s := range []string{
		"", "10.0.0.0/8\n", "# c\n\r\n 1.2.3.4 x\n::1\n", "a.b\n1.2.3.4/33\n", "\xef\xbb\xbf1.1.1.1#", "1-2\n1,2\nbad*\n\n\n0x10", "\x00\n", "#\n#",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) >= maxLine {
			return
		}
		got := Builder{Resolver: fakeResolver{}}
		err := got.Read(Block, strings.NewReader(text), "f")
		words, lines := wordsTwin(text)
		want := Builder{Resolver: fakeResolver{}}
		bad := 0
		for i, w := range words {
			n, six := len(want.lists[Block].rules), len(want.lists[Block].six)
			if want.Add(Block, w) != nil {
				bad++
			}
			for j := range want.lists[Block].rules[n:] {
				want.lists[Block].rules[n+j].line = uint32(lines[i])
			}
			for j := range want.lists[Block].six[six:] {
				want.lists[Block].six[six+j].line = uint32(lines[i])
			}
		}
		if (err != nil) != (bad > 0) {
			t.Fatalf("Read(%q): error %v, want %d bad entries", text, err, bad)
		}
		gotSix, wantSix := withoutSource(got.lists[Block].six), withoutSource(want.lists[Block].six)
		if !slices.Equal(parsedRules(&got), parsedRules(&want)) || !slices.Equal(gotSix, wantSix) {
			t.Fatalf("Read(%q): rules %v and %v, want %v and %v", text, parsedRules(&got), gotSix, parsedRules(&want), wantSix)
		}
	})
}

// withoutSource returns the rules as if all came from an argument.
func withoutSource(six []rule6) []rule6 {
	out := slices.Clone(six)
	for i := range out {
		out[i].source = 0
	}
	return out
}
