package cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What a certificate may take. Real ones have a few thousand bytes and a few hundred names at most.
const (
	MaxBytes = 64 << 10 // of DER; longer ones are kept by their hash and first MaxBytes, and not parsed
	MaxNames = 1000     // of each kind in the JSON and of all in Names; the rest are counted
)

// ErrTooLong says that a certificate has more than [MaxBytes].
var ErrTooLong = errors.New("certificate is too long")

// A Certificate is one certificate with what it says of itself. Nobody has checked that. It is immutable, and may be used by any
// number of goroutines.
type Certificate struct {
	DER       []byte   // as it came
	SHA256    [32]byte // of the DER: what it is known by
	SPKI      [32]byte // SHA-256 of the SubjectPublicKeyInfo: what its key is known by; zero if it was not parsed
	Subject   string   // distinguished name in the order of the certificate: "C=XX, O=Example, CN=example.org"
	Issuer    string   // likewise
	Names     []string // DNS names and addresses of the subjectAltName, at most MaxNames
	Serial    string   // decimal
	NotBefore time.Time
	NotAfter  time.Time
	KeyType   string // "RSA", "ECDSA", "Ed25519", "DSA" or "unknown_algorithm"
	KeyBits   int    // of the modulus or of the curve; 0 if unknown
	Signature string // "SHA256-RSA", "ECDSA-SHA384"
	Version   int    // 1 to 3
	// SelfSigned says that it names itself as its issuer and that its own key made its signature.
	SelfSigned bool
	CA         bool  // it may issue others, by its basicConstraints
	Err        error // why it could not be parsed; then of all fields only DER and SHA256 are set

	x    *x509.Certificate // nil if Err is not
	once sync.Once         // of text: those above leaves come again and again
	text []byte            // as JSON
}

// Parse reads one certificate, and keeps der, which must not be changed afterwards. It returns a certificate in any case: one
// that crypto/x509 refuses has its DER, its hash and, in Err and as error, the reason.
func Parse(der []byte) (*Certificate, error) {
	return parse(der, sha256.Sum256(der))
}

func parse(der []byte, sum [32]byte) (*Certificate, error) {
	c := &Certificate{DER: der, SHA256: sum}
	if len(der) > MaxBytes {
		c.DER = bytes.Clone(der[:MaxBytes])
		c.Err = fmt.Errorf("%w: %d bytes", ErrTooLong, len(der))
		return c, c.Err
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		c.Err = fmt.Errorf("parse certificate: %w", err)
		return c, c.Err
	}
	c.x = x
	c.SPKI = sha256.Sum256(x.RawSubjectPublicKeyInfo)
	c.Subject, c.Issuer = dn(x.Subject.Names), dn(x.Issuer.Names)
	c.Names = names(x)
	c.Serial = x.SerialNumber.String()
	c.NotBefore, c.NotAfter = x.NotBefore, x.NotAfter
	c.KeyType, c.KeyBits = key(x)
	c.Signature = signature(x)
	c.Version = x.Version
	c.CA = x.BasicConstraintsValid && x.IsCA
	c.SelfSigned = selfSigned(x, c.KeyBits)
	return c, nil
}

// X509 returns the certificate as crypto/x509 sees it, which nobody may change; nil if it could not be parsed.
func (c *Certificate) X509() *x509.Certificate { return c.x }

// names returns what a certificate is for, as it says.
func names(x *x509.Certificate) []string {
	all := make([]string, 0, min(len(x.DNSNames)+len(x.IPAddresses), MaxNames))
	all = append(all, x.DNSNames[:min(len(x.DNSNames), MaxNames)]...)
	for _, ip := range x.IPAddresses[:min(len(x.IPAddresses), MaxNames-len(all))] {
		all = append(all, ip.String())
	}
	return all
}

func key(x *x509.Certificate) (kind string, bits int) {
	switch k := x.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "ECDSA", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "Ed25519", 256
	}
	if x.PublicKeyAlgorithm == x509.DSA {
		return "DSA", 0
	}
	return unknown, 0
}

// unknown is zgrab2's word for algorithms without a name.
const unknown = "unknown_algorithm"

func signature(x *x509.Certificate) string {
	if x.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return unknown
	}
	return x.SignatureAlgorithm.String()
}

// maxKeyBits is the longest RSA key whose signatures are checked. The work grows with the square of it, and servers choose it;
// crypto/tls draws the line at half of that.
const maxKeyBits = 16384

// selfSigned checks the signature only where issuer and subject are one, so that most certificates cost nothing.
func selfSigned(x *x509.Certificate, bits int) bool {
	if !bytes.Equal(x.RawSubject, x.RawIssuer) || bits > maxKeyBits {
		return false
	}
	// Not CheckSignatureFrom, which wants the certificate to be an authority: those of devices are none.
	return x.CheckSignature(x.SignatureAlgorithm, x.RawTBSCertificate, x.Signature) == nil
}
