package netdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"github.com/zmap-go/zmap/packet"
)

// Mode says what a [Path] is wanted for.
type Mode uint8

// The modes of a [Query].
const (
	Scan   Mode = iota // frames will be sent: what cannot be found out is an error
	DryRun             // nothing will be sent: what cannot be found out stays zero, and nobody is asked by ARP
)

// Layer says what the scan hands to the interface.
type Layer uint8

// The layers of a [Query].
const (
	Frames  Layer = iota // whole frames with a link-layer header
	Packets              // IP packets: the kernel finds the next hop of each (option -X)
)

// A Query asks for the way to a scan's targets. Only Targets is required.
type Query struct {
	// Targets is a sample of the addresses that will be probed, all of one family: a scan of both asks twice. The kernel is asked for the route to each, so some
	// hundred from all over the target space are better than all of them. Reserved addresses (0.0.0.0/8, loopback,
	// multicast, broadcast) and the host's own have no say unless there are no others.
	Targets []netip.Addr

	Interface  string       // name of the interface (-i); empty: the one that the routes name
	Receive    string       // name of the interface that answers arrive at (--receive-interface); empty: the same
	Sources    []netip.Addr // source addresses (-S); nil: the route's preferred one
	SourceMAC  *packet.MAC  // source MAC address (--source-mac); nil: the interface's
	GatewayMAC *packet.MAC  // destination MAC address of every frame (-G); nil: found out; of no use with Packets
	Mode       Mode
	Layer      Layer
}

// A Path is the way from this host to a scan's targets. It is the caller's own.
type Path struct {
	Interface string // name of the interface; empty only in a dry run that found none
	Index     int    // its number
	MTU       int    // its largest IP packet, in bytes
	Receive   string // name of the interface that answers arrive at; empty: the same
	Layer     Layer  // as asked
	Ether     bool   // frames to send have an Ethernet header; false: no link layer (tun, ppp, WireGuard), or Packets

	// Sources are the addresses to send from, of the targets' family, never empty; 0.0.0.0 or :: in a dry run that found none.
	Sources   []netip.Addr
	SourceMAC packet.MAC

	// Gateway is the next hop of targets that are not on the link. It is invalid if there is none, it is not known, or Layer
	// is Packets.
	Gateway netip.Addr

	// HopMAC is where frames go, except those for targets in OnLink. It is zero where hardware addresses mean nothing
	// (loopback, no link layer, [Packets]), where every target is on the link, and in a dry run where it is not known.
	HopMAC packet.MAC

	// OnLink are the networks directly connected to the interface: targets there have a MAC address of their own, see
	// [Neighbours]. It is nil where HopMAC serves all targets, if -G was given, and where interfaces have no hardware addresses.
	// With Packets the kernel asks for them itself, but nobody learns from it who did not answer.
	OnLink []netip.Prefix

	// Missing is the error that [Scan] mode would return, as far as it can be told without asking anybody. Only a dry run has
	// one.
	Missing error

	// Warnings are complete sentences about what is likely to go wrong, for the log.
	Warnings []string
}

// Find returns the way to q.Targets. It blocks for up to three seconds if a gateway has to be asked for its hardware
// address; ctx ends that. An error says what is missing and which option supplies it. Sending ARP needs CAP_NET_RAW,
// the rest no privileges; in [DryRun] mode nothing is sent, and all that can go wrong is an interface that is named
// and does not exist.
//
// Find uses the network namespace of the calling thread.
func Find(ctx context.Context, q Query) (*Path, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	k, err := openKernel()
	if err != nil {
		if q.Mode == DryRun {
			return blankPath(&q, err), nil
		}
		return nil, err
	}
	defer k.close()
	return find(ctx, k, q)
}

// check refuses what no kernel can answer.
func (q *Query) check() error {
	six := q.six()
	for _, t := range q.Targets {
		if t.Is6() != six || !t.IsValid() {
			return fmt.Errorf("target %s: not of the family of %s", t, q.Targets[0])
		}
	}
	for _, s := range q.Sources {
		if s.Is6() != six || !s.IsValid() {
			return fmt.Errorf("source address %s (-S): must be an %s address", s, familyOf(six))
		}
	}
	return nil
}

// six says whether the targets are of IPv6.
func (q *Query) six() bool { return len(q.Targets) > 0 && q.Targets[0].Is6() }

// familyOf is the name of a family.
func familyOf(six bool) string {
	if six {
		return "IPv6"
	}
	return "IPv4"
}

// unspecified is the address of a family that is none.
func unspecified(six bool) netip.Addr {
	if six {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// Up reports whether the interface with that number is up and has a carrier. The error wraps [fs.ErrNotExist] if there
// is no such interface any more.
func Up(index int) (bool, error) {
	k, err := openKernel()
	if err != nil {
		return false, err
	}
	defer k.close()
	d, err := deviceByIndex(k, index)
	if err != nil {
		return false, err
	}
	return d.up && d.carrier, nil
}

// deviceByIndex returns the interface with that number; the error wraps fs.ErrNotExist if there is none.
func deviceByIndex(k kernel, index int) (device, error) {
	devices, err := k.devices()
	if err != nil {
		return device{}, err
	}
	for _, d := range devices {
		if d.index == index {
			return d, nil
		}
	}
	return device{}, fmt.Errorf("interface number %d: %w", index, fs.ErrNotExist)
}

// Describe says in one line, for the log, what p is:
//
//	eth0 192.0.2.1 -> gateway 192.0.2.254 (00:00:5e:00:53:01), MTU 1500
func Describe(p *Path) string {
	var b strings.Builder
	b.WriteString(p.Interface)
	if p.Interface == "" {
		b.WriteString("no interface")
	}
	for i, s := range p.Sources {
		if i == 1 {
			fmt.Fprintf(&b, " and %d more", len(p.Sources)-1)
			break
		}
		fmt.Fprintf(&b, " %s", s)
	}
	b.WriteString(" -> ")
	b.WriteString(describeHop(p))
	if p.MTU > 0 {
		fmt.Fprintf(&b, ", MTU %d", p.MTU)
	}
	return b.String()
}

// describeHop is the part of Describe behind the arrow.
func describeHop(p *Path) string {
	known := !p.HopMAC.IsZero()
	switch {
	case p.Layer == Packets && p.Interface != "":
		return "next hops of the kernel's"
	case p.Interface != "" && !p.Ether:
		return "no link layer"
	case p.Gateway.IsValid() && known:
		return fmt.Sprintf("gateway %s (%s)", p.Gateway, p.HopMAC)
	case p.Gateway.IsValid():
		return "gateway " + p.Gateway.String()
	case known:
		return p.HopMAC.String()
	case len(p.OnLink) > 0:
		return "on link " + join(p.OnLink)
	case p.Interface != "":
		return "this host"
	default:
		return "unknown"
	}
}

// join lists s with commas.
func join[T fmt.Stringer](s []T) string {
	parts := make([]string, len(s))
	for i, v := range s {
		parts[i] = v.String()
	}
	return strings.Join(parts, ", ")
}

// blankPath is what a dry run gets when nothing can be found out, for the reason that missing is: what the options say.
func blankPath(q *Query, missing error) *Path {
	p := &Path{Layer: q.Layer, Ether: q.Layer == Frames, Sources: append([]netip.Addr(nil), q.Sources...), Missing: missing}
	if len(p.Sources) == 0 {
		p.Sources = []netip.Addr{unspecified(q.six())}
	}
	if q.SourceMAC != nil {
		p.SourceMAC = *q.SourceMAC
	}
	if q.GatewayMAC != nil && q.Layer == Frames {
		p.HopMAC = *q.GatewayMAC
	}
	return p
}

// errNoTargets says that Query.Targets is empty.
var errNoTargets = errors.New("find the way to the targets: there is no target to ask the routes for")
