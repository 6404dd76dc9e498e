// Package packet turns bytes into headers and back: Ethernet, ARP, IPv4, IPv6, TCP, UDP and ICMP as typed byte slices,
// the Internet checksum, and [Parsed], which takes a received frame apart.
//
// A header type is a view: it owns nothing, copies nothing, and reads and writes the bytes it was converted from. Network
// byte order stays inside: accessors and setters speak host-order integers and [net/netip.Addr].
//
// Receiving: decode into a Parsed that is used again for every frame, then look at what is there.
//
//	var p packet.Parsed
//	switch p.Decode(frame, packet.LinkEthernet) {
//	case packet.KindTCP:
//		fmt.Println(p.Src, p.SrcPort, p.TCP.Flags())
//	case packet.KindICMPv4, packet.KindICMPv6:
//		fmt.Println(p.Quoted.Present, p.Quoted.Dst)
//	}
//
// Sending: build a template once from the Fields types, keep the [Sum] of what stays the same, and for every probe write
// the few bytes that differ with Patch, which finishes the checksum from that sum.
//
//	ip := packet.IPv4Fields{TotalLen: 44, TTL: 255, Proto: packet.ProtoTCP, Src: src, Dst: dst}.Encode(frame[14:])
//	base := ip.BaseSum()
//	ip.Patch(base, id, dst)
//
// Accessors and setters index the bytes they need and panic, as any slice does, when the view is shorter than its header;
// the views that Decode hands out are long enough. The package neither reassembles fragments nor verifies checksums of
// what it decodes (captures of locally sent packets carry unfinished ones), and it knows no application protocol.
package packet
