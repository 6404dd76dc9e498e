package grab

import (
	"net"
	"sync/atomic"
	"time"
)

// Cap returns c with a limit of what can be read from it and a time at which it ends, counted from now: a server that sends for
// ever, or a byte a second, is cut off. Deadlines that are set later cannot go beyond that time. The connection has one reader.
func Cap(c net.Conn, l Limits) net.Conn {
	l = l.WithDefaults()
	k := &capped{Conn: c, end: time.Now().Add(l.Timeout)}
	k.left.Store(int64(l.Bytes))
	_ = c.SetDeadline(k.end) // a connection that is closed already says so when it is used
	return k
}

// A capped connection is one with [Limits].
type capped struct {
	net.Conn
	end  time.Time
	left atomic.Int64
}

// Read reads at most what is left. When nothing is left it fails with [ErrTooLong].
func (c *capped) Read(b []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 && len(b) > 0 {
		return 0, ErrTooLong
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), left)])
	c.left.Add(-int64(n))
	return n, err
}

// SetDeadline, SetReadDeadline and SetWriteDeadline set deadlines up to the end.
func (c *capped) SetDeadline(t time.Time) error { return c.Conn.SetDeadline(c.bound(t)) }

// SetReadDeadline is SetDeadline for reading alone.
func (c *capped) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(c.bound(t)) }

// SetWriteDeadline is SetDeadline for writing alone.
func (c *capped) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.bound(t)) }

func (c *capped) bound(t time.Time) time.Time {
	if t.IsZero() || t.After(c.end) {
		return c.end
	}
	return t
}
