package grab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatusOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Status
	}{
		{nil, Success},
		{fmt.Errorf("dial: %w: %w", ErrConnect, syscall.ECONNREFUSED), ConnectionRefused},
		{fmt.Errorf("dial: %w: %w", ErrConnect, context.DeadlineExceeded), ConnectionTimeout},
		{fmt.Errorf("dial: %w: %w", ErrConnect, syscall.ETIMEDOUT), ConnectionTimeout},
		{fmt.Errorf("dial: %w: %w", ErrConnect, syscall.EHOSTUNREACH), UnknownError},
		{fmt.Errorf("read: %w", io.EOF), ConnectionClosed},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, ConnectionClosed},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), IOTimeout},
		{fmt.Errorf("parse greeting: %w", ErrProtocol), ProtocolError},
		{fmt.Errorf("read body: %w", ErrTooLong), ProtocolError},
		{fmt.Errorf("auth wanted: %w", ErrApplication), ApplicationError},
		{fmt.Errorf("follow: %w", ErrBlocked), UnknownError},
		{errors.New("something"), UnknownError},
	} {
		if got := StatusOf(c.err); got != c.want {
			t.Errorf("%v: got %s, want %s", c.err, got, c.want)
		}
	}
}

// TestGrabIsWhatScriptsRead compares with the keys that zgrab2 writes.
func TestGrabIsWhatScriptsRead(t *testing.T) {
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.FixedZone("", 3600))
	g := New(Description{Name: "https", Protocol: "http"}, &Target{Addr: netip.MustParseAddr("192.0.2.1"), Port: 443}, at,
		map[string]int{"a": 1}, fmt.Errorf("read: %w", io.EOF))
	got, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"status":"connection-closed","protocol":"http","port":443,"result":{"a":1},"timestamp":"2026-11-26T08:00:00Z","error":"read: EOF"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCapEndsEndlessAnswers reads from a peer that never stops, and from one that never starts.
// A faulty result cannot be written.
type faulty struct{ panics bool }

func (f faulty) MarshalJSON() ([]byte, error) {
	if f.panics {
		panic("no")
	}
	return nil, errors.New("no")
}

// TestDocumentOfFaultyResults has the grab without what its module returned, and says why.
func TestDocumentOfFaultyResults(t *testing.T) {
	for _, panics := range []bool{false, true} {
		g := Grab{Status: Success, Protocol: "x", Port: 7, Result: faulty{panics}}
		var doc map[string]Grab
		if err := json.Unmarshal(g.Document("m"), &doc); err != nil {
			t.Fatal(err)
		}
		if got := doc["m"]; got.Status != UnknownError || got.Port != 7 || got.Result != nil || !strings.HasPrefix(got.Error, "write result: ") {
			t.Errorf("panics %v: %+v", panics, got)
		}
		if g.Status != Success {
			t.Error("writing a grab changed it")
		}
	}
}

func TestCapEndsEndlessAnswers(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		for {
			if _, err := io.WriteString(theirs, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	}()
	c := Cap(ours, Limits{Bytes: 4500})
	n, err := io.Copy(io.Discard, c)
	if n != 4500 || !errors.Is(err, ErrTooLong) {
		t.Errorf("got %d bytes and %v, want 4500 and ErrTooLong", n, err)
	}
	_ = ours.Close()

	ours, _ = net.Pipe()
	c = Cap(ours, Limits{Timeout: 20 * time.Millisecond})
	for _, later := range []time.Time{{}, time.Now().Add(time.Hour)} {
		if err := c.SetDeadline(later); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); StatusOf(err) != IOTimeout {
			t.Errorf("deadline %v: got %v, want a timeout", later, err)
		}
	}
	_ = ours.Close()
}

func TestHost(t *testing.T) {
	for want, target := range map[string]Target{
		"192.0.2.1":     {Addr: netip.MustParseAddr("192.0.2.1")},
		"[2001:db8::1]": {Addr: netip.MustParseAddr("2001:db8::1")},
		"example.org":   {Addr: netip.MustParseAddr("192.0.2.1"), Name: "example.org"},
	} {
		if got := target.Host(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestDialerIsGuarded dials a listener that the guard forbids, one that it allows, and a port where nobody listens.
func TestDialerIsGuarded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := l.Addr().(*net.TCPAddr).AddrPort()
	target := &Target{Addr: to.Addr(), Port: to.Port()}
	d := Dialer{Guard: func(netip.Addr) bool { return false }}
	if _, err := d.Open(t.Context(), target, nil); !errors.Is(err, ErrBlocked) {
		t.Errorf("a forbidden address: got %v, want ErrBlocked", err)
	}
	d.Guard = func(a netip.Addr) bool { return a == to.Addr() }
	c, err := d.Open(t.Context(), target, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Close(), l.Close()
	if _, err := d.Open(t.Context(), target, nil); StatusOf(err) != ConnectionRefused {
		t.Errorf("nobody there: got %v, want refused", err)
	}
}
