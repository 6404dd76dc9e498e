package link

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// TCPMatch says which TCP segments a [Filter] wants.
type TCPMatch uint8

// The choices of TCP segments.
const (
	TCPNone    TCPMatch = iota // none
	TCPAnswers                 // answers to an opening or a stray segment: RST set, or SYN and ACK both set
	TCPAll                     // every segment
)

// An RSTPolicy says what becomes of TCP answers that the host's own stack did not ask for and would reset. Engines that see
// frames only after the stack did have no choice: [RSTPass].
type RSTPolicy uint8

// The policies. Packets of connections that this host has itself are passed under each of them.
const (
	RSTPass     RSTPolicy = iota // the stack sees them and answers with RST, as with C ZMap
	RSTReset                     // the link answers a SYN-ACK with RST itself, and spares the stack
	RSTHandover                  // withheld until a socket exists for the connection, which then gets everything
	RSTOneshot                   // every segment is received and withheld: the connection is the caller's
)

// A PortRange is the local ports First to Last, both included, and what becomes of TCP answers to them.
type PortRange struct {
	First, Last uint16
	RST         RSTPolicy
}

// A Filter says, without saying how, which received frames are wanted. Engines compile it (to classic BPF with
// [Filter.Assemble], to map entries of a program of ours); [Filter.Match] is the slow obvious twin that all are tested
// against.
//
// A frame is wanted if its destination is in Local and it is of one of the wanted kinds. Frames with VLAN tags in band are
// looked at behind them, if there are at most two. First fragments are matched as whole packets; later fragments are never wanted. At most
// four IPv6 extension headers (hop-by-hop, routing, destination options, fragment) are passed over.
//
// An ICMP error goes to whoever sent the packet it quotes (RFC 792, RFC 4443 section 2.2), so the quoted source must be
// the destination of the error; an error too short to hold a quoted source is wanted, for its type says something still.
//
// A filter is a sieve, not a parser: it believes length fields, looks at no checksum, and wants a header only up to the
// last byte that it reads (TCP: the flags, UDP: the destination port, ICMP: the type).
type Filter struct {
	Snap   int          // bytes copied of each frame at most; 0 means all
	Local  []netip.Addr // our source addresses, to which answers come; empty means any
	Ports  []PortRange  // our source ports: the destination ports of TCP and UDP answers; empty means any
	TCP    TCPMatch     // TCP segments to Ports
	UDP    bool         // UDP datagrams to Ports
	Echo   bool         // ICMP and ICMPv6 echo replies
	Errors bool         // ICMP and ICMPv6 errors (v4 types 3, 4, 5, 11, 12; v6 types 1 to 4)
}

// Protocol numbers: IEEE 802 EtherTypes, IANA protocol numbers, TCP flags (RFC 9293 section 3.1), ICMP types.
const (
	etherLen = 14
	vlanLen  = 4
	maxVLANs = 2 // tags passed over at most

	typeIPv4   = 0x0800
	typeIPv6   = 0x86dd
	typeVLAN   = 0x8100 // IEEE 802.1Q
	typeQinQ   = 0x88a8 // IEEE 802.1ad
	protoICMP4 = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58

	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extOptions  = 60
	extMax      = 4 // extension headers passed over at most

	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10

	echoReply4  = 0
	echoReply6  = 129
	firstError6 = 1
	lastError6  = 4
)

// errors4 are the ICMP types that quote a packet: unreachable, source quench, redirect, time exceeded, parameter problem.
func errors4() []uint32 { return []uint32{3, 4, 5, 11, 12} }

// Validate reports what no frame could be matched against: an invalid address, a port range upside down, a negative
// Snap, an unknown TCPMatch.
func (f *Filter) Validate() error {
	for i, a := range f.Local {
		if !a.IsValid() {
			return fmt.Errorf("capture filter: local address number %d is not an address", i+1)
		}
	}
	for _, p := range f.Ports {
		if p.First > p.Last {
			return fmt.Errorf("capture filter: port range %d-%d is upside down", p.First, p.Last)
		}
	}
	for _, p := range f.Ports {
		if p.RST > RSTOneshot {
			return fmt.Errorf("capture filter: no such RST policy: %d", p.RST)
		}
	}
	if f.Snap < 0 {
		return fmt.Errorf("capture filter: snap length %d is negative", f.Snap)
	}
	if f.TCP > TCPAll {
		return fmt.Errorf("capture filter: no such choice of TCP segments: %d", f.TCP)
	}
	return nil
}

// Withholds says whether some answers are to be kept from the host's stack, which takes an engine that sees them first.
func (f *Filter) Withholds() bool {
	return slices.ContainsFunc(f.Ports, func(p PortRange) bool { return p.RST != RSTPass })
}

// Match says whether f wants the frame, which starts with an Ethernet header if ether is true, else with an IP header.
// It is written to be read, not to be fast; it may be called from any number of goroutines.
func (f *Filter) Match(frame []byte, ether bool) bool {
	ip := frame
	if ether {
		if ip = behindEther(frame); ip == nil {
			return false
		}
	}
	if len(ip) == 0 {
		return false
	}
	switch ip[0] >> 4 {
	case 4:
		return f.match4(ip)
	case 6:
		return f.match6(ip)
	}
	return false
}

// behindEther returns the IP packet in an Ethernet frame, behind at most two VLAN tags; nil if there is none or if the
// frame claims another version of IP than the packet does.
func behindEther(frame []byte) []byte {
	if len(frame) < etherLen {
		return nil
	}
	kind, ip := binary.BigEndian.Uint16(frame[12:]), frame[etherLen:]
	for range maxVLANs {
		if kind != typeVLAN && kind != typeQinQ {
			break
		}
		if len(ip) < vlanLen {
			return nil
		}
		kind, ip = binary.BigEndian.Uint16(ip[2:]), ip[vlanLen:]
	}
	switch {
	case len(ip) == 0:
		return nil
	case kind == typeIPv4 && ip[0]>>4 == 4, kind == typeIPv6 && ip[0]>>4 == 6:
		return ip
	}
	return nil
}

func (f *Filter) match4(ip []byte) bool {
	if len(ip) < 20 {
		return false
	}
	headerLen := int(ip[0]&0x0f) * 4
	offset := binary.BigEndian.Uint16(ip[6:]) & 0x1fff
	dst := netip.AddrFrom4([4]byte(ip[16:20]))
	if headerLen < 20 || offset != 0 || !f.isLocal(dst) || len(ip) < headerLen {
		return false
	}
	payload := ip[headerLen:]
	if ip[9] != protoICMP4 {
		return f.matchPorts(ip[9], payload)
	}
	if len(payload) == 0 {
		return false
	}
	if payload[0] == echoReply4 {
		return f.Echo
	}
	if !f.Errors || !slices.Contains(errors4(), uint32(payload[0])) {
		return false
	}
	if len(payload) < 8+16 {
		return true
	}
	return netip.AddrFrom4([4]byte(payload[8+12:8+16])) == dst
}

func (f *Filter) match6(ip []byte) bool {
	if len(ip) < 40 {
		return false
	}
	dst := netip.AddrFrom16([16]byte(ip[24:40]))
	if !f.isLocal(dst) {
		return false
	}
	proto, payload, ok := behindExtensions(ip[6], ip[40:])
	if !ok {
		return false
	}
	if proto != protoICMP6 {
		return f.matchPorts(proto, payload)
	}
	if len(payload) == 0 {
		return false
	}
	if payload[0] == echoReply6 {
		return f.Echo
	}
	if !f.Errors || payload[0] < firstError6 || payload[0] > lastError6 {
		return false
	}
	if len(payload) < 8+24 {
		return true
	}
	return netip.AddrFrom16([16]byte(payload[8+8:8+24])) == dst
}

// behindExtensions passes over the extension headers (RFC 8200 section 4) and returns the transport protocol and what
// is behind them; not ok for later fragments, headers cut short, and too long a chain.
func behindExtensions(next byte, b []byte) (proto byte, payload []byte, ok bool) {
	for range extMax {
		switch next {
		case extHopByHop, extRouting, extOptions:
			if len(b) < 2 || len(b) < (int(b[1])+1)*8 {
				return 0, nil, false
			}
			next, b = b[0], b[(int(b[1])+1)*8:]
		case extFragment:
			if len(b) < 8 || binary.BigEndian.Uint16(b[2:])&0xfff8 != 0 {
				return 0, nil, false
			}
			next, b = b[0], b[8:]
		default:
			return next, b, true
		}
	}
	return next, b, true
}

// matchPorts matches a TCP segment or a UDP datagram.
func (f *Filter) matchPorts(proto byte, payload []byte) bool {
	switch proto {
	case protoTCP:
		if len(payload) < 14 {
			return false
		}
		flags := payload[13]
		answer := flags&flagRST != 0 || flags&(flagSYN|flagACK) == flagSYN|flagACK
		if f.TCP == TCPNone || f.TCP == TCPAnswers && !answer {
			return false
		}
	case protoUDP:
		if !f.UDP || len(payload) < 4 {
			return false
		}
	default:
		return false
	}
	port := binary.BigEndian.Uint16(payload[2:])
	return len(f.Ports) == 0 || slices.ContainsFunc(f.Ports, func(r PortRange) bool {
		return r.First <= port && port <= r.Last
	})
}

// isLocal says whether a is one of our addresses. An IPv4 address written as ::ffff:a.b.c.d in Local is that IPv4
// address; zones are ignored, for no frame carries one.
func (f *Filter) isLocal(a netip.Addr) bool {
	return len(f.Local) == 0 || slices.ContainsFunc(f.Local, func(l netip.Addr) bool {
		return l.Unmap().WithZone("") == a
	})
}
