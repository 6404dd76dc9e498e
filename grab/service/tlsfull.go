package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// tlsOptions say how to shake hands, and what to make of certificates. The zero value offers TLS 1.0 to 1.3 with all suites that
// crypto/tls has and the target's name, and judges no chains.
type tlsOptions struct {
	min, max uint16   // versions; 0 means TLS 1.0 and 1.3
	alpn     []string // in order of preference
	name     string   // for SNI in place of the target's
	noName   bool     // no SNI at all
	ja3s     bool
	brief    bool           // certificates by their hash alone
	store    *cert.Store    // certificates that were seen; nil parses each anew
	verifier *cert.Verifier // judges chains; nil: nobody does
}

// sni returns the name to send, "" for none. An address is never sent (RFC 6066 section 3).
func (o *tlsOptions) sni(s *grab.Session) string {
	switch {
	case o.noName:
		return ""
	case o.name != "":
		return hello.SNI(o.name)
	}
	return hello.SNI(s.Name)
}

// handshakeTLS makes a TLS client's handshake over conn, and returns what was learned of the server with the connection to go on
// with. It is for the module tls as for all protocols that begin with TLS or turn to it. The result is never nil; the connection
// is nil with an error, conn is then of no more use, and whoever opened it closes it. Otherwise closing the connection says
// goodbye and closes conn. Nobody is trusted or refused for a certificate: the result says what it is worth.
//
// The error wraps [grab.ErrApplication] for alerts, which the result names too, and [grab.ErrProtocol] for all that is not TLS,
// or is TLS that crypto/tls refuses.
func handshakeTLS(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*TLSResult, net.Conn, error) {
	r := &TLSResult{Mode: modeFull}
	t := &tap{Conn: conn, on: true}
	var chain [][]byte
	c := tls.Client(t, &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // not to be believed, but to be looked at; see cert.Verifier
		ServerName:         o.sni(s),
		MinVersion:         max(o.min, hello.TLS10),
		MaxVersion:         o.max,
		CipherSuites:       allSuites(),
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}, // no ML-KEM: half of the time for nothing to learn
		NextProtos:         o.alpn,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			r.ClientCertificate = true
			return &tls.Certificate{}, nil
		},
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			chain = raw // kept also if a later step fails
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
		return r, c, nil
	}
	err = r.failed(err, &seen)
	r.SNIRequired = o.sni(s) == "" && r.nameless(err)
	return r, nil, err
}

// The words for TLSResult.Mode.
const (
	modeFull   = "full"
	modeLegacy = "legacy"
	modeCerts  = "certs"
)

// allSuites returns the suites that crypto/tls can speak, insecure ones last: here nobody's data is at stake.
func allSuites() []uint16 {
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	for _, s := range tls.InsecureCipherSuites() {
		ids = append(ids, s.ID)
	}
	return ids
}

// take writes down what was seen of the server's first flight.
func (r *TLSResult) take(f *flight, o tlsOptions) {
	if f.hello != nil {
		r.Handshake.ServerHello = logHello(f.hello)
		if o.ja3s {
			r.JA3S = f.hello.JA3S()
		}
	}
	r.Handshake.KeyExchange = f.exchange
	for _, a := range f.warnings {
		r.Handshake.Warnings = append(r.Handshake.Warnings, logAlert(a))
	}
	if f.alert != nil {
		a := logAlert(*f.alert)
		r.Handshake.Alert = &a
	}
	r.ClientCertificate = r.ClientCertificate || f.wantsCertificate
}

// certificates writes down the server's chain.
func (r *TLSResult) certificates(chain [][]byte, name string, o tlsOptions) {
	if len(chain) == 0 {
		return
	}
	all := make([]*cert.Certificate, 0, len(chain))
	for _, der := range chain[:min(len(chain), hello.MaxCertificates)] {
		if o.store != nil {
			all = append(all, o.store.Get(der))
			continue
		}
		c, _ := cert.Parse(der) // the error is in the certificate
		all = append(all, c)
	}
	inline := (*cert.Certificate).Inline
	if o.brief {
		inline = (*cert.Certificate).Reference
	}
	log := &CertificatesLog{Certificate: inline(all[0])}
	for _, c := range all[1:] {
		log.Chain = append(log.Chain, inline(c))
	}
	if o.verifier != nil {
		v := o.verifier.Verify(all, name, time.Now())
		log.Validation = &v
	}
	r.Handshake.Certificates = log
	r.shown = &cert.Chain{Certificates: all, Name: name, Validation: log.Validation}
	r.SNIRequired = name == "" && standIn(all[0])
}

// failed returns an error of crypto/tls with what it means for a grab, and writes down the alert if there was one.
func (r *TLSResult) failed(err error, f *flight) error {
	if f.alert != nil {
		return fmt.Errorf("handshake: %w", *f.alert)
	}
	var op *net.OpError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &op) && op.Op == "remote error": // encrypted, or after the first flight
		a, ok := alertOf(op.Err)
		if !ok {
			return fmt.Errorf("handshake: %w: %w", grab.ErrApplication, err)
		}
		l := logAlert(a)
		r.Handshake.Alert = &l
		return fmt.Errorf("handshake: %w", a)
	case errors.As(err, &header):
		return fmt.Errorf("handshake: %w: %w", grab.ErrProtocol, err)
	case strings.HasPrefix(err.Error(), "tls: "), errors.As(err, &op) && op.Op == "local error":
		return fmt.Errorf("handshake: %w: %w", errRefused, err)
	}
	return fmt.Errorf("handshake: %w", err)
}

// errRefused says that crypto/tls broke off what a server does: it is TLS, and older or odder than crypto/tls allows, or broken.
var errRefused = fmt.Errorf("refused by crypto/tls: %w", grab.ErrProtocol)

// alertOf finds out which alert an error of crypto/tls is, whose type it does not export, by what it says.
func alertOf(err error) (hello.Alert, bool) {
	for n := range 256 {
		if tls.AlertError(n).Error() == err.Error() {
			return hello.Alert{Level: 2, Description: byte(n)}, true
		}
	}
	return hello.Alert{}, false
}

// nameless says whether a handshake that failed may have failed for the lack of a name.
func (r *TLSResult) nameless(err error) bool {
	var a hello.Alert
	if errors.As(err, &a) {
		switch a.Description {
		case hello.AlertUnrecognizedName, hello.AlertHandshakeFailure, hello.AlertInternalError:
			return r.shown == nil
		}
		return false
	}
	// Some close, or reset, after the hello.
	return r.Handshake.ServerHello == nil && grab.StatusOf(err) == grab.ConnectionClosed
}
