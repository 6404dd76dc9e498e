package grabtest

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// closesAtOnce has a server that accepts and closes, without a word.
func closesAtOnce(t *testing.T, connect connector) {
	c := connect(func(*net.TCPConn) {})
	got := drain(c)
	same(t, "our end", got.data, nil, got.err)
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: got %d bytes and %v, want EOF", n, err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// closesBehindData has a server that accepts, speaks, and closes.
func closesBehindData(t *testing.T, connect connector) {
	want := noise(3000)
	c := connect(func(far *net.TCPConn) { _, _ = far.Write(want) })
	got := drain(c)
	same(t, "our end", got.data, want, got.err)
}

// resets has a server that breaks off.
func resets(t *testing.T, connect connector) {
	read := make(chan struct{})
	c := connect(func(far *net.TCPConn) {
		_, _ = far.Write(noise(10_000))
		<-read
		_ = far.SetLinger(0) // so that closing it sends RST
	})
	_, err := io.ReadFull(c, make([]byte, 10_000))
	close(read)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after RST: got %d bytes and %v, want a reset", n, err)
	}
	if _, err := io.WriteString(c, "x"); err == nil {
		t.Error("write after RST succeeds")
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// tarpit has a server that sends a byte now and then, for ever: the deadline must hold.
func tarpit(t *testing.T, connect connector) {
	end := make(chan struct{})
	defer close(end)
	c := connect(func(far *net.TCPConn) {
		for {
			select {
			case <-end:
				return
			case <-time.After(20 * time.Millisecond):
				_, _ = io.WriteString(far, "x")
			}
		}
	})
	const limit = 400 * time.Millisecond
	start := time.Now()
	if err := c.SetDeadline(start.Add(limit)); err != nil {
		t.Fatalf("set deadline: %v", err)
	}
	got := drain(c)
	timedOut(t, "read", got.err)
	if d := time.Since(start); d < limit {
		t.Errorf("the deadline came after %v, want %v", d, limit)
	}
	if len(got.data) == 0 {
		t.Error("nothing came")
	}
}

// deadlines pass, are moved, and are taken off, while a read waits and before.
func deadlines(t *testing.T, connect connector) {
	speak := make(chan struct{})
	c := connect(func(far *net.TCPConn) {
		<-speak
		_, _ = io.WriteString(far, "x")
	})
	b := make([]byte, 1)
	_ = c.SetReadDeadline(time.Now().Add(-time.Second))
	_, err := c.Read(b)
	timedOut(t, "read after the deadline", err)
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err = c.Read(b)
	timedOut(t, "read up to the deadline", err)
	_ = c.SetReadDeadline(time.Time{})
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	time.Sleep(20 * time.Millisecond) // so that the read waits, as a rule; it need not
	_ = c.SetReadDeadline(time.Now())
	timedOut(t, "read that waited before there was a deadline", await(t, done))
	_ = c.SetReadDeadline(time.Now().Add(patience))
	close(speak)
	if n, err := c.Read(b); n != 1 || err != nil {
		t.Errorf("read after all: got %d bytes and %v", n, err)
	}
}

// writeDeadline writes to a server that does not read.
func writeDeadline(t *testing.T, connect connector) {
	end := make(chan struct{})
	defer close(end)
	c := connect(func(*net.TCPConn) { <-end })
	_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	n, err := c.Write(make([]byte, 32*megabyte)) // more than any kernel keeps
	timedOut(t, "write", err)
	if n >= 32*megabyte {
		t.Errorf("%d bytes are said to be written", n)
	}
}

// closeDuringRead closes in one goroutine while another one reads.
func closeDuringRead(t *testing.T, connect connector) {
	heard := make(chan result, 1)
	c := connect(func(far *net.TCPConn) { heard <- drain(far) })
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	time.Sleep(20 * time.Millisecond) // so that the read waits, as a rule; it need not
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := await(t, done); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: got %v, want that the connection is closed", err)
	}
	for name, f := range map[string]func([]byte) (int, error){"read": c.Read, "write": c.Write} {
		if _, err := f(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after close: got %v, want that the connection is closed", name, err)
		}
	}
	far := await(t, heard)
	same(t, "the far end", far.data, nil, far.err)
}

// addresses are those that the far end sees.
func addresses(t *testing.T, connect connector) {
	seen := make(chan [2]string, 1)
	c := connect(func(far *net.TCPConn) {
		seen <- [2]string{far.RemoteAddr().String(), far.LocalAddr().String()}
		_, _ = io.Copy(io.Discard, far)
	})
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Errorf("write: %v", err)
	}
	got, want := [2]string{c.LocalAddr().String(), c.RemoteAddr().String()}, await(t, seen)
	if got != want {
		t.Errorf("local and remote address are %v, want %v", got, want)
	}
}

func timedOut(t *testing.T, what string, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%s: got %v, want that the deadline has passed", what, err)
	}
}
