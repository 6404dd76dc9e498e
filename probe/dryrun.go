package probe

import (
	"encoding/binary"
	"fmt"
	"strconv"

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
		dst = appendPorts(append(dst, "tcp { source: "...), &p)
		dst = appendCount(append(dst, " | seq: "...), p.TCP.Seq())
		dst = appendSum(dst, p.TCP.Checksum())
	case packet.KindUDP:
		dst = appendPorts(append(dst, "udp { source: "...), &p)
		dst = appendSum(dst, p.UDP.Checksum())
	case packet.KindICMPv4, packet.KindICMPv6:
		dst = fmt.Appendf(dst, "icmp { type: %d | code: %d | checksum: %s | id: %d | seq: %d }\n",
			p.ICMP.Type(), p.ICMP.Code(), appendUpperHex(nil, p.ICMP.Checksum()), p.ICMP.Ident(), p.ICMP.Seq())
	case packet.KindIP, packet.KindNone:
	}
	if p.Src.Is4() {
		dst = p.Src.AppendTo(append(dst, "ip { saddr: "...))
		dst = p.Dst.AppendTo(append(dst, " | daddr: "...))
		dst = appendSum(dst, packet.IPv4(ip).Checksum())
	}
	if p.Src.Is6() {
		dst = p.Src.AppendTo(append(dst, "ip6 { saddr: "...))
		dst = p.Dst.AppendTo(append(dst, " | daddr: "...))
		dst = append(dst, " }\n"...)
	}
	if ether && len(frame) >= packet.EthernetLen {
		e := packet.Ethernet(frame)
		dst = e.Src().AppendTo(append(dst, "eth { shost: "...))
		dst = e.Dst().AppendTo(append(dst, " | dhost: "...))
		dst = append(dst, " }\n"...)
	}
	return append(dst, dashes...)
}

// appendPorts appends both ports, with what stands between them.
func appendPorts(dst []byte, p *packet.Parsed) []byte {
	dst = appendCount(dst, uint32(p.SrcPort))
	return appendCount(append(dst, " | dest: "...), uint32(p.DstPort))
}

func appendCount(dst []byte, n uint32) []byte { return strconv.AppendUint(dst, uint64(n), 10) }

// appendSum appends a checksum and the end of the line.
func appendSum(dst []byte, sum uint16) []byte {
	dst = appendUpperHex(append(dst, " | checksum: "...), sum)
	return append(dst, " }\n"...)
}

// Fast returns p with frames that are what --fast-dryrun writes of a probe, and nothing else: six bytes, the target's address
// and port in network order. A dry run is all that it is good for.
func Fast(p Probe) Probe { return fast{p} }

type fast struct{ Probe }

// fastLen is the length of a frame. IPv6 has no fast form: its frames are empty.
const fastLen = 6

// Describe returns what p does, but for the dry run's text, which is the frame itself.
func (f fast) Describe() Description {
	d := f.Probe.Describe()
	d.AppendDryRun = func(dst, frame []byte, _ bool) []byte { return append(dst, frame...) }
	return d
}

// NewEncoder returns an encoder for one sender.
func (f fast) NewEncoder(Route) Encoder { return fastEncoder{} }

type fastEncoder struct{}

// Template has nothing to write that is the same in all frames.
func (fastEncoder) Template(uint32, []byte) int { return fastLen }

// Patch writes address and port.
func (fastEncoder) Patch(frame []byte, s *Shot) int {
	if !s.Addr.Is4() {
		return 0
	}
	a := s.Addr.As4()
	frame = frame[:fastLen]
	copy(frame, a[:])
	binary.BigEndian.PutUint16(frame[4:], s.Port)
	return fastLen
}

// appendUpperHex appends a checksum as C's %#04X prints it: 0X and at least two upper-case digits, which makes the four
// characters, but 0000 for zero, which gets no prefix (printf(3), flag '#').
func appendUpperHex(dst []byte, v uint16) []byte {
	if v == 0 {
		return append(dst, "0000"...)
	}
	dst = append(dst, "0X"...)
	const digits = "0123456789ABCDEF"
	for shift := 12; shift >= 0; shift -= 4 {
		if v>>shift != 0 || shift == 4 {
			dst = append(dst, digits[v>>shift&15])
		}
	}
	return dst
}
