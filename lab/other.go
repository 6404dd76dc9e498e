//go:build !linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// errNotHere is what everything returns where there are no network namespaces.
var errNotHere = fmt.Errorf("lab: a test Internet needs the network namespaces of Linux: %w", errors.ErrUnsupported)

// Main prints that the tests need Linux and exits with status 1.
func Main(Suite) {
	fmt.Fprintln(os.Stderr, errNotHere)
	os.Exit(1)
}

// Enter returns an error.
func Enter() (inside bool, status int, err error) { return false, 1, errNotHere }

// A Net is a running test Internet. There is none here.
type Net struct{ truth *Truth }

// New returns an error.
func New(context.Context, World) (*Net, error) { return nil, errNotHere }

// Truth returns nil.
func (n *Net) Truth() *Truth { return n.truth }

// Link returns the zero Link.
func (n *Net) Link() Link { return Link{} }

// LinkDown returns an error.
func (n *Net) LinkDown() error { return errNotHere }

// LinkUp returns an error.
func (n *Net) LinkUp() error { return errNotHere }

// MoveGateway returns an error.
func (n *Net) MoveGateway(context.Context, net.HardwareAddr) error { return errNotHere }

// Stats returns an error.
func (n *Net) Stats(context.Context) (Stats, error) { return Stats{}, errNotHere }

// Forge returns an error.
func (n *Net) Forge(context.Context, Flood) (Flooded, error) { return Flooded{}, errNotHere }

// HearCrowd returns an error.
func (n *Net) HearCrowd() (end func() error, err error) { return nil, errNotHere }

// MayLoad returns an error.
func MayLoad() error { return errNotHere }

// Arrivals returns an error.
func (n *Net) Arrivals(context.Context, time.Duration) (Captured, error) {
	return Captured{}, errNotHere
}

// Uptime returns an error.
func Uptime() (time.Time, error) { return time.Time{}, errNotHere }

// Listen returns an error.
func (n *Net) Listen(context.Context, string) (net.Listener, error) { return nil, errNotHere }

// ListenPacket returns an error.
func (n *Net) ListenPacket(context.Context, string) (net.PacketConn, error) { return nil, errNotHere }

// Start returns an error.
func (n *Net) Start(context.Context, Program) (*Process, error) { return nil, errNotHere }

// A Process is a running Program. There is none here.
type Process struct{}

// Await returns an error.
func (p *Process) Await(context.Context, string) error { return errNotHere }

// Done returns nil.
func (p *Process) Done() <-chan struct{} { return nil }

// Err returns an error.
func (p *Process) Err() error { return errNotHere }

// Stop does nothing.
func (p *Process) Stop() {}

// A Capture is a running record of arriving frames. There is none here.
type Capture struct{}

// Capture returns an error.
func (n *Net) Capture(context.Context, CaptureSpec) (*Capture, error) { return nil, errNotHere }

// Stop returns an error.
func (c *Capture) Stop(context.Context) (Captured, error) { return Captured{}, errNotHere }

// Close does nothing.
func (n *Net) Close() error { return nil }

// A Tun is an interface without a link layer. There is none here.
type Tun struct{ truth *Truth }

// OpenTun returns an error.
func OpenTun(string, int, netip.Addr, World) (*Tun, error) { return nil, errNotHere }

// Truth returns nil.
func (t *Tun) Truth() *Truth { return t.truth }

// Name returns nothing.
func (t *Tun) Name() string { return "" }

// Close does nothing.
func (t *Tun) Close() error { return nil }
