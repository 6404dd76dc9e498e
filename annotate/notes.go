package annotate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/record"
)

// Bounds of a table, so that a wrong file does not fill the memory.
const (
	maxText  = 4 << 10 // bytes of one text
	maxTexts = 1 << 28 // bytes of all different ones
	maxCells = 1 << 28 // fields of all different rows
)

// notes are the rows of a table. Prefixes outnumber what is said about them by far, so every row and every text is there once.
type notes struct {
	fields []record.Field
	cells  []uint64 // row after row, a cell for each field: a number, or a text's place; 0 means that nothing is known
	texts  string   // one behind the other
}

// textBits is how many bits of a text's place are its length; those above are where it begins. So a row is found with a look
// at its cells alone: nothing of the texts is read until somebody writes them.
const textBits = 16

// write sets those of values, all null, that row says something about.
func (n *notes) write(row uint32, values []record.Value) {
	at := int(row) * len(n.fields)
	for i, c := range n.cells[at : at+len(n.fields)] {
		switch {
		case c == 0:
		case n.fields[i].Type == record.Int:
			values[i].SetUint(c)
		default:
			at := c >> textBits
			values[i].SetText(n.texts[at : at+c&(1<<textBits-1)])
		}
	}
}

// A writer fills notes: set or number for the fields of a row, then row, again and again.
type writer struct {
	notes
	line  []uint64 // the row that is being written
	key   []byte   // the same as bytes
	rows  map[string]uint32
	where map[string]uint64 // the places of texts
	all   []byte            // texts
}

// newWriter returns a writer of rows with these fields.
func newWriter(fields []record.Field) *writer {
	return &writer{
		notes: notes{fields: fields}, line: make([]uint64, len(fields)),
		rows: make(map[string]uint32), where: map[string]uint64{"": 0},
	}
}

// text sets field i of the row to a copy of s; empty means unknown.
func (w *writer) text(i int, s string) error {
	at, ok := w.where[s]
	if !ok {
		if len(s) > maxText {
			return fmt.Errorf("a text has %d bytes; at most %d are taken", len(s), maxText)
		}
		if len(w.all)+len(s) > maxTexts {
			return fmt.Errorf("different texts have more than %d bytes in all", maxTexts)
		}
		at = uint64(len(w.all))<<textBits | uint64(len(s))
		w.all = append(w.all, s...)
		w.where[strings.Clone(s)] = at
	}
	w.line[i] = at
	return nil
}

// number sets field i of the row; 0 means unknown.
func (w *writer) number(i int, n uint32) { w.line[i] = uint64(n) }

// row ends the row and returns its position, which is that of an earlier one with the same fields. The next row starts empty.
func (w *writer) row() (uint32, error) {
	w.key = w.key[:0]
	for _, c := range w.line {
		w.key = binary.LittleEndian.AppendUint64(w.key, c)
	}
	at, ok := w.rows[string(w.key)]
	if !ok {
		if len(w.cells)+len(w.line) > maxCells {
			return 0, errors.New("there are too many different rows")
		}
		at = uint32(len(w.rows))
		w.rows[string(w.key)] = at
		w.cells = append(w.cells, w.line...)
	}
	clear(w.line)
	return at, nil
}

// done returns what was written.
func (w *writer) done() notes {
	n := w.notes
	n.texts = string(w.all)
	return n
}

// doneKnown returns what was written, without the fields that no row says anything about.
func (w *writer) doneKnown() notes {
	n := w.done()
	all := len(n.fields)
	has := make([]bool, all)
	for i, c := range n.cells {
		has[i%all] = has[i%all] || c != 0
	}
	n.fields, n.cells = nil, n.cells[:0]
	for i, f := range w.fields {
		if has[i] {
			n.fields = append(n.fields, f)
		}
	}
	for i, c := range w.cells {
		if has[i%all] {
			n.cells = append(n.cells, c)
		}
	}
	return n
}
