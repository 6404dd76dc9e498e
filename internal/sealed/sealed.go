// Package sealed has the form of files that a scan depends on and that nobody edits: a line with what the file is, the version of its
// format and the SHA-256 of all that follows, in hexadecimal, and behind it a JSON document.
//
//	zmap-plan 1 SHA256
//	{ ... }
//
// A file that was cut, or changed in one bit, is refused.
package sealed

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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

// maxHead is how long line 1 is at most.
const maxHead = 256

// Decode reads a file into v. Of what is none it says why, before it reads more than line 1 of it.
func (k Kind) Decode(r io.Reader, v any) error {
	in := bufio.NewReaderSize(r, maxHead)
	head, err := in.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	whole := bytes.HasSuffix(head, []byte("\n"))
	head = bytes.TrimSuffix(head, []byte("\n"))
	words := bytes.Split(head, []byte(" "))
	if string(words[0]) != k.Magic || len(words) != 3 {
		return fmt.Errorf("is no %s: line 1 is %.40q, and should begin with %q", k.Name, head, k.Magic+" ")
	}
	if n, err := strconv.Atoi(string(words[1])); err != nil || n != k.Version {
		return fmt.Errorf("is a %s of version %.20q: this program reads version %d", k.Name, words[1], k.Version)
	}
	want := string(words[2])
	body, err := io.ReadAll(io.LimitReader(in, k.MaxBytes+1))
	switch {
	case err != nil:
		return err
	case int64(len(body)) > k.MaxBytes:
		return fmt.Errorf("is no %s: it has more than %d MB", k.Name, k.MaxBytes>>20)
	}
	if sum := sha256.Sum256(body); !whole || hex.EncodeToString(sum[:]) != want {
		return fmt.Errorf("is damaged or cut: the %d bytes behind line 1 do not have the SHA-256 that it names", len(body))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("is no %s: %w", k.Name, err)
	}
	return nil
}
