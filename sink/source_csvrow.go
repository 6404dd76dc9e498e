package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// csvRow is one row of a CSV text, in memory that is used again for the next.
type csvRow struct {
	cells [][]byte // without quotes; they refer to the line or to text
	text  []byte   // cells that had quotes in them
}

// read reads the next row. At the end of the text it returns io.EOF itself.
func (c *csvRow) read(l *lineReader) error {
	l.line = l.line[:0]
	quotes, seen := 0, 0
	for {
		err := l.more()
		quotes += bytes.Count(l.line[seen:], []byte{'"'})
		seen = len(l.line)
		switch {
		case errors.Is(err, io.EOF) && seen > 0:
			return errCut // within quotes
		case err != nil:
			return err
		case quotes%2 == 0:
			return c.split(l.line)
		}
	}
}

// split takes a row apart (RFC 4180, section 2). All quotes in it are closed if they are where they may be.
func (c *csvRow) split(line []byte) error {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	c.cells, c.text = c.cells[:0], c.text[:0]
	if cap(c.text) < len(line) {
		c.text = make([]byte, 0, 2*len(line)) // never grows below: cells refer to it
	}
	for {
		var cell []byte
		var err error
		if len(line) > 0 && line[0] == '"' {
			cell, line, err = c.quoted(line[1:])
		} else {
			end := bytes.IndexByte(line, ',')
			if end < 0 {
				end = len(line)
			}
			cell, line = line[:end], line[end:]
			if i := bytes.IndexAny(cell, "\"\r\x00"); i >= 0 {
				err = fmt.Errorf("column %d: character %q outside quotes", len(c.cells)+1, cell[i])
			}
		}
		if err != nil {
			return err
		}
		c.cells = append(c.cells, cell)
		if len(line) == 0 {
			return nil
		}
		line = line[1:] // the comma
	}
}

// quoted reads a cell behind its opening quote and returns it, and what is behind its closing quote: nothing or a comma.
func (c *csvRow) quoted(line []byte) (cell, rest []byte, err error) {
	begin := len(c.text)
	for {
		end := bytes.IndexByte(line, '"')
		if end < 0 {
			return nil, nil, fmt.Errorf("column %d: a quote is never closed", len(c.cells)+1)
		}
		c.text = append(c.text, line[:end]...)
		line = line[end+1:]
		switch {
		case len(line) == 0 || line[0] == ',':
			return c.text[begin:], line, nil
		case line[0] != '"':
			return nil, nil, fmt.Errorf("column %d: text behind the closing quote", len(c.cells)+1)
		}
		c.text = append(c.text, '"')
		line = line[1:]
	}
}
