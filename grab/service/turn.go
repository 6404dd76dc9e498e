package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
)

// When a protocol turns to TLS.
const (
	turnOffered = "offered" // where the server says that it can, by the protocol's own means
	turnFirst   = "first"   // from the first byte on
	turnNever   = "never"
)

// turnStoreBytes is how many bytes of parsed certificates a module keeps to find them again: auto holds all modules at once.
const turnStoreBytes = 1 << 20

// A turn says when a protocol that is not TLS turns to it, and how.
type turn struct {
	tlsOptions
	when string
}

// What turned to TLS has the log of it, and the names in the certificate.
type turned struct {
	// TLS is what the handshake taught; nil if there was none.
	TLS *TLSResult `json:"tls,omitempty"`
}

// Names returns the names that the certificate is for.
func (t *turned) Names() []grab.FoundName {
	if t.TLS == nil {
		return nil
	}
	return t.TLS.Names()
}

// Shown returns the server's certificates.
func (t *turned) Shown() *cert.Chain { return t.TLS.Shown() }

// WantsName says that the server would not shake hands without a name.
func (t *turned) WantsName() bool { return t.TLS != nil && t.TLS.WantsName() }

// turnArgs are the options of a turn, for the help of modules.
func turnArgs(ways ...string) string {
	return "tls=" + strings.Join(ways, "|") + "   when to turn to TLS\nroots=FILE|system|none   what to judge chains against\n" + briefArg
}

// newTurn reads options of a turn, and hands the others to other, which may be nil: there are none.
func newTurn(args map[string]string, other func(key, value string) error, ways ...string) (turn, error) {
	t := turn{tlsOptions: tlsOptions{store: cert.NewStore(turnStoreBytes)}, when: ways[0]}
	roots := "system"
	err := eachArg(args, func(key, value string) error {
		switch key {
		case "roots":
			roots = value
			return nil
		case briefName:
			return t.parseBrief(value)
		case "tls":
			if t.when = value; !slices.Contains(ways, value) {
				return fmt.Errorf("one of %s is wanted", strings.Join(ways, ", "))
			}
			return nil
		}
		if other == nil {
			return errors.New("no such option")
		}
		return other(key, value)
	})
	if err == nil && t.when != turnNever {
		t.verifier, err = openRoots(roots)
	}
	return t, err
}

// eachArg hands all options to take, and returns what it says of them together.
func eachArg(args map[string]string, take func(key, value string) error) error {
	var errs []error
	for key, value := range args {
		if err := take(key, value); err != nil {
			errs = append(errs, fmt.Errorf("%s=%s: %w", key, value, err))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// parseCount reads a number from low to high.
func parseCount(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return low, fmt.Errorf("a number from %d to %d is wanted", low, high)
	}
	return n, nil
}

// first turns to TLS if that comes first. The connection is conn itself if it does not.
func (t *turn) first(ctx context.Context, s *grab.Session, conn net.Conn) (*TLSResult, net.Conn, error) {
	if t.when != turnFirst {
		return nil, conn, nil
	}
	return t.over(ctx, s, conn)
}

// over turns to TLS, now.
func (t *turn) over(ctx context.Context, s *grab.Session, conn net.Conn) (*TLSResult, net.Conn, error) {
	return handshakeTLS(ctx, s, conn, t.tlsOptions)
}
