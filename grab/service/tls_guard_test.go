//go:build !minimal

package service

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// TestHugeNumbers has servers that choose primes and keys which would take days to reckon with.
func TestHugeNumbers(t *testing.T) {
	leaf := newIssuer(t).leaf(t, rsaKey(t), nil)
	huge := make([]byte, 30_000)
	_, _ = rand.Read(huge)
	huge[0] |= 0x80
	huge[len(huge)-1] |= 1
	n := []byte{byte(len(huge) >> 8), byte(len(huge))}
	params := append(append([]byte{}, n...), huge...)
	params = append(params, 0, 1, 2)      // g
	params = append(params, 0, 2, 99, 99) // Y
	params = append(params, 4, 1, 0, 4, 1, 2, 3, 4)
	greeting := fakeHello(hello.TLS12, 0x0033, 0xff, 1, 0, 1, 0)
	for name, flight := range map[string][]byte{
		"prime":   fakeFlight(1<<14, greeting, fakeCertificates(leaf.Certificate...), fakeMessage(hello.TypeServerKeyExchange, params...), fakeDone),
		"odd key": fakeFlight(1<<14, greeting, fakeCertificates(huge), fakeDone),
	} {
		start := time.Now()
		s := session(t, serve(t, answering(flight)), 0)
		r, err := legacyTLS(t.Context(), s, s.Conn, tlsOptions{})
		if grab.StatusOf(err) != grab.ProtocolError || r.shown == nil || r.Handshake.ServerHello == nil {
			t.Errorf("%s: %v", name, err)
		}
		if time.Since(start) > 10*time.Second {
			t.Errorf("%s: took %v", name, time.Since(start))
		}
	}
}
