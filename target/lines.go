package target

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine bounds the memory a line can take. Only the first word counts, so longer lines are fine when that word and the
// blanks before it fit.
const maxLine = 64 << 10

var errLongLine = errors.New("the first word of the line is longer than 65535 bytes: write one entry per line")

// utf8BOM is what some editors write at the start of a file.
const utf8BOM = "\xef\xbb\xbf"

// A wordReader returns the first word of each line, without comments, which begin with # anywhere in a line. Lines
// without a word are skipped, but counted. Words are separated by the blanks of isspace(3), so \r\n ends a line, too.
type wordReader struct {
	br   *bufio.Reader
	line int // number of the line last returned, from 1
}

func newWordReader(r io.Reader) *wordReader {
	return &wordReader{br: bufio.NewReaderSize(r, maxLine)}
}

// next returns the next word, valid until the next call. It returns errLongLine for a line it had to pass over, after
// which reading can go on, io.EOF at the end, and otherwise the reader's error.
func (r *wordReader) next() ([]byte, error) {
	for {
		text, err := r.br.ReadSlice('\n')
		if len(text) == 0 {
			return nil, err // never nil: ReadSlice returns the delimiter or an error
		}
		r.line++
		if r.line == 1 {
			text = bytes.TrimPrefix(text, []byte(utf8BOM))
		}
		word, complete := firstWord(text)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			// The rest of the line is read over the buffer that word points into.
			word = bytes.Clone(word)
			if err := r.skipLine(); err != nil {
				return nil, err
			}
			if !complete {
				return nil, errLongLine
			}
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		if len(word) > 0 {
			return word, nil
		}
	}
}

func (r *wordReader) skipLine() error {
	for {
		_, err := r.br.ReadSlice('\n')
		switch {
		case err == nil || errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// firstWord returns the first word of a line or of its beginning, and whether the word is known to end there.
func firstWord(line []byte) (word []byte, complete bool) {
	start := 0
	for start < len(line) && isSpace(line[start]) {
		start++
	}
	for i := start; i < len(line); i++ {
		if line[i] == '#' || isSpace(line[i]) {
			return line[start:i], true
		}
	}
	return line[start:], false
}

// blanks are the characters that isSpace is true for.
const blanks = " \t\n\v\f\r"

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
