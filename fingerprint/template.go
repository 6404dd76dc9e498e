package fingerprint

import (
	"fmt"
	"slices"
	"strings"
)

// A template is text with the names of groups in braces: "cpe:2.3:a:f5:nginx:{version}:*:*:*:*:*:*:*".
type template []part

// A part is text, or the text of a group.
type part struct{ text, group string }

// maxFilled bounds what a template becomes, in bytes.
const maxFilled = 256

// parseTemplate reads a template whose groups are among those given.
func parseTemplate(s string, groups []string) (template, error) {
	var t template
	for s != "" {
		text, rest, found := strings.Cut(s, "{")
		if text != "" {
			t = append(t, part{text: text})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("%q lacks a closing brace", s)
		}
		if !slices.Contains(groups, name) {
			return nil, fmt.Errorf("no regular expression of the rule has a group (?P<%s>...)", name)
		}
		t = append(t, part{group: name})
		s = after
	}
	return t, nil
}

// fill puts what groups matched into the template. Of groups of one name the first that matched something counts.
func (t template) fill(groups []group, write func(*strings.Builder, string)) string {
	if len(t) == 0 {
		return ""
	}
	var b strings.Builder
	for _, p := range t {
		if p.group == "" {
			b.WriteString(p.text)
			continue
		}
		text := ""
		for _, g := range groups {
			if g.name == p.group && len(g.text) > 0 {
				text = string(g.text[:min(len(g.text), maxFilled)])
				break
			}
		}
		write(&b, text)
	}
	s := b.String()
	return strings.ToValidUTF8(s[:min(len(s), maxFilled)], "\uFFFD")
}

// plain writes text as it is, but for what a terminal would act on.
func plain(b *strings.Builder, text string) {
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			r = '\uFFFD'
		}
		b.WriteRune(r)
	}
}

// component writes text as a component of a CPE formatted string: in lower case, everything but letters, digits, underscores,
// dots and hyphens behind a backslash, "*" for nothing (NISTIR 7695 section 6.2). What is not ASCII cannot stand in it.
func component(b *strings.Builder, text string) {
	n := b.Len()
	for _, c := range []byte(strings.ToLower(text)) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
			b.WriteByte(c)
		case c > ' ' && c < 0x7f:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte('_')
		}
	}
	if b.Len() == n {
		b.WriteByte('*')
	}
}

// checkCPE says what is wrong with a template for a CPE: it has "cpe", "2.3", a part and ten components more.
func checkCPE(s string) error {
	fields := 1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ':':
			fields++
		}
	}
	kinds := []string{"a", "h", "o"}
	rest, ok := strings.CutPrefix(s, "cpe:2.3:")
	first, _, _ := strings.Cut(rest, ":")
	if !ok || fields != 13 || !slices.Contains(kinds, first) {
		return fmt.Errorf("%q is not cpe:2.3:, a, h or o, and ten components more", s)
	}
	return nil
}
