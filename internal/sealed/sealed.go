// Package sealed has the form of files that a scan depends on and that nobody edits: a line with what the file is, the version of its
// format and the SHA-256 of all that follows, in hexadecimal, and behind it a JSON document.
//
//	zmap-plan 1 SHA256
//	{ ... }
//
// A file that was cut, or changed in one bit, is refused.
package sealed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// A Kind is one kind of file.
type Kind struct {
	Magic    string // the first word
	Name     string // in errors: "plan"
	Version  int    // of the format, which is the only one that is read
	MaxBytes int64  // of a file
}

// Encode returns the file that has v.
func (k Kind) Encode(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	return append(fmt.Appendf(nil, "%s %d %x\n", k.Magic, k.Version, sha256.Sum256(body)), body...), nil
}

// Decode reads a file into v. Of what is none it says why.
func (k Kind) Decode(r io.Reader, v any) error {
	text, err := io.ReadAll(io.LimitReader(r, k.MaxBytes+1))
	switch {
	case err != nil:
		return err
	case int64(len(text)) > k.MaxBytes:
		return fmt.Errorf("is no %s: it has more than %d MB", k.Name, k.MaxBytes>>20)
	}
	head, body, whole := bytes.Cut(text, []byte("\n"))
	words := bytes.Split(head, []byte(" "))
	if string(words[0]) != k.Magic || len(words) != 3 {
		return fmt.Errorf("is no %s: line 1 is %.40q, and should begin with %q", k.Name, head, k.Magic+" ")
	}
	if n, err := strconv.Atoi(string(words[1])); err != nil || n != k.Version {
		return fmt.Errorf("is a %s of version %.20q: this program reads version %d", k.Name, words[1], k.Version)
	}
	if sum := sha256.Sum256(body); !whole || hex.EncodeToString(sum[:]) != string(words[2]) {
		return fmt.Errorf("is damaged or cut: the %d bytes behind line 1 do not have the SHA-256 that it names", len(body))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("is no %s: %w", k.Name, err)
	}
	return nil
}
