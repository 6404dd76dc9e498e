package tools

import (
	"bytes"
	"encoding/json"
)

// A jsonRow is what matters of a row that is a JSON object. Where a key comes twice, the last one counts; a value that is
// null is as good as none.
type jsonRow struct {
	addr       []byte // text of the key saddr, or else of the key ip; nil if there is neither, or it is no text
	success    bool   // whether the value of the key success says yes
	hasSuccess bool
}

// parseJSONRow reads an object. The row may point into line.
func parseJSONRow(line []byte) (row jsonRow, ok bool) {
	line = bytes.Trim(line, jsonBlanks)
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return row, false
	}
	var saddr, ip []byte
	for key, value := range jsonMembers(line) {
		switch string(key) {
		case "saddr":
			saddr = jsonText(value)
		case "ip":
			ip = jsonText(value)
		case "success":
			row.hasSuccess = string(value) != "null"
			if text := jsonText(value); text != nil {
				value = text
			}
			row.success = isTrue(value)
		}
	}
	row.addr = saddr
	if row.addr == nil {
		row.addr = ip
	}
	return row, true
}

// jsonBlanks are the blanks of RFC 8259 section 2.
const jsonBlanks = " \t\n\r"

// jsonMembers yields the members of an object, which must be valid and without blanks around it. Keys are without quotes
// and escapes, values as they stand. To look for two keys that is ten times as fast as to decode everything.
func jsonMembers(object []byte) func(yield func(key, value []byte) bool) {
	return func(yield func(key, value []byte) bool) {
		rest := bytes.TrimLeft(object[1:], jsonBlanks)
		for rest[0] == '"' {
			n := jsonLen(rest)
			key := jsonText(rest[:n])
			rest = bytes.TrimLeft(rest[n:], jsonBlanks)
			rest = bytes.TrimLeft(rest[1:], jsonBlanks) // the colon
			n = jsonLen(rest)
			if !yield(key, rest[:n]) {
				return
			}
			rest = bytes.TrimLeft(rest[n:], jsonBlanks)
			rest = bytes.TrimLeft(rest[1:], jsonBlanks) // the comma, or the closing brace
			if len(rest) == 0 {
				return
			}
		}
	}
}

// jsonLen returns the length of the value that valid text begins with.
func jsonLen(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += jsonStringLen(text[i:]) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',', ':', ' ', '\t', '\n', '\r':
			continue
		default:
			i += jsonWordLen(text[i:]) - 1
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// jsonStringLen returns the length of the string, quotes included, that valid text begins with.
func jsonStringLen(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// jsonWordLen returns the length of the number, true, false or null that valid text begins with.
func jsonWordLen(text []byte) int {
	for i, c := range text {
		switch c {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return len(text)
}

// jsonText returns the text that a valid value is, not nil, or nil if it is no string. It may point into value.
func jsonText(value []byte) []byte {
	if value[0] != '"' {
		return nil
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return nil
	}
	return []byte(text)
}

// isTrue reports whether the value of a success field says yes: true in any case, or a number other than 0, of which the
// digits at the beginning count.
func isTrue(value []byte) bool {
	if bytes.EqualFold(value, []byte("true")) {
		return true
	}
	value = bytes.TrimLeft(value, " \t")
	if len(value) > 0 && (value[0] == '-' || value[0] == '+') {
		value = value[1:]
	}
	value = bytes.TrimLeft(value, "0")
	return len(value) > 0 && '1' <= value[0] && value[0] <= '9'
}
