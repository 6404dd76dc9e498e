//go:build minimal

package service

import (
	"context"
	"net"

	"github.com/zmap-go/zmap/grab"
)

// legacyTLS takes what servers show before anything is encrypted, where crypto/tls refuses to go on: this build has no other TLS.
func legacyTLS(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*TLSResult, error) {
	return certsTLS(ctx, s, conn, o)
}
