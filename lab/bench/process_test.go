package main

import (
	"bytes"
	"io"
	"math/bits"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// FuzzParsePeak holds that a peak is a number of kB that the text has behind the name.
func FuzzParsePeak(f *testing.F) {
	for _, text := range []string{
		"Name:\tzmap\nVmPeak:\t 1238856 kB\nVmHWM:\t   34936 kB\nVmRSS:\t   34936 kB\n", "VmHWM:\t0 kB", "VmHWM: 18446744073709551615 kB", "VmHWM: 10000000000000000 kB",
		"VmHWM:\t34936 MB\n", "VmHWM:\t-1 kB\n", "VmHWM:\n", "State:\tZ (zombie)\n", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		peak, ok := parsePeak(text)
		if !ok {
			return
		}
		if peak%1024 != 0 || bits.Len64(peak) == 64 {
			t.Errorf("%q: %d bytes", text, peak)
		}
		_, behind, _ := strings.Cut(text, "VmHWM:")
		found := false
		for _, word := range strings.Fields(behind) {
			n, err := strconv.ParseUint(word, 10, 64)
			found = found || err == nil && n == peak/1024
		}
		if !found {
			t.Errorf("%q: %d kB, which is not there", text, peak/1024)
		}
	})
}

// TestProcessEffort runs this test again as a process that holds memory, works, and writes. Its peak must be its own: this
// process holds more.
func TestProcessEffort(t *testing.T) {
	const held, more, work = 64 << 20, 256 << 20, 200 * time.Millisecond
	if os.Getenv("BENCH_HOLDS") != "" {
		mine := bytes.Repeat([]byte{1}, held)
		var used syscall.Rusage
		for time.Duration(used.Utime.Nano()) < work {
			mine[len(mine)/2]++
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
				panic(err)
			}
		}
		os.Stdout.Write(mine[:1000])
		os.Exit(0)
	}
	ours := bytes.Repeat([]byte{1}, more)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestProcessEffort$")
	cmd.Env = append(os.Environ(), "BENCH_HOLDS=1")
	var output []byte
	before := time.Now()
	e, err := process{cmd: cmd, memory: true, read: func(out io.Reader, start time.Time) (err error) {
		if start.Before(before) {
			t.Errorf("started %v too early", before.Sub(start))
		}
		output, err = io.ReadAll(out)
		return err
	}}.run()
	if err != nil {
		t.Fatal(err)
	}
	if len(output) != 1000 || output[0] != 1 {
		t.Errorf("%d bytes of output, want 1000", len(output))
	}
	if e.peak < held || e.peak > held+more/2 || len(ours) != more {
		t.Errorf("peak of %d bytes, want a little more than %d", e.peak, held)
	}
	if e.cpu < work || e.cpu > e.whole*time.Duration(runtime.NumCPU()) {
		t.Errorf("%v of a core in %v, want %v at least", e.cpu, e.whole, work)
	}
}

func TestProcessErrors(t *testing.T) {
	_, err := process{cmd: exec.CommandContext(t.Context(), "sh", "-c", "echo what went wrong >&2; exit 3")}.run()
	if err == nil || !strings.Contains(err.Error(), "what went wrong") {
		t.Errorf("error %v, want what the process wrote", err)
	}
	if _, err := (process{cmd: exec.CommandContext(t.Context(), "/nonexistent")}).run(); err == nil {
		t.Error("a program that is not there: want an error")
	}
}
