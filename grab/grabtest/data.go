package grabtest

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

const megabyte = 1 << 20

// download reads n bytes to their end.
func download(t *testing.T, connect connector, n int) {
	want := noise(n)
	c := connect(func(far *net.TCPConn) {
		_, _ = io.ReadFull(far, make([]byte, 4))
		_, _ = far.Write(want)
	})
	if _, err := io.WriteString(c, "get\n"); err != nil {
		t.Fatalf("write: %v", err)
	}
	got := drain(c)
	same(t, "download", got.data, want, got.err)
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// upload writes 100 kB, in pieces of all sizes.
func upload(t *testing.T, connect connector) {
	want := noise(100_000)
	done := make(chan result, 1)
	c := connect(func(far *net.TCPConn) {
		b := make([]byte, len(want))
		n, err := io.ReadFull(far, b)
		done <- result{b[:n], err}
		_, _ = io.WriteString(far, "thanks")
	})
	for rest, n := want, 1; len(rest) > 0; n = n*3/2 + 1 {
		k, err := c.Write(rest[:min(n, len(rest))])
		if err != nil {
			t.Fatalf("write after %d bytes: %v", len(want)-len(rest), err)
		}
		rest = rest[k:]
	}
	got := await(t, done)
	same(t, "upload", got.data, want, got.err)
	got = drain(c)
	same(t, "answer", got.data, []byte("thanks"), got.err)
}

// exchange asks and is answered ten times, so that the ends take turns.
func exchange(t *testing.T, connect connector) {
	c := connect(func(far *net.TCPConn) { _, _ = io.Copy(far, far) })
	for i := range 10 {
		want := noise(100 + 300*i)
		if _, err := c.Write(want); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		got := make([]byte, len(want))
		n, err := io.ReadFull(c, got)
		same(t, "answer", got[:n], want, err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// banner reads before anything is written: the server must be told that the connection stands.
func banner(t *testing.T, connect connector) {
	const greeting = "220 ready\r\n"
	heard := make(chan result, 1)
	c := connect(func(far *net.TCPConn) {
		_, _ = io.WriteString(far, greeting)
		heard <- drain(far)
	})
	got := make([]byte, len(greeting))
	n, err := io.ReadFull(c, got)
	same(t, "greeting", got[:n], []byte(greeting), err)
	if _, err := io.WriteString(c, "QUIT\r\n"); err != nil {
		t.Errorf("write: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	far := await(t, heard)
	same(t, "the far end", far.data, []byte("QUIT\r\n"), far.err)
}

// zeroWindow writes more than the far end takes, which reads nothing at first.
func zeroWindow(t *testing.T, connect connector) {
	want := noise(megabyte / 4)
	done := make(chan result, 1)
	c := connect(func(far *net.TCPConn) {
		time.Sleep(500 * time.Millisecond) // until our end has filled what there is room for
		b := make([]byte, len(want))
		n, err := io.ReadFull(far, b)
		done <- result{b[:n], err}
	})
	if n, err := c.Write(want); err != nil {
		t.Fatalf("write: %v after %d bytes", err, n)
	}
	got := await(t, done)
	same(t, "the far end", got.data, want, got.err)
}

// slowReader lets what comes lie until no more is taken, again and again.
func slowReader(t *testing.T, connect connector) {
	want := noise(megabyte)
	c := connect(func(far *net.TCPConn) { _, _ = far.Write(want) })
	got := make([]byte, 0, len(want))
	for piece := make([]byte, 100_000); ; {
		time.Sleep(20 * time.Millisecond)
		n, err := io.ReadFull(c, piece)
		got = append(got, piece[:n]...)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("read: %v", err)
			}
			break
		}
	}
	same(t, "our end", got, want, nil)
}

// closeBehindData closes at once after a write: all of it must arrive, and then the end.
func closeBehindData(t *testing.T, connect connector) {
	want := noise(20_000)
	done := make(chan result, 1)
	c := connect(func(far *net.TCPConn) { done <- drain(far) })
	if _, err := c.Write(want); err != nil {
		t.Fatalf("write: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	got := await(t, done)
	same(t, "the far end", got.data, want, got.err)
}

// closeBeforeData closes while data is there that nobody has read: the far end must learn that it was lost (RFC 2525 section 2.17).
func closeBeforeData(t *testing.T, connect connector) {
	done := make(chan error, 1)
	c := connect(func(far *net.TCPConn) {
		_, _ = far.Write(noise(1000))
		_, err := far.Read(make([]byte, 1))
		done <- err
	})
	if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := await(t, done); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the far end: got %v, want a reset", err)
	}
}
