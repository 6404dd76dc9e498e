package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Error says where a filter is wrong and what was expected there.
type Error struct {
	Source string // the whole filter
	Pos    int    // offset in Source, in bytes; len(Source) is the end
	Msg    string // what is wrong, one line
}

// excerpt is the number of characters of the source shown on each side of the mistake.
const excerpt = 48

// Error returns the message, and below it the line of the source with a caret under the mistake.
func (e *Error) Error() string {
	pos := min(max(e.Pos, 0), len(e.Source))
	start := strings.LastIndexByte(e.Source[:pos], '\n') + 1
	end := len(e.Source)
	if n := strings.IndexByte(e.Source[pos:], '\n'); n >= 0 {
		end = pos + n
	}
	before, after := printable(e.Source[start:pos]), printable(e.Source[pos:end])
	if len(before) > excerpt {
		before = append([]rune("..."), before[len(before)-excerpt:]...)
	}
	if len(after) > excerpt {
		after = append(after[:excerpt:excerpt], []rune("...")...)
	}
	return e.Msg + "\n    " + string(before) + string(after) + "\n    " + strings.Repeat(" ", len(before)) + "^"
}

// printable returns the characters of s, each that would not take one column or could steer a terminal replaced: the
// caret has to end up below the right one.
func printable(s string) []rune {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r == '\t':
			r = ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			r = '?'
		}
		out = append(out, r)
	}
	return out
}
