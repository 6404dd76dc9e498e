package local

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
)

// childTask is the variable that makes this test binary one of the processes below.
const childTask = "ZMAP_SQLITE_CHILD"

// child returns a process that does a task with a database.
func child(t *testing.T, task, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSQLiteChild$", "-test.v=false")
	cmd.Env = append(os.Environ(), childTask+"="+task+" "+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestSQLiteChild is no test but what those processes run.
func TestSQLiteChild(t *testing.T) {
	task, path, ok := strings.Cut(os.Getenv(childTask), " ")
	if !ok {
		return
	}
	var err error
	switch task {
	case "for-ever":
		err = writeOn(path, time.Minute)
	case "small-files":
		limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
		err = errors.Join(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit), writeOn(path, time.Minute))
	case "small-disk":
		if err = syscall.Mount("tmpfs", filepath.Dir(path), "tmpfs", 0, "size=1m"); err == nil {
			err = errors.Join(writeOn(path, time.Minute), readBack(path))
		}
	case "nobody":
		if err = syscall.Setuid(65534); err == nil {
			err = writeOn(path, time.Second)
		}
	case "nobody-reads":
		if err = syscall.Setuid(65534); err == nil {
			err = readBack(path)
		}
	}
	if err != nil {
		fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " / "))
	}
	os.Exit(0)
}

// writeOn writes rows and says how many are flushed, until something fails or time is over.
func writeOn(path string, d time.Duration) error {
	db, err := OpenSQLite(path, SQLiteOptions{})
	if err != nil {
		return err
	}
	if err := errors.Join(db.Begin(scanOf(fmt.Sprintf("%032x", os.Getpid()), time.Now().Unix())), db.Open(synFields())); err != nil {
		return err
	}
	r := record.New(synFields())
	for i, end := 0, time.Now().Add(d); time.Now().Before(end); {
		for range 1 + i%97 {
			if err := db.Write(synRow(r, host(i), uint64(i>>16), "synack", int64(i)*1000)); err != nil {
				return err
			}
			i++
		}
		if err := db.Flush(); err != nil {
			if again := db.Close(); !errors.Is(again, err) {
				return fmt.Errorf("close after %w: %w", err, again)
			}
			return err
		}
		fmt.Println("flushed", i)
	}
	return db.Close()
}

// readBack says how many rows the newest scan has.
func readBack(path string) error {
	src, err := OpenSQLiteSource(path, "")
	if err != nil {
		return err
	}
	defer src.Close()
	r := record.New(src.Schema())
	for n := 0; ; n++ {
		switch err := src.Read(r); {
		case errors.Is(err, io.EOF):
			fmt.Println("read", n)
			return nil
		case err != nil:
			return err
		case r.Values[5].UnixNano() != int64(n)*1000:
			return fmt.Errorf("row %d is that of %d", n, r.Values[5].UnixNano()/1000)
		}
	}
}

// run runs a process to its end and returns the last number of each word, and its error.
func run(t *testing.T, cmd *exec.Cmd) (numbers map[string]int, failure string) {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("child: %v: %s", err, out)
	}
	numbers = make(map[string]int)
	for line := range strings.Lines(string(out)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "error" {
			failure = rest
		} else if numbers[word], err = strconv.Atoi(rest); err != nil {
			t.Fatalf("child says %q", line)
		}
	}
	return numbers, failure
}

// TestKilled kills a process that writes, at any moment, and demands that every row that was flushed is there, once and in order,
// that nothing but rows that were written is there, and that the database takes the next scan.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	seen := 0
	for round := range 6 {
		cmd := child(t, "for-ever", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond+time.Duration(rand.IntN(500))*time.Millisecond, func() { cmd.Process.Kill() })
		flushed := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := fmt.Sscanf(lines.Text(), "flushed %d", &flushed); n != 1 {
				t.Fatalf("child says %q (%v)", lines.Text(), err)
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("child ended by itself")
		}
		if flushed == 0 {
			t.Log("killed before the first flush")
			continue
		}
		seen++
		id := fmt.Sprintf("%032x", cmd.Process.Pid)
		_, rows := readAll(t, path, id)
		if len(rows) < flushed {
			t.Errorf("round %d: %d rows are there, and %d were flushed", round, len(rows), flushed)
		}
		for i, r := range rows {
			if r.Values[0].Addr() != host(i) || r.Values[5].UnixNano() != int64(i)*1000 {
				t.Fatalf("round %d, row %d: got %v at %d", round, i, r.Values[0].Addr(), r.Values[5].UnixNano())
			}
		}
		all, err := Scans(path)
		if err != nil {
			t.Fatal(err)
		}
		if last := all[len(all)-1]; last.ID != id || !last.Ended.IsZero() || last.Rows != int64(len(rows)) {
			t.Errorf("round %d: the last scan is %+v, want %s with %d rows and no end", round, last, id, len(rows))
		}
		t.Logf("round %d: %d rows flushed, %d there", round, flushed, len(rows))
	}
	if seen == 0 {
		t.Error("every process was killed before its first flush: nothing is shown")
	}
	finish(t, open(t, path, scanOf("ff", 1), synFields()), 2)
	if got := shell(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity check by sqlite3: %s", got)
	}
	if got := shell(t, path, "SELECT count(*) FROM (SELECT saddr_key FROM observation EXCEPT SELECT saddr_key FROM host)"); got != "0" {
		t.Errorf("%s addresses have answered and are not in table host", got)
	}
}

func TestDiskFull(t *testing.T) {
	t.Run("limit", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "scans.db")
		numbers, failure := run(t, child(t, "small-files", path))
		checkFull(t, path, numbers, failure)
		if _, rows := readAll(t, path, ""); len(rows) != numbers["flushed"] {
			t.Errorf("%d rows are there, and %d were flushed", len(rows), numbers["flushed"])
		}
	})
	t.Run("tmpfs", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can mount a small disk")
		}
		path := filepath.Join(t.TempDir(), "scans.db")
		cmd := child(t, "small-disk", path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		numbers, failure := run(t, cmd)
		checkFull(t, path, numbers, failure)
		if numbers["read"] != numbers["flushed"] {
			t.Errorf("%d rows are there, and %d were flushed", numbers["read"], numbers["flushed"])
		}
	})
}

func checkFull(t *testing.T, path string, numbers map[string]int, failure string) {
	t.Helper()
	if numbers["flushed"] == 0 || !strings.Contains(failure, path) || !strings.Contains(failure, "full") {
		t.Errorf("%d rows flushed, then %q: want an error that names %s and says that the disk is full", numbers["flushed"], failure, path)
	}
	t.Logf("%d rows flushed, then %s", numbers["flushed"], failure)
}

// TestReadOnly: a file, or a folder, that may not be written.
func TestReadOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody who may not write")
	}
	folder, err := os.MkdirTemp("/tmp", "sqlite") //nolint:usetesting // t.TempDir is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path := filepath.Join(folder, "scans.db")
	db := open(t, path, scanOf("aa01", 1), synFields())
	for i := range 3 {
		if err := db.Write(synRow(record.New(synFields()), host(i), 443, "synack", int64(i)*1000)); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, db, 2)
	for _, mode := range []struct{ folder, file os.FileMode }{{0o755, 0o644}, {0o777, 0o444}} {
		if err := errors.Join(os.Chmod(folder, mode.folder), os.Chmod(path, mode.file)); err != nil {
			t.Fatal(err)
		}
		if _, failure := run(t, child(t, "nobody", path)); !strings.Contains(failure, path) || !strings.Contains(failure, "who may write the file and its folder") {
			t.Errorf("folder %v, file %v: got %q", mode.folder, mode.file, failure)
		}
		if numbers, failure := run(t, child(t, "nobody-reads", path)); failure != "" || numbers["read"] != 3 {
			t.Errorf("folder %v, file %v: reading gives %d rows and %q, want 3", mode.folder, mode.file, numbers["read"], failure)
		}
	}
}
