package intake

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// MaxLine is the length of the longest line that is read, in bytes. Rows with grabs in them may be long.
const MaxLine = 1 << 20

// An Entry is what one line names.
type Entry struct {
	// Net has the addresses; it is one of full length for a single address, and not valid if there is only a name.
	Net  netip.Prefix
	Name string // of the host, in lower case; "" means none
	Tag  string // the user's own word
	Port uint16 // 0 means that the line names none
	Line uint64 // from 1
}

// A LineError says which line cannot be used, and why.
type LineError struct {
	File string
	Line uint64
	Err  error
}

// Error returns one line.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the reason alone.
func (e *LineError) Unwrap() error { return e.Err }

// Why lines are no targets without being mistakes.
var (
	errNothing = errors.New("nothing on the line")
	errPassed  = errors.New("no success, or a repetition")
)

// A Reader reads entries. It belongs to one goroutine.
type Reader struct {
	in      *bufio.Reader
	name    string
	line    uint64
	passed  uint64
	columns *columns // of input with a header
	begun   bool     // a line that is not blank was read
}

// New returns a reader of in. Name stands for it in errors.
func New(in io.Reader, name string) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 64<<10), name: name}
}

// Line returns the number of the line read last, from 1.
func (r *Reader) Line() uint64 { return r.line }

// Passed returns how many rows were passed over as they are no success, or repeat one.
func (r *Reader) Passed() uint64 { return r.passed }

// Next returns the next entry, [io.EOF] at the end, or a [LineError], after which reading may go on. Other errors are final.
func (r *Reader) Next() (Entry, error) {
	for {
		line, err := r.read()
		var e Entry
		if err == nil {
			e, err = r.entry(line)
		}
		switch {
		case err == nil:
			e.Line = r.line
			return e, nil
		case errors.Is(err, errNothing):
		case errors.Is(err, errPassed):
			r.passed++
		case err == io.EOF: //nolint:errorlint // as read returns it
			return e, err
		case errors.Is(err, errInput):
			return e, fmt.Errorf("%s:%d: %w", r.name, r.line+1, err)
		default:
			return e, &LineError{r.name, r.line, err}
		}
	}
}

// errInput is wrapped by errors of the input itself.
var errInput = errors.New("read targets")

// errLong is a line longer than MaxLine, which has been passed over.
var errLong = fmt.Errorf("the line is longer than %d bytes", MaxLine)

// read returns the next line without its end, valid until the next call.
func (r *Reader) read() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.long(bytes.Clone(line))
	}
	switch {
	case errors.Is(err, errLong):
		r.line++
		return nil, err
	case err == io.EOF && len(line) == 0: //nolint:errorlint // bufio hands it through
		return nil, io.EOF
	case err != nil && err != io.EOF: //nolint:errorlint // the same
		return nil, fmt.Errorf("%w: %w", errInput, err)
	}
	r.line++
	if r.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")) // spreadsheets begin files with it
	}
	return bytes.TrimSpace(line), nil
}

// long returns the line that begins with start, if it is not too long.
func (r *Reader) long(start []byte) ([]byte, error) {
	for {
		part, err := r.in.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		switch {
		case len(start)+len(part) > MaxLine:
			start = start[:MaxLine] // what comes is only looked through for its end
			if !full {
				return nil, errLong
			}
			continue
		case len(start) < MaxLine:
			start = append(start, part...)
		}
		if !full {
			return start, err
		}
	}
}
