package cert

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestParse compares with crypto/x509, which made the certificates.
func TestParse(t *testing.T) {
	root := (*maker)(nil).issue(t, "ECDSA", authority("Root"))
	for kind, bits := range map[string]int{"RSA": 2048, "ECDSA": 384, "Ed25519": 256} {
		m := root.issue(t, kind, nil)
		c, err := Parse(m.x.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if c.SHA256 != sha256.Sum256(m.x.Raw) || c.SPKI != sha256.Sum256(m.x.RawSubjectPublicKeyInfo) {
			t.Error("hashes are wrong")
		}
		got := []any{c.Subject, c.Issuer, c.Serial, c.KeyType, c.KeyBits, c.Signature, c.Version, c.SelfSigned, c.CA}
		want := []any{`C=XX, O=Ex\, Ltd, CN=www.example.org`, "CN=Root", "1000003", kind, bits, "ECDSA-SHA384", 3, false, false}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"www.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"}, c.Names); diff != "" {
			t.Error(diff)
		}
		if !c.NotBefore.Equal(m.x.NotBefore) || !c.NotAfter.Equal(m.x.NotAfter) {
			t.Error("validity is wrong")
		}
	}
	if c, _ := Parse(root.x.Raw); !c.SelfSigned || !c.CA {
		t.Errorf("the root: %+v", c)
	}
	self := (*maker)(nil).issue(t, "RSA", nil)
	if c, _ := Parse(self.x.Raw); !c.SelfSigned || c.CA {
		t.Error("a device's certificate is not seen to be self-signed")
	}
	forged := root.issue(t, "RSA", func(c *x509.Certificate) {
		c.Subject.CommonName = "Root"
		c.Subject.Country, c.Subject.Organization = nil, nil
	})
	if c, _ := Parse(forged.x.Raw); c.SelfSigned {
		t.Error("the same name is no self-signature")
	}
}

// TestJSONIsWhatScriptsRead compares with the keys that zgrab2 writes.
func TestJSONIsWhatScriptsRead(t *testing.T) {
	m := (*maker)(nil).issue(t, "RSA", nil)
	c, err := Parse(m.x.Raw)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c.Inline())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	at := func(path string) any {
		var v any = got
		for _, k := range strings.Split(path, ".") {
			m, _ := v.(map[string]any)
			v = m[k]
		}
		return v
	}
	sum := sha256.Sum256(m.x.Raw)
	spki := sha256.Sum256(m.x.RawSubjectPublicKeyInfo)
	for path, want := range map[string]any{
		"raw":                                              base64.StdEncoding.EncodeToString(m.x.Raw),
		"parsed.version":                                   3.,
		"parsed.serial_number":                             "1000003",
		"parsed.signature_algorithm.name":                  "SHA256-RSA",
		"parsed.signature_algorithm.oid":                   "1.2.840.113549.1.1.11",
		"parsed.issuer_dn":                                 `C=XX, O=Ex\, Ltd, CN=www.example.org`,
		"parsed.subject.common_name":                       []any{"www.example.org"},
		"parsed.subject.organization":                      []any{"Ex, Ltd"},
		"parsed.validity.start":                            m.x.NotBefore.UTC().Format(time.RFC3339),
		"parsed.validity.end":                              m.x.NotAfter.UTC().Format(time.RFC3339),
		"parsed.validity.length":                           7200.,
		"parsed.subject_key_info.key_algorithm.name":       "RSA",
		"parsed.subject_key_info.rsa_public_key.length":    2048.,
		"parsed.subject_key_info.fingerprint_sha256":       hex.EncodeToString(spki[:]),
		"parsed.extensions.subject_alt_name.dns_names":     []any{"www.example.org", "*.example.net"},
		"parsed.extensions.subject_alt_name.ip_addresses":  []any{"192.0.2.1", "2001:db8::1"},
		"parsed.extensions.key_usage.digital_signature":    true,
		"parsed.extensions.extended_key_usage.server_auth": true,
		"parsed.fingerprint_sha256":                        hex.EncodeToString(sum[:]),
		"parsed.signature.self_signed":                     true,
		"parsed.names":                                     []any{"*.example.net", "192.0.2.1", "2001:db8::1", "https://example.org", "www.example.org"},
	} {
		if diff := cmp.Diff(want, at(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// TestOpenSSLAgrees asks openssl for fingerprint and names.
func TestOpenSSLAgrees(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	c, err := Parse((*maker)(nil).issue(t, "ECDSA", nil).x.Raw)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), "openssl", "x509", "-inform", "DER", "-noout", "-fingerprint", "-sha256", "-subject", "-serial", "-nameopt", "sname,sep_comma_plus_space,esc_2253")
	run.Stdin = bytes.NewReader(c.DER)
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := strings.ToLower(strings.ReplaceAll(string(out), ":", ""))
	for _, want := range []string{hex.EncodeToString(c.SHA256[:]), strings.ToLower("subject=" + c.Subject), "serial=0f4243"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestHostile parses what is broken, too long, or has too many names.
func TestHostile(t *testing.T) {
	good := (*maker)(nil).issue(t, "ECDSA", nil).x.Raw
	for n := range good {
		if c, err := Parse(good[:n]); err == nil || c == nil || !errors.Is(err, c.Err) || c.SHA256 != sha256.Sum256(good[:n]) {
			t.Fatalf("%d bytes of %d: %v", n, len(good), err)
		}
	}
	long := append(bytes.Clone(good), make([]byte, 1<<20)...)
	c, err := Parse(long)
	if !errors.Is(err, ErrTooLong) || cap(c.DER) > MaxBytes+4096 || c.SHA256 != sha256.Sum256(long) {
		t.Errorf("a long one: %v, %d bytes kept", err, cap(c.DER))
	}
	b, err := json.Marshal(c.Inline())
	if err != nil || bytes.Contains(b, []byte(`"parsed"`)) || !bytes.Contains(b, []byte(hex.EncodeToString(c.SHA256[:]))) {
		t.Errorf("JSON of one that was not parsed: %v %.100s", err, b)
	}
	many := (*maker)(nil).issue(t, "ECDSA", func(c *x509.Certificate) {
		c.DNSNames = nil
		for i := range 1500 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("h%d.example.org", i))
		}
	})
	c, err = Parse(many.x.Raw)
	if err != nil || len(c.Names) != MaxNames {
		t.Fatalf("%d names, %v", len(c.Names), err)
	}
	if b, _ := json.Marshal(c); !bytes.Contains(b, []byte(`"names_omitted":500`)) {
		t.Error("omitted names are not counted")
	}
}

// TestVerify judges chains of all kinds.
func TestVerify(t *testing.T) {
	root := (*maker)(nil).issue(t, "ECDSA", authority("Root"))
	mid := root.issue(t, "ECDSA", authority("Intermediate"))
	dead := root.issue(t, "ECDSA", func(c *x509.Certificate) { authority("Dead")(c); c.NotAfter = time.Now().Add(-time.Minute) })
	pool := x509.NewCertPool()
	pool.AddCert(root.x)
	v := NewVerifier(pool)
	chain := func(ms ...*maker) (all []*Certificate) {
		for _, m := range ms {
			c, _ := Parse(m.x.Raw)
			all = append(all, c)
		}
		return all
	}
	good := mid.issue(t, "ECDSA", nil)
	expired := mid.issue(t, "ECDSA", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	future := mid.issue(t, "ECDSA", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	client := mid.issue(t, "ECDSA", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	broken, _ := Parse([]byte("no certificate"))
	for name, c := range map[string]struct {
		chain   []*Certificate
		name    string
		trusted bool
		matches bool
		reason  string
	}{
		"good":                 {chain(good, mid), "www.example.org", true, true, ReasonNone},
		"with root, shuffled":  {chain(good, root, mid), "a.example.net", true, true, ReasonNone},
		"no name":              {chain(good, mid), "", true, false, ReasonNone},
		"dot at the end":       {chain(good, mid), "www.example.org.", true, true, ReasonNone},
		"address":              {chain(good, mid), "192.0.2.1", true, true, ReasonNone},
		"address of IPv6":      {chain(good, mid), "[2001:db8::1]", true, true, ReasonNone},
		"other name":           {chain(good, mid), "example.com", true, false, ReasonName},
		"no intermediate":      {chain(good), "www.example.org", false, true, ReasonUnknownRoot},
		"expired":              {chain(expired, mid), "www.example.org", false, true, ReasonExpired},
		"not yet":              {chain(future, mid), "", false, false, ReasonNotYet},
		"expired intermediate": {chain(dead.issue(t, "ECDSA", nil), dead), "", false, false, ReasonExpired},
		"self-signed":          {chain((*maker)(nil).issue(t, "RSA", nil)), "", false, false, ReasonSelfSigned},
		"for clients":          {chain(client, mid), "", false, false, ReasonOther},
		"unparsed":             {[]*Certificate{broken}, "x", false, false, ReasonUnparsed},
		"broken intermediate":  {append(chain(good), broken), "", false, false, ReasonUnknownRoot},
		"nothing":              {nil, "x", false, false, ReasonUnparsed},
	} {
		for range 2 { // judged, and remembered
			got := v.Verify(c.chain, c.name, time.Now())
			if got.BrowserTrusted != c.trusted || got.MatchesDomain != c.matches || got.Reason != c.reason || c.trusted != (got.BrowserError == "") {
				t.Errorf("%s: got %+v", name, got)
			}
		}
	}
}

// TestHugeKeysCostNothing says that keys are too long to be asked: the signatures of such keys are not checked.
func TestHugeKeysCostNothing(t *testing.T) {
	m := (*maker)(nil).issue(t, "RSA", authority("Huge"))
	c := &Certificate{x: m.x, KeyType: "RSA", KeyBits: maxKeyBits + 1}
	if selfSigned(m.x, c.KeyBits) {
		t.Error("the signature of a huge key was checked")
	}
	leaf, _ := Parse(m.issue(t, "RSA", nil).x.Raw)
	pool := x509.NewCertPool()
	pool.AddCert(m.x)
	if got := NewVerifier(pool).Verify([]*Certificate{leaf, c}, "", time.Now()); !got.BrowserTrusted {
		t.Errorf("a huge key beside the chain spoils it: %+v", got)
	}
}

func TestRootsFromFile(t *testing.T) {
	if _, err := FileVerifier(filepath.Join(t.TempDir(), "none.pem")); err == nil {
		t.Error("no file: no error")
	}
	for _, text := range []string{"", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := parseRoots([]byte(text)); err == nil {
			t.Errorf("%q is taken for roots", text)
		}
	}
}

// TestStore asks for more certificates than the store keeps, from many goroutines.
func TestStore(t *testing.T) {
	var ders [][]byte
	for range 8 {
		ders = append(ders, (*maker)(nil).issue(t, "Ed25519", nil).x.Raw)
	}
	s := NewStore(4 * (5*len(ders[0]) + overhead + 64))
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 200 {
				der := bytes.Clone(ders[i*i%len(ders)])
				if c := s.Get(der); !slices.Equal(c.DER, der) || c.Err != nil {
					t.Error("another certificate")
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
	st := s.Stats()
	if st.Kept == 0 || st.Kept > 4 || st.Bytes > s.limit || st.Hits+st.Misses != 800 {
		t.Errorf("%+v", st)
	}
	a, b := s.Get(ders[0]), s.Get(ders[0])
	if a != b {
		t.Error("parsed twice")
	}
	tiny := NewStore(1)
	first := tiny.Get(ders[0])
	if again := tiny.Get(ders[0]); again != first || tiny.Stats().Kept != 1 {
		t.Error("the one seen last is not kept")
	}
}

func TestLooksLikeHost(t *testing.T) {
	for s, want := range map[string]bool{
		"example.org": true, "*.example.org": true, "192.0.2.1": true, "::1": true, "localhost": false, "Example Root CA": false, "a b.c": false, "": false,
		net.JoinHostPort("a.b", "1"): false,
	} {
		if got := looksLikeHost(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// TestNamesAreEscaped writes names with characters that mean something in distinguished names, and parts that have no word.
func TestNamesAreEscaped(t *testing.T) {
	m := (*maker)(nil).issue(t, "ECDSA", func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: ` a"b;c\ `, SerialNumber: "#7", ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: []int{1, 2, 3, 4}, Value: "x"}, {Type: []int{1, 2, 840, 113549, 1, 9, 1}, Value: "a@example.org"},
		}}
	})
	c, err := Parse(m.x.Raw)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(c.Subject, ", ")
	slices.Sort(parts)
	want := []string{`1.2.3.4=#130178`, `CN=\ a\"b\;c\\\ `, "emailAddress=a@example.org", `serialNumber=\#7`}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Error(diff)
	}
}
