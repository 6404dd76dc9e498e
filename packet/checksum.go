package packet

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// A Sum is an Internet checksum in the making (RFC 1071): the sum of big-endian 16-bit words, not yet folded to 16 bits
// and not complemented. The zero value is the sum of nothing.
//
// Because 2^16 is 1 modulo 2^16-1, words of 32 bits may be added whole; because addition commutes, the parts of a packet
// may be added in any order as long as each starts at an even offset. That is what makes templates cheap: the sum of all
// bytes that never change is kept, and each packet adds its own few words and folds. A Sum holds 2^31 additions.
type Sum uint64

// Add adds the bytes b, which start at an even offset of the packet. A last odd byte counts as the high half of a word,
// so only the last part of a packet may be of odd length.
func (s Sum) Add(b []byte) Sum {
	// Words are added in little-endian order, eight bytes at a time, and the result is swapped once at the end: byte order
	// does not matter to a ones-complement sum but for that swap (RFC 1071 section 2.B).
	var sum, carry uint64
	for len(b) >= 32 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[0:8]), 0)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[8:16]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[16:24]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b[24:32]), carry)
		sum += carry
		b = b[32:]
	}
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(b), 0)
		sum += carry
		b = b[8:]
	}
	var tail uint64
	if len(b) >= 4 {
		tail = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		tail += uint64(binary.LittleEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		tail += uint64(b[0])
	}
	sum, carry = bits.Add64(sum, tail, 0)
	return s + Sum(bits.ReverseBytes16(Sum(sum+carry).Fold()))
}

// Add16 adds the word v.
func (s Sum) Add16(v uint16) Sum { return s + Sum(v) }

// Add32 adds the two words of v.
func (s Sum) Add32(v uint32) Sum { return s + Sum(v) }

// AddAddr adds the four or sixteen bytes of a. The zero Addr adds nothing.
func (s Sum) AddAddr(a netip.Addr) Sum {
	if a.Is4() {
		b := a.As4()
		return s + Sum(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return s + Sum(hi>>32) + Sum(uint32(hi)) + Sum(lo>>32) + Sum(uint32(lo))
}

// Fold returns the ones-complement sum of 16 bits, with every carry brought back, also those that bringing back a carry
// makes. It is 0 only if all that was added was 0.
func (s Sum) Fold() uint16 {
	s = s>>32 + s&0xffffffff // at most 0x1_ffff_fffe
	s = s>>16 + s&0xffff     // at most 0x2_fffe
	s = s>>16 + s&0xffff     // at most 0x1_0001
	s = s>>16 + s&0xffff     // at most 0xffff
	return uint16(s)
}

// Checksum returns the value for a checksum field: the complement of the folded sum.
func (s Sum) Checksum() uint16 { return ^s.Fold() }

// Checksum returns the Internet checksum of b, with initial added in: 0, or the sum of a pseudo header. A checksum field
// inside b must be zero to compute its value; with the value in place the result is 0.
func Checksum(b []byte, initial Sum) uint16 { return initial.Add(b).Checksum() }

// PseudoHeader returns the sum of the pseudo header that TCP and UDP (RFC 9293 section 3.1, RFC 768) and everything over
// IPv6 (RFC 8200 section 8.1) sum along with their own bytes; length is the number of bytes from the transport header on.
// A part that varies is left out by passing the zero Addr and added for each packet with [Sum.AddAddr].
func PseudoHeader(src, dst netip.Addr, proto Proto, length int) Sum {
	return Sum(proto).AddAddr(src).AddAddr(dst) + Sum(uint32(length))
}

// UpdateChecksum16 returns what becomes of the checksum field value sum when one aligned 16-bit word that it covers
// changes from one value to another (RFC 1624 equation 3).
func UpdateChecksum16(sum, from, to uint16) uint16 {
	return (Sum(^sum) + Sum(^from) + Sum(to)).Checksum()
}

// UpdateChecksum32 is [UpdateChecksum16] for a 32-bit quantity at an even offset, such as an IPv4 address, a sequence
// number or a pair of ports.
func UpdateChecksum32(sum uint16, from, to uint32) uint16 {
	return (Sum(^sum) + Sum(^from) + Sum(to)).Checksum()
}
