package hello

import (
	"fmt"

	"github.com/zmap-go/zmap/grab"
)

// MaxCertificates bounds those that are taken from one chain; the rest are passed over.
const MaxCertificates = 32

// ParseCertificates reads the body of a Certificate message of TLS 1.2 or older (RFC 5246 section 7.4.2): the DER of each, leaf
// first, which are parts of body. Those that came before the message broke off are returned with the error.
func ParseCertificates(body []byte) ([][]byte, error) {
	in := input{b: body}
	list := input{b: in.take(in.u24())}
	var all [][]byte
	for len(list.b) > 0 && len(all) < MaxCertificates {
		der := list.take(list.u24())
		if list.short {
			break
		}
		all = append(all, der)
	}
	if in.short || list.short || len(in.b) > 0 {
		return all, fmt.Errorf("certificate message of %d bytes: %w", len(body), grab.ErrProtocol)
	}
	return all, nil
}

// A KeyExchange is the start of a ServerKeyExchange message for elliptic curves (RFC 8422 section 5.4).
type KeyExchange struct {
	Group  uint16 // named curve
	Point  []byte // the server's public key, part of the message
	Scheme uint16 // of the signature, TLS 1.2 only; 0 in older versions
}

// ParseKeyExchange reads the body of a ServerKeyExchange message as that of a suite with ECDHE, in the given version.
func ParseKeyExchange(body []byte, version uint16) (KeyExchange, error) {
	in := input{b: body}
	kind := in.u8()
	k := KeyExchange{Group: in.u16(), Point: in.take(int(in.u8()))}
	if version == TLS12 {
		k.Scheme = in.u16()
	}
	if kind != 3 || in.short {
		return KeyExchange{}, fmt.Errorf("server key exchange of %d bytes: %w", len(body), grab.ErrProtocol)
	}
	return k, nil
}
