package hello

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Versions as they stand on the wire.
const (
	SSL3  = 0x0300
	TLS10 = 0x0301
	TLS11 = 0x0302
	TLS12 = 0x0303
	TLS13 = 0x0304
)

// groupX25519 is the one group that a share of is sent for: any 32 bytes are a public key (RFC 7748 section 5).
const groupX25519 = 0x001d

// A Client says what a ClientHello offers (RFC 8446 section 4.1.2). Empty lists leave their extension out.
type Client struct {
	Min, Max   uint16   // versions; both required. SSL3 as Max leaves all extensions out.
	Suites     []uint16 // cipher suites, best first
	Groups     []uint16 // for key exchange, best first
	Signatures []uint16 // signature schemes, best first
	ALPN       []string // protocols, best first; those that do not fit are left out
	Name       string   // for server_name; "" or an address: none (RFC 6066 section 3)
	Heartbeat  bool     // offers to be asked (RFC 6520 section 2), without which a server may not be; not with TLS 1.3
	Retried    bool     // send no key share, so that a server that wants to go on must ask for one
}

// Append appends one record with the ClientHello to b. Random and, for TLS 1.3, session ID and key share are read from random:
// the same bytes there make the same hello. It fails only if random does, or if lists are too long for their fields.
func (c *Client) Append(b []byte, random io.Reader) ([]byte, error) {
	var fresh [96]byte
	use := fresh[:32]
	if c.Max >= TLS13 {
		use = fresh[:]
	}
	if _, err := io.ReadFull(random, use); err != nil {
		return nil, fmt.Errorf("read random: %w", err)
	}
	legacy := min(c.Max, TLS12)
	start := len(b)
	b = append(b, RecordHandshake, 3, byte(min(legacy, TLS10)), 0, 0, TypeClientHello, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, legacy)
	b = append(b, fresh[:32]...)
	if c.Max >= TLS13 { // middleboxes want one (RFC 8446 appendix D.4)
		b = append(b, 32)
		b = append(b, fresh[32:64]...)
	} else {
		b = append(b, 0)
	}
	b = prefixed16(b, func(b []byte) []byte { return append16(b, c.Suites) })
	b = append(b, 1, 0) // no compression
	if c.Max > SSL3 {
		b = prefixed16(b, func(b []byte) []byte { return c.extensions(b, fresh[64:]) })
	}
	n := len(b) - start
	if n-5 > 1<<14 {
		return nil, fmt.Errorf("client hello of %d bytes does not fit a record", n)
	}
	binary.BigEndian.PutUint16(b[start+3:], uint16(n-5))
	b[start+7], b[start+8] = byte((n-9)>>8), byte(n-9)
	return b, nil
}

// SNI returns the name as it may be sent: without a dot at the end, and none at all for addresses.
func SNI(name string) string {
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return ""
	}
	return strings.TrimSuffix(name, ".")
}

func (c *Client) extensions(b, share []byte) []byte {
	ext := func(id uint16, body func(b []byte) []byte) {
		b = binary.BigEndian.AppendUint16(b, id)
		b = prefixed16(b, body)
	}
	list := func(id uint16, values []uint16) {
		if len(values) > 0 {
			ext(id, func(b []byte) []byte { return prefixed16(b, func(b []byte) []byte { return append16(b, values) }) })
		}
	}
	if name := SNI(c.Name); name != "" && len(name) < 256 {
		ext(extServerName, func(b []byte) []byte {
			return prefixed16(b, func(b []byte) []byte {
				b = append(b, 0) // host_name
				return prefixed16(b, func(b []byte) []byte { return append(b, name...) })
			})
		})
	}
	ext(extRenegotiation, func(b []byte) []byte { return append(b, 0) })
	list(extGroups, c.Groups)
	if len(c.Groups) > 0 {
		ext(extPoints, func(b []byte) []byte { return append(b, 1, 0) })
	}
	list(extSignatures, c.Signatures)
	if len(c.ALPN) > 0 {
		ext(extALPN, func(b []byte) []byte { return prefixed16(b, c.protocols) })
	}
	if c.Heartbeat && c.Max < TLS13 {
		ext(extHeartbeat, func(b []byte) []byte { return append(b, 1) }) // peer_allowed_to_send
	}
	if c.Max >= TLS13 {
		ext(extSupportedVersions, c.versions)
		ext(extKeyShare, func(b []byte) []byte {
			return prefixed16(b, func(b []byte) []byte {
				if c.Retried {
					return b
				}
				b = binary.BigEndian.AppendUint16(b, groupX25519)
				return prefixed16(b, func(b []byte) []byte { return append(b, share[:32]...) })
			})
		})
	}
	return b
}

func (c *Client) protocols(b []byte) []byte {
	for _, p := range c.ALPN {
		if p != "" && len(p) < 256 { // RFC 7301 section 3.1
			b = append(append(b, byte(len(p))), p...)
		}
	}
	return b
}

// versions lists what is offered, best first.
func (c *Client) versions(b []byte) []byte {
	at := len(b)
	b = append(b, 0)
	for v := c.Max; v >= max(c.Min, TLS10); v-- {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	b[at] = byte(len(b) - at - 1)
	return b
}

// prefixed16 appends what body appends, with its length before it in two bytes.
func prefixed16(b []byte, body func(b []byte) []byte) []byte {
	at := len(b)
	b = body(append(b, 0, 0))
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2)) // Append refuses hellos in which this does not fit
	return b
}

func append16(b []byte, values []uint16) []byte {
	b = slices.Grow(b, 2*len(values))
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}
