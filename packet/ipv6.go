package packet

import (
	"encoding/binary"
	"net/netip"
)

// IPv6Len is the length of the fixed IPv6 header, in bytes.
const IPv6Len = 40

// IPv6 is a packet from its IPv6 header on (RFC 8200 section 3):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+---------------+---------------------------------------+
//	|version| traffic class |              flow label               |  0
//	+-------+---------------+-------+---------------+---------------+
//	|        payload length         |  next header  |   hop limit   |  4
//	+-------------------------------+---------------+---------------+
//	|                    source address (16 bytes)                  |  8
//	+---------------------------------------------------------------+
//	|                 destination address (16 bytes)                | 24
//	+---------------------------------------------------------------+
type IPv6 []byte

// Version returns the version field, 6 in any sound packet.
func (b IPv6) Version() int { return int(b[0] >> 4) }

// TrafficClass returns the traffic class (DSCP and ECN).
func (b IPv6) TrafficClass() uint8 { return uint8(binary.BigEndian.Uint16(b[0:2]) >> 4) }

// FlowLabel returns the 20-bit flow label.
func (b IPv6) FlowLabel() uint32 { return binary.BigEndian.Uint32(b[0:4]) & 0xfffff }

// PayloadLen returns the number of bytes behind the fixed header, extension headers included, as the header claims it.
func (b IPv6) PayloadLen() int { return int(binary.BigEndian.Uint16(b[4:6])) }

// NextHeader returns the type of what follows the fixed header.
func (b IPv6) NextHeader() Proto { return Proto(b[6]) }

// HopLimit returns the hop limit.
func (b IPv6) HopLimit() uint8 { return b[7] }

// Src returns the source address.
func (b IPv6) Src() netip.Addr { return netip.AddrFrom16([16]byte(b[8:24])) }

// Dst returns the destination address.
func (b IPv6) Dst() netip.Addr { return netip.AddrFrom16([16]byte(b[24:40])) }

// SetPayloadLen sets the payload length.
func (b IPv6) SetPayloadLen(n int) { binary.BigEndian.PutUint16(b[4:6], uint16(n)) }

// SetHopLimit sets the hop limit.
func (b IPv6) SetHopLimit(n uint8) { b[7] = n }

// SetSrc sets the source address; a zone is dropped.
func (b IPv6) SetSrc(a netip.Addr) { *(*[16]byte)(b[8:24]) = a.As16() }

// SetDst sets the destination address; a zone is dropped. The header has no checksum, but the pseudo header of the
// transport protocol covers the address.
func (b IPv6) SetDst(a netip.Addr) { *(*[16]byte)(b[24:40]) = a.As16() }

// IPv6Fields is a fixed IPv6 header to be written.
type IPv6Fields struct {
	TrafficClass uint8
	FlowLabel    uint32 // 20 bits
	PayloadLen   int    // bytes behind the header
	NextHeader   Proto
	HopLimit     uint8
	Src, Dst     netip.Addr
}

// Encode writes the header to the first 40 bytes of b, panics if there are fewer, and returns b as a view.
func (f IPv6Fields) Encode(b []byte) IPv6 {
	h := IPv6(b)
	_ = h[:IPv6Len]
	binary.BigEndian.PutUint32(h[0:4], 6<<28|uint32(f.TrafficClass)<<20|f.FlowLabel&0xfffff)
	h.SetPayloadLen(f.PayloadLen)
	h[6] = uint8(f.NextHeader)
	h.SetHopLimit(f.HopLimit)
	h.SetSrc(f.Src)
	h.SetDst(f.Dst)
	return h
}
