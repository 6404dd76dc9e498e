//go:build !minimal

package lint

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"
)

// made returns the DER of a self-signed certificate for a name, with a key of so many bits, valid for so many days.
func made(t testing.TB, name string, bits, days int) []byte {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 << 62), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: from.AddDate(0, 0, days),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestRules counts rules that are known to be broken, by known numbers of certificates.
func TestRules(t *testing.T) {
	const weak, long = "e_rsa_mod_less_than_2048_bits", "e_tls_server_cert_valid_time_longer_than_398_days"
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, der := range [][]byte{
		made(t, "a.example.org", 1024, 90), made(t, "b.example.org", 1024, 900), made(t, "c.example.org", 2048, 900), made(t, "d.example.org", 2048, 90),
		[]byte("no certificate"),
	} {
		l.Add(der)
	}
	r := l.Close()
	if r.Linted != 4 || r.Failed != 1 {
		t.Errorf("%d linted, %d failed", r.Linted, r.Failed)
	}
	for _, rule := range []string{weak, long} {
		i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Rule == rule })
		if i < 0 || r.Findings[i].Certificates != 2 || r.Findings[i].Level != "error" || r.Findings[i].Says == "" || r.Findings[i].Source == "" {
			t.Errorf("rule %s: %+v", rule, r.Findings)
		}
	}
	if !slices.IsSortedFunc(r.Findings, func(a, b Finding) int { return gravity(b.Level) - gravity(a.Level) }) {
		t.Error("the gravest do not come first")
	}
}

// FuzzCheck has rules at anything: there are results, or there is an error.
func FuzzCheck(f *testing.F) {
	f.Add(made(f, "a.example.org", 2048, 90))
	f.Fuzz(func(t *testing.T, der []byte) {
		if results, err := check(der); (err == nil) != (len(results) > 0) {
			t.Errorf("%d results, %v: want some or an error", len(results), err)
		}
	})
}

// BenchmarkCheck is one certificate.
func BenchmarkCheck(b *testing.B) {
	der := made(b, "a.example.org", 2048, 90)
	for b.Loop() {
		if _, err := check(der); err != nil {
			b.Fatal(err)
		}
	}
}
