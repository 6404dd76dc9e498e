package lab

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// A Kind is the part that a host of the test Internet plays.
type Kind uint8

// The parts. "Open" below means a TCP port in World.Ports.
const (
	// Silent hosts answer nothing. Every address that no Hosts entry covers is silent, too; an entry is needed only to
	// cut a hole into a larger one.
	Silent Kind = iota
	// Kernel hosts are a real kernel: SYN-ACK from an open port, RST from a closed one, echo replies, ICMP port
	// unreachable for UDP, whole connections (accepted, then closed at once). Before Linux 6.12 kernels send at most a
	// thousand ICMP errors a second.
	Kernel
	// Refuse hosts are up with nothing listening: RST from every port, echo replies, ICMP port unreachable for UDP.
	Refuse
	// Late hosts give every answer of a Kernel host, Hosts.Delay after the probe.
	Late
	// Twice hosts give every answer of a Kernel host twice, the second Hosts.Delay after the first.
	Twice
	// RefuseThenAccept hosts answer the first SYN to an open port with RST and every later one with SYN-ACK. Otherwise
	// they are like Kernel hosts.
	RefuseThenAccept
	// ICMPError hosts do not exist: Hosts.Router answers every probe for them with an ICMP error.
	ICMPError
	// ForgeOnly hosts send only answers that no correct scanner may take for one: see Hosts.Forgery.
	ForgeOnly
	// Echo hosts answer pings, and send every UDP datagram back (RFC 862). They are silent on TCP.
	Echo
)

// A Forgery is what is wrong with the answers of a ForgeOnly host. All else in them is right.
type Forgery uint8

// The forgeries.
const (
	// WrongAck answers acknowledge a sequence number that was not sent; echo replies carry another sequence number.
	WrongAck Forgery = iota
	// WrongSource answers come from the neighbouring address (last bit flipped).
	WrongSource
	// WrongPort answers come from the next port; echo replies carry the next identifier.
	WrongPort
)

// A Quote is how much of the offending packet an ICMP error quotes.
type Quote uint8

// The quotes.
const (
	// QuoteWhole quotes the whole packet, up to 548 bytes of it (RFC 1812 section 4.3.2.3).
	QuoteWhole Quote = iota
	// QuoteMinimum quotes the IP header and the 8 bytes after it (RFC 792).
	QuoteMinimum
)

// Hosts is a prefix of hosts that play the same part.
type Hosts struct {
	Prefix netip.Prefix
	Kind   Kind

	// Delay is how late a Late host answers (must be positive), or how long after its first answer a Twice host sends
	// the second (0 means back to back). Other kinds have none.
	Delay time.Duration
	// Type and Code are those of an ICMPError: type 3 (unreachable), 4, 5, 11 (time exceeded) or 12.
	Type, Code uint8
	// Quote is how much an ICMPError quotes.
	Quote Quote
	// Router is where an ICMPError comes from. The zero Addr means the gateway of the link.
	Router netip.Addr
	// Forgery is what is wrong with the answers of a ForgeOnly host.
	Forgery Forgery
	// VLANs are the numbers of the VLANs that the answers come out of, the outer one first, 0 for none: each is a tag in the
	// frame (IEEE 802.1Q, around it 802.1ad). Silent and Kernel hosts have none.
	VLANs [2]uint16
}

// A World declares a test Internet. Addresses that it does not mention are silent. Prefixes may nest: the longest one that
// contains an address decides.
type World struct {
	Hosts []Hosts
	// IPv6 are the hosts that are reached over IPv6; nil means that the link carries none of it.
	IPv6 *IPv6
	// Ports are the TCP ports that are open on every host that has open ports.
	Ports []uint16
	// Crowd is a network of hosts played by a BPF program; nil means none. Other hosts may not be in it.
	Crowd *Crowd
	// Loss is the share of packets that the cable loses, either way.
	Loss Loss
	// Sources is the number of addresses the scanner has besides Link.Scanner, directly following it: at most 252.
	Sources int
	// Queues is the number of queues of the cable, as many in each direction; 0 means 1. Processors with a queue of their own do
	// not wait for each other, and do not keep the order of what they send either. More than one takes root.
	Queues int
	// Detour lets every answer come in by an interface of its own, Link.Detour: what leaves by Link.Interface comes back
	// there, as where routes are not symmetric. Answers of Kernel hosts are addressed to that interface's hardware address,
	// all others to that of Link.Interface, as on the port of a switch that mirrors another.
	Detour bool
	// Tally asks for Stats.Tally: counts of packets by kind, exact at every rate, for a few hundred nanoseconds of the
	// Internet's kernel time per frame.
	Tally bool
}

// maxQueues is what is asked of a cable at most; the kernel would take more.
const maxQueues = 256

// maxSources is what fits between the scanner's address and the gateway's in the /24 of the link.
const maxSources = 252

// A span is a run of consecutive addresses that belong to the same entry of World.Hosts.
type span struct {
	first, last uint32 // host order, both included
	hosts       int
}

// validate reports every mistake in w at once.
func (w World) validate() error {
	var errs []error
	seen := make(map[netip.Prefix]int, len(w.Hosts))
	for i, h := range w.Hosts {
		if err := h.validate(); err != nil {
			errs = append(errs, fmt.Errorf("world: hosts %d (%v): %w", i, h.Prefix, err))
		}
		if j, twice := seen[h.Prefix]; twice {
			errs = append(errs, fmt.Errorf("world: hosts %d (%v): the same prefix as hosts %d", i, h.Prefix, j))
		}
		seen[h.Prefix] = i
	}
	if w.Crowd != nil {
		errs = append(errs, w.Crowd.validate())
		for i, h := range w.Hosts {
			if h.Prefix.Overlaps(w.Crowd.Prefix) {
				errs = append(errs, fmt.Errorf("world: hosts %d (%v): in the crowd %v", i, h.Prefix, w.Crowd.Prefix))
			}
		}
	}
	errs = append(errs, w.Loss.validate(), w.IPv6.check())
	if slices.Contains(w.Ports, 0) {
		errs = append(errs, errors.New("world: port 0 cannot be open"))
	}
	if w.Sources < 0 || w.Sources > maxSources {
		errs = append(errs, fmt.Errorf("world: %d extra source addresses: must be 0 to %d", w.Sources, maxSources))
	}
	if w.Queues < 0 || w.Queues > maxQueues {
		errs = append(errs, fmt.Errorf("world: %d queues: must be 0 to %d", w.Queues, maxQueues))
	}
	return errors.Join(errs...)
}

func (h Hosts) validate() error {
	switch {
	case !h.Prefix.IsValid() || !h.Prefix.Addr().Is4():
		return errors.New("not an IPv4 prefix")
	case h.Prefix != h.Prefix.Masked():
		return fmt.Errorf("has bits set after the prefix: did you mean %v?", h.Prefix.Masked())
	case !hostsMayUse(h.Prefix):
		return fmt.Errorf("overlaps 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3 or the link's own %v", linkPrefix())
	}
	return h.validatePart()
}

func (h Hosts) validatePart() error {
	switch {
	case h.Kind > Echo:
		return fmt.Errorf("unknown kind %d", h.Kind)
	case h.Kind == Late && h.Delay <= 0:
		return errors.New("a late host needs a positive delay")
	case h.Delay < 0, h.Delay != 0 && h.Kind != Late && h.Kind != Twice:
		return fmt.Errorf("%v hosts have no delay %v", h.Kind, h.Delay)
	case h.Kind == ICMPError && !slices.Contains([]uint8{3, 4, 5, 11, 12}, h.Type):
		return fmt.Errorf("ICMP type %d is not an error message", h.Type)
	case h.Router.IsValid() && !h.Router.Is4():
		return fmt.Errorf("router %v is not IPv4", h.Router)
	case h.Forgery > WrongPort:
		return fmt.Errorf("unknown forgery %d", h.Forgery)
	case h.Quote > QuoteMinimum:
		return fmt.Errorf("unknown quote %d", h.Quote)
	case h.VLANs[0] > 4094 || h.VLANs[1] > 4094 || h.VLANs[0] == 0 && h.VLANs[1] != 0:
		return fmt.Errorf("VLANs %v: must be from 1 to 4094, the outer one first", h.VLANs)
	case h.VLANs[0] > 0 && !h.Kind.responds():
		return fmt.Errorf("%v hosts cannot put VLAN tags on their answers", h.Kind)
	}
	return nil
}

// hostsMayUse reports whether ordinary hosts can live in p: the kernel takes the other addresses for martians.
func hostsMayUse(p netip.Prefix) bool {
	for _, taken := range []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("224.0.0.0/3"),
		linkPrefix(),
	} {
		if p.Overlaps(taken) {
			return false
		}
	}
	return true
}

// spans flattens the nested prefixes of hosts into disjoint runs in ascending order. Neighbouring runs of different entries
// stay apart; addresses that no entry covers are in none.
func spans(hosts []Hosts) []span {
	order := make([]span, len(hosts))
	for i, h := range hosts {
		order[i] = prefixSpan(h.Prefix)
		order[i].hosts = i
	}
	// Outer prefixes before the ones inside them.
	slices.SortFunc(order, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.last, a.last))
	})
	var s sweep
	for _, next := range order {
		s.closeBefore(uint64(next.first))
		s.emit(uint64(next.first))
		s.open = append(s.open, next)
		s.from = uint64(next.first)
	}
	s.closeBefore(1 << 32)
	return s.out
}

// A sweep walks over sorted prefixes; open is the chain of prefixes around the current address, the innermost last.
type sweep struct {
	open []span
	from uint64 // the first address not yet emitted
	out  []span
}

// closeBefore emits and drops the open prefixes that end before addr.
func (s *sweep) closeBefore(addr uint64) {
	for len(s.open) > 0 {
		end := uint64(s.open[len(s.open)-1].last) + 1
		if end > addr {
			return
		}
		s.emit(end)
		s.open = s.open[:len(s.open)-1]
	}
}

// emit gives the addresses from s.from up to, not including, end to the innermost open prefix.
func (s *sweep) emit(end uint64) {
	if len(s.open) > 0 && s.from < end {
		s.out = append(s.out, span{first: uint32(s.from), last: uint32(end - 1), hosts: s.open[len(s.open)-1].hosts})
	}
	s.from = max(s.from, end)
}

// prefixSpan returns the addresses of an IPv4 prefix.
func prefixSpan(p netip.Prefix) span {
	first := toUint(p.Addr())
	return span{first: first, last: first | uint32(1<<(32-p.Bits())-1)}
}

// prefixes cuts s into the fewest prefixes.
func (s span) prefixes() []netip.Prefix {
	var out []netip.Prefix
	for at := uint64(s.first); at <= uint64(s.last); {
		bits := 32
		// Widen while the block stays aligned and inside.
		for bits > 0 && at&(1<<(32-bits)) == 0 && at+1<<(33-bits)-1 <= uint64(s.last) {
			bits--
		}
		out = append(out, netip.PrefixFrom(toAddr(uint32(at)), bits))
		at += 1 << (32 - bits)
	}
	return out
}

func toUint(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func toAddr(u uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)})
}

// String returns the name of the part as written in Go.
func (k Kind) String() string {
	names := [...]string{"Silent", "Kernel", "Refuse", "Late", "Twice", "RefuseThenAccept", "ICMPError", "ForgeOnly", "Echo"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}
