package linktest

import (
	"encoding/binary"
	"math/rand/v2"
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
