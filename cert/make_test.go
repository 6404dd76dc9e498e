package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// A maker makes certificates for tests; what it made can issue others.
type maker struct {
	x   *x509.Certificate
	key crypto.Signer
}

func newKey(tb testing.TB, kind string) crypto.Signer {
	tb.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "RSA":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ECDSA":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// issue makes a certificate; nil issues itself.
func (m *maker) issue(tb testing.TB, kind string, change func(*x509.Certificate)) *maker {
	tb.Helper()
	key := newKey(tb, kind)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1000003), Subject: pkix.Name{Country: []string{"XX"}, Organization: []string{"Ex, Ltd"}, CommonName: "www.example.org"},
		NotBefore: time.Now().Add(-time.Hour).Truncate(time.Second), NotAfter: time.Now().Add(time.Hour).Truncate(time.Second),
		DNSNames: []string{"www.example.org", "*.example.net"}, IPAddresses: []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")},
		URIs: []*url.URL{{Scheme: "https", Host: "example.org"}}, EmailAddresses: []string{"a@example.org"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(tmpl)
	}
	parent := &maker{tmpl, key}
	if m != nil {
		parent = m
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent.x, key.Public(), parent.key)
	if err != nil {
		tb.Fatal(err)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return &maker{x, key}
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.DNSNames, c.IPAddresses, c.URIs, c.EmailAddresses = nil, nil, nil, nil
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.ExtKeyUsage = nil
	}
}
