package cert

import (
	"crypto/x509"
	"encoding/json"
	"testing"
	"time"
)

// FuzzParse parses anything, and judges and writes what comes of it. What crypto/x509 parses, Parse does.
func FuzzParse(f *testing.F) {
	root := (*maker)(nil).issue(f, "ECDSA", authority("Root"))
	f.Add(root.x.Raw)
	f.Add(root.issue(f, "RSA", nil).x.Raw)
	f.Add(root.issue(f, "Ed25519", nil).x.Raw)
	pool := x509.NewCertPool()
	pool.AddCert(root.x)
	v := NewVerifier(pool)
	s := NewStore(1 << 20)
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := Parse(der)
		_, want := x509.ParseCertificate(der)
		if (err == nil) != (want == nil && len(der) <= MaxBytes) {
			t.Fatalf("got %v, crypto/x509 says %v", err, want)
		}
		if _, err := json.Marshal(c.Inline()); err != nil {
			t.Fatal(err)
		}
		v.Verify([]*Certificate{c, s.Get(der)}, "example.org", time.Now())
	})
}

// FuzzRoots reads files of roots.
func FuzzRoots(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if pool, err := parseRoots(text); (pool == nil) == (err == nil) {
			t.Fatal("neither roots nor an error")
		}
	})
}
