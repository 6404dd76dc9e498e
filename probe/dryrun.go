package probe

import (
	"fmt"

	"github.com/zmap-go/zmap/packet"
)

// dashes end every frame of a dry run: exactly 54.
const dashes = "------------------------------------------------------\n"

// AppendDryRun appends to dst what --dryrun prints of a frame, in C ZMap's words: a line for the transport header, one for
// the IP header, one for the Ethernet header if there is one, and 54 dashes.
func AppendDryRun(dst, frame []byte, ether bool) []byte {
	var p packet.Parsed
	kind := packet.LinkIP
	ip := frame
	if ether {
		kind = packet.LinkEthernet
		ip = frame[min(packet.EthernetLen, len(frame)):]
	}
	switch p.Decode(frame, kind) {
	case packet.KindTCP:
		dst = fmt.Appendf(dst, "tcp { source: %d | dest: %d | seq: %d | checksum: %s }\n",
			p.SrcPort, p.DstPort, p.TCP.Seq(), upperHex(p.TCP.Checksum()))
	case packet.KindUDP:
		dst = fmt.Appendf(dst, "udp { source: %d | dest: %d | checksum: %s }\n", p.SrcPort, p.DstPort, upperHex(p.UDP.Checksum()))
	case packet.KindICMPv4, packet.KindICMPv6:
		dst = fmt.Appendf(dst, "icmp { type: %d | code: %d | checksum: %s | id: %d | seq: %d }\n",
			p.ICMP.Type(), p.ICMP.Code(), upperHex(p.ICMP.Checksum()), p.ICMP.Ident(), p.ICMP.Seq())
	case packet.KindIP, packet.KindNone:
	}
	if p.Src.Is4() {
		dst = fmt.Appendf(dst, "ip { saddr: %s | daddr: %s | checksum: %s }\n", p.Src, p.Dst, upperHex(packet.IPv4(ip).Checksum()))
	}
	if ether && len(frame) >= packet.EthernetLen {
		e := packet.Ethernet(frame)
		dst = fmt.Appendf(dst, "eth { shost: %s | dhost: %s }\n", e.Src(), e.Dst())
	}
	return append(dst, dashes...)
}

// AppendFast appends the six bytes that --fast-dryrun writes for a frame: destination address and port, both in network
// order.
func AppendFast(dst, frame []byte, ether bool) []byte {
	var p packet.Parsed
	kind := packet.LinkIP
	if ether {
		kind = packet.LinkEthernet
	}
	p.Decode(frame, kind)
	if !p.Dst.Is4() {
		return dst
	}
	a := p.Dst.As4()
	return append(dst, a[0], a[1], a[2], a[3], byte(p.DstPort>>8), byte(p.DstPort))
}

// upperHex prints a checksum as C's %#04X does: 0X and at least two upper-case digits, which makes the four characters, but
// 0000 for zero, which gets no prefix (printf(3), flag '#').
func upperHex(v uint16) string {
	if v == 0 {
		return "0000"
	}
	return fmt.Sprintf("0X%02X", v)
}
