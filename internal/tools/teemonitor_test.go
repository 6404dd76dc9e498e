package tools

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTeeMonitor(t *testing.T) {
	dir := t.TempDir()
	cfg := TeeConfig{File: filepath.Join(dir, "file"), StatusFile: filepath.Join(dir, "status"), Monitor: true}
	var lines sharedBuffer
	synctest.Test(t, func(t *testing.T) {
		in, scanner := io.Pipe()
		out := stuckWriter{make(chan struct{})}
		done := make(chan error, 1)
		go func() { done <- Tee(t.Context(), cfg, in, out, &lines) }()
		io.WriteString(scanner, "saddr,x\n")
		time.Sleep(500 * time.Millisecond)
		io.WriteString(scanner, strings.Repeat("1.1.1.1,x\n", 10)) // taken from the queue: then the writer is stuck
		synctest.Wait()
		io.WriteString(scanner, strings.Repeat("1.1.1.1,x\n", 20))
		time.Sleep(time.Second)
		io.WriteString(scanner, strings.Repeat("1.1.1.1,x\n", 70))
		time.Sleep(time.Second)
		close(out.free)
		time.Sleep(time.Second - 450*time.Millisecond) // to 3.05 s
		scanner.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	want := " 0:01 read_rate: 30 rows/s (avg 30 rows/s), buffer_size: 20 (avg 20)\n" +
		" 0:02 read_rate: 70 rows/s (avg 50 rows/s), buffer_size: 90 (avg 55)\n" +
		" 0:03 read_rate: 0 rows/s (avg 33 rows/s), buffer_size: 0 (avg 36)\n" +
		" 0:03 read_rate: 0 rows/s (avg 32 rows/s), buffer_size: 0 (avg 27)\n"
	if got := lines.String(); got != want {
		t.Errorf("the monitor shows\n%swant\n%s", got, want)
	}
	wantFile := teeStatusHeader + "1,30,30,30,20,20\n2,100,70,50,90,55\n3,100,0,33,0,36\n3,100,0,32,0,27\n"
	if got, err := os.ReadFile(cfg.StatusFile); err != nil || string(got) != wantFile {
		t.Errorf("the status file holds\n%s%v, want\n%s", got, err, wantFile)
	}
}

func TestElapsedText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0:00", 59 * time.Second: "0:59", 60*time.Second + 999*time.Millisecond: "1:00", time.Hour - 1: "59:59",
		time.Hour: "1:00:00", 24*time.Hour - 1: "23:59:59", 50*time.Hour + 3*time.Minute + 4*time.Second: "2d2:03:04",
	} {
		if got := elapsedText(d); got != want {
			t.Errorf("elapsedText(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTeeMeterInShortTimes(t *testing.T) {
	var m teeMeter
	if r := m.read(0, 0, 0); r != (teeReading{}) {
		t.Errorf("before anything the reading is %+v", r)
	}
	m.read(time.Second, 1001, 1)
	if r := m.read(time.Second+time.Millisecond, 1003, 0); r.last != 1000 || r.total != 1002 {
		t.Errorf("a millisecond later the reading is %+v, want the rate of before, 1000", r)
	}
}
