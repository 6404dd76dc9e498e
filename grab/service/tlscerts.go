package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// certsTLS asks a server for its certificates without cryptography: a ClientHello for TLS 1.2 or older, the answer up to the
// certificates, and no more. That costs a hundredth of a handshake. It proves no key, and servers that speak TLS 1.3 alone
// refuse it. The result is never nil; the error is as that of [handshakeTLS]. The connection is of no more use.
func certsTLS(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*TLSResult, error) {
	r := &TLSResult{Mode: modeCerts}
	name := o.sni(s)
	offer := hello.Census(name)
	offer.ALPN = o.alpn
	if o.max != 0 {
		offer.Max = min(offer.Max, o.max)
	}
	var f flight
	err := ask(ctx, conn, &offer, &f, hello.TypeCertificate)
	r.take(&f, o)
	r.certificates(f.chain, name, o)
	switch {
	case err != nil:
		r.SNIRequired = name == "" && r.nameless(err)
	case f.chain == nil:
		err = fmt.Errorf("no certificates: %w", grab.ErrProtocol)
	case f.hello == nil:
		err = fmt.Errorf("no server hello: %w", grab.ErrProtocol)
	}
	return r, err
}

// ask sends a hello and reads the answer into f, up to a message of the type until.
func ask(ctx context.Context, conn net.Conn, offer *hello.Client, f *flight, until byte) error {
	defer interrupt(ctx, conn)()
	msg, err := offer.Append(make([]byte, 0, 512), rand.Reader)
	if err != nil {
		return err
	}
	if _, err := conn.Write(msg); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	if err := f.read(hello.NewReader(conn), until); err != nil {
		return fmt.Errorf("read answer to hello: %w", orDone(ctx, err))
	}
	return nil
}

// interrupt ends reading and writing when ctx is done, until the function that it returns is called.
func interrupt(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// orDone returns why ctx ended if that is why err came.
func orDone(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

// mayBeNewer says whether a server that refused an old hello may speak TLS 1.3 alone, going by its alert.
func mayBeNewer(err error) bool {
	return alerted(err, hello.AlertProtocolVersion, hello.AlertHandshakeFailure, hello.AlertInsufficientSecurity,
		hello.AlertIllegalParameter, hello.AlertMissingExtension)
}

// mayBeOlder says whether a server that crypto/tls could not agree with may speak to who offers more: its alert says so, or it
// chose what crypto/tls does not have, or showed what crypto/x509 refuses.
func mayBeOlder(err error) bool {
	if errors.Is(err, grab.ErrProtocol) {
		return errors.Is(err, errRefused)
	}
	return alerted(err, hello.AlertProtocolVersion, hello.AlertHandshakeFailure, hello.AlertInsufficientSecurity,
		hello.AlertIllegalParameter, hello.AlertInternalError, hello.AlertDecodeError)
}

func alerted(err error, descriptions ...byte) bool {
	var a hello.Alert
	return errors.As(err, &a) && slices.Contains(descriptions, a.Description)
}
