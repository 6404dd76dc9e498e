package monitor

import "log/slog"

// The levels that package slog does not have. A FATAL line is the last of a program that ends because of it; ending the
// program is the caller's business.
const (
	LevelFatal = slog.Level(12)
	LevelTrace = slog.Level(-8)
)

// Verbosity returns the lowest level shown at verbosity n: 0 shows FATAL only, 1 ERROR too, then WARN, INFO, DEBUG, and 5
// everything. Numbers outside mean the nearest of these.
func Verbosity(n int) slog.Level {
	levels := [...]slog.Level{LevelFatal, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug, LevelTrace}
	return levels[min(max(n, 0), len(levels)-1)]
}

// A levelStyle is how a level looks.
type levelStyle struct {
	name   string
	colour string // ANSI escape sequence; empty for none
}

// styleOf returns the look of l; a level between two named ones looks like the lower.
func styleOf(l slog.Level) levelStyle {
	switch {
	case l >= LevelFatal:
		return levelStyle{"FATAL", "\x1b[31m"}
	case l >= slog.LevelError:
		return levelStyle{"ERROR", "\x1b[35m"}
	case l >= slog.LevelWarn:
		return levelStyle{"WARN", "\x1b[33m"}
	case l >= slog.LevelInfo:
		return levelStyle{"INFO", "\x1b[32m"}
	case l >= slog.LevelDebug:
		return levelStyle{"DEBUG", "\x1b[34m"}
	default:
		return levelStyle{"TRACE", ""}
	}
}
