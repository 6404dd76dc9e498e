package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// walkObject calls member for each member of the object that a line is.
func walkObject(line []byte, member func(key, value []byte) error) error {
	if !json.Valid(line) {
		var v json.RawMessage
		return fmt.Errorf("is no JSON object: %w", json.Unmarshal(line, &v))
	}
	line = skipSpace(line)
	if line[0] != '{' {
		return fmt.Errorf("%s is no JSON object", shorten(bytes.TrimSpace(line)))
	}
	return walkMembers(line, member)
}

// The functions below walk over JSON that encoding/json has found to be right: every string, list and object has its end.

// walkMembers calls member for each member of an object. The key is without quotes, the value as it stands there.
func walkMembers(object []byte, member func(key, value []byte) error) error {
	for rest := skipSpace(object[1:]); rest[0] != '}'; {
		n := valueLen(rest)
		key, err := unquoteJSON(rest[:n])
		if err != nil {
			return err
		}
		rest = skipSpace(skipSpace(rest[n:])[1:]) // the colon
		n = valueLen(rest)
		if err := member(key, rest[:n]); err != nil {
			return err
		}
		if rest = skipSpace(rest[n:]); rest[0] == ',' {
			rest = skipSpace(rest[1:])
		}
	}
	return nil
}

// skipSpace returns what is behind blanks.
func skipSpace(b []byte) []byte {
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	return b
}

// valueLen returns how long the value is that b begins with.
func valueLen(b []byte) int {
	switch b[0] {
	case '"':
		return stringLen(b)
	case '{', '[':
	default:
		for i, c := range b {
			if c == ',' || c == '}' || c == ']' || c <= ' ' {
				return i
			}
		}
		return len(b)
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringLen(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// stringLen returns how long the string is that b begins with, quotes included.
func stringLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// unquoteJSON returns the text that a string stands for. Bytes that are no UTF-8 become U+FFFD.
func unquoteJSON(quoted []byte) ([]byte, error) {
	inner := quoted[1 : len(quoted)-1]
	plain := true
	for _, c := range inner {
		plain = plain && c != '\\' && c < 0x80
	}
	if plain {
		return inner, nil
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return nil, fmt.Errorf("read text: %w", err)
	}
	return []byte(s), nil
}
