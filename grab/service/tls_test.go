package service

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab/hello"
)

// TestEveryVersionAndKey shakes hands with servers of crypto/tls in all ways, and compares with what the servers were told.
func TestEveryVersionAndKey(t *testing.T) {
	is := newIssuer(t)
	pool := x509.NewCertPool()
	pool.AddCert(is.cert)
	o := tlsOptions{store: cert.NewStore(1 << 20), verifier: cert.NewVerifier(pool), ja3s: true}
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey(t), "ECDSA": ecdsaKey(t), "Ed25519": edKey(t)} {
		for v := uint16(hello.TLS10); v <= hello.TLS13; v++ {
			if name == "Ed25519" && v < hello.TLS12 {
				continue // there is no such signature before
			}
			for _, mode := range []string{modeFull, modeCerts} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, hello.VersionName(v), mode), func(t *testing.T) {
					leaf := is.leaf(t, key, nil)
					to := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: v, MaxVersion: v})
					s := session(t, to, 1)
					s.Name = "www.example.org"
					m := &tlsModule{tlsOptions: o, mode: mode}
					got, err := m.Grab(t.Context(), s)
					if err != nil {
						t.Fatal(err)
					}
					r := got.(*TLSResult)
					if want := mode == modeFull || v == hello.TLS13; (r.Mode == modeFull) != want {
						t.Errorf("mode is %s", r.Mode)
					}
					checkResult(t, r, leaf, v, name)
				})
			}
		}
	}
}

func checkResult(t *testing.T, r *TLSResult, leaf tls.Certificate, v uint16, kind string) {
	t.Helper()
	h := r.Handshake.ServerHello
	if h == nil || r.Handshake.Certificates == nil {
		t.Fatal("no hello or no certificates")
	}
	got := uint16(h.Version)
	if h.Selected != nil {
		got = uint16(h.Selected.Version)
	}
	if got != v {
		t.Errorf("version %s, want %s", hello.VersionName(got), hello.VersionName(v))
	}
	c := r.Handshake.Certificates
	if string(c.Certificate.Raw) != string(leaf.Certificate[0]) || len(c.Chain) != 1 || string(c.Chain[0].Raw) != string(leaf.Certificate[1]) {
		t.Error("not the chain of the server")
	}
	if r.shown.Certificates[0].KeyType != kind {
		t.Errorf("key type %s, want %s", r.shown.Certificates[0].KeyType, kind)
	}
	if val := c.Validation; val == nil || !val.BrowserTrusted || !val.MatchesDomain {
		t.Errorf("validation is %+v", val)
	}
	if len(r.JA3S) != 32 {
		t.Errorf("JA3S is %q", r.JA3S)
	}
	if names := r.Names(); len(names) != 2 || names[0].Name != "www.example.org" || names[1].Name != "*.example.net" {
		t.Errorf("names are %v", names)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	checkKeys(t, b, "handshake_log.server_hello.version.name", "handshake_log.server_hello.cipher_suite.name",
		"handshake_log.server_certificates.certificate.raw", "handshake_log.server_certificates.certificate.parsed.subject_dn",
		"handshake_log.server_certificates.certificate.parsed.extensions.subject_alt_name.dns_names",
		"handshake_log.server_certificates.certificate.parsed.validity.start",
		"handshake_log.server_certificates.certificate.parsed.subject_key_info.key_algorithm.name",
		"handshake_log.server_certificates.certificate.parsed.fingerprint_sha256",
		"handshake_log.server_certificates.validation.browser_trusted")
}

// checkKeys looks for paths of keys in a JSON object.
func checkKeys(t *testing.T, b []byte, paths ...string) {
	t.Helper()
	for _, p := range paths {
		var at any
		if err := json.Unmarshal(b, &at); err != nil {
			t.Fatal(err)
		}
		for _, k := range strings.Split(p, ".") {
			m, _ := at.(map[string]any)
			at = m[k]
		}
		if at == nil {
			t.Errorf("%s is missing in %s", p, b)
		}
	}
}
