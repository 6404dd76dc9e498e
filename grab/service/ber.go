package service

import (
	"fmt"
	"io"

	"github.com/zmap-go/zmap/grab"
)

// Tags of ASN.1's types as LDAP has them (RFC 4511 section 5.1: BER with definite lengths).
const (
	berBoolean    = 0x01
	berInteger    = 0x02
	berOctets     = 0x04
	berEnumerated = 0x0a
	berSequence   = 0x30
)

// ber is one value: tag, length, contents.
func ber(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := []byte{tag, byte(n)}
	if n > 127 {
		b = []byte{tag, 0x82, byte(n >> 8), byte(n)}
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// ber takes one value. Lengths need not be in their shortest form: Microsoft's are not.
func (c *cursor) ber() (tag byte, body *cursor) {
	tag = byte(c.big(1))
	n := int(c.big(1))
	if n > 0x84 || n == 0x80 {
		c.rest, c.short = nil, true
	} else if n > 0x80 {
		n = int(c.big(n - 0x80))
	}
	return tag, &cursor{rest: c.take(n)}
}

// number takes a value that is a whole number of up to four bytes, of the given tag.
func (c *cursor) number(tag byte) int32 {
	got, body := c.ber()
	if got != tag || len(body.rest) == 0 || len(body.rest) > 4 {
		c.rest, c.short = nil, true
		return 0
	}
	v := int32(int8(body.rest[0]))
	for _, b := range body.rest[1:] {
		v = v<<8 | int32(b)
	}
	return v
}

// readBER reads one value of the given tag, of at most most bytes, and returns its contents.
func readBER(r io.Reader, tag byte, most int) ([]byte, error) {
	var h [6]byte
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	n, more := int(h[1]), int(h[1])-0x80
	if h[0] != tag || more > 4 || more == 0 {
		return nil, fmt.Errorf("header %x: %w", h[:2], grab.ErrProtocol)
	}
	if more > 0 {
		if _, err := io.ReadFull(r, h[2:2+more]); err != nil {
			return nil, fmt.Errorf("read header: %w", cutShort(err))
		}
		n = int(min((&cursor{rest: h[2 : 2+more]}).big(more), uint64(most)+1))
	}
	if n > most {
		return nil, fmt.Errorf("value of more than %d bytes: %w", most, grab.ErrProtocol)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read value of %d bytes: %w", n, cutShort(err))
	}
	return b, nil
}
