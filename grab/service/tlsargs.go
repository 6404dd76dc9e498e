package service

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// tlsStoreBytes is how many bytes of parsed certificates are kept to find them again.
const tlsStoreBytes = 16 << 20

// tlsArgs are the options of the module tls, for its help.
const tlsArgs = `mode=full|certs      a handshake (full), or the server's first flight without cryptography (certs), which costs a
                     hundredth, proves no key and takes a second connection for servers of TLS 1.3 alone
sni=NAME|none        the name to ask for in place of the target's
alpn=P+P             protocols to offer, best first: h2+http/1.1
versions=1.0-1.3     versions to offer
roots=FILE|system|none   what to judge chains against
` + briefArg + `
ja3s=true  jarm=true   fingerprints; JARM takes ten connections more
heartbleed=true      whether a heartbeat request that asks for nothing is answered; one connection more
accepts=true         which versions and which suites for export are agreed to; up to eight connections more`

// The option of all modules that turn to TLS, and its help.
const (
	briefName = "certificates"
	briefArg  = briefName + `=inline|sha256   certificates whole, or what they are known by: a database with the field certificates has
                     each of them once`
)

// parseBrief reads the option.
func (o *tlsOptions) parseBrief(value string) error {
	if o.brief = value == "sha256"; !o.brief && value != "inline" {
		return errors.New("inline or sha256 is wanted")
	}
	return nil
}

// newTLS returns the module tls with the given options, which [tlsArgs] explains.
func newTLS(args map[string]string) (grab.Module, error) {
	m := &tlsModule{mode: modeFull, tlsOptions: tlsOptions{store: cert.NewStore(tlsStoreBytes)}}
	roots := "system"
	var errs []error
	for key, value := range args {
		switch key {
		case "roots":
			roots = value
		default:
			if err := m.parseArg(key, value); err != nil {
				errs = append(errs, fmt.Errorf("%s=%s: %w", key, value, err))
			}
		}
	}
	var err error
	if m.verifier, err = openRoots(roots); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(errs...)
	}
	return m, nil
}

func openRoots(where string) (*cert.Verifier, error) {
	switch where {
	case "none":
		return nil, nil
	case "system":
		return cert.SystemVerifier()
	}
	return cert.FileVerifier(where)
}

func (m *tlsModule) parseArg(key, value string) (err error) {
	switch key {
	case "mode":
		if m.mode = value; value != modeFull && value != modeCerts {
			return errors.New("full or certs is wanted")
		}
	case "sni":
		if m.noName = value == "none"; !m.noName {
			m.name = value
		}
		if m.name != "" && hello.SNI(m.name) == "" {
			return errors.New("an address is no name")
		}
	case "alpn":
		m.alpn = strings.Split(value, "+")
		if slices.ContainsFunc(m.alpn, func(p string) bool { return p == "" || len(p) > 255 }) {
			return errors.New("names of protocols are wanted, with + between them")
		}
	case "versions":
		m.min, m.max, err = parseVersions(value)
	case briefName:
		err = m.parseBrief(value)
	case "ja3s":
		m.ja3s, err = strconv.ParseBool(value)
	case "jarm":
		m.jarm, err = strconv.ParseBool(value)
	case "heartbleed":
		m.heartbleed, err = strconv.ParseBool(value)
	case "accepts":
		m.accepts, err = strconv.ParseBool(value)
	default:
		return errors.New("no such option")
	}
	return err
}

// parseVersions reads one version or two with a dash between them. SSL 3 is not among what can be spoken, only what accepts asks.
func parseVersions(s string) (low, high uint16, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	low, ok1 := hello.ParseVersion(first)
	high, ok2 := hello.ParseVersion(last)
	if !ok1 || !ok2 || low > high || low < hello.TLS10 {
		return 0, 0, errors.New("versions from 1.0 to 1.3 are wanted")
	}
	return low, high, nil
}
