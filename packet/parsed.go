package packet

import (
	"encoding/binary"
	"net/netip"
)

// A LinkType says what a frame starts with.
type LinkType uint8

// The link types.
const (
	LinkEthernet LinkType = iota // an Ethernet header
	LinkIP                       // an IP header of either version, as on tun devices and raw sockets
)

// A Kind says how far into a frame [Parsed.Decode] got.
type Kind uint8

// The kinds of frames.
const (
	KindNone   Kind = iota // not an IP packet, or damaged: only Frame counts
	KindIP                 // an IP packet without a readable transport header: another protocol, a later fragment, cut short
	KindTCP                // TCP is there
	KindUDP                // UDP is there
	KindICMPv4             // ICMP is there, its type is one of the ICMPv4 constants
	KindICMPv6             // ICMP is there, its type is one of the ICMPv6 constants
)

// String returns the name of the kind, such as "tcp".
func (k Kind) String() string {
	names := [...]string{"none", "ip", "tcp", "udp", "icmp", "icmpv6"}
	if int(k) < len(names) {
		return names[k]
	}
	return "invalid"
}

// Parsed is a received frame taken apart. It borrows the frame: the slices in it are views of the frame's bytes, never
// beyond them, and last as long as those do. A Parsed is meant to be used again and again by one goroutine.
//
// The lengths in the headers are believed only where the bytes are there. What lies behind the IP packet (Ethernet
// padding) is left out. Checksums are not looked at.
type Parsed struct {
	Frame            []byte     // the whole frame as it was given
	Kind             Kind       // which of the rest counts
	Truncated        bool       // the IP packet is longer than what was captured
	Fragment         Fragment   // whether the IP packet is a piece of a larger one
	TTL              uint8      // time to live or hop limit
	Proto            Proto      // protocol behind the IP header and the extension headers passed over
	IPID             uint16     // IPv4 identification; 0 for IPv6
	SrcPort, DstPort uint16     // TCP and UDP ports, 0 otherwise
	Src, Dst         netip.Addr // never an IPv4-mapped IPv6 address: packets with one are KindNone
	TCP              TCP        // the segment, header and payload; nil unless KindTCP
	UDP              UDP        // the datagram, header and payload; nil unless KindUDP
	ICMP             ICMP       // the message, header and body; nil unless KindICMPv4 or KindICMPv6
	Payload          []byte     // behind the transport header; for KindIP behind the IP headers
	Quoted           Quoted     // the packet that an ICMP error is about
}

// Decode takes frame apart and returns p.Kind. All fields are set anew. It does not allocate, and any bytes will do.
//
// It understands one or two VLAN tags, IPv4 with options, and IPv6 with hop-by-hop, routing, destination and fragment
// headers. TCP needs a whole header (but for what the capture cut off), UDP and ICMP their 8 bytes. As with C zmap, a
// UDP length field that cannot be true does not make a datagram unreadable; a TCP data offset that cannot be true does,
// as it does for kernels.
func (p *Parsed) Decode(frame []byte, link LinkType) Kind {
	frame = frame[:len(frame):len(frame)]
	*p = Parsed{Frame: frame}
	b := frame
	if link == LinkEthernet {
		b = skipEthernet(frame)
	}
	switch {
	case len(b) >= IPv4Len && b[0]>>4 == 4:
		p.Kind = p.decodeIPv4(b)
	case len(b) >= IPv6Len && b[0]>>4 == 6:
		p.Kind = p.decodeIPv6(b)
	}
	return p.Kind
}

// skipEthernet returns the IP packet in an Ethernet frame, behind at most two VLAN tags (IEEE 802.1Q, 802.1ad), and nil
// if there is none or the version in it is not the one that the EtherType says.
func skipEthernet(frame []byte) []byte {
	at := EthernetLen
	for range 3 {
		if len(frame) <= at {
			return nil
		}
		switch EtherType(binary.BigEndian.Uint16(frame[at-2 : at])) {
		case EtherTypeIPv4:
			return onlyVersion(frame[at:], 4)
		case EtherTypeIPv6:
			return onlyVersion(frame[at:], 6)
		case EtherTypeVLAN, EtherTypeSVLAN:
			at += 4
		default:
			return nil
		}
	}
	return nil
}

func onlyVersion(b []byte, version byte) []byte {
	if b[0]>>4 != version {
		return nil
	}
	return b
}

// decodeIPv4 takes apart b, which is at least as long as a header without options.
func (p *Parsed) decodeIPv4(b []byte) Kind {
	h := IPv4(b)
	n, total := h.HeaderLen(), h.TotalLen()
	if n < IPv4Len || n > len(b) || total < n {
		return KindNone
	}
	if total < len(b) {
		b = b[:total]
	}
	p.Truncated = total > len(b)
	p.Src, p.Dst = h.Src(), h.Dst()
	p.TTL, p.Proto, p.IPID, p.Fragment = h.TTL(), h.Proto(), h.ID(), h.Fragment()
	return p.decodeTransport(b[n:], ProtoICMP)
}

// decodeIPv6 takes apart b, which is at least as long as the fixed header. Jumbograms (RFC 2675), which claim a length
// of 0, are not looked into.
func (p *Parsed) decodeIPv6(b []byte) Kind {
	h := IPv6(b)
	total := IPv6Len + h.PayloadLen()
	if total < len(b) {
		b = b[:total]
	}
	src, srcOK := addr6(h[8:24])
	dst, dstOK := addr6(h[24:40])
	if !srcOK || !dstOK {
		return KindNone
	}
	p.Truncated = total > len(b)
	p.Src, p.Dst, p.TTL = src, dst, h.HopLimit()
	p.Proto, b, p.Fragment = skipExtensions(h.NextHeader(), b[IPv6Len:])
	return p.decodeTransport(b, ProtoICMPv6)
}

// decodeTransport takes apart b, what an IP packet carries; icmp is the protocol number of ICMP in that IP version (the
// other version's means nothing there).
func (p *Parsed) decodeTransport(b []byte, icmp Proto) Kind {
	p.Payload = b
	if p.Fragment == LaterFragment {
		return KindIP
	}
	switch p.Proto {
	case ProtoTCP:
		return p.decodeTCP(b)
	case ProtoUDP:
		return p.decodeUDP(b)
	case icmp:
		return p.decodeICMP(b)
	default:
		return KindIP
	}
}

func (p *Parsed) decodeTCP(b []byte) Kind {
	if len(b) < TCPLen {
		return KindIP
	}
	h := TCP(b)
	n := h.HeaderLen()
	if n < TCPLen || n > len(b) && !p.Truncated {
		return KindIP
	}
	p.TCP = h
	p.SrcPort, p.DstPort = h.SrcPort(), h.DstPort()
	p.Payload = b[min(n, len(b)):]
	return KindTCP
}

func (p *Parsed) decodeUDP(b []byte) Kind {
	if len(b) < UDPLen {
		return KindIP
	}
	h := UDP(b)
	if n := max(h.Length(), UDPLen); n < len(b) {
		h = h[:n]
	}
	p.UDP = h
	p.SrcPort, p.DstPort = h.SrcPort(), h.DstPort()
	p.Payload = h[UDPLen:]
	return KindUDP
}

func (p *Parsed) decodeICMP(b []byte) Kind {
	if len(b) < ICMPLen {
		return KindIP
	}
	p.ICMP = ICMP(b)
	p.Payload = b[ICMPLen:]
	kind, version := KindICMPv4, byte(4)
	if p.Proto == ProtoICMPv6 {
		kind, version = KindICMPv6, 6
	}
	if isError(kind, b[0]) && len(p.Payload) > 0 && p.Payload[0]>>4 == version {
		p.Quoted.Decode(p.Payload)
	}
	return kind
}

// isError reports whether messages of type t quote the packet that they are about.
func isError(kind Kind, t uint8) bool {
	if kind == KindICMPv6 {
		return t >= ICMPv6Unreachable && t <= ICMPv6ParamProblem
	}
	switch t {
	case ICMPv4Unreachable, ICMPv4SourceQuench, ICMPv4Redirect, ICMPv4TimeExceeded, ICMPv4ParamProblem:
		return true
	}
	return false
}

// IsEchoReply reports whether the frame is an ICMP or ICMPv6 echo reply.
func (p *Parsed) IsEchoReply() bool {
	return p.Kind == KindICMPv4 && p.ICMP.Type() == ICMPv4EchoReply ||
		p.Kind == KindICMPv6 && p.ICMP.Type() == ICMPv6EchoReply
}

// IsError reports whether the frame is an ICMP message about another packet: of ICMP the types destination unreachable,
// source quench, redirect, time exceeded and parameter problem, of ICMPv6 unreachable, packet too big, time exceeded and
// parameter problem. Whether the quotation could be read is another question: see [Quoted].
func (p *Parsed) IsError() bool {
	return (p.Kind == KindICMPv4 || p.Kind == KindICMPv6) && isError(p.Kind, p.ICMP.Type())
}
