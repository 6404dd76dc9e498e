package target

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// An entry is one parsed item of an allow or block list.
type entry struct {
	addr uint32 // as typed, host bits included
	bits uint8
	name string // DNS name whose addresses take the place of addr, or ""

	prefix netip.Prefix // of an IPv6 entry, host bits included; else invalid
	asked  uint8        // of that: length of the networks in which one address is asked
}

// A lengthError is a prefix length that cannot be used. It is never ignored: whoever mistypes /8 for /28 means
// something, and guessing would scan it.
type lengthError string

func (e lengthError) Error() string { return string(e) }

var (
	errNoEntry = errors.New("nothing here: write an address, address/length or a host name")
	errColon   = errors.New("neither an IPv4 network nor an IPv6 address: write an address, address/length or a host name, without scheme or port")
	errList    = errors.New("lists with commas are not supported: write each network as an entry of its own")
	errNumber  = errors.New("not an IPv4 address: write up to four numbers of 0 to 255 with dots between them")
	errName    = errors.New("not an address, a network or a host name: write 192.0.2.1, 192.0.2.0/24 or www.example.com")
	errIDN     = errors.New("not an ASCII host name: write its punycode form, which begins with xn--")

	errNoResolver = errors.New("host names cannot be looked up here: write the address")
)

// parseEntry reads host or host/length, where host is an address as inet_aton(3) takes it or a DNS name, and what parseEntry6
// reads.
func parseEntry(s string) (entry, error) {
	if s == "" {
		return entry{}, errNoEntry
	}
	if strings.Contains(s, ":") {
		return parseEntry6(s)
	}
	host, length, hasLength := strings.Cut(s, "/")
	e := entry{bits: 32}
	if hasLength {
		bits, err := parseLength(length, 32)
		if err != nil {
			return entry{}, err
		}
		e.bits = bits
	}
	if addr, ok := aton(host); ok {
		e.addr = addr
		return e, nil
	}
	if strings.Contains(host, ",") {
		return entry{}, errList
	}
	if lo, hi, ok := cutRange(host); ok {
		return entry{}, rangeError(lo, hi)
	}
	if err := checkName(host); err != nil {
		return entry{}, err
	}
	e.name = host
	return e, nil
}

// parseLength reads the decimal prefix length after a slash. C zmap ignores what follows the digits, which turns a
// mistyped /2O into /2; here it is an error.
func parseLength(s string, limit int) (uint8, error) {
	if s == "" {
		return 0, lengthError(fmt.Sprintf("no prefix length after the slash: write /0 to /%d, or no slash", limit))
	}
	if strings.Trim(s, "0123456789") != "" {
		return 0, lengthError(fmt.Sprintf("bad prefix length %s: write a number from 0 to %d, and each network as an entry of its own", quote(s), limit))
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > limit {
		return 0, lengthError(fmt.Sprintf("bad prefix length %s: write a number from 0 to %d", quote(s), limit))
	}
	return uint8(n), nil
}

// cutRange recognises "a-b" with an address on both sides, which is not supported but often tried.
func cutRange(s string) (lo, hi uint32, ok bool) {
	left, right, ok := strings.Cut(s, "-")
	if !ok {
		return 0, 0, false
	}
	lo, okLo := aton(left)
	hi, okHi := aton(right)
	return lo, hi, okLo && okHi
}

// rangeError tells which networks to write instead of a range.
func rangeError(lo, hi uint32) error {
	const shown = 4
	if hi < lo {
		return errors.New("ranges are not supported: write networks as address/length")
	}
	var networks []string
	more := 0
	for p := range (span{lo, hi}).prefixes {
		if len(networks) < shown {
			networks = append(networks, p.String())
		} else {
			more++
		}
	}
	text := strings.Join(networks, " ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("ranges are not supported: write %s, each as an entry of its own", text)
}

// checkName says whether s can be a host name (RFC 1123 section 2.1, with the underscore that is common in practice).
// A name cannot end in a number: that is a mistyped address, and asking a name server about it would help nobody.
func checkName(s string) error {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return errName
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errName
		}
		for i := range len(label) {
			switch c := label[i] | 0x20; {
			case label[i] >= 0x80:
				return errIDN
			case 'a' <= c && c <= 'z', digit(label[i]) < 10, label[i] == '-', label[i] == '_':
			default:
				return errName
			}
		}
		last = label
	}
	if isNumber(last) {
		return errNumber
	}
	return nil
}

// isNumber reports whether a label is all digits, or hexadecimal after 0x.
func isNumber(label string) bool {
	if len(label) > 1 && label[0] == '0' && label[1]|0x20 == 'x' {
		return strings.Trim(label[2:], "0123456789abcdefABCDEF") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
