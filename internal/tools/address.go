package tools

import (
	"encoding/binary"

	"github.com/zmap-go/zmap/target"
)

// token returns what of a line may be an address: what comes before the first of its end, a comma, a blank or the # of a
// comment. The blanks are those of isspace(3), behind which inet_aton(3) sees nothing, and the zero byte, behind which no
// function of C sees anything.
func token(line []byte) []byte {
	for i, c := range line {
		if c <= ',' && delimiters>>c&1 != 0 {
			return line[:i]
		}
	}
	return line
}

// delimiters has a bit for each character that ends a token.
const delimiters = uint64(1)<<0 | 1<<'\t' | 1<<'\n' | 1<<'\v' | 1<<'\f' | 1<<'\r' | 1<<' ' | 1<<'#' | 1<<','

// parseAddr returns the address that a token is, in the forms of inet_aton(3), as a host-order integer.
func parseAddr(token []byte) (uint32, bool) {
	if a, ok := parseQuad(token); ok {
		return a, true
	}
	if len(token) == 0 || token[0]-'0' > 9 {
		return 0, false // and no copy of a line full of garbage
	}
	addr, err := target.ParseAddr(string(token))
	if err != nil {
		return 0, false
	}
	b := addr.As4()
	return binary.BigEndian.Uint32(b[:]), true
}

// parseQuad reads the ordinary form, four decimal numbers without leading zeros, and nothing else.
func parseQuad(s []byte) (a uint32, ok bool) {
	for part := range 4 {
		if len(s) == 0 {
			return 0, false
		}
		n := uint32(s[0] - '0')
		if n > 9 {
			return 0, false
		}
		i := 1
		for i < len(s) && i < 3 && n != 0 && s[i]-'0' <= 9 {
			n = n*10 + uint32(s[i]-'0')
			i++
		}
		if n > 255 {
			return 0, false
		}
		a = a<<8 | n
		if part == 3 {
			return a, i == len(s)
		}
		if i == len(s) || s[i] != '.' {
			return 0, false
		}
		s = s[i+1:]
	}
	return 0, false
}
