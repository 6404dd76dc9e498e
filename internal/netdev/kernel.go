package netdev

import (
	"errors"
	"net/netip"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// A kernel is what the rules of this package need to know from the operating system. The real one speaks rtnetlink;
// tests have one made of tables.
type kernel interface {
	devices() ([]device, error)
	// addresses returns the addresses of all interfaces, of both families, each interface's primary address first.
	addresses() ([]address, error)
	// lookup asks for the route to dst, from src unless that is invalid, by the interface oif unless that is 0. Asked with
	// a src it names no source. The error wraps one of errNoRoute, errUnreachable, errProhibited and errBlackhole if
	// there is no route.
	lookup(dst, src netip.Addr, oif int) (hop, error)
	// connected returns the destinations of a table's routes of one family that need no gateway on an interface.
	connected(index, table int, six bool) ([]netip.Prefix, error)
	// neighbours returns the neighbour table of an interface.
	neighbours(index int) ([]neighbour, error)
	// openAsk returns a socket for ARP frames on an interface, or for those of Neighbor Discovery.
	openAsk(index int, six bool) (askConn, error)
	close()
}

// An askConn sends and receives frames of ARP or Neighbor Discovery with their Ethernet header on one interface. It is used by one goroutine,
// except for interrupt.
type askConn interface {
	send(frame []byte) error
	// receive waits until the time for one frame. The error wraps os.ErrDeadlineExceeded when the time has come.
	receive(buf []byte, until time.Time) (int, error)
	// interrupt makes receive return at once, now and later. It may be called from any goroutine.
	interrupt()
	close() error
}

// Why there is no way to an address. The kernel tells them by errno (fib_props in net/ipv4/fib_semantics.c).
var (
	errNoRoute     = errors.New("no route")
	errUnreachable = errors.New("unreachable route")
	errProhibited  = errors.New("prohibit route")
	errBlackhole   = errors.New("blackhole route")
)

// linkKind is what an interface's frames look like.
type linkKind uint8

const (
	otherLink linkKind = iota // a link layer that is not spoken here, such as InfiniBand
	etherLink
	loopLink // Ethernet headers with zero addresses
	rawLink  // IP packets without a link layer
)

// A device is a network interface.
type device struct {
	index    int
	name     string
	altNames []string
	mtu      int
	mac      packet.MAC
	kind     linkKind
	typeName string // the kernel's name for the link layer
	up       bool   // switched on
	carrier  bool   // the other end is there
	noARP    bool   // neighbours are not resolved on this interface
}

// ether reports whether frames of the interface begin with an Ethernet header.
func (d *device) ether() bool { return d.kind == etherLink || d.kind == loopLink }

// An address is one of an interface, with the length of its network.
type address struct {
	index     int
	prefix    netip.Prefix
	secondary bool
	narrow    bool // of link or host scope: not for use outside the link
}

// destination is what kind of place a route leads to.
type destination uint8

const (
	toHost  destination = iota // an ordinary address elsewhere
	toSelf                     // an address of this host
	toGroup                    // broadcast, multicast, anycast
)

// A hop is the answer to one route query.
type hop struct {
	index   int         // interface
	to      destination // what kind of address it is
	gateway netip.Addr  // next hop; invalid if the target is on the link
	source  netip.Addr  // the source address that the kernel would use; invalid if none
	pinned  bool        // the route itself names the source, so it is right even if it is not the interface's
	prefix  netip.Prefix
	table   int // routing table that holds the route
}

// A neighbour is an entry of the kernel's neighbour table.
type neighbour struct {
	addr  netip.Addr
	mac   packet.MAC
	state neighbourState
}

// neighbourState is the part of an entry's NUD_ state (linux/neighbour.h) that matters here.
type neighbourState uint8

const (
	doubtful neighbourState = iota // FAILED, INCOMPLETE, NONE, PROBE: the MAC address is not to be used
	learned                        // REACHABLE, STALE, DELAY
	fixed                          // PERMANENT, NOARP
)
