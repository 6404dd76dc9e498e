package lab

import (
	"encoding/binary"
)

// The frames of the lab are read and written by hand, sharing no code with the scanner: what tests the scanner must not
// share its mistakes. Addresses are host order throughout.

// IP protocol numbers, TCP flags, ICMP types.
const (
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17

	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10

	icmpEchoReply   = 0
	icmpUnreachable = 3
	icmpEcho        = 8
)

const (
	etherLen = 14
	ipLen    = 20
	tcpLen   = 20
	udpLen   = 8
	icmpLen  = 8
)

type mac = [6]byte

// A path is where a frame comes from and goes to.
type path struct {
	fromMAC, toMAC mac
	src, dst       uint32
}

// back returns the path of an answer.
func (p path) back() path {
	return path{fromMAC: p.toMAC, toMAC: p.fromMAC, src: p.dst, dst: p.src}
}

// A segment is a TCP header. A SYN carries a maximum segment size, as those of all stacks do (RFC 9293 section 3.7.1).
type segment struct {
	sport, dport uint16
	seq, ack     uint32
	flags        uint8
}

// A message is an ICMP message with its four bytes that differ by type: an echo's identifier and sequence number.
type message struct {
	typ, code uint8
	id, seq   uint16
}

// An arrival is a parsed frame. Slices point into the frame.
type arrival struct {
	path
	proto   uint8
	tcp     segment // also the ports of UDP
	icmp    message
	packet  []byte // from the IP header on, without padding
	payload []byte // after the transport header
}

// parse reads an unfragmented IPv4 frame over Ethernet. It reports false for everything else, and for TCP, UDP and ICMP
// whose header is cut short.
func parse(frame []byte) (arrival, bool) {
	if len(frame) < etherLen+ipLen || binary.BigEndian.Uint16(frame[12:]) != 0x0800 {
		return arrival{}, false
	}
	ip := frame[etherLen:]
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x3fff // offset and "more fragments"
	if ip[0]>>4 != 4 || header < ipLen || total < header || total > len(ip) || fragment != 0 {
		return arrival{}, false
	}
	a := arrival{
		path: path{
			toMAC: mac(frame[0:6]), fromMAC: mac(frame[6:12]),
			src: binary.BigEndian.Uint32(ip[12:]), dst: binary.BigEndian.Uint32(ip[16:]),
		},
		proto:  ip[9],
		packet: ip[:total],
	}
	return a, a.parseTransport(ip[header:total])
}

func (a *arrival) parseTransport(b []byte) bool {
	switch a.proto {
	case protoTCP:
		if len(b) < tcpLen {
			return false
		}
		header := int(b[12]>>4) * 4
		if header < tcpLen || header > len(b) {
			return false
		}
		a.tcp = segment{
			sport: binary.BigEndian.Uint16(b), dport: binary.BigEndian.Uint16(b[2:]),
			seq: binary.BigEndian.Uint32(b[4:]), ack: binary.BigEndian.Uint32(b[8:]),
			flags: b[13],
		}
		a.payload = b[header:]
	case protoUDP:
		if len(b) < udpLen {
			return false
		}
		a.tcp = segment{sport: binary.BigEndian.Uint16(b), dport: binary.BigEndian.Uint16(b[2:])}
		a.payload = b[udpLen:]
	case protoICMP:
		if len(b) < icmpLen {
			return false
		}
		a.icmp = message{typ: b[0], code: b[1], id: binary.BigEndian.Uint16(b[4:]), seq: binary.BigEndian.Uint16(b[6:])}
		a.payload = b[icmpLen:]
	}
	return true
}

// appendTCP appends a whole frame with a TCP header and nothing after it.
func appendTCP(b []byte, p path, s segment) []byte {
	var options []byte
	if s.flags&flagSYN != 0 {
		options = []byte{2, 4, 1460 >> 8, 1460 & 255}
	}
	b = appendHeaders(b, p, protoTCP, tcpLen+len(options))
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, s.sport)
	b = binary.BigEndian.AppendUint16(b, s.dport)
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	window := uint16(65535)
	if s.flags&flagRST != 0 {
		window = 0
	}
	b = append(b, uint8(tcpLen+len(options))/4<<4, s.flags)
	b = binary.BigEndian.AppendUint16(b, window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	b = append(b, options...)
	binary.BigEndian.PutUint16(b[start+16:], transportChecksum(p, protoTCP, b[start:]))
	return b
}

// appendUDP appends a whole frame with a UDP datagram.
func appendUDP(b []byte, p path, sport, dport uint16, payload []byte) []byte {
	b = appendHeaders(b, p, protoUDP, udpLen+len(payload))
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint16(b, uint16(udpLen+len(payload)))
	b = append(b, 0, 0)
	b = append(b, payload...)
	sum := transportChecksum(p, protoUDP, b[start:])
	if sum == 0 {
		sum = 0xffff // zero means "no checksum" (RFC 768)
	}
	binary.BigEndian.PutUint16(b[start+6:], sum)
	return b
}

// appendICMP appends a whole frame with an ICMP message. The payload of an error is the packet it quotes.
func appendICMP(b []byte, p path, m message, payload []byte) []byte {
	b = appendHeaders(b, p, protoICMP, icmpLen+len(payload))
	start := len(b)
	b = append(b, m.typ, m.code, 0, 0)
	b = binary.BigEndian.AppendUint16(b, m.id)
	b = binary.BigEndian.AppendUint16(b, m.seq)
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[start+2:], fold(sum(0, b[start:])))
	return b
}

// appendHeaders appends the Ethernet and IPv4 headers of a packet with length bytes after them.
func appendHeaders(b []byte, p path, proto uint8, length int) []byte {
	b = append(b, p.toMAC[:]...)
	b = append(b, p.fromMAC[:]...)
	b = append(b, 0x08, 0x00)
	start := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipLen+length))
	b = append(b, 0, 0, 0x40, 0, 64, proto, 0, 0) // identification 0, don't fragment, TTL 64, checksum
	b = binary.BigEndian.AppendUint32(b, p.src)
	b = binary.BigEndian.AppendUint32(b, p.dst)
	binary.BigEndian.PutUint16(b[start+10:], fold(sum(0, b[start:])))
	return b
}

// appendTagged appends frame with the tags of VLANs between its addresses and its EtherType.
func appendTagged(b, frame []byte, vlans [2]uint16) []byte {
	const dot1Q, dot1AD, priority = 0x8100, 0x88a8, 3 << 13
	b = append(b, frame[:12]...)
	for i, id := range vlans {
		switch {
		case id == 0:
			continue
		case i == 0 && vlans[1] > 0:
			b = binary.BigEndian.AppendUint16(b, dot1AD)
		default:
			b = binary.BigEndian.AppendUint16(b, dot1Q)
		}
		b = binary.BigEndian.AppendUint16(b, priority|id)
	}
	return append(b, frame[12:]...)
}

// transportChecksum is the checksum over the pseudo header and segment, whose checksum field is zero (RFC 9293 section 3.1).
func transportChecksum(p path, proto uint8, segment []byte) uint16 {
	pseudo := uint64(p.src>>16) + uint64(p.src&0xffff) + uint64(p.dst>>16) + uint64(p.dst&0xffff)
	return fold(sum(pseudo+uint64(proto)+uint64(len(segment)), segment))
}

// sum adds the 16-bit words of b to s (RFC 1071).
func sum(s uint64, b []byte) uint64 {
	for len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
