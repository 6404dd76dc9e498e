package packet

import (
	"encoding/binary"
	"net/netip"
)

// NeighborSolicitLen is the length of the frame that [NeighborSolicit.EncodeFrame] writes, in bytes.
const NeighborSolicitLen = EthernetLen + IPv6Len + ndpLen + 8

// ndpLen is the length of a Neighbor Solicitation or Advertisement without options (RFC 4861 sections 4.3 and 4.4).
const ndpLen = 24

// Options of Neighbor Discovery (RFC 4861 section 4.6.1), and the flag that says that an advertisement answers a solicitation.
const (
	ndpSourceLink = 1
	ndpTargetLink = 2
	ndpSolicited  = 0x40
	ndpHopLimit   = 255 // which no router lets through: the sender is on the link (RFC 4861 section 3.1)
)

// A NeighborSolicit asks who on the link has an address (RFC 4861 section 4.3).
type NeighborSolicit struct {
	SenderMAC MAC
	SenderIP  netip.Addr // of IPv6, on that interface
	TargetIP  netip.Addr // of IPv6
}

// EncodeFrame writes the frame to the first [NeighborSolicitLen] bytes of b, panics if there are fewer, and returns that length. It goes to
// the solicited-node multicast address of the target (RFC 4291 section 2.7.1, RFC 2464 section 7).
func (s NeighborSolicit) EncodeFrame(b []byte) int {
	t := s.TargetIP.As16()
	group := [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: t[13], 14: t[14], 15: t[15]}
	dst := netip.AddrFrom16(group)
	EthernetFields{Src: s.SenderMAC, Dst: MAC{0x33, 0x33, 0xff, t[13], t[14], t[15]}, Type: EtherTypeIPv6}.Encode(b)
	n := ndpLen + 8
	IPv6Fields{PayloadLen: n, NextHeader: ProtoICMPv6, HopLimit: ndpHopLimit, Src: s.SenderIP, Dst: dst}.Encode(b[EthernetLen:])
	m := ICMP(b[EthernetLen+IPv6Len : NeighborSolicitLen])
	ICMPFields{Type: ICMPv6NeighborSolicit}.Encode(m)
	copy(m[8:24], t[:])
	m[24], m[25] = ndpSourceLink, 1
	copy(m[26:32], s.SenderMAC[:])
	m.FillChecksum(PseudoHeader(s.SenderIP, dst, ProtoICMPv6, n))
	return NeighborSolicitLen
}

// A NeighborAdvert says which hardware address somebody on the link has (RFC 4861 section 4.4).
type NeighborAdvert struct {
	Dst       netip.Addr // whom it was sent to
	DstMAC    MAC        // in the Ethernet header
	TargetIP  netip.Addr
	TargetMAC MAC  // of the option, or else of the Ethernet header
	Solicited bool // it answers a solicitation
}

// ParseNeighborAdvert reads a frame, and says whether it is an advertisement that RFC 4861 section 7.1.2 lets a host believe: it came from the
// link itself and its checksum is right. Any bytes will do.
func ParseNeighborAdvert(frame []byte) (NeighborAdvert, bool) {
	none := NeighborAdvert{}
	if len(frame) < EthernetLen+IPv6Len+ndpLen || EtherType(binary.BigEndian.Uint16(frame[12:14])) != EtherTypeIPv6 {
		return none, false
	}
	ip := IPv6(frame[EthernetLen:])
	n := ip.PayloadLen()
	if ip.Version() != 6 || ip.NextHeader() != ProtoICMPv6 || ip.HopLimit() != ndpHopLimit || n < ndpLen || n > len(ip)-IPv6Len {
		return none, false
	}
	m := ICMP(ip[IPv6Len : IPv6Len+n])
	if m.Type() != ICMPv6NeighborAdvert || m.Code() != 0 || !m.ChecksumOK(PseudoHeader(ip.Src(), ip.Dst(), ProtoICMPv6, n)) {
		return none, false
	}
	a := NeighborAdvert{
		Dst: ip.Dst(), DstMAC: Ethernet(frame).Dst(), TargetIP: netip.AddrFrom16([16]byte(m[8:24])),
		TargetMAC: Ethernet(frame).Src(), Solicited: m[4]&ndpSolicited != 0,
	}
	for options := m[ndpLen:]; len(options) > 0; {
		size := 0
		if len(options) >= 8 {
			size = 8 * int(options[1])
		}
		if size == 0 || size > len(options) {
			return none, false
		}
		if options[0] == ndpTargetLink {
			a.TargetMAC = MAC(options[2:8])
		}
		options = options[size:]
	}
	return a, true
}
