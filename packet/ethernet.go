package packet

import (
	"encoding/binary"
	"fmt"
)

// EthernetLen is the length of an Ethernet header without VLAN tags, in bytes.
const EthernetLen = 14

// An EtherType says what an Ethernet frame carries (IANA, IEEE 802 numbers).
type EtherType uint16

// The EtherTypes this package knows.
const (
	EtherTypeIPv4  EtherType = 0x0800
	EtherTypeARP   EtherType = 0x0806
	EtherTypeVLAN  EtherType = 0x8100 // IEEE 802.1Q customer tag
	EtherTypeIPv6  EtherType = 0x86dd
	EtherTypeSVLAN EtherType = 0x88a8 // IEEE 802.1ad service tag
)

// A MAC is an Ethernet address. The zero value means "none".
type MAC [6]byte

// BroadcastMAC returns ff:ff:ff:ff:ff:ff.
func BroadcastMAC() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// ParseMAC reads the form aa:bb:cc:dd:ee:ff: exactly six groups of two hex digits in either case.
func ParseMAC(text string) (MAC, error) {
	var m MAC
	ok := len(text) == 17
	for i := 0; ok && i < len(m); i++ {
		hi, hiOK := hexDigit(text[3*i])
		lo, loOK := hexDigit(text[3*i+1])
		ok = hiOK && loOK && (i == len(m)-1 || text[3*i+2] == ':')
		m[i] = hi<<4 | lo
	}
	if !ok {
		return MAC{}, fmt.Errorf("read MAC address %q: want six groups of two hex digits, such as 00:1b:21:3c:4d:5e", text)
	}
	return m, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// String returns the form that [ParseMAC] reads, in lower case.
func (m MAC) String() string { return string(m.AppendTo(make([]byte, 0, 17))) }

// AppendTo appends m in the form of String to b.
func (m MAC) AppendTo(b []byte) []byte {
	const digits = "0123456789abcdef"
	for i, v := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[v>>4], digits[v&15])
	}
	return b
}

// IsZero reports whether m is 00:00:00:00:00:00.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsMulticast reports whether m names a group: a multicast address or broadcast.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// Ethernet is a frame from its Ethernet header on (IEEE 802.3, Ethernet II framing):
//
//	0            6            12    14
//	+------------+------------+-----+-----------
//	| destination| source     |type | payload ...
//	+------------+------------+-----+-----------
type Ethernet []byte

// Dst returns the destination address.
func (b Ethernet) Dst() MAC { return MAC(b[0:6]) }

// Src returns the source address.
func (b Ethernet) Src() MAC { return MAC(b[6:12]) }

// Type returns the EtherType; of a tagged frame that of the first tag.
func (b Ethernet) Type() EtherType { return EtherType(binary.BigEndian.Uint16(b[12:14])) }

// SetDst sets the destination address.
func (b Ethernet) SetDst(m MAC) { *(*MAC)(b[0:6]) = m }

// SetSrc sets the source address.
func (b Ethernet) SetSrc(m MAC) { *(*MAC)(b[6:12]) = m }

// SetType sets the EtherType.
func (b Ethernet) SetType(t EtherType) { binary.BigEndian.PutUint16(b[12:14], uint16(t)) }

// EthernetFields is an Ethernet header to be written.
type EthernetFields struct {
	Dst, Src MAC
	Type     EtherType
}

// Encode writes the header to the first 14 bytes of b, panics if there are fewer, and returns b as a view.
func (f EthernetFields) Encode(b []byte) Ethernet {
	e := Ethernet(b)
	e.SetType(f.Type)
	e.SetDst(f.Dst)
	e.SetSrc(f.Src)
	return e
}
