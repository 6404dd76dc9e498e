//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// line is a kilobyte, so that a pipe holds some sixty.
func line(n int) func([]byte) []byte {
	return func(b []byte) []byte { return fmt.Appendf(b, "%d %s\n", n, strings.Repeat("x", 1000)) }
}

// TestListenersThatDoNotRead tells more than pipe and queue hold. Whoever tells waits for those that are slow, and not for ever
// for those that stand still; each says what it did not get.
func TestListenersThatDoNotRead(t *testing.T) {
	const lines = 3 * listenerQueue
	for _, c := range []struct {
		command string
		pause   time.Duration
		says    string // the log, as a pattern
		least   time.Duration
	}{
		{"cat >got", time.Minute, `^$`, 0},
		{"sleep 1; cat >got", time.Minute, `^$`, time.Second},
		{"sleep 60", time.Second, `is told no more: it read nothing for 1s\n.* was killed: .*\n.* did not get 3,0\d\d events\n$`, time.Second},
		{"exit 0", time.Minute, `reads no more\n.* did not get 3,0\d\d events\n$`, 0},
		{"head -n 1 >got; kill -9 $$", time.Minute, `reads no more\n.* ended with signal: killed\n.* did not get [23],\d+ events\n$`, 0},
		{"cat >got; sleep 60", time.Minute, `^[^\n]* was killed: it had not ended 1s after the scan\n$`, time.Second},
	} {
		dir := t.TempDir()
		var log bytes.Buffer
		l := newListener("on-hit", c.command, os.Stderr, slog.New(slog.NewTextHandler(&log, nil)))
		l.cmd.Dir, l.pause, l.grace = dir, c.pause, time.Second
		begun := time.Now()
		for n := range lines {
			l.tell(line(n))
		}
		l.close()
		if took := time.Since(begun); took < c.least || took > c.least+10*time.Second {
			t.Errorf("%s: took %v, want %v and not much more", c.command, took, c.least)
		}
		text := regexp.MustCompile(`(?m)^.* msg="|" module=zmap$|\\`).ReplaceAllString(log.String(), "")
		if !regexp.MustCompile(c.says).MatchString(text) {
			t.Errorf("%s: the log is %q, want %q", c.command, text, c.says)
		}
		if c.says == "^$" {
			got, err := os.ReadFile(filepath.Join(dir, "got"))
			var want []byte
			for n := range lines {
				want = line(n)(want)
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: got %d bytes, error %v; want %d in order", c.command, len(got), err, len(want))
			}
		}
	}
}

// TestAListenerThatIsToldNothing is not started.
func TestAListenerThatIsToldNothing(t *testing.T) {
	var log bytes.Buffer
	l := newListener("on-end", "echo here; exit 1", &log, slog.New(slog.NewTextHandler(&log, nil)))
	if l.close(); log.Len() > 0 {
		t.Errorf("the log is %q", log.String())
	}
}
