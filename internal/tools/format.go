package tools

import (
	"bytes"
	"errors"
	"fmt"
)

// A format is the form of the rows that Tee gets.
type format uint8

const (
	formatRaw  format = iota // lines that are passed on as they are
	formatCSV                // comma separated values below a header
	formatJSON               // an object in each line
)

// A layout says where in a row the address is, and whether the row tells of a success.
type layout struct {
	format  format
	addr    int // column of a csv row
	success int // column of a csv row, or -1
}

const utf8BOM = "\xef\xbb\xbf"

// detect finds the layout from the first line of the input. Objects have braces around them; csv is what has a comma, or
// is the header of a single column. Anything else is raw. The second result says that the line is no row but a header.
func detect(first []byte, want rowFilter) (l layout, isHeader bool, err error) {
	line := bytes.TrimPrefix(trimEnd(first), []byte(utf8BOM))
	trimmed := bytes.Trim(line, jsonBlanks)
	switch {
	case len(trimmed) > 1 && trimmed[0] == '{' && trimmed[len(trimmed)-1] == '}':
		l.format = formatJSON
		return l, false, checkObject(line, first, want)
	case bytes.IndexByte(line, ',') >= 0, csvColumn(line, addrNames...) >= 0:
		l = layout{format: formatCSV, addr: csvColumn(line, addrNames...), success: csvColumn(line, "success")}
		switch {
		case l.addr < 0:
			return l, true, fmt.Errorf("the first line, %s, names no column saddr or ip: give csv with a header, "+
				"or --raw to pass on whole lines", quote(first))
		case want == successes && l.success < 0:
			return l, true, fmt.Errorf("--success-only: the first line, %s, names no column success", quote(first))
		}
		return l, true, nil
	case want == successes:
		return l, false, errors.New("--success-only needs rows as csv with a header or as JSON")
	}
	return l, false, nil
}

// addrNames are the names of the field with the address, the better first.
var addrNames = []string{"saddr", "ip"}

// checkObject says what is wrong with the first object of the input, whose keys stand for those of all.
func checkObject(line, first []byte, want rowFilter) error {
	row, ok := parseJSONRow(line)
	switch {
	case !ok:
		return fmt.Errorf("the first line, %s, looks like JSON but is not valid", quote(first))
	case row.addr == nil:
		return fmt.Errorf("the first line, %s, has no key saddr or ip with an address: add the field, "+
			"or give --raw to pass on whole lines", quote(first))
	case want == successes && !row.hasSuccess:
		return fmt.Errorf("--success-only: the first line, %s, has no key success", quote(first))
	}
	return nil
}

// A rowFilter says which rows are wanted.
type rowFilter uint8

const (
	anyRow rowFilter = iota
	successes
)
