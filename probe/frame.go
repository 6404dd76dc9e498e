package probe

import (
	"github.com/zmap-go/zmap/packet"
)

// An envelope writes and patches what every probe over IPv4 has in front of its transport header: the Ethernet header, if
// the link has one, and the IPv4 header. It is part of an encoder and owned by the same sender.
type envelope struct {
	route Route
	ip    int        // where the IPv4 header starts
	l4    int        // where the transport header starts
	base  packet.Sum // sum of the IPv4 header without identification, addresses and checksum
}

// newEnvelope returns an envelope for frames that take route.
func newEnvelope(route Route) envelope {
	e := envelope{route: route}
	if route.Ether {
		e.ip = packet.EthernetLen
	}
	e.l4 = e.ip + packet.IPv4Len
	return e
}

// template writes both headers, for n bytes of protocol proto behind them, and returns the bytes for those n.
func (e *envelope) template(frame []byte, proto packet.Proto, n int) []byte {
	if e.route.Ether {
		f := packet.EthernetFields{Src: e.route.SourceMAC, Dst: e.route.Hops[0], Type: packet.EtherTypeIPv4}
		f.Encode(frame)
	}
	zero := ipv4Zero()
	h := packet.IPv4Fields{TotalLen: packet.IPv4Len + n, TTL: e.route.TTL, Proto: proto, Src: zero, Dst: zero}.Encode(frame[e.ip:])
	h.SetChecksum(0)
	e.base = packet.Sum(0).Add(h[:packet.IPv4Len])
	return frame[e.l4 : e.l4+n : e.l4+n]
}

// patch completes the headers for one probe and returns the transport header's bytes with the sum of both addresses,
// which the pseudo header of TCP and UDP needs.
func (e *envelope) patch(frame []byte, s *Shot) ([]byte, packet.Sum) {
	if e.route.Ether && len(e.route.Hops) > 1 {
		packet.Ethernet(frame).SetDst(e.route.Hops[s.Hop])
	}
	h := packet.IPv4(frame[e.ip:e.l4:e.l4])
	h.SetID(s.Tag.IPID())
	h.SetSrc(s.Src)
	h.SetDst(s.Addr)
	addrs := packet.Sum(0).AddAddr(s.Src).AddAddr(s.Addr)
	h.SetChecksum((e.base + addrs).Add16(s.Tag.IPID()).Checksum())
	return frame[e.l4:], addrs
}
