package packet

import (
	"encoding/binary"
	"net/netip"
)

// minQuote is how much of the transport header a quotation must have: what every router sends (RFC 792: "the first 64
// bits of the original datagram's data"), enough for ports and a TCP sequence number or an ICMP identifier.
const minQuote = 8

// Quoted is the beginning of a packet inside another: the one that an ICMP error complains about. If we sent it, Src is
// our address and Dst the target's. All but Present counts only if Present is set.
type Quoted struct {
	Present          bool
	Proto            Proto
	TTL              uint8 // what was left of it where the packet ended
	IPID             uint16
	SrcPort, DstPort uint16 // TCP and UDP ports, 0 otherwise
	Src, Dst         netip.Addr
	L4               []byte // from the transport header on, as far as quoted: at least 8 bytes, a view
}

// Decode reads the packet that starts at b[0], of either IP version, sets all fields anew and returns q.Present.
//
// At least 8 bytes of the transport header must be there. That is less than a TCP header: of TCP(q.L4) the ports and Seq
// can be read then, no more. A quotation of a later fragment is not taken: no router may complain about one (RFC 1122
// section 3.2.2) and it would have no ports. The length field serves only to cut off what a router appended (RFC 4884),
// since hosts are known that mangle it.
func (q *Quoted) Decode(b []byte) bool {
	*q = Quoted{}
	switch {
	case len(b) >= IPv4Len && b[0]>>4 == 4:
		q.Present = q.decodeIPv4(b)
	case len(b) >= IPv6Len && b[0]>>4 == 6:
		q.Present = q.decodeIPv6(b)
	}
	if !q.Present {
		*q = Quoted{}
		return false
	}
	if q.Proto == ProtoTCP || q.Proto == ProtoUDP {
		q.SrcPort, q.DstPort = binary.BigEndian.Uint16(q.L4[0:2]), binary.BigEndian.Uint16(q.L4[2:4])
	}
	return true
}

func (q *Quoted) decodeIPv4(b []byte) bool {
	h := IPv4(b)
	n, total := h.HeaderLen(), h.TotalLen()
	if n < IPv4Len || len(b) < n+minQuote || h.Fragment() == LaterFragment {
		return false
	}
	if total >= n+minQuote && total < len(b) {
		b = b[:total]
	}
	q.Proto, q.TTL, q.IPID = h.Proto(), h.TTL(), h.ID()
	q.Src, q.Dst = h.Src(), h.Dst()
	q.L4 = b[n:]
	return true
}

func (q *Quoted) decodeIPv6(b []byte) bool {
	h := IPv6(b)
	src, srcOK := addr6(h[8:24])
	dst, dstOK := addr6(h[24:40])
	proto, l4, frag := skipExtensions(h.NextHeader(), b[IPv6Len:])
	if !srcOK || !dstOK || frag == LaterFragment || len(l4) < minQuote {
		return false
	}
	skipped := len(b) - len(l4)
	if total := IPv6Len + h.PayloadLen(); total >= skipped+minQuote && total < len(b) {
		l4 = l4[:total-skipped]
	}
	q.Proto, q.TTL = proto, h.HopLimit()
	q.Src, q.Dst = src, dst
	q.L4 = l4
	return true
}
