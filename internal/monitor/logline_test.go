package monitor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
	"unicode"
	"unicode/utf8"
)

// withoutTime takes the time from records, so that their lines are always the same.
type withoutTime struct{ slog.Handler }

func (h withoutTime) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.Handler.Handle(ctx, r)
}

func (h withoutTime) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutTime{h.Handler.WithAttrs(attrs)}
}

func (h withoutTime) WithGroup(name string) slog.Handler {
	return withoutTime{h.Handler.WithGroup(name)}
}

// lineOf returns the line of a record as log writes it at two milliseconds and a bit past a certain time.
func lineOf(t *testing.T, o LogOptions, level slog.Level, log func(*slog.Logger) *slog.Logger, msg string, args ...any) string {
	t.Helper()
	var text strings.Builder
	o.Location = time.UTC
	h := log(slog.New(NewLogHandler(&text, o))).Handler()
	r := slog.NewRecord(time.Date(2026, 11, 2, 5, 3, 9, 2_999_999, time.UTC), level, msg, 0)
	r.Add(args...)
	if err := h.Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func bare(l *slog.Logger) *slog.Logger { return l }

func TestLogLines(t *testing.T) {
	const stamp = "Nov 02 05:03:09.002 "
	const in = slog.LevelInfo
	tests := []struct {
		name  string
		level slog.Level
		with  func(*slog.Logger) *slog.Logger
		msg   string
		args  []any
		want  string
	}{
		{"module in the record", in, bare, "completed", []any{"module", "zmap"}, "[INFO] zmap: completed"},
		{"no module", in, bare, "completed", nil, "[INFO] completed"},
		{
			"module of the logger", in, func(l *slog.Logger) *slog.Logger { return l.With("module", "recv") },
			"ready",
			[]any{"queues", 2},
			"[INFO] recv: ready queues=2",
		},
		{
			"the last module counts", in, func(l *slog.Logger) *slog.Logger { return l.With("module", "recv").With("module", "send") },
			"ready", nil, "[INFO] send: ready",
		},
		{
			"module within a group is an attribute", in, func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") },
			"x",
			[]any{"module", "m"},
			"[INFO] x g.module=m",
		},
		{
			"attributes in order", in, func(l *slog.Logger) *slog.Logger { return l.With("a", 1).WithGroup("g").With("b", 2) },
			"x",
			[]any{"c", 3, slog.Group("h", "d", 4), slog.Group("", "e", 5)},
			"[INFO] x a=1 g.b=2 g.c=3 g.h.d=4 g.e=5",
		},
		{
			"values", in, bare, "x",
			[]any{
				"s", "a b", "empty", "", "eq", "a=b", "q", `say "hi"`, "path", "/a/b", "d", 1500 * time.Millisecond, "err", errors.New("no route"),
				"t", time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), "nil", nil, "f", 0.5, "b", true,
			},
			`[INFO] x s="a b" empty="" eq="a=b" q="say \"hi\"" path=/a/b d=1.5s err="no route" t=2026-01-02T03:04:05.006Z nil=<nil> f=0.5 b=true`,
		},
		{"an empty attribute", in, bare, "x", []any{"", nil, "a", 1}, "[INFO] x a=1"},
		{"a key with a blank", in, bare, "x", []any{"a b", 1}, `[INFO] x "a b"=1`},
		{
			"what would break the line", in, bare, "two\nlines \x1b[31m \xff é \u009b",
			[]any{"module", "a\nb", "k", "v\r\n"},
			`[INFO] a\nb: two\nlines \x1b[31m \xff é \u009b k="v\r\n"`,
		},
		{"fatal", LevelFatal, bare, "x", nil, "[FATAL] x"},
		{"above fatal", LevelFatal + 1, bare, "x", nil, "[FATAL] x"},
		{"error", slog.LevelError, bare, "x", nil, "[ERROR] x"},
		{"between error and fatal", slog.LevelError + 1, bare, "x", nil, "[ERROR] x"},
		{"warn", slog.LevelWarn, bare, "x", nil, "[WARN] x"},
		{"debug", slog.LevelDebug, bare, "x", nil, "[DEBUG] x"},
		{"trace", LevelTrace, bare, "x", nil, "[TRACE] x"},
		{"below trace", LevelTrace - 1, bare, "x", nil, "[TRACE] x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := lineOf(t, LogOptions{}, tt.level, tt.with, tt.msg, tt.args...), stamp+tt.want+"\n"; got != want {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestLogColours(t *testing.T) {
	colours := map[slog.Level]string{
		LevelFatal: "31", slog.LevelError: "35", slog.LevelWarn: "33", slog.LevelInfo: "32", slog.LevelDebug: "34", LevelTrace: "",
	}
	for level, number := range colours {
		plain := lineOf(t, LogOptions{}, level, bare, "x", "a", 1)
		want := plain
		if number != "" {
			want = "\x1b[" + number + "m" + strings.TrimSuffix(plain, "\n") + "\x1b[0m\n"
		}
		if got := lineOf(t, LogOptions{Colours: ANSI}, level, bare, "x", "a", 1); got != want {
			t.Errorf("level %v: got %q, want %q", level, got, want)
		}
		if strings.Contains(plain, "\x1b") {
			t.Errorf("level %v: colour in %q, which should have none", level, plain)
		}
	}
}

func TestVerbosity(t *testing.T) {
	want := []string{"FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"}
	levels := []slog.Level{LevelFatal, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug, LevelTrace}
	for n := -2; n <= 8; n++ {
		var text strings.Builder
		log := slog.New(withoutTime{NewLogHandler(&text, LogOptions{Level: Verbosity(n)})})
		for _, l := range levels {
			log.Log(t.Context(), l, "")
		}
		shown := min(max(n, 0), 5) + 1
		expect := "[" + strings.Join(want[:shown], "] \n[") + "] \n"
		if got := text.String(); got != expect {
			t.Errorf("verbosity %d: got %q, want %q", n, got, expect)
		}
	}
}

func TestLogLevelDefaultsToInfo(t *testing.T) {
	h := NewLogHandler(&strings.Builder{}, LogOptions{})
	if !h.Enabled(t.Context(), slog.LevelInfo) || h.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("want info enabled and debug not")
	}
}

func TestLogErrorIsTheWriters(t *testing.T) {
	h := NewLogHandler(failing{}, LogOptions{})
	if err := h.Handle(t.Context(), slog.Record{}); !errors.Is(err, errBroken) {
		t.Errorf("error %v, want that of the writer", err)
	}
}

// TestLogHandlersShareNothingTheyAdd checks that two loggers made from one do not write into each other's attributes.
func TestLogHandlersShareNothingTheyAdd(t *testing.T) {
	var text strings.Builder
	base := slog.New(withoutTime{NewLogHandler(&text, LogOptions{})}).With("a", 1)
	one, two := base.With("b", 2), base.With("c", 3)
	one.Info("1")
	two.Info("2")
	one.Info("3", "d", 4)
	one.Info("4", "e", 5)
	want := "[INFO] 1 a=1 b=2\n[INFO] 2 a=1 c=3\n[INFO] 3 a=1 b=2 d=4\n[INFO] 4 a=1 b=2 e=5\n"
	if got := text.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLogLinesOfManyGoroutines(t *testing.T) {
	const goroutines, each = 8, 200
	var w lines                     // not safe by itself: the handler's lock is what is tested
	long := strings.Repeat("x", 56) // leaves room behind the shared attributes, into which nobody may write
	base := slog.New(NewLogHandler(&w, LogOptions{Colours: ANSI})).With("shared", long, "b", 1)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			log := base.With("module", "own")
			for i := range each {
				if i%2 == 0 {
					base.Info("line", "goroutine", g, "i", i)
					continue
				}
				log.Info("line", "goroutine", g, "i", i)
			}
		})
	}
	wg.Wait()
	w.check(t, goroutines*each)
	seen := make(map[string]bool)
	for _, line := range w {
		_, what, ok := strings.Cut(string(line), "[INFO] ")
		if !ok || seen[what] {
			t.Fatalf("line %q is broken or there twice", line)
		}
		seen[what] = true
	}
	for g := range goroutines {
		for i := range each {
			want := "line shared=" + long + " b=1 goroutine=" + strconv.Itoa(g) + " i=" + strconv.Itoa(i) + "\x1b[0m\n"
			if i%2 != 0 {
				want = "own: " + want
			}
			if !seen[want] {
				t.Fatalf("no line %q", want)
			}
		}
	}
}

// TestLogHandlerIsASlogHandler runs the standard library's checks on what the lines say.
func TestLogHandlerIsASlogHandler(t *testing.T) {
	var text bytes.Buffer
	slogtest.Run(t,
		func(*testing.T) slog.Handler {
			text.Reset()
			return NewLogHandler(&text, LogOptions{})
		},
		func(t *testing.T) map[string]any { return parseLine(t, text.String()) },
	)
}

// parseLine reads a line with a message of one word.
func parseLine(t *testing.T, line string) map[string]any {
	t.Helper()
	m := make(map[string]any)
	stamp, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "[")
	if !ok {
		t.Fatalf("no level in %q", line)
	}
	if stamp != "" {
		at, err := time.Parse("Jan 02 15:04:05.000 ", stamp)
		if err != nil {
			t.Fatal(err)
		}
		m[slog.TimeKey] = at
	}
	level, rest, _ := strings.Cut(rest, "] ")
	m[slog.LevelKey] = level
	words := strings.Split(rest, " ")
	m[slog.MessageKey] = words[0]
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			t.Fatalf("word %q in %q has no value", word, line)
		}
		in := m
		path := strings.Split(key, ".")
		for _, group := range path[:len(path)-1] {
			if in[group] == nil {
				in[group] = make(map[string]any)
			}
			in = in[group].(map[string]any)
		}
		in[path[len(path)-1]] = value
	}
	return m
}

func FuzzLogLine(f *testing.F) {
	f.Add("completed", "targets", "256")
	f.Add("two\nlines", "a b", "say \"hi\"\x00")
	f.Add("\x1b]0;title\x07\xff\u202e", "", "\r\n[FATAL] zmap: forged")
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		var w lines
		log := slog.New(NewLogHandler(&w, LogOptions{}))
		log.Info(msg, slog.String(key, value), slog.String(ModuleKey, value))
		w.check(t, 1)
		line := string(w[0][:len(w[0])-1])
		if !utf8.ValidString(line) {
			t.Errorf("%q is not UTF-8", line)
		}
		if at := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); at >= 0 {
			t.Errorf("%q holds what does not print at byte %d", line, at)
		}
		if key != "" && key != ModuleKey && !strings.HasSuffix(line, " "+wordOf(key)+"="+wordOf(value)) {
			t.Errorf("%q does not end in the attribute %q, %q", line, key, value)
		}
	})
}

// wordOf returns s as it stands in a line if it can be read back from there.
func wordOf(s string) string {
	word := string(appendWord(nil, s))
	if back, err := strconv.Unquote(word); err == nil && back == s || word == s && !strings.ContainsAny(s, " =\"") {
		return word
	}
	return "(" + s + " cannot be read back)"
}
