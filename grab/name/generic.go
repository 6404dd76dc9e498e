package name

import (
	"encoding/hex"
	"net/netip"
	"strings"
)

// encodes says that a name is made of the address, as providers name what they hand out: 192-0-2-1.pool.example.net,
// host1.2.0.192.example.net, c0000201.example.net. Nobody serves anything by such a name that is not served without.
//
// For IPv4 it is one if three of the four bytes stand in a row as numbers, in either direction, with or without leading zeros, or
// all of them in hexadecimal or in twelve digits. For IPv6, if the last 32 bits stand there as groups or digits in a row.
func encodes(name string, a netip.Addr) bool {
	if a = a.Unmap(); a.Is4() {
		return encodes4(name, a.As4())
	}
	b := a.As16()
	digits := hex.EncodeToString(b[12:])
	return strings.Contains(strings.NewReplacer("-", "", ".", "").Replace(name), digits) ||
		hasRun(words(name, isHex, 16), []int{int(b[12])<<8 | int(b[13]), int(b[14])<<8 | int(b[15])})
}

func encodes4(name string, b [4]byte) bool {
	forth := []int{int(b[0]), int(b[1]), int(b[2]), int(b[3])}
	back := []int{int(b[3]), int(b[2]), int(b[1]), int(b[0])}
	numbers := words(name, isDigit, 10)
	for _, run := range [][]int{forth[:3], forth[1:], back[:3], back[1:]} {
		if hasRun(numbers, run) {
			return true
		}
	}
	twelve := ""
	for _, n := range forth {
		twelve += string([]byte{'0' + byte(n/100), '0' + byte(n/10%10), '0' + byte(n%10)})
	}
	return strings.Contains(name, twelve) || strings.Contains(name, hex.EncodeToString(b[:]))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' }

// words returns the numbers that stand in a name, in order: -1 for what is too long to be part of an address.
func words(name string, is func(byte) bool, base int) []int {
	var all []int
	for i := 0; i < len(name); i++ {
		if !is(name[i]) {
			continue
		}
		n, start := 0, i
		for ; i < len(name) && is(name[i]); i++ {
			if i-start < 4 {
				n = n*base + strings.IndexByte("0123456789abcdef", name[i])
			}
		}
		if i-start > 4 {
			n = -1
		}
		all = append(all, n)
	}
	return all
}

// hasRun says whether run stands in numbers.
func hasRun(numbers, run []int) bool {
	for i := 0; i+len(run) <= len(numbers); i++ {
		same := 0
		for same < len(run) && numbers[i+same] == run[same] {
			same++
		}
		if same == len(run) {
			return true
		}
	}
	return false
}
