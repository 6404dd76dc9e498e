//go:build !minimal

package service

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/zmap/zcrypto/tls"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// legacyTLS is a handshake by zcrypto, which has what crypto/tls does not: Diffie-Hellman without curves, and patience with
// certificates. It costs twice as much. TLS 1.3 is left to crypto/tls, as its certificates cannot be looked at before zcrypto
// reckons with them; see [guard]. The log that zcrypto keeps, with its secrets, is not looked at.
func legacyTLS(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*TLSResult, error) {
	r := &TLSResult{Mode: modeLegacy}
	g := &guard{Conn: conn}
	high := uint16(hello.TLS12)
	if o.max != 0 {
		high = min(high, o.max)
	}
	c := tls.Client(g, &tls.Config{
		InsecureSkipVerify: true,
		ServerName:         o.sni(s),
		MinVersion:         max(o.min, hello.TLS10),
		MaxVersion:         high,
		CipherSuites:       hello.Certified(),
		ForceSuites:        true, // those with Diffie-Hellman, too, which it would leave out
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		NextProtos:         o.alpn,
	})
	err := c.HandshakeContext(ctx)
	r.take(&g.flight, o)
	r.certificates(g.flight.chain, o.sni(s), o)
	if err == nil {
		_ = c.Close() // the answer is here, whether the goodbye gets through or not
		return r, nil
	}
	if g.flight.alert != nil {
		err = *g.flight.alert
	} else if grab.StatusOf(err) == grab.UnknownError && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", grab.ErrProtocol, err)
	}
	return r, fmt.Errorf("handshake by zcrypto: %w", err)
}
