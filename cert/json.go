package cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"slices"
	"time"
)

// Inline returns what stands for a certificate where zgrab2 writes it inline: its DER as "raw" (base64) and what it says as
// "parsed", or, in place of the latter, why it could not be parsed as "error".
func (c *Certificate) Inline() Inline {
	in := Inline{Raw: c.DER}
	if c.Err != nil {
		in.Error, in.SHA256 = c.Err.Error(), hex.EncodeToString(c.SHA256[:])
		return in
	}
	in.Parsed = c
	return in
}

// Reference returns what stands for a certificate where its hash is enough, since the certificate itself is elsewhere.
func (c *Certificate) Reference() Inline { return Inline{SHA256: hex.EncodeToString(c.SHA256[:])} }

// An Inline is a certificate with its DER; see [Certificate.Inline].
type Inline struct {
	Raw    []byte       `json:"raw,omitempty"`                // DER, at most MaxBytes
	Parsed *Certificate `json:"parsed,omitempty"`             // nil if it was not parsed
	Error  string       `json:"error,omitempty"`              // why not
	SHA256 string       `json:"fingerprint_sha256,omitempty"` // of one that is not here, or was not parsed
}

// Append appends in as JSON, as encoding/json writes it. What a parsed certificate says is written once, and copied from then on.
func (in *Inline) Append(b []byte) ([]byte, error) {
	if in.Parsed == nil {
		text, err := json.Marshal(in)
		return append(b, text...), err
	}
	text, err := in.Parsed.MarshalJSON()
	if err != nil {
		return b, err
	}
	b = slices.Grow(b, base64.StdEncoding.EncodedLen(len(in.Raw))+len(text)+1<<8)
	b = append(b, `{"raw":"`...)
	b = base64.StdEncoding.AppendEncode(b, in.Raw)
	b = append(b, `","parsed":`...)
	b = append(b, text...)
	return append(b, '}'), nil
}

type validity struct {
	Start  string `json:"start"`
	End    string `json:"end"`
	Length int64  `json:"length"` // seconds
}

type algorithm struct {
	Name string `json:"name,omitempty"`
	OID  string `json:"oid,omitempty"`
}

type rsaKey struct {
	Exponent int    `json:"exponent"`
	Modulus  []byte `json:"modulus"`
	Length   int    `json:"length"`
}

type ecKey struct {
	Curve  string `json:"curve"`
	Length int    `json:"length"`
	Pub    []byte `json:"pub,omitempty"`
}

type keyInfo struct {
	Algorithm   algorithm `json:"key_algorithm"`
	RSA         *rsaKey   `json:"rsa_public_key,omitempty"`
	ECDSA       *ecKey    `json:"ecdsa_public_key,omitempty"`
	Ed25519     []byte    `json:"ed25519_public_key,omitempty"`
	Fingerprint string    `json:"fingerprint_sha256"`
}

type signatureJSON struct {
	Algorithm  algorithm `json:"signature_algorithm"`
	Value      []byte    `json:"value"`
	Valid      bool      `json:"valid"`
	SelfSigned bool      `json:"self_signed"`
}

type parsed struct {
	Version      int           `json:"version"`
	Serial       string        `json:"serial_number"`
	Algorithm    algorithm     `json:"signature_algorithm"`
	Issuer       Name          `json:"issuer"`
	IssuerDN     string        `json:"issuer_dn,omitempty"`
	Validity     validity      `json:"validity"`
	Subject      Name          `json:"subject"`
	SubjectDN    string        `json:"subject_dn,omitempty"`
	Key          keyInfo       `json:"subject_key_info"`
	Extensions   extensions    `json:"extensions"`
	Unknown      []extension   `json:"unknown_extensions,omitempty"`
	Signature    signatureJSON `json:"signature"`
	MD5          string        `json:"fingerprint_md5"`
	SHA1         string        `json:"fingerprint_sha1"`
	SHA256       string        `json:"fingerprint_sha256"`
	SPKISubject  string        `json:"spki_subject_fingerprint"`
	TBS          string        `json:"tbs_fingerprint"`
	Names        []string      `json:"names,omitempty"`
	NamesOmitted int           `json:"names_omitted,omitempty"` // alternative names beyond MaxNames of a kind
	Redacted     bool          `json:"redacted"`
}

// MarshalJSON writes what the certificate says under the keys that zgrab2 has for it; null if it was not parsed. It writes once,
// and returns the same bytes to all, which nobody may change.
func (c *Certificate) MarshalJSON() (text []byte, err error) {
	if c.x == nil {
		return []byte("null"), nil
	}
	c.once.Do(func() { c.text, err = json.Marshal(c.parsed()) })
	return c.text, err
}

func (c *Certificate) parsed() parsed {
	x := c.x
	alg := algorithm{Name: c.Signature, OID: signatureOID(x.Raw)}
	p := parsed{
		Version: c.Version, Serial: c.Serial, Algorithm: alg,
		Issuer: name(x.Issuer.Names), IssuerDN: c.Issuer, Subject: name(x.Subject.Names), SubjectDN: c.Subject,
		Validity: validity{instant(c.NotBefore), instant(c.NotAfter), c.NotAfter.Unix() - c.NotBefore.Unix()},
		Key:      c.keyInfo(), Extensions: known(x), Unknown: unknownExtensions(x),
		Signature: signatureJSON{Algorithm: alg, Value: x.Signature, Valid: c.SelfSigned, SelfSigned: c.SelfSigned},
		SHA256:    hex.EncodeToString(c.SHA256[:]),
		Names:     c.allNames(), NamesOmitted: omitted(x),
	}
	md, sha := md5.Sum(x.Raw), sha1.Sum(x.Raw)
	spki, tbs := sha256.Sum256(slices.Concat(x.RawSubjectPublicKeyInfo, x.RawSubject)), sha256.Sum256(x.RawTBSCertificate)
	p.MD5, p.SHA1 = hex.EncodeToString(md[:]), hex.EncodeToString(sha[:])
	p.SPKISubject, p.TBS = hex.EncodeToString(spki[:]), hex.EncodeToString(tbs[:])
	return p
}

// instant writes a time as RFC 3339 can, which years beyond 9999 are not (RFC 5280 section 4.1.2.5).
func instant(t time.Time) string {
	if t.UTC().Year() > 9999 {
		return "9999-12-31T23:59:59Z"
	}
	return t.UTC().Format(time.RFC3339)
}

// signatureOID returns what the outer signatureAlgorithm says, which crypto/x509 does not tell for algorithms it does not know.
func signatureOID(der []byte) string {
	var outer struct {
		TBS       asn1.RawValue
		Algorithm struct {
			OID        asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return ""
	}
	return outer.Algorithm.OID.String()
}

func (c *Certificate) keyInfo() keyInfo {
	info := keyInfo{Algorithm: algorithm{Name: c.KeyType}, Fingerprint: hex.EncodeToString(c.SPKI[:])}
	switch k := c.x.PublicKey.(type) {
	case *rsa.PublicKey:
		info.RSA = &rsaKey{Exponent: k.E, Modulus: k.N.Bytes(), Length: (k.N.BitLen() + 7) / 8 * 8}
	case *ecdsa.PublicKey:
		info.ECDSA = &ecKey{Curve: k.Curve.Params().Name, Length: c.KeyBits}
		if pub, err := k.Bytes(); err == nil {
			info.ECDSA.Pub = pub
		}
	case ed25519.PublicKey:
		info.Ed25519 = k
	}
	return info
}

// allNames returns what zgrab2 calls names: the common name where it looks like a host, and the alternative names, sorted.
func (c *Certificate) allNames() []string {
	all := slices.Clone(c.Names)
	if cn := c.x.Subject.CommonName; looksLikeHost(cn) {
		all = append(all, cn)
	}
	for _, u := range c.x.URIs[:min(len(c.x.URIs), MaxNames)] {
		all = append(all, u.String())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func looksLikeHost(s string) bool {
	if net.ParseIP(s) != nil {
		return true
	}
	if len(s) > 253 || !bytes.ContainsRune([]byte(s), '.') {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_' && r != '*' {
			return false
		}
	}
	return true
}

func omitted(x *x509.Certificate) int {
	n := 0
	for _, have := range []int{len(x.DNSNames), len(x.IPAddresses), len(x.EmailAddresses), len(x.URIs)} {
		n += max(0, have-MaxNames)
	}
	return n
}

// texts returns addresses or URIs as text, at most MaxNames.
func texts[T any](all []T, text func(T) string) []string {
	var out []string
	for _, a := range all[:min(len(all), MaxNames)] {
		out = append(out, text(a))
	}
	return out
}
