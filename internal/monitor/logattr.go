package monitor

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A logText is what a handler puts into all of its lines.
type logText struct {
	module string
	attrs  []byte // attributes of WithAttrs, as they stand in the line
	groups string // names of the groups open, each with a dot behind
}

// with returns t with more attributes.
func (t logText) with(attrs []slog.Attr) logText {
	t.attrs = slices.Clip(t.attrs)
	for _, a := range attrs {
		t.add(a)
	}
	return t
}

// open returns t with one more group open; one without a name is none.
func (t logText) open(group string) logText {
	if group != "" {
		t.groups += group + "."
	}
	return t
}

// appendTo appends the text of r: module, message, attributes.
func (t logText) appendTo(dst []byte, r slog.Record) []byte {
	t.attrs = append(make([]byte, 0, 256), t.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		t.add(a)
		return true
	})
	if t.module != "" {
		dst = append(appendPrintable(dst, t.module), ": "...)
	}
	dst = appendPrintable(dst, r.Message)
	return append(dst, t.attrs...)
}

// add adds a under the groups that are open, or, if it names the module, makes that t's.
func (t *logText) add(a slog.Attr) {
	if a.Key == ModuleKey && t.groups == "" {
		if v := a.Value.Resolve(); v.Kind() != slog.KindGroup {
			t.module = v.String()
			return
		}
	}
	t.attrs = appendAttr(t.attrs, t.groups, a)
}

// appendAttr appends a as " key=value". A group is its members; one without a name adds nothing to their keys.
func appendAttr(dst []byte, groups string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups += a.Key + "."
		}
		for _, member := range v.Group() {
			dst = appendAttr(dst, groups, member)
		}
		return dst
	}
	if a.Key == "" && v.Equal(slog.Value{}) {
		return dst // slog: an empty attribute is to be ignored
	}
	dst = append(dst, ' ')
	dst = append(appendWord(dst, groups+a.Key), '=')
	return appendWord(dst, valueText(v))
}

// valueText returns v as text: times with zone and milliseconds, the rest as slog prints it.
func valueText(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return v.String()
}

// appendWord appends s, quoted unless it is a word that reads the same without.
func appendWord(dst []byte, s string) []byte {
	bare := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r == ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r)
	})
	if bare {
		return append(dst, s...)
	}
	return strconv.AppendQuote(dst, s)
}

// appendPrintable appends s with what does not print escaped as in a Go string.
func appendPrintable(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			dst = append(dst, s[i:i+n]...)
		} else {
			quoted := strconv.Quote(s[i : i+n])
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		i += n
	}
	return dst
}
