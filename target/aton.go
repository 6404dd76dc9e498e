package target

// aton reads an IPv4 address in the forms of inet_aton(3) and returns it as an integer: one to four numbers with dots
// between them, each decimal, octal (leading 0) or hexadecimal (leading 0x), of which the last fills all remaining bytes.
// So "20.0.0" is 20.0.0.0, "20" is 0.0.0.20 and "020.0.0.1" is 16.0.0.1. Unlike C it accepts no text after a blank.
func aton(s string) (uint32, bool) {
	var addr uint32
	for part := range 4 {
		v, n := atonNumber(s)
		if n == 0 {
			return 0, false
		}
		if n == len(s) {
			// The last number may be as large as the bytes that are left allow.
			if uint64(v) > 1<<(8*(4-part))-1 {
				return 0, false
			}
			return addr | v, true
		}
		if s[n] != '.' || v > 255 {
			return 0, false
		}
		addr |= v << (24 - 8*part)
		s = s[n+1:]
	}
	return 0, false
}

// atonNumber reads the number that s begins with, as strtoul(3) does with base 0 but without blanks and signs, and
// returns it with its length, or length 0 when there is none or it needs more than 32 bits.
func atonNumber(s string) (v uint32, n int) {
	base := uint64(10)
	start := 0
	switch {
	case len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' && digit(s[2]) < 16:
		base, start = 16, 2
	case len(s) > 0 && s[0] == '0':
		base = 8
	}
	var sum uint64
	for n = start; n < len(s) && uint64(digit(s[n])) < base; n++ {
		sum = sum*base + uint64(digit(s[n]))
		if sum > 1<<32-1 {
			return 0, 0
		}
	}
	return uint32(sum), n
}

// digit returns the value of a hexadecimal digit, or 255.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
