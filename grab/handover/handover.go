package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/zmap-go/zmap/grab"
)

// Config says how a [Maker] makes connections. Ack must be given; the rest may be zero.
type Config struct {
	// Ack sends the last step of the handshake alone, past the kernel: no call makes it do that, and a server that speaks first
	// waits for it. It is called from many goroutines, at most once for each connection, and must not block. What gets lost of
	// them the server asks for again, with its SYN-ACK.
	Ack func(h *grab.Half)
	// Interface is that by which the kernel is to send; "" leaves it to its routes.
	Interface string
	// TTL is the time to live and hop limit; 0 leaves it to the kernel.
	TTL uint8
	// Guard says whether an address may be contacted at all. Nil lets every address pass. It is called from many goroutines.
	Guard func(netip.Addr) bool
}

// A Maker makes the kernel's connections of a scan's, and is a [grab.Supplier]. Each takes one open file; the limit of those
// (ulimit -n) is not looked at here. Methods may be called from any number of goroutines.
type Maker struct {
	config Config

	mu     sync.Mutex
	open   map[*conn]struct{}
	closed bool
}

var _ grab.Supplier = (*Maker)(nil)

// New returns a maker, which the caller must Close. See [Check] for whether its connections can be made.
func New(c Config) *Maker { return &Maker{config: c, open: map[*conn]struct{}{}} }

// Transport returns [grab.Handover].
func (*Maker) Transport() grab.Transport { return grab.Handover }

// Open returns the kernel's connection in place of h. It does not wait: the connection stands when the other side learns of it,
// which is with the first data that is written, or with the first attempt to read.
func (m *Maker) Open(_ context.Context, _ *grab.Target, h *grab.Half) (net.Conn, error) {
	switch {
	case h == nil:
		return nil, fmt.Errorf("hand over: %w: %w", grab.ErrConnect, grab.ErrNoHalf)
	case h.Scaled:
		return nil, fmt.Errorf("hand over %s: %w: %w", h.Remote, grab.ErrConnect, grab.ErrScaled)
	case m.config.Guard != nil && !m.config.Guard(h.Remote.Addr()):
		return nil, fmt.Errorf("hand over %s: %w: %w", h.Remote, grab.ErrConnect, grab.ErrBlocked)
	}
	f, err := open(&m.config, h)
	if err != nil {
		return nil, fmt.Errorf("hand over %s: %w: %w", h.Remote, grab.ErrConnect, err)
	}
	c := &conn{file: f, maker: m, half: *h}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		_ = f.Close() // it has an error to return already
		return nil, fmt.Errorf("hand over %s: %w: %w", h.Remote, grab.ErrConnect, net.ErrClosed)
	}
	m.open[c] = struct{}{}
	return c, nil
}

// forget takes a connection off the list of open ones.
func (m *Maker) forget(c *conn) {
	m.mu.Lock()
	delete(m.open, c)
	m.mu.Unlock()
}

// Close closes all connections that are open. What has been written to them the kernel still sends.
func (m *Maker) Close() error {
	m.mu.Lock()
	m.closed = true
	left := make([]*conn, 0, len(m.open))
	for c := range m.open {
		left = append(left, c)
	}
	m.mu.Unlock()
	var errs []error
	for _, c := range left {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) { // its reader may have been faster
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
