package packet

import (
	"encoding/binary"
	"strings"
)

// TCPLen is the length of a TCP header without options, in bytes.
const TCPLen = 20

// TCPFlags are the control bits of a segment (RFC 9293 section 3.1).
type TCPFlags uint8

// The control bits.
const (
	FIN TCPFlags = 1 << iota // no more data from the sender
	SYN                      // synchronise sequence numbers
	RST                      // reset the connection
	PSH                      // push
	ACK                      // the acknowledgement number counts
	URG                      // the urgent pointer counts
	ECE                      // ECN echo (RFC 3168)
	CWR                      // congestion window reduced (RFC 3168)
)

// Has reports whether all bits of want are set.
func (f TCPFlags) Has(want TCPFlags) bool { return f&want == want }

// Any reports whether at least one bit of want is set.
func (f TCPFlags) Any(want TCPFlags) bool { return f&want != 0 }

// String returns the set bits, lowest first, such as "SYN|ACK", or "none".
func (f TCPFlags) String() string {
	names := [8]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}
	var set []string
	for i, name := range names {
		if f>>i&1 != 0 {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return "none"
	}
	return strings.Join(set, "|")
}

// TCP is a segment from its TCP header on (RFC 9293 section 3.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-------------------------------+
//	|          source port          |       destination port        |  0
//	+-------------------------------+-------------------------------+
//	|                        sequence number                        |  4
//	+---------------------------------------------------------------+
//	|                    acknowledgement number                     |  8
//	+-------+-------+---------------+-------------------------------+
//	|offset |       |     flags     |            window             | 12
//	+-------+-------+---------------+-------------------------------+
//	|           checksum            |        urgent pointer         | 16
//	+-------------------------------+-------------------------------+
//
// The ports and Seq need no more than the 8 bytes that an ICMP error must quote (RFC 792).
type TCP []byte

// SrcPort returns the source port.
func (b TCP) SrcPort() uint16 { return binary.BigEndian.Uint16(b[0:2]) }

// DstPort returns the destination port.
func (b TCP) DstPort() uint16 { return binary.BigEndian.Uint16(b[2:4]) }

// Seq returns the sequence number.
func (b TCP) Seq() uint32 { return binary.BigEndian.Uint32(b[4:8]) }

// Ack returns the acknowledgement number.
func (b TCP) Ack() uint32 { return binary.BigEndian.Uint32(b[8:12]) }

// HeaderLen returns the length of the header with its options, in bytes, as the header claims it.
func (b TCP) HeaderLen() int { return int(b[12]>>4) * 4 }

// Flags returns the control bits.
func (b TCP) Flags() TCPFlags { return TCPFlags(b[13]) }

// Window returns the window field, unscaled.
func (b TCP) Window() uint16 { return binary.BigEndian.Uint16(b[14:16]) }

// Checksum returns the checksum field.
func (b TCP) Checksum() uint16 { return binary.BigEndian.Uint16(b[16:18]) }

// Urgent returns the urgent pointer.
func (b TCP) Urgent() uint16 { return binary.BigEndian.Uint16(b[18:20]) }

// OptionBytes returns the bytes of the options as far as b reaches: none if the header claims fewer than 20 bytes.
func (b TCP) OptionBytes() []byte {
	end := min(b.HeaderLen(), len(b))
	if end <= TCPLen {
		return nil
	}
	return b[TCPLen:end:end]
}

// SetSrcPort sets the source port; the checksum is not touched.
func (b TCP) SetSrcPort(port uint16) { binary.BigEndian.PutUint16(b[0:2], port) }

// SetDstPort sets the destination port; the checksum is not touched.
func (b TCP) SetDstPort(port uint16) { binary.BigEndian.PutUint16(b[2:4], port) }

// SetSeq sets the sequence number; the checksum is not touched.
func (b TCP) SetSeq(seq uint32) { binary.BigEndian.PutUint32(b[4:8], seq) }

// SetAck sets the acknowledgement number; the checksum is not touched.
func (b TCP) SetAck(ack uint32) { binary.BigEndian.PutUint32(b[8:12], ack) }

// SetFlags sets the control bits; the checksum is not touched.
func (b TCP) SetFlags(f TCPFlags) { b[13] = uint8(f) }

// SetWindow sets the window field; the checksum is not touched.
func (b TCP) SetWindow(w uint16) { binary.BigEndian.PutUint16(b[14:16], w) }

// SetChecksum sets the checksum field.
func (b TCP) SetChecksum(sum uint16) { binary.BigEndian.PutUint16(b[16:18], sum) }

// FillChecksum computes the checksum of b, header and payload as they stand, and writes it; pseudo is the sum from
// [PseudoHeader].
func (b TCP) FillChecksum(pseudo Sum) {
	b.SetChecksum(0)
	b.SetChecksum(Checksum(b, pseudo))
}

// ChecksumOK reports whether the checksum of b, header and payload, is right; pseudo is the sum from [PseudoHeader].
func (b TCP) ChecksumOK(pseudo Sum) bool { return Checksum(b, pseudo) == 0 }

// BaseSum returns pseudo plus the sum of b, header and payload, without what [TCP.Patch] writes: ports, sequence number
// and checksum.
func (b TCP) BaseSum(pseudo Sum) Sum { return pseudo.Add(b[8:16]).Add(b[18:]) }

// Patch gives a template its ports, its sequence number and the checksum that follows from them and sum. That is the
// template's [TCP.BaseSum] plus whatever else of this packet was not in it, such as the destination address
// ([Sum.AddAddr]) or an acknowledgement number that was zero in the template ([Sum.Add32]).
func (b TCP) Patch(sum Sum, src, dst uint16, seq uint32) {
	b = b[:TCPLen]
	ports := uint32(src)<<16 | uint32(dst)
	binary.BigEndian.PutUint32(b[0:4], ports)
	binary.BigEndian.PutUint32(b[4:8], seq)
	binary.BigEndian.PutUint16(b[16:18], sum.Add32(ports).Add32(seq).Checksum())
}

// TCPFields is a TCP header to be written.
type TCPFields struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            TCPFlags
	Window, Urgent   uint16
	Options          []byte // at most 40 bytes; filled up with zeros to a multiple of 4
}

// Len returns the length of the header with its options, in bytes.
func (f TCPFields) Len() int { return TCPLen + (len(f.Options)+3)&^3 }

// Encode writes the header with a zero checksum to the first Len bytes of b, panics if there are fewer or the options are
// too long for a header, and returns b as a view.
func (f TCPFields) Encode(b []byte) TCP {
	n := f.Len()
	if n > 60 {
		panic("packet: more than 40 bytes of TCP options")
	}
	h := TCP(b)
	clear(h[:n])
	h.SetSrcPort(f.SrcPort)
	h.SetDstPort(f.DstPort)
	h.SetSeq(f.Seq)
	h.SetAck(f.Ack)
	h[12] = uint8(n/4) << 4
	h.SetFlags(f.Flags)
	h.SetWindow(f.Window)
	binary.BigEndian.PutUint16(h[18:20], f.Urgent)
	copy(h[TCPLen:n], f.Options)
	return h
}
