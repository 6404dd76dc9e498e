package probe

import (
	"net/netip"

	"github.com/zmap-go/zmap/packet"
)

// An Envelope writes and patches what every probe has in front of its transport header: the Ethernet header, if the link has one, and the
// header of IPv4 or, if the route says so, IPv6.
//
//	|<- Ether only ->|
//	+----------------+-------------+---------------------------+
//	| Ethernet    14 | IPv4     20 | the module's own n bytes  |
//	|                | IPv6     40 |                           |
//	+----------------+-------------+---------------------------+
//	|<--------------------- Envelope.FrameLen ---------------->|
//
// It is part of an [Encoder] and owned by the same sender.
type Envelope struct {
	route Route
	ip    int        // where the IP header starts
	l4    int        // where the transport header starts
	end   int        // where the frame ends; 0 before Template
	base  packet.Sum // sum of the IPv4 header without identification, addresses and checksum
	src   netip.Addr // of the last probe, which is the same for many in a row
	from  packet.Sum // its sum
}

// NewEnvelope returns an envelope for frames that take route r.
func NewEnvelope(r Route) Envelope {
	e := Envelope{route: r}
	if r.Ether {
		e.ip = packet.EthernetLen
	}
	e.l4 = e.ip + packet.IPv4Len
	if r.IPv6 {
		e.l4 = e.ip + packet.IPv6Len
	}
	return e
}

// Template writes both headers, for n bytes of protocol proto behind them, and returns the frame's part for those n, which
// is the caller's to write. It panics if frame is too short for all that.
func (e *Envelope) Template(frame []byte, proto packet.Proto, n int) []byte {
	if e.route.Ether {
		f := packet.EthernetFields{Src: e.route.SourceMAC, Dst: e.route.Hops[0], Type: packet.EtherTypeIPv4}
		if e.route.IPv6 {
			f.Type = packet.EtherTypeIPv6
		}
		f.Encode(frame)
	}
	e.end = e.l4 + n
	if e.route.IPv6 {
		packet.IPv6Fields{PayloadLen: n, NextHeader: proto, HopLimit: e.route.TTL}.Encode(frame[e.ip:e.l4])
		return frame[e.l4:e.end:e.end]
	}
	none := netip.IPv4Unspecified()
	h := packet.IPv4Fields{TotalLen: packet.IPv4Len + n, TTL: e.route.TTL, Proto: proto, Src: none, Dst: none}.Encode(frame[e.ip:])
	h.SetChecksum(0)
	e.base = packet.Sum(0).Add(h[:packet.IPv4Len])
	return frame[e.l4:e.end:e.end]
}

// Patch completes the headers for one probe, in a frame that Template wrote. It returns the bytes behind them and the sum of
// both addresses, which the pseudo header of TCP, UDP and ICMPv6 needs: a template's sum over [packet.PseudoHeader] of two zero
// addresses plus this one is the sum for the probe. It does not allocate.
func (e *Envelope) Patch(frame []byte, s *Shot) ([]byte, packet.Sum) {
	if e.route.Ether && len(e.route.Hops) > 1 {
		packet.Ethernet(frame).SetDst(e.route.Hops[s.Hop])
	}
	if s.Src != e.src {
		e.src, e.from = s.Src, packet.Sum(0).AddAddr(s.Src)
	}
	addrs := e.from.AddAddr(s.Addr)
	if e.route.IPv6 {
		h := packet.IPv6(frame[e.ip:e.l4:e.l4])
		h.SetSrc(s.Src)
		h.SetDst(s.Addr)
		return frame[e.l4:e.end:e.end], addrs
	}
	h := packet.IPv4(frame[e.ip:e.l4:e.l4])
	h.SetID(s.Tag.IPID())
	h.SetSrc(s.Src)
	h.SetDst(s.Addr)
	h.SetChecksum((e.base + addrs).Add16(s.Tag.IPID()).Checksum())
	return frame[e.l4:e.end:e.end], addrs
}

// FrameLen returns the length of the frame that Template began, with all headers, in bytes.
func (e *Envelope) FrameLen() int { return e.end }
