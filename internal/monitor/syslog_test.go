package monitor

import (
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
)

// A recorder is a Syslog that keeps what it gets, each message behind the name of its severity.
type recorder []string

func (r *recorder) put(severity, text string) error {
	*r = append(*r, severity+" "+text)
	return nil
}

func (r *recorder) Crit(text string) error    { return r.put("crit", text) }
func (r *recorder) Err(text string) error     { return r.put("err", text) }
func (r *recorder) Warning(text string) error { return r.put("warning", text) }
func (r *recorder) Info(text string) error    { return r.put("info", text) }
func (r *recorder) Debug(text string) error   { return r.put("debug", text) }

func TestSyslogSeverities(t *testing.T) {
	for verbosity, want := range []string{
		"crit f",
		"crit f, err e",
		"crit f, err e, warning w",
		"crit f, err e, warning w, info i",
		"crit f, err e, warning w, info i, debug d",
		"crit f, err e, warning w, info i, debug d, debug t",
	} {
		var got recorder
		log := slog.New(NewSyslogHandler(&got, Verbosity(verbosity)))
		for _, l := range []struct {
			level slog.Level
			text  string
		}{
			{LevelFatal, "f"}, {slog.LevelError, "e"}, {slog.LevelWarn, "w"}, {slog.LevelInfo, "i"}, {slog.LevelDebug, "d"}, {LevelTrace, "t"},
		} {
			log.Log(t.Context(), l.level, l.text)
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("verbosity %d: got %q, want %q", verbosity, got, want)
		}
	}
}

// TestSyslogTextIsThatOfLines compares messages with the lines of a LogHandler, whose text is tested by itself.
func TestSyslogTextIsThatOfLines(t *testing.T) {
	var messages recorder
	var text strings.Builder
	for _, h := range []slog.Handler{NewSyslogHandler(&messages, slog.LevelInfo), NewLogHandler(&text, LogOptions{})} {
		log := slog.New(withoutTime{h}).With("shared", 1)
		log.Info("one line", ModuleKey, "send", "why", "a b")
		log.With(ModuleKey, "recv").WithGroup("g").Info("two\nlines", "bell", "\a", ModuleKey, 3)
		log.WithGroup("").Info("no group", "n", 2)
	}
	want := strings.ReplaceAll(text.String(), "[INFO]", "info")
	if got := strings.Join(messages, "\n") + "\n"; got != want || len(messages) != 3 {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestSyslogHandlerIsASlogHandler runs the standard library's checks, but for the time and the level, which the system's
// log adds.
func TestSyslogHandlerIsASlogHandler(t *testing.T) {
	var messages recorder
	slogtest.Run(t,
		func(*testing.T) slog.Handler {
			messages = nil
			return NewSyslogHandler(&messages, slog.LevelInfo)
		},
		func(t *testing.T) map[string]any {
			severity, text, ok := strings.Cut(messages[0], " ")
			if !ok || len(messages) != 1 || severity != "info" {
				t.Fatalf("messages %q, want one of severity info", messages)
			}
			m := parseLine(t, "Nov 22 15:30:50.123 [INFO] "+text+"\n")
			if strings.HasSuffix(t.Name(), "zero-time") {
				delete(m, slog.TimeKey)
			}
			return m
		},
	)
}
