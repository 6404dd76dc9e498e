package cert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Validation says whether a chain can be trusted, with the keys of zgrab2. Names and trust are judged apart.
type Validation struct {
	BrowserTrusted bool   `json:"browser_trusted"`          // a chain leads from the leaf to a root, and all in it are valid now
	BrowserError   string `json:"browser_error,omitempty"`  // why not
	MatchesDomain  bool   `json:"matches_domain,omitempty"` // the leaf is for the name that was asked for
	Reason         string `json:"reason,omitempty"`         // why not, in a word: one of the Reasons; "" if trusted and no name mismatches
}

// The reasons why a chain is not trusted.
const (
	ReasonNone        = ""
	ReasonUnparsed    = "unparsed"          // the leaf could not be parsed
	ReasonExpired     = "expired"           // the leaf or one above it is no longer valid
	ReasonNotYet      = "not-yet-valid"     // the leaf is not valid yet
	ReasonSelfSigned  = "self-signed"       // the leaf signed itself
	ReasonUnknownRoot = "unknown-authority" // the chain leads to no root of ours, or nowhere
	ReasonName        = "name-mismatch"     // it is trusted, and not for the name that was asked for
	ReasonOther       = "invalid"           // all else; BrowserError says what
)

// maxIntermediates bounds the certificates above a leaf that are looked at. Real chains have three; some servers send their
// whole store.
const maxIntermediates = 16

// A Verifier judges chains against a set of roots. It remembers verdicts for a minute, as the same chain comes from many
// addresses. It may be used by any number of goroutines.
type Verifier struct {
	roots *x509.CertPool
	mu    sync.Mutex
	seen  map[[32]byte]verdict
}

type verdict struct {
	at time.Time
	v  Validation
}

const (
	maxVerdicts = 4096
	verdictLife = time.Minute
)

// SystemVerifier returns a verifier with the roots of the operating system.
func SystemVerifier() (*Verifier, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("load the system's roots: %w", err)
	}
	return NewVerifier(pool), nil
}

// FileVerifier returns a verifier with the roots of a file of PEM blocks. Blocks of other types are passed over; a certificate
// that cannot be parsed, or a file without any, is an error.
func FileVerifier(file string) (*Verifier, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read roots: %w", err)
	}
	pool, err := parseRoots(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return NewVerifier(pool), nil
}

func parseRoots(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for n := 0; ; {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			if n == 0 {
				return nil, errors.New("no certificates in PEM")
			}
			return pool, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		n++
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n, err)
		}
		pool.AddCert(c)
	}
}

// NewVerifier returns a verifier with the given roots, which it keeps.
func NewVerifier(roots *x509.CertPool) *Verifier {
	return &Verifier{roots: roots, seen: make(map[[32]byte]verdict)}
}

// Verify judges a chain, leaf first, as of now: the others are those that the server sent with it, in any order. The name may be
// a host name or an address; "" asks for none, and then only trust is judged.
func (v *Verifier) Verify(chain []*Certificate, name string, now time.Time) Validation {
	if len(chain) == 0 || chain[0].x == nil {
		return Validation{Reason: ReasonUnparsed, BrowserError: "certificate was not parsed"}
	}
	chain = chain[:min(len(chain), 1+maxIntermediates)]
	key := chainKey(chain)
	val, ok := v.remembered(key, now)
	if !ok {
		val = v.judge(chain, now)
		v.remember(key, verdict{now, val})
	}
	if name != "" {
		if err := chain[0].x.VerifyHostname(hostname(name)); err == nil {
			val.MatchesDomain = true
		} else if val.BrowserTrusted {
			val.Reason = ReasonName
		}
	}
	return val
}

// hostname is a name in the form that crypto/x509 compares: an address of IPv6 in brackets.
func hostname(name string) string {
	if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
		return "[" + ip.String() + "]"
	}
	return strings.TrimSuffix(name, ".")
}

func chainKey(chain []*Certificate) [32]byte {
	h := sha256.New()
	for _, c := range chain {
		h.Write(c.SHA256[:])
	}
	return [32]byte(h.Sum(nil))
}

func (v *Verifier) remembered(key [32]byte, now time.Time) (Validation, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d, ok := v.seen[key]
	return d.v, ok && now.Sub(d.at).Abs() < verdictLife
}

func (v *Verifier) remember(key [32]byte, d verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.seen) >= maxVerdicts {
		clear(v.seen)
	}
	v.seen[key] = d
}

// judge asks crypto/x509, which bounds the signatures that it checks, and is kept from keys that are made to take long.
func (v *Verifier) judge(chain []*Certificate, now time.Time) Validation {
	pool := x509.NewCertPool()
	for _, c := range chain[1:] {
		if c.x != nil && c.KeyBits <= maxKeyBits {
			pool.AddCert(c.x)
		}
	}
	_, err := chain[0].x.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: pool, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err == nil {
		return Validation{BrowserTrusted: true}
	}
	return Validation{BrowserError: err.Error(), Reason: reason(chain, err, now)}
}

func reason(chain []*Certificate, err error, now time.Time) string {
	var invalid x509.CertificateInvalidError
	var unknownRoot x509.UnknownAuthorityError
	switch {
	case now.Before(chain[0].NotBefore):
		return ReasonNotYet
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ReasonExpired
	case now.After(chain[0].NotAfter):
		return ReasonExpired
	case chain[0].SelfSigned:
		return ReasonSelfSigned
	case errors.As(err, &unknownRoot):
		if slices.ContainsFunc(chain[1:], func(c *Certificate) bool { return c.x != nil && now.After(c.NotAfter) }) {
			return ReasonExpired
		}
		return ReasonUnknownRoot
	}
	return ReasonOther
}
