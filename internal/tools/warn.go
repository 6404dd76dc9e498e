package tools

import (
	"fmt"
	"log/slog"
	"strconv"
)

// maxWarnings bounds how many lines of an input are complained about one by one, so that the wrong kind of input does not
// fill the log.
const maxWarnings = 10

// warnings complains about lines of an input.
type warnings struct {
	log   *slog.Logger
	count uint64
}

// line complains about a line.
func (w *warnings) line(number uint64, text []byte, what string) {
	if w.count++; w.count <= maxWarnings {
		w.log.Warn(fmt.Sprintf("line %d of the input: %s: %s", number, what, quote(text)))
	}
}

// finish says how many more lines there were to complain about.
func (w *warnings) finish() {
	if w.count > maxWarnings {
		w.log.Warn(fmt.Sprintf("there were %d more such lines in the input", w.count-maxWarnings))
	}
}

// quote returns text in quotes, without the end of the line, shortened to a length that fits a line.
func quote(text []byte) string {
	const most = 80
	text = trimEnd(text)
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + "..."
	}
	return strconv.Quote(string(text))
}
