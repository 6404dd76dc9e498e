package tools

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// A sharedBuffer may be written to by a goroutine that Tee left behind.
type sharedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *sharedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *sharedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// runTee runs Tee and returns what it wrote, after a check that its file holds the input.
func runTee(t *testing.T, cfg TeeConfig, in io.Reader, whole string) (string, error) {
	t.Helper()
	cfg.File = filepath.Join(t.TempDir(), "file")
	var out sharedBuffer
	err := Tee(t.Context(), cfg, in, &out, io.Discard)
	if file, readErr := os.ReadFile(cfg.File); readErr != nil || string(file) != whole {
		t.Errorf("the file of %.200q holds %.200q, %v", whole, file, readErr)
	}
	return out.String(), err
}

func TestTeeExamples(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"csv", "saddr,sport\n1.1.1.1,80\n2.2.2.2,80\n", "1.1.1.1\n2.2.2.2\n"},
		{"column in the middle", "x,saddr,y\na,1.1.1.1,b\nc,2.2.2.2,d\n", "1.1.1.1\n2.2.2.2\n"},
		{"last column", "x,saddr\na,1.1.1.1\nb,2.2.2.2\n", "1.1.1.1\n2.2.2.2\n"},
		{"names in full", "saddr_raw,ipid,ip\n1,2,1.1.1.1\n", "1.1.1.1\n"},
		{"one column", "saddr\n1.1.1.1\n2.2.2.2\n", "1.1.1.1\n2.2.2.2\n"},
		{"header alone", "saddr,success\n", ""},
		{"header without end", "saddr,success", ""},
		{"no end", "x,saddr\na,1.1.1.1", "1.1.1.1\n"},
		{"CRLF", "x,saddr\r\na,1.1.1.1\r\nb,2.2.2.2\r\n", "1.1.1.1\n2.2.2.2\n"},
		{"byte order mark", "\xef\xbb\xbfsaddr,x\n1.1.1.1,a\n", "1.1.1.1\n"},
		{"quotes", `"x","saddr"` + "\n" + `"a,b","1.1.1.1"` + "\n" + `"say ""hi""",2.2.2.2` + "\n", "1.1.1.1\n2.2.2.2\n"},
		{"line ends in quotes", "x,saddr\n\"a\nb,3.3.3.3\n\",1.1.1.1\nc,2.2.2.2\n", "1.1.1.1\n2.2.2.2\n"},
		{"a quote within", "x,saddr\na\"b,1.1.1.1\n\"c\"d\",2.2.2.2\n", "1.1.1.1\n2.2.2.2\n"},
		{"a quote that stays open", "saddr,x\n1.1.1.1,\"oops\n2.2.2.2,a\n3.3.3.3,b", "1.1.1.1\n2.2.2.2\n3.3.3.3\n"},
		{"rows without address", "x,saddr\na\n,\n\nb,1.1.1.1\n", "1.1.1.1\n"},
		{"JSON", `{"saddr":"1.1.1.1","x":1}` + "\n" + `{"x":{"saddr":"9.9.9.9"},"saddr":"2.2.2.2"}` + "\n", "1.1.1.1\n2.2.2.2\n"},
		{"JSON without end", `{"ip":"1.1.1.1"}` + "\r\n\n" + `{"ip":"2.2.2.2"}`, "1.1.1.1\n2.2.2.2\n"},
		{"JSON with gaps", "\xef\xbb\xbf" + `{"ip":"1.1.1.1"}` + "\n{}\nnull\n{\"ip\":\n{\"ip\":\"2.2.2.2\"}\n", "1.1.1.1\n2.2.2.2\n"},
		{"raw", "1.1.1.1\n2.2.2.2,x\n\n#\n3.3.3.3", "1.1.1.1\n2.2.2.2,x\n\n#\n3.3.3.3"},
		{"empty lines", "\n\n", "\n\n"},
		{"an open brace", "{x\n2\n", "{x\n2\n"},
	} {
		if got, err := runTee(t, TeeConfig{}, strings.NewReader(c.in), c.in); err != nil || got != c.want {
			t.Errorf("%s: Tee of %q = %q, %v, want %q", c.name, c.in, got, err, c.want)
		}
		if got, err := runTee(t, TeeConfig{Raw: true}, strings.NewReader(c.in), c.in); err != nil || got != c.in {
			t.Errorf("%s: raw Tee of %q = %q, %v, want all of it", c.name, c.in, got, err)
		}
	}
}

func TestTeeSuccessOnly(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"csv", "saddr,success\n1.1.1.1,1\n2.2.2.2,0\n3.3.3.3,true\n4.4.4.4,\n5.5.5.5\n6.6.6.6,TRUE", "1.1.1.1\n3.3.3.3\n6.6.6.6\n"},
		{"csv, other order", "success_x,success,saddr\n1,0,1.1.1.1\n0,\"1\",2.2.2.2\n", "2.2.2.2\n"},
		{
			"JSON", `{"saddr":"1.1.1.1","success":true}` + "\n" + `{"saddr":"2.2.2.2","success":false}` + "\n" +
				`{"saddr":"3.3.3.3"}` + "\n" + `{"success":1,"saddr":"4.4.4.4"}` + "\n", "1.1.1.1\n4.4.4.4\n",
		},
	} {
		if got, err := runTee(t, TeeConfig{SuccessOnly: true}, strings.NewReader(c.in), c.in); err != nil || got != c.want {
			t.Errorf("%s: Tee of %q = %q, %v, want %q", c.name, c.in, got, err, c.want)
		}
	}
}

func TestTeeErrors(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		cfg  TeeConfig
		in   io.Reader
		want string
	}{
		"empty":                {TeeConfig{}, strings.NewReader(""), "input is empty"},
		"empty, raw":           {TeeConfig{Raw: true}, strings.NewReader(""), "input is empty"},
		"no column":            {TeeConfig{}, strings.NewReader("20.0.0.5,80\n"), `"20.0.0.5,80", names no column saddr or ip`},
		"no key":               {TeeConfig{}, strings.NewReader(`{"x":1,"saddr":null}`), "no key saddr or ip"},
		"bad JSON":             {TeeConfig{}, strings.NewReader(`{"saddr":"1.1.1.1",}`), "not valid"},
		"raw success":          {TeeConfig{SuccessOnly: true}, strings.NewReader("1.1.1.1\n"), "--success-only"},
		"explicit raw success": {TeeConfig{SuccessOnly: true, Raw: true}, strings.NewReader("saddr,success\n"), "exclude each other"},
		"no success column":    {TeeConfig{SuccessOnly: true}, strings.NewReader("saddr,app_success\n"), "no column success"},
		"no success key":       {TeeConfig{SuccessOnly: true}, strings.NewReader(`{"saddr":"1.1.1.1"}`), "no key success"},
		"long first line":      {TeeConfig{}, endless{}, "line 1 of the input is longer"},
		"no directory":         {TeeConfig{File: filepath.Join(dir, "none", "file")}, nil, "open output file"},
		"no status directory":  {TeeConfig{StatusFile: filepath.Join(dir, "none", "file")}, nil, "--status-updates-file"},
		"read error":           {TeeConfig{}, iotest.ErrReader(broken), "read input: broken"},
	} {
		if c.cfg.File == "" {
			c.cfg.File = filepath.Join(dir, "file")
		}
		var out sharedBuffer
		err := Tee(t.Context(), c.cfg, c.in, &out, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Tee = %v, want an error with %q", name, err, c.want)
		}
		if got := out.String(); got != "" {
			t.Errorf("%s: Tee wrote %q before its error", name, got)
		}
	}
}

func TestTeeReadErrorKeepsRows(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"saddr,x\n1.1.1.1,2\n2.2.2.2,\"3", "{\"ip\":\"1.1.1.1\"}\n{\"ip\":\"2.2.2.2\"}"} {
		got, err := runTee(t, TeeConfig{}, io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), text)
		if !errors.Is(err, broken) || got != "1.1.1.1\n2.2.2.2\n" {
			t.Errorf("Tee of %q and an error = %q, %v, want both rows and %v", text, got, err, broken)
		}
	}
}

// randomText returns what a field of text could be.
func randomText(r *rand.Rand) string {
	words := []string{"", "a", "b,c", `"`, `say "x"`, "two\nlines", "\r\n", "saddr", "{}", " ", "é", "\\", `","`, "9.9.9.9"}
	return words[r.IntN(len(words))] + words[r.IntN(len(words))]
}

// TestTeeMatchesWriters has rows written by encoding/csv and encoding/json, in all sizes of pieces.
func TestTeeMatchesWriters(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		asCSV, only := seed%2 == 0, seed%3 == 0
		names := []string{"saddr", "success", "data", "ipid", "saddr_raw"}
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		var text, want strings.Builder
		w := csv.NewWriter(&text)
		if asCSV {
			w.Write(names)
		}
		for range 1 + r.IntN(400) {
			success := r.IntN(2) == 0 || text.Len() == 0
			fields := map[string]string{
				"saddr": addr4(r.Uint32()).String(), "success": fmt.Sprint(success), "data": randomText(r), "ipid": randomText(r), "saddr_raw": "1",
			}
			if success || !only {
				want.WriteString(fields["saddr"] + "\n")
			}
			if !asCSV {
				line, _ := json.Marshal(fields)
				text.Write(append(line, '\n'))
				continue
			}
			var row []string
			for _, n := range names {
				row = append(row, fields[n])
			}
			w.Write(row)
		}
		w.Flush()
		in := iotest.HalfReader(strings.NewReader(text.String()))
		if seed%5 == 0 {
			in = iotest.OneByteReader(strings.NewReader(text.String()))
		}
		got, err := runTee(t, TeeConfig{SuccessOnly: only}, in, text.String())
		if err != nil || got != want.String() {
			t.Errorf("seed %d: %v, %s", seed, err, firstDifference(got, want.String()))
		}
	}
}

func TestTeeOddLines(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	long := "9.9.9.9," + strings.Repeat("x", maxLine)
	open := "2.2.2.2,\"" + strings.Repeat("y\n", maxLine/2)
	in := "saddr,x\n1.1.1.1,a\n" + long + "\n" + open + "3.3.3.3,\"b\n4.4.4.4,c\n"
	got, err := runTee(t, TeeConfig{Log: log}, strings.NewReader(in), in)
	if want := "1.1.1.1\n2.2.2.2\n3.3.3.3\n4.4.4.4\n"; err != nil || strings.ReplaceAll(got, "y\n", "") != want {
		t.Errorf("Tee = %.80q, %v, want %q", strings.ReplaceAll(got, "y\n", ""), err, want)
	}
	for _, part := range []string{"line 3 of the input: too long", "line 4 of the input: a quote is not closed"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the log is %q, want it to say %q", text.String(), part)
		}
	}
	if n := strings.Count(text.String(), "a quote is not closed"); n != 1 {
		t.Errorf("the log is %q, want it to complain about quotes once", text.String())
	}
}

func TestTeeWarnsOfRowsWithoutAddress(t *testing.T) {
	for in, want := range map[string]int{
		"saddr,x\n1.1.1.1,a\n\n\r\n2.2.2.2,b\n": 0,
		"saddr,x\n,a\n\"1.1.\n1.1\",b\n":        2,
		"x,saddr\na\nb\n":                       2,
		"{\"ip\":\"1.1.1.1\"}\n\n  \n":          0,
		"{\"ip\":\"1.1.1.1\"}\n{}\n[]\n":        2,
		"x,saddr\n" + strings.Repeat("a\n", 50): maxWarnings + 1,
	} {
		var text bytes.Buffer
		if _, err := runTee(t, TeeConfig{Log: slog.New(slog.NewTextHandler(&text, nil))}, strings.NewReader(in), in); err != nil {
			t.Errorf("Tee of %q = %v", in, err)
		}
		if n := strings.Count(text.String(), "\n"); n != want {
			t.Errorf("Tee of %q logs %d lines, want %d:\n%s", in, n, want, text.String())
		}
	}
}

// TestTeeReaderGone has nobody read the output: everything read is in the file nevertheless.
func TestTeeReaderGone(t *testing.T) {
	gone := closedPipe(t)
	file := filepath.Join(t.TempDir(), "file")
	synctest.Test(t, func(t *testing.T) {
		in, scanner := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- Tee(t.Context(), TeeConfig{File: file, Monitor: true}, in, gone, io.Discard) }()
		text := "saddr,x\n1.1.1.1,1\n2.2.2.2,2\n3.3.3.3,3"
		io.WriteString(scanner, text)
		if err := <-done; !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Tee = %v, want EPIPE", err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("the file holds %q, %v, want %q", got, err, text)
		}
		io.WriteString(scanner, "4.4.4.4,4\n") // ends the read that was under way
	})
}

// A stuckWriter takes nothing until it is freed.
type stuckWriter struct{ free chan struct{} }

func (w stuckWriter) Write(p []byte) (int, error) {
	<-w.free
	return len(p), nil
}

// TestTeeSlowReader has a reader of the output that takes nothing: reading goes on until the queue is full, and the file
// gets everything, also when the context ends then.
func TestTeeSlowReader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		in, out := &countingReader{}, stuckWriter{make(chan struct{})}
		done := make(chan error, 1)
		go func() { done <- Tee(ctx, TeeConfig{File: file, Raw: true}, in, out, io.Discard) }()
		synctest.Wait()
		if got := in.count(); got != teeQueue {
			t.Errorf("%d bytes are read with the output stuck, want %d", got, teeQueue)
		}
		cancel(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("Tee = %v, want %v", err, cause)
		}
		if info, err := os.Stat(file); err != nil || info.Size() != teeQueue {
			t.Errorf("the file has %d bytes, %v, want all %d that were read", info.Size(), err, teeQueue)
		}
		close(out.free) // ends the write that was left behind
	})
}

// A lazyWriter lets other goroutines go first, and counts lines.
type lazyWriter struct{ lines int }

func (w *lazyWriter) Write(p []byte) (int, error) {
	runtime.Gosched()
	w.lines += bytes.Count(p, newline)
	return len(p), nil
}

func TestTeeMemoryIsBounded(t *testing.T) {
	row := []byte("10.20.30.40,443,\"with, comma\",1\n")
	const rows = 2_000_000
	in := io.MultiReader(strings.NewReader("saddr,sport,note,success\n"), io.LimitReader(&repeater{text: row}, rows*int64(len(row))))
	var out lazyWriter
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := Tee(t.Context(), TeeConfig{File: os.DevNull, SuccessOnly: false}, in, &out, io.Discard)
	runtime.ReadMemStats(&after)
	if err != nil || out.lines != rows {
		t.Errorf("Tee = %v with %d lines, want %d", err, out.lines, rows)
	}
	const most = teeQueue + 4<<20
	if got := after.TotalAlloc - before.TotalAlloc; got > most {
		t.Errorf("Tee of %d MB allocates %d bytes in all, want at most %d", rows*len(row)>>20, got, most)
	}
}

// A repeater is an endless input of the same text.
type repeater struct {
	text []byte
	at   int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], r.text[r.at:])
		n += k
		r.at = (r.at + k) % len(r.text)
	}
	return n, nil
}

func FuzzTee(f *testing.F) {
	for _, s := range append(append([]string{"1.1.1.1\n2.2.2.2\n"}, csvSeeds...), jsonSeeds...) {
		f.Add(s, byte(0))
		f.Add("saddr,success\n"+s, byte(1))
		f.Add("{\"ip\":\"1.1.1.1\",\"success\":true}\n"+s, byte(1))
	}
	f.Fuzz(func(t *testing.T, text string, flags byte) {
		cfg := TeeConfig{SuccessOnly: flags&1 != 0, Raw: flags&2 != 0}
		got, err := runTee(t, cfg, strings.NewReader(text), text)
		again, errAgain := runTee(t, cfg, iotest.OneByteReader(strings.NewReader(text)), text)
		if got != again || (err == nil) != (errAgain == nil) {
			t.Errorf("Tee of %q = %q, %v, and byte by byte %q, %v", text, got, err, again, errAgain)
		}
		line, _, _ := strings.Cut(text, "\n")
		isRaw := cfg.Raw || !strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(line, utf8BOM)), "{") &&
			!strings.Contains(line, ",") && csvColumn(trimEnd([]byte(strings.TrimPrefix(line, utf8BOM))), addrNames...) < 0
		if isRaw && err == nil && got != text {
			t.Errorf("Tee of %q, which is raw, = %q", text, got)
		}
		if !isRaw && err == nil && (strings.HasPrefix(got, "\n") || strings.Contains(got, "\n\n")) {
			t.Errorf("Tee of %q = %q, which has an empty line", text, got)
		}
	})
}

func BenchmarkTee(b *testing.B) {
	for name, text := range map[string]struct{ head, row string }{
		"csv":         {"saddr,sport,success\n", "10.20.30.40,443,1\n"},
		"csv-quotes":  {"saddr,note,success\n", "10.20.30.40,\"a, b\",1\n"},
		"json":        {"", jsonLine + "\n"},
		"raw-address": {"", "10.20.30.40\n"},
	} {
		b.Run(name, func(b *testing.B) {
			const rows = 500_000
			b.ReportAllocs()
			for b.Loop() {
				in := io.MultiReader(strings.NewReader(text.head), io.LimitReader(&repeater{text: []byte(text.row)}, int64(rows*len(text.row))))
				if err := Tee(b.Context(), TeeConfig{File: os.DevNull}, in, io.Discard, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mlines/s")
		})
	}
}
