package remote

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// escapeLen is the length of an escape \uXXXX.
const escapeLen = 6

// postgresDocument returns a JSON document, which is valid, as the server takes it: its text holds neither NUL nor half of a pair
// of UTF-16 (RFC 8259 section 8.2), so U+FFFD stands there instead.
func postgresDocument(doc []byte) []byte {
	if !bytes.Contains(doc, []byte(`\u`)) {
		return doc
	}
	out := make([]byte, 0, len(doc))
	for len(doc) > 0 {
		n := 1
		switch r, isEscape := escaped(doc); {
		case isEscape && utf16.IsSurrogate(r):
			n = 2 * escapeLen
			if low, ok := escaped(doc[escapeLen:]); !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
				out, doc = append(out, `\ufffd`...), doc[escapeLen:]
				continue
			}
		case isEscape && r == 0:
			out, doc = append(out, `\ufffd`...), doc[escapeLen:]
			continue
		case isEscape:
			n = escapeLen
		case doc[0] == '\\':
			n = min(2, len(doc))
		}
		out, doc = append(out, doc[:n]...), doc[n:]
	}
	return out
}

// escaped returns the unit of UTF-16 that b begins with as an escape, and whether it does.
func escaped(b []byte) (rune, bool) {
	if len(b) < escapeLen || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:escapeLen]), 16, 16)
	return rune(n), err == nil
}
