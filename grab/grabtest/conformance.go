package grabtest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// A Way is what may happen between the two ends of a connection. The zero Way is a perfect cable, by IPv4.
type Way struct {
	Loss    float64 // share of the packets of a connection that stands which get lost, each way, 0 to 1; SYN and SYN-ACK arrive
	Reorder bool    // packets overtake each other
	Twice   bool    // the SYN-ACK comes a second time, a moment later, whether or not it was acknowledged
	Cookies bool    // the server keeps no state before the connection stands (RFC 4987 section 3.6)
	V6      bool    // the connection is one of IPv6
}

// A Bed makes one connection over such a way to a server, which is a kernel's, and returns our end of it. It calls serve with
// the other end in a goroutine of its own, closes that end when serve returns, and fails the test when that takes longer than
// the test does. Our end is the test's to close. A bed that cannot make such a way skips the test with the reason.
type Bed func(t *testing.T, way Way, serve func(far *net.TCPConn)) net.Conn

// patience is how long a test waits for what must come; nothing waits that long unless it fails.
const patience = 60 * time.Second

// A check is one test: what the far end does, and what ours must see of it.
type check struct {
	name string
	ways []Way
	run  func(t *testing.T, connect connector)
}

// A connector makes the connection of a test, and lets the function have its far end.
type connector func(serve func(far *net.TCPConn)) net.Conn

// Conformance runs all cases, each over the ways on which it says something.
func Conformance(t *testing.T, bed Bed) {
	bad := Way{Loss: 0.1, Reorder: true}
	clean, lossy := []Way{{}}, []Way{{}, bad}
	every := []Way{{}, bad, {Twice: true}, {Cookies: true}, {V6: true}}
	for _, c := range []check{
		{"large download", []Way{{}, {Cookies: true}}, func(t *testing.T, connect connector) { download(t, connect, megabyte) }},
		{"download", every, func(t *testing.T, connect connector) { download(t, connect, megabyte/4) }},
		{"upload", lossy, upload},
		{"question and answer", every, exchange},
		{"server first", every, banner},
		{"server closes at once", lossy, closesAtOnce},
		{"server closes behind its data", lossy, closesBehindData},
		{"server resets in the middle", clean, resets},
		{"zero window", lossy, zeroWindow},
		{"slow reader", clean, slowReader},
		{"tarpit", clean, tarpit},
		{"deadlines", clean, deadlines},
		{"write deadline", clean, writeDeadline},
		{"close during read", clean, closeDuringRead},
		{"close behind data", lossy, closeBehindData},
		{"close before data", clean, closeBeforeData},
		{"addresses", []Way{{}, {V6: true}}, addresses},
	} {
		for _, way := range c.ways {
			t.Run(c.name+way.String(), func(t *testing.T) {
				c.run(t, func(serve func(*net.TCPConn)) net.Conn {
					conn := bed(t, way, serve)
					t.Cleanup(func() { _ = conn.Close() }) // most tests have closed it
					if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
						t.Fatalf("set deadline: %v", err)
					}
					return conn
				})
			})
		}
	}
}

// String says what is special about the way.
func (w Way) String() string {
	var s string
	for _, f := range []struct {
		is   bool
		name string
	}{{w.Loss > 0, ", loss"}, {w.Reorder, ", reordering"}, {w.Twice, ", SYN-ACK twice"}, {w.Cookies, ", SYN cookies"}, {w.V6, ", IPv6"}} {
		if f.is {
			s += f.name
		}
	}
	return s
}

// noise returns n bytes that are the same in every run and alike nowhere.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b) // never fails
	return b
}

// check that what came is what was sent.
func same(t *testing.T, who string, got, want []byte, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %d of %d bytes, then %v", who, len(got), len(want), err)
	}
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Errorf("%s: got %d bytes, want %d; they differ from byte %d on", who, len(got), len(want), at)
	}
}

// await waits for the far end.
func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("the far end is not done")
		panic("unreachable")
	}
}

// A result is what one end read, and how that ended.
type result struct {
	data []byte
	err  error
}

// drain reads to the end.
func drain(c net.Conn) result {
	b, err := io.ReadAll(c)
	return result{b, err}
}
