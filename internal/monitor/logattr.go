package monitor

import (
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addAttr appends a to dst under the groups of h, or, if it names the module, makes that h's.
func (h *LogHandler) addAttr(dst []byte, a slog.Attr) []byte {
	if a.Key == ModuleKey && h.groups == "" {
		if v := a.Value.Resolve(); v.Kind() != slog.KindGroup {
			h.module = v.String()
			return dst
		}
	}
	return appendAttr(dst, h.groups, a)
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
