package linktest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// Lengths of headers: of IPv4, and of all before a datagram's data (Ethernet, IPv4, UDP).
const (
	ipLen      = 20
	headersLen = etherLen + ipLen + 8
)

// datagram returns a frame with a UDP datagram to one of the ports of config. What is behind the headers comes from r. Its
// length is n, at least headersLen, and less by the length of an Ethernet header for those that have none. The UDP checksum is
// zero: no engine looks at it.
func (su suite) datagram(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	copy(b, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00")
	ip := b[etherLen:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	copy(ip[12:], []byte{192, 0, 2, 1})
	copy(ip[16:], local().AsSlice())
	binary.BigEndian.PutUint16(ip[20:], 53)
	binary.BigEndian.PutUint16(ip[22:], uint16(40000+r.IntN(1000)))
	binary.BigEndian.PutUint16(ip[24:], uint16(len(ip)-ipLen))
	for i := headersLen; i < n; i++ {
		b[i] = byte(r.Uint32())
	}
	makeSound(ip)
	return b[etherLen-su.head:]
}

// cut returns the first n bytes of a datagram, in the same measure. As a packet it is sound, but for the length that UDP claims.
func (su suite) cut(frame []byte, n int) []byte {
	if su.head > 0 {
		return frame[:n]
	}
	b := append([]byte(nil), frame[:n-etherLen]...)
	makeSound(b)
	return b
}

// sendable says whether a random frame can be sent, and may change it for that: frames with tags are left to another test, for
// the kernel's program sees them without the first one, and packets must be sound.
func (su suite) sendable(frame []byte) bool {
	if su.head > 0 {
		return len(frame) > etherLen && binary.BigEndian.Uint16(frame[12:]) != TypeVLAN && binary.BigEndian.Uint16(frame[12:]) != TypeQinQ
	}
	switch {
	case len(frame) >= ipLen && frame[0]>>4 == 4:
		header := int(frame[0]&15) * 4
		if header < ipLen || header > len(frame) || binary.BigEndian.Uint32(frame[12:]) == 0 || frame[16] != 10 {
			return false
		}
		makeSound(frame)
		return true
	case len(frame) >= 40 && frame[0]>>4 == 6:
		return netip.MustParsePrefix("2001:db8::/32").Contains(netip.AddrFrom16([16]byte(frame[24:40])))
	}
	return false
}

// makeSound gives an IPv4 packet its length, an identification and a checksum.
func makeSound(ip []byte) {
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[4:], max(1, binary.BigEndian.Uint16(ip[4:])))
	binary.BigEndian.PutUint16(ip[10:], 0)
	sum := uint32(0)
	for i := 0; i < int(ip[0]&15)*4; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
}
