package packet

import "encoding/binary"

// UDPLen is the length of a UDP header, in bytes.
const UDPLen = 8

// UDP is a datagram from its UDP header on (RFC 768):
//
//	0             2             4             6             8
//	+-------------+-------------+-------------+-------------+---------
//	| source port |  dest port  |   length    |  checksum   | data ...
//	+-------------+-------------+-------------+-------------+---------
type UDP []byte

// SrcPort returns the source port.
func (b UDP) SrcPort() uint16 { return binary.BigEndian.Uint16(b[0:2]) }

// DstPort returns the destination port.
func (b UDP) DstPort() uint16 { return binary.BigEndian.Uint16(b[2:4]) }

// Length returns the length field: header and data, in bytes, as the header claims it.
func (b UDP) Length() int { return int(binary.BigEndian.Uint16(b[4:6])) }

// Checksum returns the checksum field; 0 means that the sender computed none.
func (b UDP) Checksum() uint16 { return binary.BigEndian.Uint16(b[6:8]) }

// SetSrcPort sets the source port; the checksum is not touched.
func (b UDP) SetSrcPort(port uint16) { binary.BigEndian.PutUint16(b[0:2], port) }

// SetDstPort sets the destination port; the checksum is not touched.
func (b UDP) SetDstPort(port uint16) { binary.BigEndian.PutUint16(b[2:4], port) }

// SetLength sets the length field; the checksum is not touched.
func (b UDP) SetLength(n int) { binary.BigEndian.PutUint16(b[4:6], uint16(n)) }

// SetChecksum sets the checksum field.
func (b UDP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(b[6:8], sum) }

// FillChecksum computes the checksum of b, header and data as they stand, and writes it; pseudo is the sum from
// [PseudoHeader].
func (b UDP) FillChecksum(pseudo Sum) {
	b.SetChecksum(0)
	b.SetChecksum(udpChecksum(pseudo.Add(b)))
}

// ChecksumOK reports whether the checksum of b, header and data, is right or absent; pseudo is the sum from
// [PseudoHeader].
func (b UDP) ChecksumOK(pseudo Sum) bool { return b.Checksum() == 0 || Checksum(b, pseudo) == 0 }

// BaseSum returns pseudo plus the sum of b, header and data, without what [UDP.Patch] writes: ports and checksum.
func (b UDP) BaseSum(pseudo Sum) Sum { return pseudo.Add(b[4:6]).Add(b[8:]) }

// Patch gives a template its ports and the checksum that follows from them and sum, which is the template's [UDP.BaseSum]
// plus whatever else of this packet was not in it, such as the destination address ([Sum.AddAddr]).
func (b UDP) Patch(sum Sum, src, dst uint16) {
	b = b[:UDPLen]
	ports := uint32(src)<<16 | uint32(dst)
	binary.BigEndian.PutUint32(b[0:4], ports)
	binary.BigEndian.PutUint16(b[6:8], udpChecksum(sum.Add32(ports)))
}

// udpChecksum is Sum.Checksum but for 0, which would say that there is none and is sent as its equal 0xffff (RFC 768).
func udpChecksum(s Sum) uint16 {
	if sum := s.Checksum(); sum != 0 {
		return sum
	}
	return 0xffff
}

// UDPFields is a UDP header to be written.
type UDPFields struct {
	SrcPort, DstPort uint16
	Length           int // header and data, in bytes
}

// Encode writes the header with a zero checksum (none, which IPv4 allows) to the first 8 bytes of b, panics if there are
// fewer, and returns b as a view.
func (f UDPFields) Encode(b []byte) UDP {
	h := UDP(b)
	h.SetChecksum(0)
	h.SetSrcPort(f.SrcPort)
	h.SetDstPort(f.DstPort)
	h.SetLength(f.Length)
	return h
}
