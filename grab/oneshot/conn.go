package oneshot

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
)

// A conn is one connection. Callers, receivers and the sender share it behind its mutex.
//
// Times are since the stack began; zero means none.
type conn struct {
	stack         *Stack
	local, remote netip.AddrPort
	hop           packet.MAC
	timer         timer // the sender's alone

	writer sync.Mutex // held by the one Write that is under way
	mu     sync.Mutex
	turn   sync.Cond // of mu: something came, went or ended that a caller may wait for

	send    sending
	receive receiving

	readBy, writeBy  time.Duration // deadlines of callers
	readers, writers int           // callers that wait
	lingerBy         time.Duration // the end of a connection that its caller has closed
	armed            time.Duration // when the wheel will have it looked at; the sender writes it
	queued           bool          // it is on the ready list

	err    error // what ended it before its time
	closed bool  // by its caller
	gone   bool  // nothing more belongs to it, and it is in the table no longer
	reset  bool  // RST is to be sent
}

func newConn(s *Stack, h *grab.Half, now time.Duration) *conn {
	c := &conn{stack: s, local: h.Local, remote: h.Remote, hop: h.Hop}
	c.turn.L = &c.mu
	c.send = newSending(h, s.mss(h))
	c.receive = newReceiving(h, s.window)
	c.receive.ackBy = now + openWait
	return c
}

// poke has the sender look at the connection.
func (c *conn) poke() {
	if !c.queued {
		c.queued = true
		c.stack.enqueue(c)
	}
}

// arm has the sender look at the connection in time for all that waits in it.
func (c *conn) arm() {
	if at := c.wake(); at != 0 && (c.armed == 0 || at < c.armed) {
		c.poke()
	}
}

// wake returns when there is something to do without anybody's doing.
func (c *conn) wake() time.Duration {
	var at time.Duration
	sooner := func(t time.Duration) {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	sooner(c.send.by)
	sooner(c.receive.ackBy)
	sooner(c.lingerBy)
	if c.readers > 0 {
		sooner(c.readBy)
	}
	if c.writers > 0 {
		sooner(c.writeBy)
	}
	return at
}

// Read returns what has arrived, or waits for it. What arrived before a reset is still there to read.
func (c *conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.failure("read", net.ErrClosed)
		case len(b) == 0:
			return 0, nil
		case c.late(c.readBy):
			return 0, c.failure("read", os.ErrDeadlineExceeded)
		case c.receive.unread() > 0:
			n, update := c.receive.take(&c.stack.pages, b)
			if update && !c.gone {
				c.receive.ackNow = true
				c.poke()
			}
			return n, nil
		case c.receive.eof:
			return 0, io.EOF
		case c.err != nil:
			return 0, c.failure("read", c.err)
		}
		if !c.send.spoke && !c.receive.ackNow { // whoever reads first talks to a server that speaks first, and does not know yet that it may
			c.receive.ackNow = true
			c.poke()
		}
		c.wait(&c.readers)
	}
}

// Write takes b to be sent, and waits while there is no room for all of it.
func (c *conn) Write(b []byte) (n int, err error) {
	c.writer.Lock()
	defer c.writer.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return n, c.failure("write", net.ErrClosed)
		case c.late(c.writeBy):
			return n, c.failure("write", os.ErrDeadlineExceeded)
		case c.err != nil:
			return n, c.failure("write", c.err)
		}
		if k := c.send.put(&c.stack.pages, b[n:]); k > 0 {
			n += k
			c.poke()
		}
		if n == len(b) {
			return n, nil
		}
		c.wait(&c.writers)
	}
}

// wait gives up the mutex until something happens. The caller is counted as one that waits.
func (c *conn) wait(as *int) {
	*as++
	c.arm()
	c.turn.Wait()
	*as--
}

func (c *conn) late(by time.Duration) bool { return by != 0 && c.stack.now() >= by }

// failure is the error as the standard library would give it.
func (c *conn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Close ends the connection and does not wait: what was written is still sent, and FIN behind it. If there is data that nobody
// has read, it is RST at once.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failure("close", net.ErrClosed)
	}
	c.closed = true
	c.turn.Broadcast()
	lingering := c.stack.lingering.Add(1)
	c.stack.live.Add(-1)
	unread := c.receive.unread() > 0 || len(c.receive.ahead) > 0
	c.receive.data.clear(&c.stack.pages)
	switch {
	case c.gone:
		c.stack.lingering.Add(-1)
	case unread, lingering > int64(c.stack.maxConns):
		c.abort(net.ErrClosed)
	default:
		c.send.fin = true
		c.lingerBy = c.stack.now() + lingerTime
		c.poke()
	}
	return nil
}

// abort ends the connection with RST.
func (c *conn) abort(err error) {
	c.reset = !c.gone
	c.end(err)
}

// end takes the connection out of the table. What has arrived stays for its caller to read, unless that is gone as well.
func (c *conn) end(err error) {
	if c.gone {
		return
	}
	c.gone, c.err = true, err
	c.send.data.clear(&c.stack.pages)
	c.send.by, c.receive.ackBy, c.lingerBy, c.receive.ackNow = 0, 0, 0, false
	if c.closed {
		c.stack.lingering.Add(-1)
	}
	c.stack.table.remove(c)
	c.turn.Broadcast()
	c.poke() // so that the sender forgets it
}

// expire does what was to be done by now.
func (c *conn) expire(now time.Duration) {
	if c.gone {
		return
	}
	passed := func(by time.Duration) bool { return by != 0 && by <= now }
	if passed(c.receive.ackBy) {
		c.receive.ackNow, c.receive.ackBy = true, 0
	}
	if c.readers > 0 && passed(c.readBy) || c.writers > 0 && passed(c.writeBy) {
		c.turn.Broadcast()
	}
	if passed(c.send.by) && !c.send.expire() {
		c.end(syscall.ETIMEDOUT)
	}
	if passed(c.lingerBy) {
		if c.receive.eof && c.send.finished() {
			c.end(net.ErrClosed)
		} else {
			c.stack.count.abandoned.Add(1)
			c.abort(net.ErrClosed)
		}
	}
}

// LocalAddr returns our address and port.
func (c *conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr returns those of the other side.
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	by := c.stack.since(t)
	return c.deadlines("set", by, by, true, true)
}

// SetReadDeadline sets the time at which Read gives up, one that waits as well; the zero time means never.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.deadlines("set", c.stack.since(t), 0, true, false)
}

// SetWriteDeadline is SetReadDeadline for Write.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.deadlines("set", 0, c.stack.since(t), false, true)
}

func (c *conn) deadlines(op string, readBy, writeBy time.Duration, reads, writes bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failure(op, net.ErrClosed)
	}
	if reads {
		c.readBy = readBy
	}
	if writes {
		c.writeBy = writeBy
	}
	if c.readers+c.writers > 0 {
		c.turn.Broadcast()
	}
	return nil
}
