package lab

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sort"
)

// A Probe is what a scanner sends to one address, as far as the answer depends on it. Make one with SYN, Ping or Datagram.
type Probe struct {
	proto uint8
	port  uint16
}

// SYN is a TCP segment with SYN to port.
func SYN(port uint16) Probe { return Probe{proto: protoTCP, port: port} }

// Ping is an ICMP echo request.
func Ping() Probe { return Probe{proto: protoICMP} }

// Datagram is a UDP datagram to port.
func Datagram(port uint16) Probe { return Probe{proto: protoUDP, port: port} }

// An Answer is what a probe gets from the test Internet.
type Answer uint8

// The answers.
const (
	// None: nothing comes back.
	None Answer = iota
	// SYNACK: a valid SYN-ACK; from Twice hosts two of them, from Late hosts after the delay.
	SYNACK
	// RST: a valid RST.
	RST
	// RSTThenSYNACK: RST for the first probe, SYN-ACK for each later one.
	RSTThenSYNACK
	// EchoReply: a valid ICMP echo reply.
	EchoReply
	// Reply: a UDP datagram with the probe's payload.
	Reply
	// Unreachable: an ICMP error quoting the probe (also port unreachable, from the probed host itself).
	Unreachable
	// Forged: only answers that must not count as such.
	Forged
)

// A Truth is what a World must answer. It is immutable and safe for concurrent use.
type Truth struct {
	hosts []Hosts
	ports map[uint16]bool
	spans []span
}

// Truth checks w and derives the ground truth from it. The error lists every mistake in w.
func (w World) Truth() (*Truth, error) {
	if err := w.validate(); err != nil {
		return nil, err
	}
	t := &Truth{hosts: slices.Clone(w.Hosts), ports: make(map[uint16]bool, len(w.Ports)), spans: spans(w.Hosts)}
	for _, p := range w.Ports {
		t.ports[p] = true
	}
	return t, nil
}

// Hosts returns the entry of the World that decides about addr, and whether there is one.
func (t *Truth) Hosts(addr netip.Addr) (Hosts, bool) {
	if !addr.Is4() {
		return Hosts{}, false
	}
	i, ok := find(t.spans, toUint(addr))
	if !ok {
		return Hosts{}, false
	}
	return t.hosts[i], true
}

// Expect returns the answer that a probe of addr must get.
func (t *Truth) Expect(addr netip.Addr, p Probe) Answer {
	h, ok := t.Hosts(addr)
	if !ok {
		return None
	}
	return t.answer(h.Kind, p)
}

// Addrs yields the addresses that give answer a to probe p, in ascending order. Asking for None yields only addresses that
// an entry of the World covers.
func (t *Truth) Addrs(p Probe, a Answer) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, s := range t.spans {
			if t.answer(t.hosts[s.hosts].Kind, p) != a {
				continue
			}
			for u := uint64(s.first); u <= uint64(s.last); u++ {
				if !yield(toAddr(uint32(u))) {
					return
				}
			}
		}
	}
}

// Count returns the number of addresses that Addrs yields.
func (t *Truth) Count(p Probe, a Answer) uint64 {
	var n uint64
	for _, s := range t.spans {
		if t.answer(t.hosts[s.hosts].Kind, p) == a {
			n += uint64(s.last-s.first) + 1
		}
	}
	return n
}

// answer is the table of parts: what a host of kind k gives to p.
func (t *Truth) answer(k Kind, p Probe) Answer {
	switch k {
	case Silent:
		return None
	case ICMPError:
		return Unreachable
	case ForgeOnly:
		return Forged
	case Echo:
		return echoAnswer(p)
	default:
		return t.present(k, p)
	}
}

func echoAnswer(p Probe) Answer {
	switch p.proto {
	case protoICMP:
		return EchoReply
	case protoUDP:
		return Reply
	default:
		return None
	}
}

// present is what a host gives that is there, whether a kernel or the responder plays it.
func (t *Truth) present(k Kind, p Probe) Answer {
	switch {
	case p.proto == protoICMP:
		return EchoReply
	case p.proto == protoUDP:
		return Unreachable
	case k == Refuse || !t.ports[p.port]:
		return RST
	case k == RefuseThenAccept:
		return RSTThenSYNACK
	default:
		return SYNACK
	}
}

// find returns the World.Hosts index of the span that contains addr.
func find(spans []span, addr uint32) (int, bool) {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].last >= addr })
	if i == len(spans) || spans[i].first > addr {
		return 0, false
	}
	return spans[i].hosts, true
}

// String returns the name of the answer as written in Go.
func (a Answer) String() string {
	names := [...]string{"None", "SYNACK", "RST", "RSTThenSYNACK", "EchoReply", "Reply", "Unreachable", "Forged"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("Answer(%d)", uint8(a))
}
