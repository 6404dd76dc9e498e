package grab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// A Dialer is the supplier that needs no privileges: it opens a connection of the kernel's, with a SYN of its own.
type Dialer struct {
	// Guard says whether an address may be contacted at all. Nil lets every address pass.
	Guard func(netip.Addr) bool
	// Local is the address to dial from; zero leaves it to the kernel.
	Local netip.Addr
}

// Transport returns [Dial].
func (*Dialer) Transport() Transport { return Dial }

// Open dials t.
func (d *Dialer) Open(ctx context.Context, t *Target, _ *Half) (net.Conn, error) {
	if d.Guard != nil && !d.Guard(t.Addr.Unmap()) {
		return nil, fmt.Errorf("dial %s: %w: %w", t.AddrPort(), ErrConnect, ErrBlocked)
	}
	var n net.Dialer
	if d.Local.IsValid() {
		n.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.Local, 0))
	}
	c, err := n.DialContext(ctx, "tcp", t.AddrPort().String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return c, nil
}

// Close has nothing to do: connections are their openers' own.
func (*Dialer) Close() error { return nil }
