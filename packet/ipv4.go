package packet

import (
	"encoding/binary"
	"net/netip"
)

// IPv4Len is the length of an IPv4 header without options, in bytes.
const IPv4Len = 20

// IPv4 is a packet from its IPv4 header on (RFC 791 section 3.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+-------+---------------+-------------------------------+
//	|version|  IHL  |type of service|         total length          |  0
//	+-------+-------+---------------+-----+-------------------------+
//	|         identification        |flags|     fragment offset     |  4
//	+---------------+---------------+-----+-------------------------+
//	|  time to live |    protocol   |        header checksum        |  8
//	+---------------+---------------+-------------------------------+
//	|                        source address                         | 12
//	+---------------------------------------------------------------+
//	|                      destination address                      | 16
//	+---------------------------------------------------------------+
type IPv4 []byte

// Version returns the version field, 4 in any sound packet.
func (b IPv4) Version() int { return int(b[0] >> 4) }

// HeaderLen returns the length of the header with its options, in bytes, as the header claims it.
func (b IPv4) HeaderLen() int { return int(b[0]&15) * 4 }

// TOS returns the type of service byte (DSCP and ECN, RFC 2474, RFC 3168).
func (b IPv4) TOS() uint8 { return b[1] }

// TotalLen returns the length of the packet, header included, as the header claims it.
func (b IPv4) TotalLen() int { return int(binary.BigEndian.Uint16(b[2:4])) }

// ID returns the identification.
func (b IPv4) ID() uint16 { return binary.BigEndian.Uint16(b[4:6]) }

// DontFragment reports whether the DF flag is set.
func (b IPv4) DontFragment() bool { return b[6]&0x40 != 0 }

// MoreFragments reports whether the MF flag is set.
func (b IPv4) MoreFragments() bool { return b[6]&0x20 != 0 }

// FragmentOffset returns where in the whole packet's payload this fragment belongs, in bytes.
func (b IPv4) FragmentOffset() int { return int(binary.BigEndian.Uint16(b[6:8])&0x1fff) * 8 }

// Fragment says which piece of a larger packet this is, if it is one.
func (b IPv4) Fragment() Fragment {
	switch word := binary.BigEndian.Uint16(b[6:8]); {
	case word&0x1fff != 0:
		return LaterFragment
	case word&0x2000 != 0:
		return FirstFragment
	}
	return NotFragment
}

// TTL returns the time to live.
func (b IPv4) TTL() uint8 { return b[8] }

// Proto returns the protocol of the payload.
func (b IPv4) Proto() Proto { return Proto(b[9]) }

// Checksum returns the header checksum field.
func (b IPv4) Checksum() uint16 { return binary.BigEndian.Uint16(b[10:12]) }

// Src returns the source address.
func (b IPv4) Src() netip.Addr { return netip.AddrFrom4([4]byte(b[12:16])) }

// Dst returns the destination address.
func (b IPv4) Dst() netip.Addr { return netip.AddrFrom4([4]byte(b[16:20])) }

// SetTotalLen sets the total length; the checksum is not touched.
func (b IPv4) SetTotalLen(n int) { binary.BigEndian.PutUint16(b[2:4], uint16(n)) }

// SetID sets the identification; the checksum is not touched.
func (b IPv4) SetID(id uint16) { binary.BigEndian.PutUint16(b[4:6], id) }

// SetTTL sets the time to live; the checksum is not touched.
func (b IPv4) SetTTL(ttl uint8) { b[8] = ttl }

// SetChecksum sets the header checksum field.
func (b IPv4) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(b[10:12], sum) }

// SetSrc sets the source address, which must be IPv4; the checksum is not touched.
func (b IPv4) SetSrc(a netip.Addr) { *(*[4]byte)(b[12:16]) = a.As4() }

// SetDst sets the destination address, which must be IPv4; the checksum is not touched.
func (b IPv4) SetDst(a netip.Addr) { *(*[4]byte)(b[16:20]) = a.As4() }

// FillChecksum computes the checksum of the header as it stands and writes it.
func (b IPv4) FillChecksum() {
	b.SetChecksum(0)
	b.SetChecksum(Checksum(b[:b.HeaderLen()], 0))
}

// ChecksumOK reports whether the header checksum is right.
func (b IPv4) ChecksumOK() bool { return Checksum(b[:b.HeaderLen()], 0) == 0 }

// BaseSum returns the sum of the header without what [IPv4.Patch] writes: identification, destination and checksum.
func (b IPv4) BaseSum() Sum {
	return Sum(0).Add(b[0:4]).Add(b[6:10]).Add(b[12:16]).Add(b[20:b.HeaderLen()])
}

// Patch gives a template its identification, its destination (an IPv4 address) and the checksum that follows from them
// and base, the template's [IPv4.BaseSum].
func (b IPv4) Patch(base Sum, id uint16, dst netip.Addr) {
	b = b[:IPv4Len]
	a := dst.As4()
	word := binary.BigEndian.Uint32(a[:])
	binary.BigEndian.PutUint16(b[4:6], id)
	binary.BigEndian.PutUint16(b[10:12], base.Add16(id).Add32(word).Checksum())
	binary.BigEndian.PutUint32(b[16:20], word)
}

// IPv4Fields is an IPv4 header without options to be written. Src and Dst must be IPv4 addresses.
type IPv4Fields struct {
	TOS          uint8
	TotalLen     int // header and payload, in bytes
	ID           uint16
	DontFragment bool
	TTL          uint8
	Proto        Proto
	Src, Dst     netip.Addr
}

// Encode writes the header with its checksum to the first 20 bytes of b, panics if there are fewer, and returns b as a
// view.
func (f IPv4Fields) Encode(b []byte) IPv4 {
	h := IPv4(b)
	clear(h[:IPv4Len])
	h[0] = 4<<4 | IPv4Len/4
	h[1] = f.TOS
	h.SetTotalLen(f.TotalLen)
	h.SetID(f.ID)
	if f.DontFragment {
		h[6] = 0x40
	}
	h.SetTTL(f.TTL)
	h[9] = uint8(f.Proto)
	h.SetSrc(f.Src)
	h.SetDst(f.Dst)
	h.FillChecksum()
	return h
}
