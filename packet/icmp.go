package packet

import "encoding/binary"

// ICMPLen is the length of the header of every ICMP message this package looks into, in bytes: type, code, checksum and
// four bytes that depend on the type.
const ICMPLen = 8

// Types of ICMP messages (RFC 792; IANA, ICMP parameters).
const (
	ICMPv4EchoReply    uint8 = 0
	ICMPv4Unreachable  uint8 = 3
	ICMPv4SourceQuench uint8 = 4
	ICMPv4Redirect     uint8 = 5
	ICMPv4Echo         uint8 = 8
	ICMPv4TimeExceeded uint8 = 11
	ICMPv4ParamProblem uint8 = 12
)

// Types of ICMPv6 messages (RFC 4443, RFC 4861; IANA, ICMPv6 parameters).
const (
	ICMPv6Unreachable     uint8 = 1
	ICMPv6PacketTooBig    uint8 = 2
	ICMPv6TimeExceeded    uint8 = 3
	ICMPv6ParamProblem    uint8 = 4
	ICMPv6Echo            uint8 = 128
	ICMPv6EchoReply       uint8 = 129
	ICMPv6RouterSolicit   uint8 = 133
	ICMPv6RouterAdvert    uint8 = 134
	ICMPv6NeighborSolicit uint8 = 135
	ICMPv6NeighborAdvert  uint8 = 136
	ICMPv6Redirect        uint8 = 137
)

// ICMP is an ICMP or ICMPv6 message from its header on (RFC 792, RFC 4443 section 2.1); the two are laid out alike, but
// number their types differently:
//
//	0      1      2             4             6             8
//	+------+------+-------------+-------------+-------------+---------
//	| type | code |  checksum   | identifier  |  sequence   | data ...
//	+------+------+-------------+-------------+-------------+---------
type ICMP []byte

// Type returns the type, one of the ICMPv4 or of the ICMPv6 constants.
func (b ICMP) Type() uint8 { return b[0] }

// Code returns the code, which refines the type.
func (b ICMP) Code() uint8 { return b[1] }

// Checksum returns the checksum field.
func (b ICMP) Checksum() uint16 { return binary.BigEndian.Uint16(b[2:4]) }

// Ident returns the identifier of an echo or echo reply.
func (b ICMP) Ident() uint16 { return binary.BigEndian.Uint16(b[4:6]) }

// Seq returns the sequence number of an echo or echo reply.
func (b ICMP) Seq() uint16 { return binary.BigEndian.Uint16(b[6:8]) }

// SetIdent sets the identifier; the checksum is not touched.
func (b ICMP) SetIdent(id uint16) { binary.BigEndian.PutUint16(b[4:6], id) }

// SetSeq sets the sequence number; the checksum is not touched.
func (b ICMP) SetSeq(seq uint16) { binary.BigEndian.PutUint16(b[6:8], seq) }

// SetChecksum sets the checksum field.
func (b ICMP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(b[2:4], sum) }

// FillChecksum computes the checksum of the message b as it stands and writes it; pseudo is 0 for ICMP and the sum from
// [PseudoHeader] for ICMPv6.
func (b ICMP) FillChecksum(pseudo Sum) {
	b.SetChecksum(0)
	b.SetChecksum(Checksum(b, pseudo))
}

// ChecksumOK reports whether the checksum of the message b is right; pseudo is as in [ICMP.FillChecksum].
func (b ICMP) ChecksumOK(pseudo Sum) bool { return Checksum(b, pseudo) == 0 }

// BaseSum returns pseudo plus the sum of the message b without what [ICMP.Patch] writes: checksum, identifier and
// sequence number.
func (b ICMP) BaseSum(pseudo Sum) Sum { return pseudo.Add(b[0:2]).Add(b[8:]) }

// Patch gives a template its identifier, its sequence number and the checksum that follows from them and sum, which is
// the template's [ICMP.BaseSum] plus whatever else of this packet was not in it: for ICMPv6 the destination address.
func (b ICMP) Patch(sum Sum, id, seq uint16) {
	b = b[:ICMPLen]
	binary.BigEndian.PutUint16(b[4:6], id)
	binary.BigEndian.PutUint16(b[6:8], seq)
	binary.BigEndian.PutUint16(b[2:4], sum.Add16(id).Add16(seq).Checksum())
}

// ICMPFields is the header of an echo or echo reply to be written.
type ICMPFields struct {
	Type, Code uint8
	Ident, Seq uint16
}

// Encode writes the header with a zero checksum to the first 8 bytes of b, panics if there are fewer, and returns b as a
// view.
func (f ICMPFields) Encode(b []byte) ICMP {
	h := ICMP(b)
	h.SetSeq(f.Seq)
	h.SetIdent(f.Ident)
	h.SetChecksum(0)
	h[0], h[1] = f.Type, f.Code
	return h
}
