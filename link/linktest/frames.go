package linktest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// headersLen is the length of the headers of a datagram: Ethernet, IPv4, UDP.
const headersLen = etherLen + 20 + 8

// datagram returns a frame of length n, at least headersLen, with a UDP datagram to one of the ports of config. What is
// behind the headers comes from r. Checksums are zero: no engine looks at them.
func datagram(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	copy(b, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00")
	ip := b[etherLen:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], []byte{192, 0, 2, 1})
	copy(ip[16:], local().AsSlice())
	binary.BigEndian.PutUint16(ip[20:], 53)
	binary.BigEndian.PutUint16(ip[22:], uint16(40000+r.IntN(1000)))
	binary.BigEndian.PutUint16(ip[24:], uint16(len(ip)-20))
	for i := headersLen; i < n; i++ {
		b[i] = byte(r.Uint32())
	}
	return b
}

// strange returns a datagram with one thing changed, so that the filter of config may or may not want it.
func strange(r *rand.Rand) []byte {
	b := datagram(r, 90)
	ip := b[etherLen:]
	switch r.IntN(8) {
	case 0:
		copy(ip[16:], netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(4))}).AsSlice())
	case 1:
		binary.BigEndian.PutUint16(ip[22:], uint16(39999+1001*r.IntN(2)))
	case 2:
		ip[9] = []byte{1, 6, 17, 132}[r.IntN(4)]
	case 3:
		binary.BigEndian.PutUint16(ip[6:], []uint16{0x2000, 0x0001, 0x2001}[r.IntN(3)])
	case 4:
		ip[0] = 0x45 + byte(r.IntN(11)) // options, which move the ports to where random bytes are
	case 5:
		b[12], b[13] = 0x86, 0xdd
	}
	return b
}
