package validate

import (
	"strings"
	"testing"
)

// TestParseKey reads a key back, and nothing that is not as long as one.
func TestParseKey(t *testing.T) {
	want, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseKey(want.Hex()); got != want || err != nil {
		t.Errorf("%x is read as %x, %v", want, got, err)
	}
	for _, bad := range []string{"", "0", "00", want.Hex()[1:], want.Hex() + "00", strings.Repeat("g", 32)} {
		if _, err := ParseKey(bad); err == nil || err.Error() != "key has not 32 hexadecimal digits" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzParseKey takes only what is written the same again.
func FuzzParseKey(f *testing.F) {
	f.Add("000102030405060708090a0b0c0d0e0f")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParseKey(text); err == nil && !strings.EqualFold(k.Hex(), text) {
			t.Errorf("%q is read as %x", text, k)
		}
	})
}
