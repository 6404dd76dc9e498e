package oneshot

import (
	"net/netip"

	"github.com/zmap-go/zmap/packet"
)

// A segment is one to be sent, but for its data.
type segment struct {
	local, remote netip.AddrPort
	hop           packet.MAC
	seq, ack      uint32
	flags         packet.TCPFlags
	window        uint16
}

// A framer makes frames of segments. The sender owns it.
type framer struct {
	ether  bool
	source packet.MAC
	ttl    uint8
	id     uint16 // of the next IPv4 packet
}

// headers is the length of all headers of a frame to an address.
func (f *framer) headers(to netip.Addr) int {
	n := packet.TCPLen + packet.IPv6Len
	if to.Is4() {
		n = packet.TCPLen + packet.IPv4Len
	}
	if f.ether {
		n += packet.EthernetLen
	}
	return n
}

// frame writes s with n bytes of data from the place s.seq of a stretch to b, which is long enough, and returns the length.
func (f *framer) frame(b []byte, s *segment, data *stretch, n int) int {
	local, remote := s.local.Addr(), s.remote.Addr()
	length := f.headers(remote) + n
	b = b[:length]
	if f.ether {
		e := packet.EthernetFields{Dst: s.hop, Src: f.source, Type: packet.EtherTypeIPv6}
		if remote.Is4() {
			e.Type = packet.EtherTypeIPv4
		}
		e.Encode(b)
		b = b[packet.EthernetLen:]
	}
	if remote.Is4() {
		// A packet that may be fragmented needs a number of its own (RFC 6864).
		f.id++
		packet.IPv4Fields{TotalLen: len(b), ID: f.id, TTL: f.ttl, Proto: packet.ProtoTCP, Src: local, Dst: remote}.Encode(b)
		b = b[packet.IPv4Len:]
	} else {
		packet.IPv6Fields{PayloadLen: len(b) - packet.IPv6Len, NextHeader: packet.ProtoTCP, HopLimit: f.ttl, Src: local, Dst: remote}.Encode(b)
		b = b[packet.IPv6Len:]
	}
	t := packet.TCPFields{
		SrcPort: s.local.Port(), DstPort: s.remote.Port(), Seq: s.seq, Ack: s.ack, Flags: s.flags, Window: s.window,
	}.Encode(b)
	if n > 0 {
		data.read(s.seq, t[packet.TCPLen:])
	}
	t.FillChecksum(packet.PseudoHeader(local, remote, packet.ProtoTCP, len(t)))
	return length
}

// sound says whether the checksum of a received segment is right. A segment that never left this machine, or that the kernel
// made of several, may have no more than the sum of its pseudo header there, for hardware to go on from.
func sound(p *packet.Parsed) bool {
	if p.Truncated {
		return true // nobody can tell
	}
	pseudo := packet.PseudoHeader(p.Src, p.Dst, packet.ProtoTCP, len(p.TCP))
	return p.TCP.ChecksumOK(pseudo) || p.TCP.Checksum() == pseudo.Fold()
}

// hopOf returns the hardware address that a received frame came from; zero if it has none.
func hopOf(p *packet.Parsed) packet.MAC {
	if len(p.Frame) < packet.EthernetLen {
		return packet.MAC{}
	}
	e := packet.Ethernet(p.Frame)
	switch t := e.Type(); {
	case t == packet.EtherTypeIPv4 && p.Src.Is4(), t == packet.EtherTypeIPv6 && p.Src.Is6(), t == packet.EtherTypeVLAN, t == packet.EtherTypeSVLAN:
		return e.Src()
	}
	return packet.MAC{}
}
