package remote

import (
	"syscall"
	"testing"
	"time"
)

// TestNATSStalls stops the server with SIGSTOP while rows come: the scan does not wait for it, and when it goes on there is every
// row, once, also those that hung in its connections.
func TestNATSStalls(t *testing.T) {
	p := newNATSProcess(t)
	o := quick(t)
	o.Timeout, o.CloseWait = 500*time.Millisecond, time.Minute
	k := openSink(t, natsTo(t, p.url), o)
	writeRows(t, k, 0, 5000, 500)
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	writeRows(t, k, 5000, 20000, 500)
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("30 calls of Flush took %v beside a server that stands still", d)
	}
	for k.Stats().Retries == 0 && time.Since(start) < 20*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	writeRows(t, k, 20000, 25000, 500)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	s := k.Stats()
	t.Logf("%+v", s)
	if s.Retries == 0 {
		t.Errorf("the server was never missed: %+v", s)
	}
	rows, _ := stored(t, p.url)
	expectUnique(t, rows["scan1"], 25000)
}
