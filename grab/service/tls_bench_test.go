package service

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// BenchmarkTLS is what a grab costs beside what crypto/tls costs: over loopback, both sides and the connection counted, one at a
// time. The flight alone, without network and server, is "certs/parse".
func BenchmarkTLS(b *testing.B) {
	is := newIssuer(b)
	leaf := is.leaf(b, ecdsaKey(b), nil)
	to12 := serveTLS(b, &tls.Config{Certificates: []tls.Certificate{leaf}, MaxVersion: tls.VersionTLS12, SessionTicketsDisabled: true})
	to13 := serveTLS(b, &tls.Config{Certificates: []tls.Certificate{leaf}, SessionTicketsDisabled: true})
	o := tlsOptions{store: cert.NewStore(1 << 20)}
	run := func(name string, to net.Addr, w func(ctx context.Context, s *grab.Session, c net.Conn) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := &grab.Session{}
			for b.Loop() {
				c, err := net.Dial("tcp", to.String())
				if err != nil {
					b.Fatal(err)
				}
				_ = c.(*net.TCPConn).SetLinger(0)
				if err := w(b.Context(), s, c); err != nil {
					b.Fatal(err)
				}
				_ = c.Close()
			}
		})
	}
	std := func(c *tls.Config) func(context.Context, *grab.Session, net.Conn) error {
		return func(ctx context.Context, _ *grab.Session, conn net.Conn) error {
			return tls.Client(conn, c).HandshakeContext(ctx)
		}
	}
	ours := func(w way) func(context.Context, *grab.Session, net.Conn) error {
		return func(ctx context.Context, s *grab.Session, conn net.Conn) error {
			_, err := w(ctx, s, conn, o)
			return err
		}
	}
	at12, at13 := net.TCPAddrFromAddrPort(to12), net.TCPAddrFromAddrPort(to13)
	run("1.3/std default", at13, std(&tls.Config{InsecureSkipVerify: true}))
	run("1.3/std X25519", at13, std(&tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}))
	run("1.3/full", at13, ours(fullTLS))
	run("1.3/legacy", at13, ours(legacyTLS))
	run("1.2/std X25519", at12, std(&tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}))
	run("1.2/full", at12, ours(fullTLS))
	run("1.2/certs", at12, ours(certsTLS))

	flight := fakeFlight(1<<14, fakeHello(hello.TLS12, 0xc02f, 0xff, 1, 0, 1, 0), fakeCertificates(leaf.Certificate...), fakeDone)
	for name, store := range map[string]*cert.Store{"certs/parse, seen": o.store, "certs/parse, new": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := certsTLS(b.Context(), &grab.Session{}, canned{bytes.NewReader(flight)}, tlsOptions{store: store})
				if err != nil || r.shown == nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A canned connection has one answer to everything.
type canned struct{ *bytes.Reader }

func (canned) Write(b []byte) (int, error)      { return len(b), nil }
func (canned) Close() error                     { return nil }
func (canned) LocalAddr() net.Addr              { return nil }
func (canned) RemoteAddr() net.Addr             { return nil }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }
