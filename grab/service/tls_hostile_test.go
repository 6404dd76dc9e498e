package service

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// TestAlertsAtEachStep has servers that say no to the hello, after their own, and after their certificates.
func TestAlertsAtEachStep(t *testing.T) {
	is := newIssuer(t)
	leaf := is.leaf(t, rsaKey(t), nil)
	greeting := fakeHello(hello.TLS12, 0xc02f)
	chain := fakeCertificates(leaf.Certificate...)
	for _, mode := range []string{modeFull, modeCerts} {
		for step, before := range map[string][]byte{"hello": nil, "server hello": fakeFlight(1<<14, greeting), "certificates": fakeFlight(1<<14, greeting, chain)} {
			for _, n := range []byte{40, 70, 80, 112, 0xee} {
				t.Run(fmt.Sprintf("%s/%s/%d", mode, step, n), func(t *testing.T) {
					to := serve(t, answering(append(bytes.Clone(before), fakeRecord(hello.RecordAlert, 2, n)...)))
					got, err := (&tlsModule{mode: mode}).Grab(t.Context(), session(t, to, 0))
					r := got.(*TLSResult)
					if mode == modeCerts && step == "certificates" {
						if err != nil || r.shown == nil {
							t.Fatalf("certificates came: %v", err)
						}
						return
					}
					if grab.StatusOf(err) != grab.ApplicationError || !strings.Contains(err.Error(), strings.ReplaceAll(hello.AlertName(n), "_", " ")) {
						t.Errorf("error is %v", err)
					}
					if a := r.Handshake.Alert; a == nil || a.Description != n || a.Level != 2 {
						t.Errorf("alert is %+v", a)
					}
					if (r.Handshake.ServerHello != nil) != (step != "hello") || (r.shown != nil) != (step == "certificates") {
						t.Errorf("partial result is %+v", r.Handshake)
					}
					if want := step != "certificates" && (n == 40 || n == 80 || n == 112); r.WantsName() != want {
						t.Errorf("wants a name: %v", r.WantsName())
					}
				})
			}
		}
	}
}

// TestOneByteAtATime cuts what a server sends at every byte: of the stream, and into records.
func TestOneByteAtATime(t *testing.T) {
	is := newIssuer(t)
	leaf := is.leaf(t, ecdsaKey(t), nil)
	for v := uint16(hello.TLS12); v <= hello.TLS13; v++ {
		to := serve(t, func(c net.Conn) {
			s := tls.Server(drip{c}, &tls.Config{Certificates: []tls.Certificate{leaf}, MaxVersion: v})
			if s.Handshake() == nil {
				_, _ = s.Read(make([]byte, 1))
			}
		})
		got, err := (&tlsModule{mode: modeFull}).Grab(t.Context(), session(t, to, 0))
		if err != nil || got.(*TLSResult).shown == nil {
			t.Errorf("%s: %v", hello.VersionName(v), err)
		}
	}
	flight := fakeFlight(3, fakeHello(hello.TLS12, 0xc02f), fakeCertificates(leaf.Certificate...), fakeDone)
	got, err := (&tlsModule{mode: modeCerts}).Grab(t.Context(), session(t, serve(t, answering(flight)), 0))
	if err != nil || got.(*TLSResult).shown == nil {
		t.Errorf("records of three bytes: %v", err)
	}
}

// A drip writes a byte at a time.
type drip struct{ net.Conn }

func (d drip) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// TestHostileServers sees that each ends soon, with a status that fits and what was learned before.
func TestHostileServers(t *testing.T) {
	is := newIssuer(t)
	leaf := is.leaf(t, rsaKey(t), nil)
	giant := is.leaf(t, ecdsaKey(t), func(c *x509.Certificate) {
		for i := range 4000 {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("host-%d.example.org", i))
		}
	})
	greeting := fakeHello(hello.TLS12, 0xc02f)
	forever := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			for {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
	}
	for name, c := range map[string]struct {
		talk  func(net.Conn)
		want  grab.Status
		hello bool
		certs int
	}{
		"HTTP":                 {answering([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")), grab.ProtocolError, false, 0},
		"SSH, at once":         {forever([]byte("SSH-2.0-OpenSSH_9.2p1\r\n")), grab.ProtocolError, false, 0},
		"zeros for ever":       {forever(make([]byte, 4096)), grab.ProtocolError, false, 0},
		"empty records":        {forever(bytes.Repeat(fakeRecord(22), 100)), grab.ProtocolError, false, 0},
		"warnings for ever":    {forever(bytes.Repeat(fakeRecord(21, 1, 90), 100)), "", false, 0},
		"closes at once":       {func(net.Conn) {}, grab.ConnectionClosed, false, 0},
		"closes after a hello": {func(c net.Conn) { _, _, _ = readFakeHello(c); _, _ = c.Write(fakeFlight(1<<14, greeting)) }, grab.ConnectionClosed, true, 0},
		"giant certificate":    {answering(fakeFlight(1<<14, greeting, fakeCertificates(giant.Certificate...), fakeDone)), grab.ProtocolError, true, 0},
		"broken certificate":   {answering(fakeFlight(1<<14, greeting, fakeCertificates([]byte("no certificate"), leaf.Certificate[0]), fakeDone)), "", true, 2},
		"empty certificate":    {answering(fakeFlight(1<<14, greeting, fakeCertificates([]byte{}), fakeDone)), "", true, 1},
		"no certificates":      {answering(fakeFlight(1<<14, greeting, fakeCertificates(), fakeDone)), grab.ProtocolError, true, 0},
		"hello after hello":    {answering(fakeFlight(1<<14, greeting, greeting, greeting, fakeDone)), grab.ProtocolError, true, 0},
		"silent":               {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, grab.IOTimeout, false, 0},
	} {
		for _, mode := range []string{modeFull, modeCerts} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				if name == "silent" {
					ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
					defer cancel()
				}
				start := time.Now()
				got, err := (&tlsModule{mode: mode}).Grab(ctx, session(t, serve(t, c.talk), 0))
				r := got.(*TLSResult)
				if status := grab.StatusOf(err); c.want != "" && status != c.want {
					t.Errorf("status %s (%v), want %s", status, err, c.want)
				}
				if time.Since(start) > 30*time.Second {
					t.Errorf("took %v", time.Since(start))
				}
				if (r.Handshake.ServerHello != nil) != c.hello {
					t.Errorf("server hello: %v", r.Handshake.ServerHello)
				}
				n := 0
				if l := r.Handshake.Certificates; l != nil {
					n = 1 + len(l.Chain)
				}
				want := c.certs
				if name == "giant certificate" && mode == modeFull { // crypto/tls takes it, and cert keeps its hash
					want = 2
				}
				if n != want {
					t.Errorf("%d certificates, want %d", n, want)
				}
			})
		}
	}
}

// TestNothingIsLeftBehind counts goroutines after servers of all kinds.
func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	to := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		s := session(t, to, 0)
		for _, w := range []way{fullTLS, certsTLS, legacyTLS} {
			if _, err := w(ctx, s, s.Conn, tlsOptions{}); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, net.ErrClosed) && grab.StatusOf(err) != grab.IOTimeout {
				t.Errorf("got %v", err)
			}
		}
		_ = s.Conn.Close()
		cancel()
	}
	for range 200 {
		if runtime.NumGoroutine() <= before+1 { // the listener's
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
