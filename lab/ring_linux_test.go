package lab

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSignalsDoNotEndTheWait interrupts the wait for frames again and again, as the Go scheduler does on a busy machine: a capture
// takes the end of a wait for the end of what there is to record.
func TestSignalsDoNotEndTheWait(t *testing.T) {
	newWorld(t, World{})
	scan0, err := lookUp(scannerEnd)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRing(scan0.Attrs().Index, []unix.SockFilter{verdict(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	const wait = 100 * time.Millisecond
	thread, done := make(chan int, 1), make(chan time.Duration, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		start := time.Now()
		if n, err := r.poll(wait, func([]byte, int64) {}); n != 0 || err != nil {
			t.Errorf("%d frames, error %v", n, err)
		}
		done <- time.Since(start)
	}()
	id := <-thread
	for {
		select {
		case took := <-done:
			if took < wait {
				t.Errorf("the wait was over after %v, want %v", took, wait)
			}
			return
		case <-time.After(5 * time.Millisecond):
			_ = unix.Tgkill(unix.Getpid(), id, unix.SIGURG)
		}
	}
}
