package validate

import (
	"encoding/hex"
	"fmt"
)

// Hex returns the key as files keep it: whoever reads them can forge answers.
func (k Key) Hex() string { return hex.EncodeToString(k[:]) }

// ParseKey reads what [Key.Hex] returns.
func ParseKey(text string) (k Key, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(k) {
		return k, fmt.Errorf("key has not %d hexadecimal digits", 2*len(k))
	}
	return Key(b), nil
}
