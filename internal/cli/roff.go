package cli

import (
	"fmt"
	"strings"
)

// manWidth is the length of the lines of prose in a page's source. Readers fill them anew.
const manWidth = 70

// A roff is the source of a manual page in the making, in the macros of man(7). Its text goes in as plain words; words
// between backquotes come out in italics, as the arguments of options do.
type roff struct{ b strings.Builder }

// String returns the page so far.
func (r *roff) String() string { return r.b.String() }

// macro writes a request with arguments that may have blanks in them.
func (r *roff) macro(name string, args ...string) {
	r.b.WriteString("." + name)
	for _, a := range args {
		fmt.Fprintf(&r.b, " \"%s\"", escape(a))
	}
	r.b.WriteByte('\n')
}

// prose writes text as the lines of one paragraph; without words it writes nothing.
func (r *roff) prose(text string) {
	if strings.TrimSpace(text) == "" {
		return // an empty line would be a request for space
	}
	var out strings.Builder
	for i, part := range strings.Split(wrap(text, 0, manWidth), "`") {
		if i > 0 {
			out.WriteString([]string{`\fR`, `\fI`}[i%2])
		}
		out.WriteString(escape(part))
	}
	for line := range strings.Lines(out.String() + "\n") {
		if strings.HasPrefix(line, ".") {
			line = `\&` + line // a word, not a request
		}
		r.b.WriteString(line)
	}
}

// paragraph starts a new paragraph with text in it.
func (r *roff) paragraph(text string) {
	r.macro("PP")
	r.prose(text)
}

// item writes an entry of a list: a term in roff already, and what there is to say about it.
func (r *roff) item(term, text string) {
	fmt.Fprintf(&r.b, ".TP\n%s\n", term)
	r.prose(text)
}

// bold and italic return text in that face, for [roff.item].
func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

// escape returns text so that it comes out as it is: no character of it is a request, an escape or the end of an argument,
// and those that typesetters make prettier (groff_char(7)) stay what can be typed into a shell.
func escape(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '-':
			b.WriteString(`\-`)
		case roffNames[c] != "":
			b.WriteString(`\(` + roffNames[c])
		case c > '~':
			fmt.Fprintf(&b, `\[u%04X]`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// roffNames are the characters of ASCII that have a meaning in roff, or another look.
var roffNames = map[rune]string{'\\': "rs", '\'': "aq", '"': "dq", '`': "ga", '^': "ha", '~': "ti"}
