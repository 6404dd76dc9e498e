package remote

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// postgresSignal sends a signal to the server that .ci/services runs, or to its processes for connections as well.
func postgresSignal(t *testing.T, sig syscall.Signal, children bool) {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("ZMAP_TEST_POSTGRES_PID"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	pids := []string{string(first)}
	if children {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", first, first))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, strings.Fields(string(text))...)
	}
	for _, pid := range pids {
		n, err := strconv.Atoi(pid)
		if err != nil || n <= 1 {
			t.Fatalf("process %q: %v", pid, err)
		}
		if err := syscall.Kill(n, sig); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}

// TestPostgresDies kills the server three times while rows come, with SIGKILL and all its connections. It comes back each time,
// and has every row, once.
func TestPostgresDies(t *testing.T) {
	dsn := postgresDSN(t)
	o := quick(t)
	o.CloseWait, o.backoff[1] = time.Minute, 200*time.Millisecond
	k := openSink(t, postgresTo(t, PostgresConfig{DSN: dsn}), o)
	const step = 15000
	for i := range uint64(4) {
		if i > 0 {
			postgresSignal(t, syscall.SIGKILL, true)
		}
		writeRows(t, k, i*step, (i+1)*step, 200)
		for start := time.Now(); i < 3 && k.Stats().Delivered < int64((i*step)+step/2) && time.Since(start) < 30*time.Second; {
			time.Sleep(10 * time.Millisecond) // so that the next kill comes in the middle of a delivery
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	s := k.Stats()
	t.Logf("%+v", s)
	if s.Retries == 0 || s.Spilled == 0 {
		t.Errorf("the server was never missed: %+v", s)
	}
	expectTable(t, dsn, "observation", 4*step)
	postgresConn(t, dsn) // it is there for the next test
}

// TestPostgresStalls stops the server's processes with SIGSTOP while rows come: the scan does not wait for it, tries end by their
// timeout, and when it goes on there is every row, once, also those of transactions that hung.
func TestPostgresStalls(t *testing.T) {
	dsn := postgresDSN(t)
	o := quick(t)
	o.Timeout, o.CloseWait = 500*time.Millisecond, time.Minute
	k := openSink(t, postgresTo(t, PostgresConfig{DSN: dsn}), o)
	writeRows(t, k, 0, 5000, 100)
	postgresSignal(t, syscall.SIGSTOP, true)
	t.Cleanup(func() { postgresSignal(t, syscall.SIGCONT, true) })
	start := time.Now()
	writeRows(t, k, 5000, 20000, 100)
	if d := time.Since(start); d > 8*time.Second {
		t.Errorf("150 calls of Flush took %v beside a server that stands still", d)
	}
	for k.Stats().Retries == 0 && time.Since(start) < 20*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	postgresSignal(t, syscall.SIGCONT, true)
	writeRows(t, k, 20000, 25000, 100)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", k.Stats())
	if s := k.Stats(); s.Retries == 0 || s.Spilled < 14000 {
		t.Errorf("the server was never missed: %+v", s)
	}
	expectTable(t, dsn, "observation", 25000)
}

// TestPostgresKilled kills the scanner with SIGKILL, three times over with the same folder, and the server as well between: what
// each was promised is in the database, once.
func TestPostgresKilled(t *testing.T) {
	dsn := postgresDSN(t)
	o := quick(t)
	o.Timeout = 30 * time.Second
	var promised []uint64
	for range 3 {
		promised = append(promised, runChild(t, "postgres "+dsn, o.Folder, 10000))
		postgresConn(t, dsn) // it has come back from the last time
		postgresSignal(t, syscall.SIGKILL, true)
	}
	rows, err := Deliver(t.Context(), postgresTo(t, PostgresConfig{DSN: dsn}), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows were left in the folder", rows)
	conn := postgresConn(t, dsn)
	have, err := conn.Query(t.Context(), `SELECT count(*), count(DISTINCT o.n), max(o.n)::bigint + 1 FROM observation AS o GROUP BY scan ORDER BY scan`)
	if err != nil {
		t.Fatal(err)
	}
	scanners := 0
	for ; have.Next(); scanners++ {
		var all, different, length int64
		if err := have.Scan(&all, &different, &length); err != nil {
			t.Fatal(err)
		}
		if all != length || different != length || uint64(length) < promised[scanners] {
			t.Errorf("scanner %d: %d rows, %d different, up to number %d; %d were promised", scanners, all, different, length, promised[scanners])
		}
		t.Logf("scanner %d: %d rows promised, %d stored", scanners, promised[scanners], all)
	}
	if err := have.Err(); err != nil || scanners != len(promised) {
		t.Errorf("rows of %d scanners, %v", scanners, err)
	}
}
