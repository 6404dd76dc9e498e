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
