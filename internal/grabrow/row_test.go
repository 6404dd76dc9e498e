package grabrow

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/record"
)

// shower is a result with a chain, or without one.
type shower struct {
	chain *cert.Chain
	Text  string
}

func (s shower) Shown() *cert.Chain { return s.chain }

func made(t *testing.T, subject string, until time.Time) *cert.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: subject}, DNSNames: []string{subject}, NotBefore: time.Unix(1e9, 0), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cert.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// plain returns what an object says, as text; null members are left out.
func plain(t *testing.T, o record.Object) map[string]string {
	t.Helper()
	said := make(map[string]string)
	elem := record.NewSchema(members())
	last := -1
	for _, m := range o {
		i, ok := elem.Lookup(m.Name)
		if !ok || i <= last {
			t.Errorf("member %s is unknown or out of order", m.Name)
		}
		if last = i; !m.Value.IsNull() {
			said[m.Name] = show(&m.Value)
		}
	}
	return said
}

func show(v *record.Value) string {
	switch v.Kind() {
	case record.KindUint, record.KindBool:
		return fmt.Sprint(v.Uint())
	case record.KindTime:
		return time.Unix(0, v.UnixNano()).UTC().Format(time.RFC3339)
	case record.KindString:
		return v.Text()
	}
	return string(v.Bytes())
}

// TestCertificatesAsObjects has what is known of each certificate, and of the leaf alone what it was worth.
func TestCertificatesAsObjects(t *testing.T) {
	leaf, above := made(t, "a.example", time.Unix(4e9, 0)), made(t, "CA", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
	broken, _ := cert.Parse([]byte("no certificate"))
	g := grab.Grab{Status: grab.Success, Result: shower{&cert.Chain{
		Certificates: []*cert.Certificate{leaf, above, broken}, Name: "b.example", Validation: &cert.Validation{Reason: cert.ReasonSelfSigned},
	}, "x"}}
	row := Of(&g, "tls", nil, true)
	if len(row) != len(Fields()) || !row[fingerprints].IsNull() || string(row[data].Bytes()) != `{"tls":{"status":"success","protocol":"","result":{"Text":"x"}}}` {
		t.Fatalf("%d values, document %s", len(row), row[data].Bytes())
	}
	list := row[certificates].List()
	if len(list) != 3 {
		t.Fatalf("%d certificates", len(list))
	}
	got := plain(t, list[0])
	for _, bytes := range []string{key, "spki_sha256", "der"} {
		if got[bytes] == "" {
			t.Errorf("no %s", bytes)
		}
		delete(got, bytes)
	}
	want := map[string]string{
		"trusted": "0", "name_match": "0", "reason": "self-signed", "subject": "CN=a.example", "issuer": "CN=a.example", "names": `["a.example"]`, "serial": "7",
		"not_before": "2001-09-09T01:46:40Z", "not_after": "2096-10-02T07:06:40Z", "key_type": "ECDSA", "key_bits": "256",
		"signature": "ECDSA-SHA256", "self_signed": "1", "ca": "0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = plain(t, list[1])
	for _, none := range []string{"trusted", "name_match", "reason", "not_after"} { // the end of 9999 is beyond what a time holds
		if v, ok := got[none]; ok {
			t.Errorf("of the certificate above: %s is %s", none, v)
		}
	}
	if got = plain(t, list[2]); len(got) != 3 || got["error"] == "" || got[key] == "" || got["der"] == "" {
		t.Errorf("of what is none: %v", got)
	}
}

// TestNobodyWantsCertificates makes none, nor where there are none.
func TestNobodyWantsCertificates(t *testing.T) {
	c := shower{chain: &cert.Chain{Certificates: []*cert.Certificate{made(t, "a", time.Unix(2e9, 0))}}}
	for name, row := range map[string][]record.Value{
		"not wanted": Of(&grab.Grab{Result: c}, "tls", nil, false),
		"none shown": Of(&grab.Grab{Result: shower{}}, "tls", nil, true),
		"no shower":  Of(&grab.Grab{Result: 1}, "tls", nil, true),
		"no result":  Of(&grab.Grab{}, "tls", nil, true),
	} {
		if !row[certificates].IsNull() || !json.Valid(row[data].Bytes()) {
			t.Errorf("%s: %+v", name, row)
		}
	}
}
