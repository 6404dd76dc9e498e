package packet_test

import (
	"fmt"
	"net/netip"

	"github.com/zmap-go/zmap/packet"
)

// A SYN built once as a template, patched for a target, and read back as its receiver would.
func Example() {
	src, dst := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.7")
	options := []byte{2, 4, 0x05, 0xb4} // maximum segment size 1460
	fields := packet.TCPFields{Flags: packet.SYN, Window: 65535, Options: options}

	frame := make([]byte, packet.EthernetLen+packet.IPv4Len+fields.Len())
	packet.EthernetFields{Type: packet.EtherTypeIPv4}.Encode(frame)
	ip := packet.IPv4Fields{
		TotalLen: packet.IPv4Len + fields.Len(), TTL: 255, Proto: packet.ProtoTCP, Src: src, Dst: netip.IPv4Unspecified(),
	}.Encode(frame[packet.EthernetLen:])
	tcp := fields.Encode(frame[packet.EthernetLen+packet.IPv4Len:])
	ipBase := ip.BaseSum()
	tcpBase := tcp.BaseSum(packet.PseudoHeader(src, netip.Addr{}, packet.ProtoTCP, fields.Len()))

	ip.Patch(ipBase, 54321, dst)
	tcp.Patch(tcpBase.AddAddr(dst), 40000, 443, 0x12345678)

	var p packet.Parsed
	fmt.Println(p.Decode(frame, packet.LinkEthernet), len(frame), "bytes")
	fmt.Println(p.Src, p.SrcPort, "to", p.Dst, p.DstPort, p.TCP.Flags(), p.TCP.Options().MSS)
	fmt.Println(ip.ChecksumOK(), tcp.ChecksumOK(packet.PseudoHeader(src, dst, packet.ProtoTCP, len(tcp))))
	// Output:
	// tcp 58 bytes
	// 192.0.2.2 40000 to 198.51.100.7 443 SYN 1460
	// true true
}
