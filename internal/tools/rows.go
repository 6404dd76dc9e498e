package tools

import (
	"bufio"
	"bytes"
	"errors"
)

// rows passes on the addresses in rows. It gets the lines of the input and decides how they make rows.
type rows struct {
	layout
	want  rowFilter
	out   *bufio.Writer
	warn  warnings
	lines splitter

	// A row of csv may have ends of lines in quotes. Its lines are kept here until it is complete.
	open    []byte
	opened  uint64 // number of its first line
	csv     csvState
	oneLine bool // it has turned out that rows do not go beyond their line
}

// raw has whole lines passed on.
func (r *rows) raw() error {
	if r.want == successes {
		return errors.New("--success-only and --raw exclude each other")
	}
	r.layout = layout{format: formatRaw}
	return nil
}

// start finds the layout from the beginning of the input, and returns what of that are rows.
func (r *rows) start(head []byte) ([]byte, error) {
	first, rest, _ := bytes.Cut(head, newline)
	l, isHeader, err := detect(first, r.want)
	if err != nil {
		return nil, err
	}
	r.layout = l
	switch {
	case isHeader:
		r.lines.number++
		return rest, nil
	case l.format == formatJSON:
		return bytes.TrimPrefix(head, []byte(utf8BOM)), nil
	}
	return head, nil
}

// split takes a piece of the input.
func (r *rows) split(piece []byte) error {
	if r.format == formatRaw {
		_, err := r.out.Write(piece)
		return writeError(err)
	}
	return r.lines.split(piece, r.line, r.long)
}

// flush writes what is held back.
func (r *rows) flush() error { return writeError(r.out.Flush()) }

// line takes a line.
func (r *rows) line(line []byte) error {
	switch {
	case r.format == formatJSON:
		return r.object(line)
	case len(r.open) > 0:
		return r.goOn(line)
	}
	return r.begin(line)
}

// long takes the beginning of a line that is too long to be looked into.
func (r *rows) long(line []byte) error {
	r.warn.line(r.lines.number, line, "too long to be looked into")
	return r.breakUp()
}

// finish takes the end of the input.
func (r *rows) finish() error {
	if err := r.lines.finish(r.line); err != nil {
		return err
	}
	return r.breakUp()
}

// begin takes the first line of a csv row.
func (r *rows) begin(line []byte) error {
	text := trimEnd(line)
	if r.csv = csvStart.after(text); r.csv == csvQuoted && !r.oneLine {
		r.open = append(r.open, line...)
		r.opened = r.lines.number
		return nil
	}
	return r.row(text, r.lines.number)
}

// goOn takes a further line of a csv row.
func (r *rows) goOn(line []byte) error {
	r.open = append(r.open, line...)
	switch r.csv = r.csv.after(trimEnd(line)); {
	case r.csv != csvQuoted:
		text := trimEnd(r.open)
		r.open = r.open[:0]
		return r.row(text, r.opened)
	case len(r.open) > maxLine:
		return r.breakUp()
	}
	return nil
}

// breakUp gives up on a row, if there is one, whose quotes are not closed before the end of the input or within maxLine
// bytes. C zmap does not quote its output, so such a quote is text: each line is a row, here and from now on.
func (r *rows) breakUp() error {
	if len(r.open) == 0 {
		return nil
	}
	text, number := r.open, r.opened
	r.open, r.oneLine = nil, true
	first, _, _ := bytes.Cut(text, newline)
	r.warn.line(number, first, "a quote is not closed; from here on each line is taken to be a row")
	for line := range bytes.Lines(text) {
		if err := r.row(trimEnd(line), number); err != nil {
			return err
		}
		number++
	}
	return nil
}

// row takes a complete csv row, without the end of its last line.
func (r *rows) row(text []byte, number uint64) error {
	if len(text) == 0 {
		return nil
	}
	if r.want == successes {
		value, _ := csvField(nil, text, r.success)
		if !isTrue(value) {
			return nil
		}
	}
	addr, _ := csvField(nil, text, r.addr)
	return r.address(addr, text, number)
}

// object takes a line that should be an object.
func (r *rows) object(line []byte) error {
	if len(bytes.Trim(line, jsonBlanks)) == 0 {
		return nil
	}
	row, ok := parseJSONRow(line)
	switch {
	case !ok:
		r.warn.line(r.lines.number, line, "not a JSON object")
		return nil
	case r.want == successes && !row.success:
		return nil
	}
	return r.address(row.addr, line, r.lines.number)
}

// address passes on the address of a row, if it is text that fits a line.
func (r *rows) address(addr, row []byte, number uint64) error {
	if len(addr) == 0 || bytes.ContainsAny(addr, "\r\n") {
		r.warn.line(number, row, "there is no address in it")
		return nil
	}
	if _, err := r.out.Write(addr); err != nil {
		return writeError(err)
	}
	return writeError(r.out.WriteByte('\n'))
}
