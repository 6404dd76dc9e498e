package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The lexer turns the source into tokens, one at a time. A run of letters, digits, "_", "-", ".", ":" and "/" is one token:
// an address or network if it holds one of the last three, else a word or a number by its first character.

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenNumber
	tokenQuoted
	tokenAddress
	tokenCompare // token.op says which
	tokenAnd
	tokenOr
	tokenNot
	tokenOpen
	tokenClose
)

type token struct {
	kind tokenKind
	pos  int
	op   operator
	lit  literal // of values; of a word, its text
	src  string  // as written, for messages
}

// String describes the token in messages.
func (t token) String() string {
	if t.kind == tokenEnd {
		return "end of filter"
	}
	return strconv.Quote(t.src)
}

type lexer struct {
	src string
	pos int
}

// errorf returns an Error at offset pos.
func (l *lexer) errorf(pos int, format string, args ...any) *Error {
	return &Error{Source: l.src, Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

// next returns the next token.
func (l *lexer) next() (token, *Error) {
	for l.pos < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.pos]) >= 0 {
		l.pos++
	}
	if l.pos == len(l.src) {
		return token{kind: tokenEnd, pos: l.pos}, nil
	}
	rest := l.src[l.pos:]
	if rest[0] == '"' || rest[0] == '\'' {
		return l.quoted()
	}
	if startsRun(rest) {
		return l.run()
	}
	for _, t := range symbols() {
		if strings.HasPrefix(rest, t.src) {
			t.pos = l.pos
			l.pos += len(t.src)
			return t, nil
		}
	}
	return token{}, l.unexpected()
}

// symbols returns the tokens made of punctuation, longer ones before their prefixes.
func symbols() [12]token {
	return [...]token{
		{src: "==", kind: tokenCompare, op: opEqual},
		{src: "!=", kind: tokenCompare, op: opUnequal},
		{src: "<=", kind: tokenCompare, op: opAtMost},
		{src: ">=", kind: tokenCompare, op: opAtLeast},
		{src: "&&", kind: tokenAnd},
		{src: "||", kind: tokenOr},
		{src: "=", kind: tokenCompare, op: opEqual},
		{src: "<", kind: tokenCompare, op: opLess},
		{src: ">", kind: tokenCompare, op: opGreater},
		{src: "!", kind: tokenNot},
		{src: "(", kind: tokenOpen},
		{src: ")", kind: tokenClose},
	}
}

// unexpected is the error of a character that begins no token.
func (l *lexer) unexpected() *Error {
	r, size := utf8.DecodeRuneInString(l.src[l.pos:])
	if r == '&' || r == '|' {
		return l.errorf(l.pos, `expected "%c%c", found a single "%c"`, r, r, r)
	}
	return l.errorf(l.pos, `unexpected character %q: text that contains it needs quotes`, l.src[l.pos:l.pos+size])
}

// startsRun says whether a word, number or address begins with s's first character. A "-" begins only a number.
func startsRun(s string) bool {
	if s[0] == '-' {
		return len(s) > 1 && isDigit(s[1])
	}
	return isLetter(s[0]) || isDigit(s[0]) || s[0] == ':'
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// isWord says whether s is one plain word.
func isWord(s string) bool {
	if s == "" || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isLetter(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

// run lexes a word, a number, an address or a network.
func (l *lexer) run() (token, *Error) {
	start := l.pos
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos]) || strings.IndexByte("-.:/", l.src[l.pos]) >= 0) {
		l.pos++
	}
	text := l.src[start:l.pos]
	t := token{pos: start, src: text}
	switch {
	case strings.ContainsAny(text, ".:/"):
		prefix, single, ok := parseAddress(text)
		if !ok {
			return token{}, l.errorf(start, `%q is neither an address nor a network: text that contains ".", ":" or "/" needs quotes`, text)
		}
		t.kind, t.lit = tokenAddress, literal{kind: literalNetwork, prefix: prefix}
		if single {
			t.lit.kind = literalAddress
		}
	case isLetter(text[0]):
		t.kind, t.lit = tokenWord, literal{kind: literalText, text: text}
	default:
		num, err := l.number(start, text)
		if err != nil {
			return token{}, err
		}
		t.kind, t.lit = tokenNumber, num
	}
	t.lit.pos = start
	return t, nil
}

// parseAddress parses an address, as the network of it alone, or a network, whose host bits count for nothing. It
// reports whether the text was a single address.
func parseAddress(text string) (p netip.Prefix, single, ok bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true, true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), false, err == nil
}

// number parses the decimal number text.
func (l *lexer) number(pos int, text string) (literal, *Error) {
	digits := strings.TrimPrefix(text, "-")
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return literal{}, l.errorf(pos, `%q is neither a number nor a word: text that begins with a digit needs quotes`, text)
		}
	}
	num, err := strconv.ParseUint(digits, 10, 64)
	negative := len(digits) < len(text) && num != 0
	if err != nil || negative && num > 1<<63 {
		return literal{}, l.errorf(pos, "number %s is out of range: expected -9223372036854775808 to 18446744073709551615", text)
	}
	if negative {
		num = -num
	}
	return literal{kind: literalNumber, num: num, negative: negative}, nil
}

// quoted lexes a quoted text.
func (l *lexer) quoted() (token, *Error) {
	start, quote := l.pos, l.src[l.pos]
	var text strings.Builder
	for l.pos++; l.pos < len(l.src); l.pos++ {
		c := l.src[l.pos]
		switch c {
		case quote:
			l.pos++
			lit := literal{kind: literalText, pos: start, text: text.String()}
			return token{kind: tokenQuoted, pos: start, lit: lit, src: l.src[start:l.pos]}, nil
		case '\\':
			b, err := l.escape()
			if err != nil {
				return token{}, err
			}
			text.WriteByte(b)
		default:
			text.WriteByte(c)
		}
	}
	return token{}, l.errorf(start, `quoted text has no end: expected another %c`, quote)
}

// escape reads the escape that begins at the current "\" and leaves the position on its last character.
func (l *lexer) escape() (byte, *Error) {
	start := l.pos
	l.pos++
	if l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case '\\', '"', '\'':
			return c, nil
		case 'n':
			return '\n', nil
		case 'r':
			return '\r', nil
		case 't':
			return '\t', nil
		case 'x':
			if len(l.src) >= l.pos+3 {
				if v, err := strconv.ParseUint(l.src[l.pos+1:l.pos+3], 16, 8); err == nil {
					l.pos += 2
					return byte(v), nil
				}
			}
		}
	}
	return 0, l.errorf(start, `unknown escape: expected \\ \" \' \n \r \t or \x and two hexadecimal digits`)
}
