package service

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// maxTapped is how much of a handshake is kept for a look at what crypto/tls does not tell: a first flight is seldom longer.
const maxTapped = 20 << 10

// A tap keeps a copy of what is read through it, up to maxTapped, while it is on. It has one reader.
type tap struct {
	net.Conn
	bytes []byte
	on    bool
}

// Read reads, and keeps a copy.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if t.on {
		t.bytes = append(t.bytes, b[:min(n, maxTapped-len(t.bytes))]...)
	}
	return n, err
}

// A flight is what a server said before anything was encrypted.
type flight struct {
	hello            *hello.ServerHello // nil if none came
	chain            [][]byte           // TLS 1.2 and older
	exchange         *KeyExchangeLog    // TLS 1.2 and older, elliptic curves
	prime            int                // bytes of the prime of a key exchange without elliptic curves; 0 with them
	wantsCertificate bool               // TLS 1.2 and older
	warnings         []hello.Alert
	alert            *hello.Alert // the one that ended it
}

// parseFlight reads a server's first flight as far as it is in the clear and in b.
func parseFlight(b []byte) flight {
	var f flight
	_ = f.read(hello.NewReader(bytes.NewReader(b)), hello.TypeServerHelloDone) // how it ends is for crypto/tls to say
	return f
}

// read takes messages until one of the type until, or until the server waits or what follows is encrypted; it returns what ended it too soon, which
// is io.EOF or the like for a flight that was cut off.
func (f *flight) read(in *hello.Reader, until byte) error {
	defer func() { f.warnings = in.Warnings }()
	for {
		kind, body, err := in.ReadMessage()
		if err != nil {
			var a hello.Alert
			if errors.As(err, &a) {
				f.alert = &a
			}
			return err
		}
		if done, err := f.message(kind, body); done || err != nil || kind == until || kind == hello.TypeServerHelloDone {
			return err
		}
	}
}

// message takes one message, and says whether it is the last that can be read.
func (f *flight) message(kind byte, body []byte) (done bool, err error) {
	switch kind {
	case hello.TypeServerHello:
		if f.hello != nil && !f.hello.Retry {
			return true, fmt.Errorf("a second server hello: %w", grab.ErrProtocol)
		}
		if f.hello, err = hello.ParseServerHello(body); err != nil {
			return true, err
		}
		return f.hello.Version >= hello.TLS13 && !f.hello.Retry, nil
	case hello.TypeCertificate:
		chain, err := hello.ParseCertificates(body)
		for _, der := range chain {
			f.chain = append(f.chain, bytes.Clone(der))
		}
		return false, err
	case hello.TypeServerKeyExchange:
		f.keyExchange(body)
	case hello.TypeCertificateRequest:
		f.wantsCertificate = true
	}
	return false, nil
}

func (f *flight) keyExchange(body []byte) {
	if f.hello == nil {
		return
	}
	k, err := hello.ParseKeyExchange(body, f.hello.Version)
	if err != nil { // of a suite without elliptic curves: it begins with the prime (RFC 5246 section 7.4.3)
		if len(body) > 1 {
			f.prime = int(body[0])<<8 | int(body[1])
		}
		return
	}
	f.exchange = &KeyExchangeLog{ECDH: ecdhLog{namedID{hello.GroupName(k.Group), k.Group}}}
	if k.Scheme != 0 {
		f.exchange.Signature = &signatureLog{namedNumber{tls.SignatureScheme(k.Scheme).String(), k.Scheme}, version(f.hello.Version)}
	}
}
