package grab

import (
	"context"
	"errors"
	"net"
)

// What suppliers wrap besides [ErrConnect] where a scan's connection cannot be carried on.
var (
	ErrFull   = errors.New("as many connections as there may be")
	ErrTaken  = errors.New("there is such a connection")
	ErrScaled = errors.New("windows are scaled, and nothing says by how much ours are")
	ErrNoHalf = errors.New("there is no half-open connection to carry on")
)

// A Supplier makes connections for grabs: oneshot.Stack, handover.Maker, or [Dialer]. It may be used by any number of goroutines.
type Supplier interface {
	// Transport says which one it is.
	Transport() Transport
	// Open returns a connection to t, which the caller closes. Suppliers of the scan's own connections carry on h; a dialer
	// ignores it. An error wraps [ErrConnect], and [ErrBlocked] where it applies; then nothing is left of h but what the caller
	// does with it.
	Open(ctx context.Context, t *Target, h *Half) (net.Conn, error)
	// Close ends all connections, and returns when nothing is left of them.
	Close() error
}
