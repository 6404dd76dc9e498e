package packet

import (
	"encoding/binary"
	"net/netip"
)

// A Proto says what an IP packet carries (IANA, assigned Internet protocol numbers). In IPv6 extension headers are
// numbered in the same space.
type Proto uint8

// The protocols this package knows.
const (
	ProtoHopByHop    Proto = 0 // IPv6 hop-by-hop options
	ProtoICMP        Proto = 1
	ProtoIPIP        Proto = 4 // IPv4 in IP
	ProtoTCP         Proto = 6
	ProtoUDP         Proto = 17
	ProtoRouting     Proto = 43 // IPv6 routing header
	ProtoFragment    Proto = 44 // IPv6 fragment header
	ProtoICMPv6      Proto = 58
	ProtoDestOptions Proto = 60 // IPv6 destination options
)

// A Fragment says whether a packet is a piece of a larger one.
type Fragment uint8

// The kinds of fragments.
const (
	NotFragment   Fragment = iota // a whole packet
	FirstFragment                 // the first piece: it starts with the transport header
	LaterFragment                 // any other piece: what it starts with is not a header
)

// maxExtensions bounds the walk along IPv6 extension headers. RFC 8200 section 4.1 knows at most seven in one packet.
const maxExtensions = 8

// skipExtensions walks the IPv6 extension headers at the start of b, of which the first is of type proto, to the first
// thing that is not hop-by-hop options, routing, fragment or destination options (RFC 8200 section 4). It returns that
// thing's type and bytes. Where a header is cut short, or there are too many, it stops and returns that header's type.
func skipExtensions(proto Proto, b []byte) (Proto, []byte, Fragment) {
	frag := NotFragment
	for range maxExtensions {
		if proto != ProtoHopByHop && proto != ProtoRouting && proto != ProtoFragment && proto != ProtoDestOptions {
			break
		}
		if len(b) < 8 {
			break
		}
		n := 8
		if proto == ProtoFragment {
			word := binary.BigEndian.Uint16(b[2:4]) // offset in units of 8 bytes, two reserved bits, more-fragments
			if word&0xfff8 != 0 {
				return Proto(b[0]), b[8:], LaterFragment
			}
			if word&1 != 0 { // offset 0 and nothing more to come is a whole packet (RFC 6946)
				frag = FirstFragment
			}
		} else {
			n = (int(b[1]) + 1) * 8
		}
		if n > len(b) {
			break
		}
		proto, b = Proto(b[0]), b[n:]
	}
	return proto, b, frag
}

// addr6 returns the address in the first 16 bytes of b, and whether it may be on a wire at all: an IPv4-mapped one may
// not (RFC 4291 section 2.5.5.2 keeps them inside hosts), and let through it could pass for the IPv4 address.
func addr6(b []byte) (netip.Addr, bool) {
	a := netip.AddrFrom16([16]byte(b[:16]))
	return a, !a.Is4In6()
}
