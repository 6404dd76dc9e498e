package sink

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/record"
)

// Bounds of what a source of text holds in memory.
const (
	maxRow    = 1 << 20 // bytes of one row
	aheadSize = 4 << 20 // bytes read ahead to find out fields and types
	aheadRows = 10_000  // rows read ahead for that
)

// SourceOptions say what a text does not say of itself.
//
// A field's type is that of Schema, else what Field says, else it is guessed from the first rows (up to 10,000, or 4 MB of
// them): all numbers is [record.Int], all addresses [record.Addr], all times as this program prints them [record.Time],
// true and false of JSON [record.Bool], lists of objects [record.Repeated], objects, and what is an object in some rows,
// [record.JSON], all else [record.String].
type SourceOptions struct {
	// Schema has the fields: a row with another one is an error. Nil if they are to be found out: those of the header, for JSON
	// those of the first rows, as many as are looked at for the types.
	Schema *record.Schema
	// Field returns a field known by its name; it may be nil. What it knows is not guessed, but for objects, which are that
	// whatever their name.
	Field func(name string) (record.Field, bool)
	// Names are the columns of a CSV text that has no header. A first line that repeats them is taken for one all the same.
	Names []string
}

// known returns a field that need not be guessed. Of one that must be, it has the name alone.
func (o *SourceOptions) known(name string) (record.Field, bool) {
	if o.Schema != nil {
		if i, ok := o.Schema.Lookup(name); ok {
			return o.Schema.Field(i), true
		}
	} else if o.Field != nil {
		if f, ok := o.Field(name); ok {
			f.Name = name
			return f, true
		}
	}
	return record.Field{Name: name}, false
}

// fieldName returns the name of a field as rows have it since C ZMap 3.0, with underscores.
func fieldName(name string) (string, error) {
	name = strings.ReplaceAll(name, "-", "_")
	if !record.Legal(name) {
		return "", fmt.Errorf("%q is no name of a field: letters, digits and underscores", name)
	}
	return name, nil
}

// A lineReader reads lines of bounded length, and counts them.
type lineReader struct {
	r     *bufio.Reader
	lines int // begun so far
	line  []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, spillSize)} }

// errors of lines.
var (
	errLong = errors.New("is longer than 1 MB, or has a quote that is never closed")
	errCut  = errors.New("has no end: the text breaks off here, or a line end is missing")
)

// more appends the next line, with its end, to what the row has so far. At the end of the text it returns io.EOF and
// nothing, or errCut behind the beginning of a line.
func (l *lineReader) more() error {
	begun := len(l.line)
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.line)+len(piece) > maxRow {
			return errLong
		}
		l.line = append(l.line, piece...)
		if len(l.line) > begun && len(l.line)-len(piece) == begun {
			l.lines++
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(l.line) > begun {
				return errCut
			}
			return io.EOF
		default:
			return err
		}
	}
}

// skipMark skips a byte order mark (U+FEFF), which some editors put in front of UTF-8.
func (l *lineReader) skipMark() {
	if head, _ := l.r.Peek(3); string(head) == "\uFEFF" {
		_, _ = l.r.Discard(3) // they are in the buffer
	}
}

// ahead returns the beginning of the text behind what was read so far, which is read again afterwards. An error of the reader
// comes at its place in that.
func (l *lineReader) ahead() []byte {
	head, err := io.ReadAll(io.LimitReader(l.r, aheadSize))
	var rest io.Reader = l.r
	if err != nil {
		rest = failing{err}
	}
	l.r = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(head), rest), spillSize)
	return head
}

// failing is a reader that only has an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A guess is what the values of one column, seen so far, can be.
type guess struct {
	number, truth, list, text bool // seen
	object                    bool // seen
	notAddr, notTime          bool // among the texts
	full                      bool // a number of 2^63 or more
}

// addNumber takes note of a number.
func (g *guess) addNumber(text []byte) {
	var v record.Value
	g.number = true
	g.full = g.full || setNumber(&v, text) == nil && v.Kind() == record.KindUint && v.Uint() > math.MaxInt64
}

// complete gives a field its type.
func (g *guess) complete(f *record.Field) { f.Type, f.Full = g.typ(), g.full }

// addText takes note of a text.
func (g *guess) addText(text string) {
	g.text = true
	if !g.notAddr {
		_, err := parseAddr(text)
		g.notAddr = err != nil
	}
	if !g.notTime {
		_, err := parseTime(text)
		g.notTime = err != nil
	}
}

// typ returns the narrowest type that holds all that was seen.
func (g *guess) typ() record.Type {
	switch {
	case g.object:
		return record.JSON
	case g.list:
		return record.Repeated
	case g.text && (g.number || g.truth):
		return record.String
	case g.text && !g.notAddr:
		return record.Addr
	case g.text && !g.notTime:
		return record.Time
	case g.text:
		return record.String
	case g.number:
		return record.Int
	case g.truth:
		return record.Bool
	}
	return record.String
}

// setText sets v, a field of type t, to what the text of a sink means. last is the text that the field had in the row before.
func setText(v *record.Value, r *record.Record, t record.Type, text []byte, last *string) error {
	switch t {
	case record.JSON:
		var err error
		*v, err = r.Document(text)
		return err
	case record.Int:
		return setNumber(v, text)
	case record.Bool:
		switch string(text) {
		case "1", "true":
			v.SetBool(true)
		case "0", "false":
			v.SetBool(false)
		default:
			return fmt.Errorf("%s is no truth value: expected 1 or 0", shorten(text))
		}
	case record.Addr:
		a, err := parseAddr(string(text))
		if err != nil {
			return err
		}
		v.SetAddr(a)
	case record.Time:
		at, err := parseTime(string(text))
		if err != nil {
			return err
		}
		v.SetTime(at)
	case record.Binary:
		b := r.Copy(text)
		n, err := hex.Decode(b, b)
		if err != nil {
			return fmt.Errorf("%s is no hexadecimal number", shorten(text))
		}
		*v = record.Bytes(b[:n:n])
	case record.Repeated:
		return fmt.Errorf("%s is no list", shorten(text))
	case record.String:
		if string(text) != *last {
			*last = string(text)
		}
		v.SetText(*last)
	}
	return nil
}

// setNumber sets v to a decimal number, signed only where it is negative.
func setNumber(v *record.Value, text []byte) error {
	if len(text) > 1 && text[0] == '-' {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			*v = record.Signed(n)
			return nil
		}
	} else if n, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		v.SetUint(n)
		return nil
	}
	return fmt.Errorf("%s is no integer of 64 bits", shorten(text))
}

// isNumber says whether a text is a number as sinks write it: one with zeros in front is rather a name.
func isNumber(text []byte) bool {
	var v record.Value
	digits := bytes.TrimPrefix(text, []byte{'-'})
	return (len(digits) == 1 || len(digits) > 1 && digits[0] != '0') && setNumber(&v, text) == nil
}

// parseAddr reads an address; zones, which rows cannot hold, are refused.
func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%s is no IP address", shorten(text))
	}
	return a, nil
}

// parseTime reads a time as stamp writes it, or of RFC 3339, and returns nanoseconds since the Unix epoch. Those that do not
// fit 64 bits, before 1678 and after 2262, are refused.
func parseTime(text string) (int64, error) {
	for _, layout := range []string{"2006-01-02T15:04:05Z0700", time.RFC3339} {
		t, err := time.Parse(layout, text)
		if err == nil && time.Unix(0, t.UnixNano()).Equal(t) {
			return t.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("%s is no time such as 2026-11-22T15:22:19.970+0000", shorten(text))
}

// shorten quotes a text for an error.
func shorten[T string | []byte](text T) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + "..."
	}
	return strconv.Quote(string(text))
}
