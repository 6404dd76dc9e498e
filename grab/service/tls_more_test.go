package service

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// TestNamesThatAreSent has servers tell which name they were asked for.
func TestNamesThatAreSent(t *testing.T) {
	leaf := newIssuer(t).leaf(t, ecdsaKey(t), nil)
	asked := make(chan string, 1)
	to := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{leaf}, MaxVersion: tls.VersionTLS12, GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		asked <- i.ServerName
		return nil, nil
	}})
	for _, c := range []struct{ target, sni, want string }{
		{"example.org", "", "example.org"},
		{"example.org.", "", "example.org"},
		{"", "", ""},
		{"192.0.2.1", "", ""},
		{"2001:db8::1", "", ""},
		{"[2001:db8::1]", "", ""},
		{"example.org", "none", ""},
		{"example.org", "other.example", "other.example"},
	} {
		for _, mode := range []string{modeFull, modeCerts} {
			args := map[string]string{"mode": mode, "roots": "none"}
			if c.sni != "" {
				args["sni"] = c.sni
			}
			m, err := newTLS(args)
			if err != nil {
				t.Fatal(err)
			}
			s := session(t, to, 0)
			s.Name = c.target
			if _, err := m.Grab(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if got := <-asked; got != c.want {
				t.Errorf("%s, target %q, sni=%s: server was asked for %q", mode, c.target, c.sni, got)
			}
		}
	}
}

// TestStandIns has a server that shows a certificate for nobody to those who name nobody.
func TestStandIns(t *testing.T) {
	leaf := newIssuer(t).leaf(t, ecdsaKey(t), func(c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: []string{"Acme Co"}, CommonName: "Kubernetes Ingress Controller Fake Certificate"}
		c.DNSNames = []string{"ingress.local"}
	})
	to := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{leaf}})
	for name, want := range map[string]bool{"": true, "example.org": false} {
		s := session(t, to, 0)
		s.Name = name
		got, err := (&tlsModule{mode: modeFull}).Grab(t.Context(), s)
		if err != nil || got.(*TLSResult).WantsName() != want {
			t.Errorf("name %q: %+v %v", name, got, err)
		}
	}
}

// TestClientCertificates has servers that want one.
func TestClientCertificates(t *testing.T) {
	leaf := newIssuer(t).leaf(t, ecdsaKey(t), nil)
	for _, v := range []uint16{hello.TLS12, hello.TLS13} {
		for _, auth := range []tls.ClientAuthType{tls.RequestClientCert, tls.RequireAnyClientCert} {
			to := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{leaf}, MaxVersion: v, ClientAuth: auth})
			got, err := (&tlsModule{mode: modeFull}).Grab(t.Context(), session(t, to, 0))
			r := got.(*TLSResult)
			if !r.ClientCertificate || r.shown == nil {
				t.Errorf("%s, %v: %+v", hello.VersionName(v), auth, r)
			}
			if refused := v == hello.TLS12 && auth == tls.RequireAnyClientCert; refused != (grab.StatusOf(err) == grab.ApplicationError) {
				t.Errorf("%s, %v: %v", hello.VersionName(v), auth, err)
			}
		}
	}
}

// TestHeartbleed has servers with and without the bug, and looks at what they were asked.
func TestHeartbleed(t *testing.T) {
	flight := func(ext ...byte) []byte {
		return fakeFlight(1<<14, fakeHello(hello.TLS11, 0xc013, ext...), fakeCertificates([]byte("x")), fakeDone)
	}
	echo := []byte{0, 15, 0, 1, 1}
	for name, c := range map[string]struct {
		flight              []byte
		answer              []byte
		hang                bool
		enabled, vulnerable bool
	}{
		"bug":          {flight(echo...), fakeRecord(hello.RecordHeartbeat, append([]byte{2, 0, 0}, make([]byte, 16)...)...), true, true, true},
		"alert":        {flight(echo...), fakeRecord(hello.RecordAlert, 2, 10), true, true, false},
		"closes":       {flight(echo...), nil, false, true, false},
		"silent":       {flight(echo...), nil, true, true, false},
		"not to ask":   {flight(0, 15, 0, 1, 2), nil, true, false, false},
		"no extension": {flight(), nil, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan []byte, 1)
			to := serve(t, func(conn net.Conn) {
				if _, _, err := readFakeHello(conn); err != nil {
					return
				}
				_, _ = conn.Write(c.flight)
				b := make([]byte, 100)
				n, _ := conn.Read(b)
				asked <- b[:n]
				_, _ = conn.Write(c.answer)
				if c.hang && n > 0 {
					_, _ = io.Copy(io.Discard, conn)
				}
			})
			s := session(t, to, 0)
			log, err := heartbleed(t.Context(), s, s.Conn, tlsOptions{})
			_ = s.Conn.Close()
			if err != nil || log.Enabled != c.enabled || log.Vulnerable != c.vulnerable {
				t.Fatalf("%+v %v", log, err)
			}
			want := []byte{24, 3, 2, 0, 3, 1, 0, 0}
			if !c.enabled {
				want = nil
			}
			if got := <-asked; !bytes.Equal(got, want) {
				t.Errorf("the server was sent % x, want % x", got, want)
			}
		})
	}
}

// TestAccepts asks servers of crypto/tls, and one that takes all that is old.
func TestAccepts(t *testing.T) {
	leaf := newIssuer(t).leaf(t, rsaKey(t), nil)
	ask := func(talk func(net.Conn), budget int) *AcceptsLog {
		s := session(t, serve(t, talk), budget)
		_ = s.Conn.Close()
		return accepts(t.Context(), s, tlsOptions{})
	}
	for _, c := range []struct{ low, high uint16 }{{hello.TLS10, hello.TLS12}, {hello.TLS12, hello.TLS13}, {hello.TLS13, hello.TLS13}} {
		got := ask(func(conn net.Conn) {
			_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: c.low, MaxVersion: c.high}).Handshake()
		}, 9)
		var want []version
		for v := c.low; v <= c.high; v++ {
			want = append(want, version(v))
		}
		if !slices.Equal(got.Versions, want) || len(got.Export) != 0 || !got.Complete {
			t.Errorf("%x to %x: %+v", c.low, c.high, got)
		}
	}
	old := func(conn net.Conn) {
		v, suites, err := readFakeHello(conn)
		if err != nil {
			return
		}
		for _, id := range suites {
			if id == 0x0003 || id == 0x0014 || id == 0x0005 {
				_, _ = conn.Write(fakeFlight(1<<14, fakeHello(min(v, hello.TLS10), id)))
				return
			}
		}
		_, _ = conn.Write(fakeRecord(hello.RecordAlert, 2, 40))
	}
	got := ask(old, 9)
	if !slices.Equal(got.Versions, []version{hello.SSL3, hello.TLS10}) || !slices.Equal(got.Export, []suite{0x0003, 0x0014}) || !got.Complete {
		t.Errorf("an old server: %+v", got)
	}
	if got = ask(old, 2); got.Complete || !strings.Contains(got.Error, grab.ErrBudget.Error()) || len(got.Versions) != 2 {
		t.Errorf("two connections: %+v", got)
	}
}

// TestChecks makes all checks of one server in one grab, with enough connections and with too few.
func TestChecks(t *testing.T) {
	leaf := newIssuer(t).leaf(t, rsaKey(t), nil)
	to := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12})
	args := map[string]string{"roots": "none", "heartbleed": "true", "accepts": "true", "jarm": "true", "ja3s": "true"}
	m, err := newTLS(args)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Grab(t.Context(), session(t, to, m.Describe().Connections-1))
	if err != nil {
		t.Fatal(err)
	}
	r := got.(*TLSResult)
	if r.Heartbleed == nil || r.Heartbleed.Enabled || r.Accepts == nil || !r.Accepts.Complete || len(r.JARM) != 62 || len(r.JA3S) != 32 {
		t.Errorf("%+v", r)
	}
	got, err = m.Grab(t.Context(), session(t, to, 3))
	if r = got.(*TLSResult); err != nil || r.JARM != "" || r.Accepts.Complete || r.shown == nil {
		t.Errorf("with three connections more: %v %+v", err, r)
	}
}

func TestArgs(t *testing.T) {
	for _, bad := range []map[string]string{
		{"mode": "x"}, {"sni": "192.0.2.1"}, {"alpn": ""}, {"versions": "ssl3"}, {"versions": "1.3-1.0"}, {"versions": "x"}, {"jarm": "x"}, {"x": ""}, {"roots": "/nonexistent"},
	} {
		if _, err := newTLS(bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
	m, err := newTLS(map[string]string{"versions": "1.1-1.2", "alpn": "h2+http/1.1"})
	if tm, ok := m.(*tlsModule); err != nil || !ok || tm.min != hello.TLS11 || tm.max != hello.TLS12 || len(tm.alpn) != 2 || tm.verifier == nil || tm.store == nil {
		t.Errorf("%+v %v", m, err)
	}
	if d := m.Describe(); d.Name != "tls" || d.Port != 443 || d.Transport != grab.Handover {
		t.Errorf("%+v", d)
	}
	for _, word := range []string{"mode=", "sni=", "alpn=", "versions=", "roots=", "ja3s=", "jarm=", "heartbleed=", "accepts="} {
		if !strings.Contains(tlsArgs, word) {
			t.Errorf("%s is not explained", word)
		}
	}
}

// TestHandshakeGoesOn speaks over a connection that handshakeTLS returned, as protocols above do.
func TestHandshakeGoesOn(t *testing.T) {
	leaf := newIssuer(t).leaf(t, ecdsaKey(t), nil)
	said := make(chan error, 1)
	to := serve(t, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{leaf}, NextProtos: []string{"x"}})
		_, _ = io.CopyN(s, s, 5)
		_, err := io.Copy(io.Discard, s)
		said <- err
	})
	s := session(t, to, 0)
	r, c, err := handshakeTLS(t.Context(), s, s.Conn, tlsOptions{alpn: []string{"y", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("%q %v", b, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-said; err != nil {
		t.Errorf("the server saw no goodbye: %v", err)
	}
	if binary.Size(r.Handshake.ServerHello.Random) != 32 {
		t.Error("no random of the server")
	}
}

func TestCanceled(t *testing.T) {
	to := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for _, mode := range []string{modeFull, modeCerts} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		_, err := (&tlsModule{mode: mode}).Grab(ctx, session(t, to, 0))
		if err == nil || time.Since(start) > 10*time.Second {
			t.Errorf("%s: %v after %v", mode, err, time.Since(start))
		}
	}
}
