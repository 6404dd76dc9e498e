package target

import (
	"math/big"
	"regexp"
	"strings"
	"testing"
)

var cNumber = regexp.MustCompile(`^(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$`)

// atonTwin is inet_aton(3) by its manual page: split at dots, read C integer constants, compare with what fits.
func atonTwin(s string) (uint32, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return 0, false
	}
	sum := new(big.Int)
	for i, p := range parts {
		if !cNumber.MatchString(p) {
			return 0, false
		}
		v, ok := new(big.Int).SetString(p, 0)
		if !ok {
			return 0, false
		}
		bytesLeft := uint(1)
		if i == len(parts)-1 {
			bytesLeft = uint(4 - i)
		}
		if v.Cmp(new(big.Int).Lsh(big.NewInt(1), 8*bytesLeft)) >= 0 {
			return 0, false
		}
		if i < len(parts)-1 {
			v.Lsh(v, uint(24-8*i))
		}
		sum.Add(sum, v)
	}
	return uint32(sum.Uint64()), true
}

func TestAton(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // "" for none
	}{
		{"20.0.0", "20.0.0.0"},
		{"20", "0.0.0.20"},
		{"0x14000001", "20.0.0.1"},
		{"020.0.0.1", "16.0.0.1"},
		{"20.1", "20.0.0.1"},
		{"20.65535", "20.0.255.255"},
		{"20.16777215", "20.255.255.255"},
		{"20.16777216", ""},
		{"1.2.65535", "1.2.255.255"},
		{"1.2.65536", ""},
		{"1.2.3.255", "1.2.3.255"},
		{"1.2.3.256", ""},
		{"256.1", ""},
		{"4294967295", "255.255.255.255"},
		{"4294967296", ""},
		{"99999999999999999999999999", ""},
		{"00000000000000000000000000000000000001", "0.0.0.1"},
		{"0xA.0Xb.014.15", "10.11.12.15"},
		{"0x", ""},
		{"0xg", ""},
		{"08", ""},
		{"1.08", ""},
		{"0", "0.0.0.0"},
		{"", ""},
		{".", ""},
		{"1.", ""},
		{".1", ""},
		{"1..2", ""},
		{"1.2.3.4.", ""},
		{"1.2.3.4.5", ""},
		{"1.2.3.4 ", ""},
		{" 1.2.3.4", ""},
		{"-1", ""},
		{"+1", ""},
		{"1e3", ""},
		{"١.2.3.4", ""},
	} {
		a, ok := aton(c.text)
		if (c.want != "") != ok || ok && addr4(a).String() != c.want {
			t.Errorf("aton(%q) = %v, %v, want %q", c.text, addr4(a), ok, c.want)
		}
		if b, okTwin := atonTwin(c.text); b != a || ok != okTwin {
			t.Errorf("aton(%q) = %v, %v, the twin says %v, %v", c.text, a, ok, b, okTwin)
		}
	}
}
