package monitor

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// ModuleKey is the key of the attribute that says which part of the program speaks. Outside groups it is not shown as
// key=value but stands before the message.
const ModuleKey = "module"

// Colours says whether lines have the colour of their level.
type Colours uint8

// The choices. ANSI escape sequences are for terminals; the caller knows what it writes to.
const (
	NoColours Colours = iota
	ANSI
)

// LogOptions are options of a [LogHandler]. The zero value is info and above, without colours, in local time.
type LogOptions struct {
	Level    slog.Leveler   // lowest level shown, see [Verbosity]; nil means slog.LevelInfo
	Colours  Colours        // whether to write ANSI escape sequences
	Location *time.Location // time zone of the lines; nil means local time
}

// A LogHandler is a [slog.Handler] that writes ZMap's log lines:
//
//	Nov 22 15:30:50.123 [INFO] send: done targets=256
//
// Attributes follow the message as key=value, where a key has the names of its groups before it. Values are quoted if they
// hold blanks, quotes or equals signs. Neither message nor values can break out of the line: characters that do not
// print are escaped.
//
// A LogHandler may be used from any number of goroutines. Each line is one Write, under a lock that all handlers derived
// from the same one share.
type LogHandler struct {
	out     *lockedWriter
	level   slog.Leveler
	colours Colours
	loc     *time.Location

	text logText
}

// lockedWriter lets one Write through at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// NewLogHandler returns a handler that writes to w.
func NewLogHandler(w io.Writer, o LogOptions) *LogHandler {
	h := &LogHandler{out: &lockedWriter{w: w}, level: o.Level, colours: o.Colours, loc: o.Location}
	if h.level == nil {
		h.level = slog.LevelInfo
	}
	if h.loc == nil {
		h.loc = time.Local
	}
	return h
}

// Enabled reports whether lines of level l are shown.
func (h *LogHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs returns a handler whose lines all have attrs.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *h
	d.text = h.text.with(attrs)
	return &d
}

// WithGroup returns a handler that puts attributes given later into the group name.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	d := *h
	d.text = h.text.open(name)
	return &d
}

// Handle writes the line of r.
func (h *LogHandler) Handle(_ context.Context, r slog.Record) error {
	_, err := h.out.Write(h.appendLine(make([]byte, 0, 512), r))
	return err
}

// appendLine appends the whole line of r.
func (h *LogHandler) appendLine(dst []byte, r slog.Record) []byte {
	style := styleOf(r.Level)
	coloured := h.colours == ANSI && style.colour != ""
	if coloured {
		dst = append(dst, style.colour...)
	}
	if !r.Time.IsZero() {
		dst = append(r.Time.In(h.loc).AppendFormat(dst, "Jan 02 15:04:05.000"), ' ')
	}
	dst = append(dst, '[')
	dst = append(dst, style.name...)
	dst = append(dst, "] "...)
	dst = h.text.appendTo(dst, r)
	if coloured {
		dst = append(dst, "\x1b[0m"...)
	}
	return append(dst, '\n')
}
