//go:build !minimal

package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/zmap/zcrypto/tls"
	"github.com/zmap/zcrypto/x509"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// legacyTLS is a handshake by zcrypto, which has what crypto/tls does not: Diffie-Hellman without curves, and patience with
// certificates and keys. It costs twice as much. The log that zcrypto keeps, with its secrets, is not looked at.
func legacyTLS(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*TLSResult, error) {
	r := &TLSResult{Mode: modeLegacy}
	t := &tap{Conn: conn, on: true}
	var chain [][]byte
	c := tls.Client(t, &tls.Config{
		InsecureSkipVerify: true,
		ServerName:         o.sni(s),
		MinVersion:         max(o.min, hello.TLS10),
		MaxVersion:         o.max,
		CipherSuites:       slices.Concat(hello.TLS13Suites(), hello.Certified()),
		ForceSuites:        true, // those with Diffie-Hellman, too, which it would leave out
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		NextProtos:         o.alpn,
		VerifyPeerCertificate: func(raw [][]byte, _ []x509.CertificateChain) error {
			chain = raw
			return nil
		},
	})
	err := c.HandshakeContext(ctx)
	t.on = false
	seen := parseFlight(t.bytes)
	r.take(&seen, o)
	if chain == nil {
		chain = seen.chain
	}
	r.certificates(chain, o.sni(s), o)
	if err == nil {
		_ = c.Close() // the answer is here, whether the goodbye gets through or not
		return r, nil
	}
	if seen.alert != nil {
		err = *seen.alert
	} else if grab.StatusOf(err) == grab.UnknownError && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", grab.ErrProtocol, err)
	}
	return r, fmt.Errorf("handshake by zcrypto: %w", err)
}
