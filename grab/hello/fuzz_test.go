package hello

import (
	"bytes"
	"crypto/rand"
	"testing"
)

// FuzzStream reads anything as a server's first flight, whole and byte by byte: both must say the same.
func FuzzStream(f *testing.F) {
	f.Add([]byte{21, 3, 3, 0, 2, 2, 70})
	f.Add([]byte{22, 3, 1, 0, 4, 14, 0, 0, 0})
	for _, v := range []uint16{TLS12, TLS13} {
		offer := Only(v, "example.org")
		msg, _ := offer.Append(nil, rand.Reader)
		f.Add(exchange(f, serverConfig(f), msg, nil))
	}
	probes := JARMProbes("")
	f.Fuzz(func(t *testing.T, b []byte) {
		in := NewReader(bytes.NewReader(b))
		for taken := 0; ; {
			kind, body, err := in.ReadMessage()
			if err != nil {
				if len(in.Warnings) > maxWarning {
					t.Fatal("too many warnings")
				}
				break
			}
			if taken += 4 + len(body); taken > len(b) {
				t.Fatal("more than there is")
			}
			switch kind {
			case TypeServerHello:
				_, _ = ParseServerHello(body)
			case TypeCertificate:
				_, _ = ParseCertificates(body)
			case TypeServerKeyExchange:
				_, _ = ParseKeyExchange(body, TLS12)
			}
		}
		for _, p := range probes {
			a, _ := p.ReadAnswer(bytes.NewReader(b))
			if got := JARM([]string{a, a, a, a, a, a, a, a, a, a}); len(got) != 62 {
				t.Fatalf("fingerprint %s of %q", got, a)
			}
		}
	})
}

// FuzzMessages reads anything as the body of each message.
func FuzzMessages(f *testing.F) {
	f.Add(append(append([]byte{3, 3}, make([]byte, 32)...), 0, 0xc0, 0x2f, 0, 0, 4, 0xff, 1, 0, 0))
	f.Add([]byte{0, 0, 4, 0, 0, 1, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ParseServerHello(b); err == nil {
			if len(h.Random) != 32 || 4*len(h.Extensions) > len(b) || len(h.JA3S()) != 32 {
				t.Fatalf("%+v of %d bytes", h, len(b))
			}
		}
		n := 0
		all, _ := ParseCertificates(b)
		for _, c := range all {
			n += 3 + len(c)
		}
		if n > len(b) || len(all) > MaxCertificates {
			t.Fatalf("%d bytes of certificates in %d", n, len(b))
		}
		_, _ = ParseKeyExchange(b, TLS10)
		_, _ = ParseAlert(b)
		_, _ = ParseVersion(string(b))
	})
}
