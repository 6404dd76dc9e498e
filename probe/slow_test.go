package probe

import (
	"crypto/aes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/zmap-go/zmap/validate"
)

// The twins of this file know the specification and nothing of the packages they check: fields are read at offsets, and a
// tag is AES of one block.

// slowTag is the block | source 4 | destination 4 | port 2 | zero 6 |, encrypted.
func slowTag(key validate.Key, src, dst []byte, port uint16) []byte {
	block := append(append([]byte(nil), src...), dst...)
	block = binary.BigEndian.AppendUint16(block, port)
	block = append(block, 0, 0, 0, 0, 0, 0)
	c, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	c.Encrypt(block, block)
	return block
}

// slowPort says whether port is a source port of one of the tries to the target of tag, among 32768 to 61000.
func slowPort(tag []byte, port uint16, tries int) bool {
	for try := range tries {
		if uint32(port) == 32768+(binary.LittleEndian.Uint32(tag[4:8])+uint32(try))%28233 {
			return true
		}
	}
	return false
}

// slowMatch says whether a frame carries the tag of a probe of the module called name, and which target was asked.
func slowMatch(name string, key validate.Key, tries int, frame []byte) (addr netip.Addr, port uint16, ok bool) {
	if slices.ContainsFunc(datagramCases(), func(c datagramCase) bool { return c.name == name }) {
		return slowDatagram(tries, frame)
	}
	at := 12
	for range 2 {
		if kind := slow16(frame, at); kind == 0x8100 || kind == 0x88a8 {
			at += 4
		}
	}
	if slow16(frame, at) != 0x0800 || len(frame) < at+2+20 {
		return addr, 0, false
	}
	ip := frame[at+2:]
	n := int(ip[0]&15) * 4
	if ip[0]>>4 != 4 || n < 20 || len(ip) < n+8 || slow16(ip, 6)&0x1fff != 0 { // the last: a later fragment
		return addr, 0, false
	}
	l4, us, them := ip[n:], ip[16:20], ip[12:16]
	switch {
	case ip[9] == 6 && len(l4) >= 20 && name[:3] == "tcp":
		port = slow16(l4, 0)
		tag := slowTag(key, us, them, port)
		return netip.AddrFrom4([4]byte(them)), port, slowPort(tag, slow16(l4, 2), tries) && slowSegment(name, tag, l4)
	case ip[9] == 1 && name[:4] == "icmp" && l4[0] == 0:
		tag := slowTag(key, us, them, 0)
		return netip.AddrFrom4([4]byte(them)), 0, slow16(l4, 4) == slow16(tag, 4) && slow16(l4, 6) == slow16(tag, 8)
	case ip[9] == 1 && (l4[0] >= 3 && l4[0] <= 5 || l4[0] == 11 || l4[0] == 12):
		return slowQuote(name, key, tries, l4[8:], us)
	case ip[9] == 17 && name == "ipip":
		port = slow16(l4, 2)
		return netip.AddrFrom4([4]byte(them)), port, slowPort(slowTag(key, us, them, port), slow16(l4, 0), tries)
	}
	return addr, 0, false
}

// slowSegment says whether a segment has the numbers and flags of an answer to a probe with that tag.
func slowSegment(name string, tag, l4 []byte) bool {
	rst, synAck := l4[13]&4 != 0, l4[13]&0x12 == 0x12
	ahead, repeated := slow32(l4, 8)-slow32(tag, 0), slow32(l4, 4)-slow32(tag, 8)
	if name == "tcp_synackscan" {
		return rst && (ahead == 1 || repeated <= 1) || synAck && ahead == 1
	}
	return rst && ahead <= 1 || synAck && ahead == 1
}

// slowQuote is slowMatch for the packet that an ICMP error to us quotes.
func slowQuote(name string, key validate.Key, tries int, ip, us []byte) (addr netip.Addr, port uint16, ok bool) {
	if len(ip) < 28 || ip[0]>>4 != 4 || string(ip[12:16]) != string(us) {
		return addr, 0, false
	}
	n := int(ip[0]&15) * 4
	if n < 20 || len(ip) < n+8 || slow16(ip, 6)&0x1fff != 0 {
		return addr, 0, false
	}
	l4, them := ip[n:], ip[16:20]
	addr = netip.AddrFrom4([4]byte(them))
	switch {
	case ip[9] == 6 && name[:3] == "tcp":
		port = slow16(l4, 2)
		tag := slowTag(key, us, them, port)
		return addr, port, slowPort(tag, slow16(l4, 0), tries) && slow32(l4, 4) == slow32(tag, 0)
	case ip[9] == 1 && name[:4] == "icmp":
		tag := slowTag(key, us, them, 0)
		return addr, 0, l4[0] == 8 && slow16(l4, 4) == slow16(tag, 4) && slow16(l4, 6) == slow16(tag, 8)
	case ip[9] == 4 && name == "ipip" && len(l4) >= 28 && l4[0]>>4 == 4 && l4[9] == 17:
		udp := l4[min(int(l4[0]&15)*4, len(l4)):]
		port = slow16(udp, 2)
		ok = len(udp) >= 8 && l4[0]&15 >= 5 && slow16(l4, 6)&0x1fff == 0 &&
			string(l4[12:16]) == string(them) && string(l4[16:20]) == string(us)
		return addr, port, ok && slowPort(slowTag(key, us, them, port), slow16(udp, 0), tries)
	}
	return addr, 0, false
}

func slow16(b []byte, at int) uint16 {
	if len(b) < at+2 {
		return 0
	}
	return uint16(b[at])<<8 | uint16(b[at+1])
}

func slow32(b []byte, at int) uint32 { return uint32(slow16(b, at))<<16 | uint32(slow16(b, at+2)) }
