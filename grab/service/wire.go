package service

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zmap-go/zmap/grab"
)

// readFramed reads one message: a header of n bytes, and as many bytes more as size makes of the header. A size below zero, or above
// most, is a protocol error: a server of another protocol speaks. The answer includes the header.
func readFramed(r io.Reader, n, most int, size func(header []byte) int) ([]byte, error) {
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	more := size(header)
	if more < 0 || more > most {
		return nil, fmt.Errorf("header %x: %w", header, grab.ErrProtocol)
	}
	b := append(header, make([]byte, more)...)
	if _, err := io.ReadFull(r, b[n:]); err != nil {
		return nil, fmt.Errorf("read message of %d bytes: %w", more, cutShort(err))
	}
	return b, nil
}

// cutShort is what an error means within a message, where the end may not come.
func cutShort(err error) error {
	if err == io.EOF { //nolint:errorlint // as readers return it
		return io.ErrUnexpectedEOF
	}
	return err
}

// A cursor takes a message apart from its front. Beyond its end it takes zeros and nothing, and short says so, which is looked at
// once in the end. What it takes is part of the message.
type cursor struct {
	rest  []byte
	short bool
}

// take takes n bytes; nil if there are not so many.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.rest, c.short = nil, true
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

// big takes a number of n bytes, 1 to 8, the highest first.
func (c *cursor) big(n int) uint64 {
	var v uint64
	for _, b := range c.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

// little takes a number of n bytes, 1 to 8, the lowest first.
func (c *cursor) little(n int) uint64 {
	var v [8]byte
	copy(v[:], c.take(n))
	return binary.LittleEndian.Uint64(v[:])
}

// text takes what stands before the next zero byte, and that.
func (c *cursor) text() string {
	i := bytes.IndexByte(c.rest, 0)
	if i < 0 {
		c.rest, c.short = nil, true
		return ""
	}
	return string(c.take(i + 1)[:i])
}

// err says that a message was too short, if it was.
func (c *cursor) err(what string) error {
	if c.short {
		return fmt.Errorf("%s is cut off: %w", what, grab.ErrProtocol)
	}
	return nil
}

// flagNames returns the names of the bits that are set, with the names given from bit 0 on. Nil if there are none.
func flagNames(flags uint64, names []string) map[string]bool {
	var set map[string]bool
	for i, name := range names {
		if flags>>i&1 == 1 && name != "" {
			if set == nil {
				set = make(map[string]bool)
			}
			set[name] = true
		}
	}
	return set
}
