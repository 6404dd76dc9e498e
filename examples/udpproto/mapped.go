package main

import (
	"encoding/binary"
	"net/netip"
)

// mapped returns the IPv4 address in the first XOR-MAPPED-ADDRESS of a message (RFC 8489 section 14.2). The message is as a stranger
// sent it: no length in it is believed.
func mapped(b []byte) (netip.AddrPort, bool) {
	for b = b[headerLen:]; len(b) >= 4; {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		value := b[4:]
		if n > len(value) {
			break
		}
		if kind == xorMapped && n == 8 && value[1] == 1 { // 1 is IPv4
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(value[4:])^cookie)
			return netip.AddrPortFrom(netip.AddrFrom4(a), binary.BigEndian.Uint16(value[2:])^cookie>>16), true
		}
		b = value[min((n+3)&^3, len(value)):] // values are padded to four bytes
	}
	return netip.AddrPort{}, false
}
