//go:build !minimal

package service

import (
	"bytes"
	"fmt"
	"io"
	"net"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// What zcrypto may be asked to reckon with. It has no bounds of its own, and the work grows with the cube of the length, which the
// server chooses: with one of 64 KiB it would take days, and nothing interrupts it.
const (
	maxPrimeBytes  = 1024 // of Diffie-Hellman: 8192 bits, as in the largest group that has a name (RFC 7919)
	maxKeyBits     = 8192 // of RSA, as crypto/tls has it
	maxOddKeyBytes = 2048 // of a certificate whose key crypto/x509 cannot read
)

// A guard reads a server's first flight before its reader gets a byte of it, and keeps back one that would take too long. It has
// one reader, who has sent a hello for TLS 1.2 or older.
type guard struct {
	net.Conn
	flight flight
	bytes  bytes.Buffer // of the flight, not yet handed on
	done   bool
}

// Read hands on the flight, and then whatever comes.
func (g *guard) Read(b []byte) (int, error) {
	if !g.done {
		g.done = true
		if err := g.first(); err != nil {
			return 0, err
		}
	}
	if g.bytes.Len() > 0 {
		return g.bytes.Read(b)
	}
	return g.Conn.Read(b)
}

func (g *guard) first() error {
	in := hello.NewReader(io.TeeReader(g.Conn, &g.bytes)) // takes whole records, and nothing of the next
	if err := g.flight.read(in, hello.TypeServerHelloDone); err != nil {
		return err
	}
	if g.flight.prime > maxPrimeBytes {
		return fmt.Errorf("prime of %d bytes: %w", g.flight.prime, grab.ErrProtocol)
	}
	for _, der := range g.flight.chain {
		c, err := cert.Parse(der)
		if err == nil && c.KeyBits > maxKeyBits || (err != nil || c.KeyBits == 0) && len(der) > maxOddKeyBytes {
			return fmt.Errorf("certificate of %d bytes with a key of %d bits: %w", len(der), c.KeyBits, grab.ErrProtocol)
		}
	}
	return nil
}
