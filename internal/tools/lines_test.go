package tools

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// splitAll splits text that comes in pieces of at most so many bytes, and returns copies of the lines and the numbers of
// lines that were too long.
func splitAll(t *testing.T, text []byte, next func() int) (lines []string, long []uint64) {
	t.Helper()
	var s splitter
	line := func(line []byte) error {
		lines = append(lines, string(line))
		if want := uint64(len(lines) + len(long)); s.number != want {
			t.Errorf("line %q has number %d, want %d", line, s.number, want)
		}
		return nil
	}
	tooLong := func(start []byte) error {
		if len(start) != maxLine {
			t.Errorf("%d bytes of the line that is too long, want %d", len(start), maxLine)
		}
		long = append(long, s.number)
		return nil
	}
	for len(text) > 0 {
		n := min(len(text), next())
		if err := s.split(text[:n], line, tooLong); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := s.finish(line); err != nil {
		t.Fatal(err)
	}
	return lines, long
}

func TestSplitterMatchesSplitAfter(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := noise(r, r.IntN(3000))
		got, long := splitAll(t, text, func() int { return 1 + r.IntN(50) })
		want := strings.SplitAfter(string(text), "\n")
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		if strings.Join(got, "|") != strings.Join(want, "|") || len(long) > 0 {
			t.Errorf("seed %d: split into %q, and %d too long, want %q", seed, got, len(long), want)
		}
	}
}

func TestSplitterLongLines(t *testing.T) {
	line := func(n int) string { return strings.Repeat("x", n-1) + "\n" }
	for _, piece := range []int{1 << 10, maxLine - 1, maxLine, maxLine + 1, 1 << 23} {
		text := "a\n" + line(maxLine) + line(maxLine+1) + "b\n" + line(3*maxLine) + line(maxLine-1) + strings.Repeat("y", maxLine)
		lines, long := splitAll(t, []byte(text), func() int { return piece })
		var lengths []int
		for _, l := range lines {
			lengths = append(lengths, len(l))
		}
		want := []int{2, maxLine, 2, maxLine - 1, maxLine}
		if len(long) != 2 || long[0] != 3 || long[1] != 5 || !slices.Equal(lengths, want) {
			t.Errorf("pieces of %d bytes: lines of %v bytes, too long are %v, want %v and 3, 5", piece, lengths, long, want)
		}
	}
}

func TestSplitterStopsAtErrors(t *testing.T) {
	stop := errors.New("stop")
	var s splitter
	calls := 0
	err := s.split([]byte("a\nb\nc\n"), func([]byte) error {
		if calls++; calls == 2 {
			return stop
		}
		return nil
	}, nil)
	if !errors.Is(err, stop) || calls != 2 {
		t.Errorf("split = %v after %d lines, want %v after 2", err, calls, stop)
	}
	big := bytes.Repeat([]byte("z"), maxLine+1)
	var l splitter
	if err := l.split(big, nil, func([]byte) error { return stop }); !errors.Is(err, stop) || l.number != 1 {
		t.Errorf("split of a long line = %v in line %d, want %v in line 1", err, l.number, stop)
	}
}

func TestTrimEnd(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "\n": "", "\r\n": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\r": "a", "a\n\n": "a\n", "a\r\r\n": "a\r", "\ra\n": "\ra",
	} {
		if got := trimEnd([]byte(line)); string(got) != want {
			t.Errorf("trimEnd(%q) = %q, want %q", line, got, want)
		}
	}
}
