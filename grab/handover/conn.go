package handover

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// A conn is a connection of the kernel's. It is a file that is polled: to make a net.TCPConn of it takes a second descriptor, and
// half as long again as all the rest (net.FileConn).
type conn struct {
	file  *os.File
	maker *Maker
	half  grab.Half
	told  atomic.Bool // the other side has learned from us that the connection stands, or is about to
}

// Read reads. The first step of a caller tells the other side that the connection stands: data do by the way, a read has to.
func (c *conn) Read(b []byte) (int, error) {
	if !c.told.Swap(true) {
		c.maker.config.Ack(&c.half)
	}
	n, err := c.file.Read(b)
	return n, c.wrap("read", err)
}

// Write writes.
func (c *conn) Write(b []byte) (int, error) {
	if len(b) > 0 {
		c.told.Store(true)
	}
	n, err := c.file.Write(b)
	return n, c.wrap("write", err)
}

// Close closes the connection: with FIN behind all that was written, or with RST if there is something that nobody has read.
func (c *conn) Close() error {
	c.maker.forget(c)
	return c.wrap("close", c.file.Close())
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.half.Local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.half.Remote) }

func (c *conn) SetDeadline(t time.Time) error     { return c.wrap("set", c.file.SetDeadline(t)) }
func (c *conn) SetReadDeadline(t time.Time) error { return c.wrap("set", c.file.SetReadDeadline(t)) }

func (c *conn) SetWriteDeadline(t time.Time) error { return c.wrap("set", c.file.SetWriteDeadline(t)) }

// wrap turns the errors of files into those of connections.
func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // readers compare it
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
