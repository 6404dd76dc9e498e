package packet

import "encoding/binary"

// A TCPOptionKind is the first byte of a TCP option (IANA, TCP option kind numbers).
type TCPOptionKind uint8

// The option kinds this package knows.
const (
	TCPOptionEnd           TCPOptionKind = 0 // one byte
	TCPOptionNOP           TCPOptionKind = 1 // one byte
	TCPOptionMSS           TCPOptionKind = 2 // 4 bytes (RFC 9293 section 3.7.1)
	TCPOptionWindowScale   TCPOptionKind = 3 // 3 bytes (RFC 7323 section 2.2)
	TCPOptionSACKPermitted TCPOptionKind = 4 // 2 bytes (RFC 2018 section 2)
	TCPOptionTimestamps    TCPOptionKind = 8 // 10 bytes (RFC 7323 section 3.2)
)

// wantLen returns the only right length of an option of kind k, kind and length bytes included; 0 if any will do.
func (k TCPOptionKind) wantLen() int {
	switch k {
	case TCPOptionMSS:
		return 4
	case TCPOptionWindowScale:
		return 3
	case TCPOptionSACKPermitted:
		return 2
	case TCPOptionTimestamps:
		return 10
	default:
		return 0
	}
}

// A TCPOption is one option: its kind and the bytes behind its length byte, a view.
type TCPOption struct {
	Kind TCPOptionKind
	Data []byte
}

// NextTCPOption returns the first option of b that is not padding, and the bytes behind it. It returns false at the end
// and at the first malformed option: one that is shorter than 2 bytes, reaches beyond b, or has the wrong length for its
// kind (maximum segment size, window scale, SACK permitted and timestamps have one length only).
//
// End-of-options does not end the list: it is passed over like NOP, as zmap always did, because some hosts go on behind it.
func NextTCPOption(b []byte) (o TCPOption, rest []byte, ok bool) {
	for len(b) > 0 && (TCPOptionKind(b[0]) == TCPOptionEnd || TCPOptionKind(b[0]) == TCPOptionNOP) {
		b = b[1:]
	}
	if len(b) < 2 {
		return TCPOption{}, nil, false
	}
	kind, n := TCPOptionKind(b[0]), int(b[1])
	want := kind.wantLen()
	if n < 2 || n > len(b) || want != 0 && n != want {
		return TCPOption{}, nil, false
	}
	return TCPOption{Kind: kind, Data: b[2:n:n]}, b[n:], true
}

// TCPOptions are the options that say something about a host. Each value counts only if its Has field is set.
type TCPOptions struct {
	MSS           uint16 // maximum segment size
	WScale        uint8  // window scale as a shift: the factor is 1<<WScale
	TSVal, TSEcr  uint32 // timestamp value, and echo reply
	HasMSS        bool
	HasWScale     bool
	HasTimestamps bool
	SACKPermitted bool
}

// ParseTCPOptions reads the options b of a segment, as [TCP.OptionBytes] gives them, up to the first malformed one (see
// [NextTCPOption]). Of an option that comes twice the last counts.
func ParseTCPOptions(b []byte) TCPOptions {
	var t TCPOptions
	for {
		o, rest, ok := NextTCPOption(b)
		if !ok {
			return t
		}
		switch o.Kind {
		case TCPOptionMSS:
			t.MSS, t.HasMSS = binary.BigEndian.Uint16(o.Data), true
		case TCPOptionWindowScale:
			t.WScale, t.HasWScale = o.Data[0], true
		case TCPOptionSACKPermitted:
			t.SACKPermitted = true
		case TCPOptionTimestamps:
			t.TSVal, t.TSEcr = binary.BigEndian.Uint32(o.Data[0:4]), binary.BigEndian.Uint32(o.Data[4:8])
			t.HasTimestamps = true
		default: // says nothing about a host
		}
		b = rest
	}
}

// Options reads the options of the segment; see [ParseTCPOptions].
func (b TCP) Options() TCPOptions { return ParseTCPOptions(b.OptionBytes()) }
