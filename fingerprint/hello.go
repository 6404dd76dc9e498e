package fingerprint

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Hellos returns which suites of TLS the rules need offered, each choice once: a grab whose ClientHello offers exactly these is what
// such a rule looks at, and no other.
func (s *Set) Hellos() [][]uint16 {
	var all [][]uint16
	for _, r := range s.rules {
		if r.hello != nil && !slices.ContainsFunc(all, func(h []uint16) bool { return slices.Equal(h, r.hello) }) {
			all = append(all, slices.Clone(r.hello))
		}
	}
	return all
}

// offered says whether the values are the suites of a hello, in any order.
func offered(values []value, hello []uint16) bool {
	got := make([]uint16, 0, len(values))
	for _, v := range values {
		if v.kind != kindNumber || v.num < 0 || v.num > 0xffff {
			return false
		}
		got = append(got, uint16(v.num))
	}
	slices.Sort(got)
	return slices.Equal(slices.Compact(got), hello)
}

// parseSuite reads the name of a cipher suite as package crypto/tls has it, or its number in hexadecimal: 0x0016.
func parseSuite(s string) (uint16, error) {
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if suite.Name == s {
			return suite.ID, nil
		}
	}
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		if n, err := strconv.ParseUint(digits, 16, 16); err == nil {
			return uint16(n), nil
		}
	}
	return 0, fmt.Errorf("%q is neither the name of a cipher suite nor its number, as 0x0016", s)
}
