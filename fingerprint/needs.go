package fingerprint

import "regexp/syntax"

// needs returns the longest text that is known to stand in everything that re matches, nil if none is: looking for it is much
// faster than the expression. What ignores case is not known.
func needs(re *syntax.Regexp) []byte {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []byte(string(re.Rune))
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needs(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needs(re.Sub[0])
		}
	case syntax.OpConcat:
		var longest []byte
		for _, sub := range re.Sub {
			if n := needs(sub); len(n) > len(longest) {
				longest = n
			}
		}
		return longest
	default: // an alternative, or what matches without a text of its own
	}
	return nil
}

// rare returns the part of text, at least four bytes of it if it has so many, that begins with a byte that pages have few of:
// looking for text goes from one place of its first byte to the next.
func rare(text []byte) []byte {
	for i := 0; i+4 <= len(text); i++ {
		if c := text[i]; c >= 'A' && c <= 'Z' || c == '_' || c == '+' || c == '|' {
			return text[i:]
		}
	}
	return text
}
