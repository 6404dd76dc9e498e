package grab

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// A Module is one protocol with its options. It is immutable and may be used by any number of goroutines.
type Module interface {
	// Describe returns the module's constants.
	Describe() Description
	// Grab talks to one target over s.Conn and returns what it learned, which marshals to the JSON object under "result". It
	// returns that also with an error, if there is something: what a later step lost is no reason to forget an earlier one. The
	// error should wrap [ErrProtocol] or [ErrApplication] where it is not the connection's; see [StatusOf].
	//
	// The connection has its deadline and its cap of bytes already, and whoever called closes it. Grab must return soon after
	// ctx ends. It keeps nothing of s.
	Grab(ctx context.Context, s *Session) (result any, err error)
}

// A Description is what has to be known of a module. Zero values are sensible, so that fields can be added.
type Description struct {
	Name     string // a user's word for it, and the key under "data"
	Protocol string // what the grab's "protocol" says; "" means Name
	Doc      string // one line for --help
	Port     uint16 // where the service usually is
	// ServerFirst says that the server speaks first, so that it must be told at once that the connection stands.
	ServerFirst bool
	// Transport is the one that suits; zero means [Oneshot].
	Transport Transport
	// Reply is how many bytes of an answer are enough; 0 means Limits.Bytes.
	Reply int
	// Connections is how many connections to one target it may need in all, where the user has set no limit; 0 means
	// DefaultConnections.
	Connections int
}

// A Transport is a supplier of connections.
type Transport uint8

// The suppliers. Oneshot suits a question with one answer; Handover what is long, chatty or large; Dial needs no privileges and
// opens a connection of its own.
const (
	AnyTransport Transport = iota // what the module says, or what can be had
	Oneshot                       // the scan's own connection, carried on in user space
	Handover                      // the scan's own connection, given to the kernel
	Dial                          // a second connection, by connect(2)
)

// String returns the word for --grab-transport.
func (t Transport) String() string {
	switch t {
	case Oneshot:
		return "oneshot"
	case Handover:
		return "handover"
	case Dial:
		return "dial"
	case AnyTransport:
	}
	return "auto"
}

// A Target is whom a grab talks to.
type Target struct {
	Addr netip.Addr
	Port uint16
	Name string // host name for SNI, the Host header and the like; "" means none
	Tag  string // the user's own word, handed through
}

// AddrPort returns the address and port.
func (t *Target) AddrPort() netip.AddrPort { return netip.AddrPortFrom(t.Addr, t.Port) }

// Host returns what to call the target where a name is wanted: its name, or its address in the way of URLs.
func (t *Target) Host() string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Addr.Is6():
		return "[" + t.Addr.String() + "]"
	}
	return t.Addr.String()
}

// A Session is one target with an open connection to it. It belongs to one call of [Module.Grab].
type Session struct {
	Target
	Conn net.Conn
	// Half is what the SYN-ACK said from which Conn was made; nil if Conn was dialled.
	Half *Half
	// More opens one more connection to the same address and port, for modules that need several. The one before must have been
	// closed. It fails with [ErrBudget] when Limits.Connections are used up. Whoever calls it closes what it returns. It may be
	// nil: there are no more.
	More func(ctx context.Context) (net.Conn, error)
	// Elsewhere opens a connection to another host, as a redirect names it: a name or an address, and a port. It fails with
	// [ErrBlocked] for addresses on the blocklist and for all that are not public. It may be nil: nobody is to be followed.
	Elsewhere func(ctx context.Context, host string, port uint16) (net.Conn, error)
	Operator  Operator
	Limits    Limits
}

// An Operator is who grabs, as those who are asked should see it: in the User-Agent, in EHLO, in the SSH client's version.
type Operator struct {
	URI  string // where it says who measures and how to opt out; "" means that the operator has named none
	Host string // our own name for EHLO and the like; "" means the source address as a literal
}

// Agent returns what to put into headers that name the client: the operator, not the tool, so that questions reach who can
// answer them. Without an operator it is as little as protocols take.
func (o *Operator) Agent() string {
	if o.URI == "" {
		return "Mozilla/5.0 (compatible; measurement)"
	}
	return "Mozilla/5.0 (compatible; measurement; +" + o.URI + ")"
}

// Limits bound what one grab may take.
type Limits struct {
	Timeout     time.Duration // for one connection from its first byte to its last; 0 means DefaultTimeout
	Bytes       int           // received over one connection; 0 means DefaultBytes
	Connections int           // to one target; 0 means DefaultConnections
}

// The defaults that a zero [Limits] stands for.
const (
	DefaultTimeout     = 10 * time.Second
	DefaultBytes       = 256 << 10
	DefaultConnections = 5
)

// WithDefaults returns l with the defaults in place of zero fields.
func (l Limits) WithDefaults() Limits {
	if l.Timeout == 0 {
		l.Timeout = DefaultTimeout
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	if l.Connections == 0 {
		l.Connections = DefaultConnections
	}
	return l
}
