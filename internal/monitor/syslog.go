package monitor

import (
	"context"
	"log/slog"
)

// A Syslog takes messages for the system's log, each in one call, from any goroutine. What [log/syslog.New] returns is one.
type Syslog interface {
	Crit(text string) error
	Err(text string) error
	Warning(text string) error
	Info(text string) error
	Debug(text string) error
}

// A SyslogHandler is a [slog.Handler] that hands messages to a [Syslog]: the text that a [LogHandler] has in its lines
// behind the time and the level, for the system's log has both of its own. FATAL is critical there, TRACE a debug message.
//
// A SyslogHandler may be used from any number of goroutines.
type SyslogHandler struct {
	log   Syslog
	level slog.Leveler
	text  logText
}

// NewSyslogHandler returns a handler of the messages of the given level, see [Verbosity], and above.
func NewSyslogHandler(log Syslog, level slog.Leveler) *SyslogHandler {
	return &SyslogHandler{log: log, level: level}
}

// Enabled reports whether messages of level l are handed over.
func (h *SyslogHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs returns a handler whose messages all have attrs.
func (h *SyslogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *h
	d.text = h.text.with(attrs)
	return &d
}

// WithGroup returns a handler that puts attributes given later into the group name.
func (h *SyslogHandler) WithGroup(name string) slog.Handler {
	d := *h
	d.text = h.text.open(name)
	return &d
}

// Handle hands the message of r over.
func (h *SyslogHandler) Handle(_ context.Context, r slog.Record) error {
	text := string(h.text.appendTo(nil, r))
	switch {
	case r.Level >= LevelFatal:
		return h.log.Crit(text)
	case r.Level >= slog.LevelError:
		return h.log.Err(text)
	case r.Level >= slog.LevelWarn:
		return h.log.Warning(text)
	case r.Level >= slog.LevelInfo:
		return h.log.Info(text)
	default:
		return h.log.Debug(text)
	}
}
