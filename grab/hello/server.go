package hello

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/zmap-go/zmap/grab"
)

// Extension numbers (IANA, TLS ExtensionType values).
const (
	extServerName        = 0
	extStatusRequest     = 5
	extGroups            = 10
	extPoints            = 11
	extSignatures        = 13
	extALPN              = 16
	extHeartbeat         = 15
	extSCT               = 18
	extMasterSecret      = 23
	extTicket            = 35
	extSupportedVersions = 43
	extKeyShare          = 51
	extRenegotiation     = 0xff01
)

// retry is the Random of a HelloRetryRequest: SHA-256 of that word (RFC 8446 section 4.1.3).
var retry = []byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// A ServerHello is what a server chose (RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3), with its extensions in the order in
// which they came. It holds no bytes of its message.
type ServerHello struct {
	Legacy      uint16   // the field "version", which TLS 1.3 leaves at 1.2
	Version     uint16   // what was agreed: of the extension supported_versions, or Legacy
	Random      []byte   // 32 bytes
	SessionID   []byte   // at most 32 bytes
	Suite       uint16   // cipher suite
	Compression byte     // method; 0 is none
	Extensions  []uint16 // in order, doubles and all
	ALPN        string   // chosen; "" if none
	Group       uint16   // of the key share, TLS 1.3 only; 0 if none
	Retry       bool     // it is a HelloRetryRequest
	Heartbeat   byte     // mode of the heartbeat extension: 1 means that requests may be sent; 0 if there is none
	Ticket      bool     // session tickets are offered
	OCSP        bool     // a stapled answer follows
	Master      bool     // extended master secret
	Secure      bool     // secure renegotiation
	SCTs        [][]byte // signed certificate timestamps, as they came
}

// ParseServerHello reads the body of a ServerHello message. What is none wraps [grab.ErrProtocol]; extensions that contradict
// themselves are passed over.
func ParseServerHello(body []byte) (*ServerHello, error) {
	in := input{b: body}
	h := &ServerHello{Legacy: in.u16(), Random: bytes.Clone(in.take(32)), SessionID: bytes.Clone(in.take(int(in.u8())))}
	h.Suite, h.Compression = in.u16(), in.u8()
	h.Version = h.Legacy
	if in.short || h.Legacy>>8 != 3 || len(h.SessionID) > 32 {
		return nil, fmt.Errorf("server hello of %d bytes: %w", len(body), grab.ErrProtocol)
	}
	h.Retry = bytes.Equal(h.Random, retry)
	if len(in.b) == 0 { // SSL 3 and old TLS have no extensions
		return h, nil
	}
	all := input{b: in.take(int(in.u16()))}
	for len(all.b) > 0 {
		id := all.u16()
		data := all.take(int(all.u16()))
		if all.short {
			break
		}
		h.Extensions = append(h.Extensions, id)
		h.extension(id, input{b: data})
	}
	if in.short || all.short || len(in.b) > 0 {
		return nil, fmt.Errorf("extensions of server hello: %w", grab.ErrProtocol)
	}
	return h, nil
}

// extension takes what one extension says.
func (h *ServerHello) extension(id uint16, in input) {
	switch id {
	case extSupportedVersions:
		if v := in.u16(); !in.short {
			h.Version = v
		}
	case extKeyShare:
		h.Group = in.u16()
	case extALPN:
		in.u16()
		if name := in.take(int(in.u8())); !in.short {
			h.ALPN = string(name)
		}
	case extHeartbeat:
		h.Heartbeat = in.u8()
	case extTicket:
		h.Ticket = true
	case extStatusRequest:
		h.OCSP = true
	case extMasterSecret:
		h.Master = true
	case extRenegotiation:
		h.Secure = true
	case extSCT:
		list := input{b: in.take(int(in.u16()))}
		for len(list.b) > 0 {
			sct := list.take(int(list.u16()))
			if list.short {
				return
			}
			h.SCTs = append(h.SCTs, bytes.Clone(sct))
		}
	}
}

// JA3S returns the fingerprint of that name: MD5 over the decimal numbers of the field "version", of the suite, and of the
// extensions in their order (Salesforce, 2017).
func (h *ServerHello) JA3S() string {
	text := strconv.AppendUint(nil, uint64(h.Legacy), 10)
	text = append(text, ',')
	text = strconv.AppendUint(text, uint64(h.Suite), 10)
	for i, id := range h.Extensions {
		text = append(text, ",-"[min(i, 1)])
		text = strconv.AppendUint(text, uint64(id), 10)
	}
	if len(h.Extensions) == 0 {
		text = append(text, ',')
	}
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// An input is bytes that are taken from the front. What is not there reads as zeros and sets short.
type input struct {
	b     []byte
	short bool
}

func (in *input) take(n int) []byte {
	if n > len(in.b) {
		in.short, in.b = true, nil
		return nil
	}
	head := in.b[:n]
	in.b = in.b[n:]
	return head
}

func (in *input) u8() byte {
	if b := in.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (in *input) u16() uint16 {
	if b := in.take(2); b != nil {
		return be16(b)
	}
	return 0
}

func (in *input) u24() int {
	if b := in.take(3); b != nil {
		return be24(b)
	}
	return 0
}
