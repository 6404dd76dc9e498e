package tools

import (
	"bytes"
	"fmt"
)

// maxLine is the longest line that is looked into, its end included.
const maxLine = 1 << 20

// A longLineError says which line is longer than maxLine.
type longLineError uint64

// Error names the line.
func (e longLineError) Error() string {
	return fmt.Sprintf("line %d of the input is longer than %d bytes", uint64(e), maxLine)
}

// A splitter cuts pieces of text into lines. It holds no more than one line.
type splitter struct {
	number uint64 // of the line last handed out, from 1
	carry  []byte // beginning of a line whose end has not come yet
	skip   bool   // the line has been found too long, and is passed over
}

// split hands each line that ends in piece to line, its end included. The line is valid for as long as piece is. For a line
// that is too long, long is called once, as soon as that is known, and the rest of it is passed over. Any error of these
// ends it.
func (s *splitter) split(piece []byte, line, long func([]byte) error) error {
	for len(piece) > 0 {
		end := bytes.IndexByte(piece, '\n') + 1
		part := piece[:end]
		if end == 0 {
			part = piece
		}
		if err := s.add(part, end > 0, line, long); err != nil {
			return err
		}
		piece = piece[len(part):]
	}
	return nil
}

// add takes a part of a line, which is its last or not.
func (s *splitter) add(part []byte, last bool, line, long func([]byte) error) error {
	switch {
	case s.skip:
		s.skip = !last
		return nil
	case len(s.carry)+len(part) > maxLine:
		s.number++
		s.skip = !last
		start := append(s.carry, part[:min(len(part), maxLine-len(s.carry))]...)
		s.carry = nil
		return long(start)
	case !last:
		s.carry = append(s.carry, part...)
		return nil
	case len(s.carry) > 0:
		part = append(s.carry, part...)
		s.carry = nil
	}
	s.number++
	return line(part)
}

// finish hands out what came after the end of the last line, if anything did.
func (s *splitter) finish(line func([]byte) error) error {
	if len(s.carry) == 0 {
		return nil
	}
	part := s.carry
	s.carry = nil
	s.number++
	return line(part)
}

// trimEnd returns a line without its end, \n or \r\n; or \r where the input ends there.
func trimEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
