package service

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// An issuer signs certificates for the servers of the tests.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newIssuer(tb testing.TB) *issuer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"XX"}, Organization: []string{"Example"}, CommonName: "Root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return &issuer{c, key}
}

// leaf returns a certificate with its chain for key; change may alter what it says.
func (is *issuer) leaf(tb testing.TB, key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	tb.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(42), Subject: pkix.Name{CommonName: "www.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"www.example.org", "*.example.net"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, is.cert, key.Public(), is.key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, is.cert.Raw}, PrivateKey: key}
}

func ecdsaKey(tb testing.TB) crypto.Signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func rsaKey(tb testing.TB) crypto.Signer {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func edKey(tb testing.TB) crypto.Signer {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// serve runs a server on loopback: talk gets each connection, and closes none.
func serve(tb testing.TB, talk func(net.Conn)) netip.AddrPort {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(30 * time.Second))
				talk(c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// serveTLS runs a server of crypto/tls that holds connections until the client closes them.
func serveTLS(tb testing.TB, c *tls.Config) netip.AddrPort {
	tb.Helper()
	return serve(tb, func(conn net.Conn) {
		t := tls.Server(conn, c)
		if t.Handshake() == nil {
			_, _ = t.Read(make([]byte, 1))
			_ = t.Close()
		}
	})
}

// session returns a session with a server, with as many more connections as budget says. Each must be closed before the next.
func session(tb testing.TB, to netip.AddrPort, budget int) *grab.Session {
	tb.Helper()
	s := &grab.Session{Target: grab.Target{Addr: to.Addr(), Port: to.Port()}}
	open := func(ctx context.Context) (net.Conn, error) {
		c, err := new(grab.Dialer).Open(ctx, &s.Target, nil)
		if err != nil {
			return nil, err
		}
		tb.Cleanup(func() { _ = c.Close() })
		return grab.Cap(c, grab.Limits{Timeout: 20 * time.Second}), nil
	}
	var err error
	if s.Conn, err = open(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	s.More = func(ctx context.Context) (net.Conn, error) {
		if budget--; budget < 0 {
			return nil, grab.ErrBudget
		}
		return open(ctx)
	}
	return s
}

// A readConn is a connection of which only reading works.
type readConn struct {
	net.Conn
	*bytes.Reader
}

// Read reads from the reader.
func (c readConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }
