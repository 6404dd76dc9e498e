//go:build !minimal

package service

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/grab/hello"
)

// openssl runs s_server with a certificate for an RSA key, on loopback, until the test ends.
func openssl(t *testing.T, flags ...string) netip.AddrPort {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	leaf := newIssuer(t).leaf(t, rsaKey(t), nil)
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.pem")
	text := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", file, "-www"}, flags...)
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for in := bufio.NewScanner(out); in.Scan(); {
		if at, ok := strings.CutPrefix(in.Text(), "ACCEPT "); ok {
			go func() {
				for in.Scan() {
				}
			}()
			return netip.MustParseAddrPort(at)
		}
	}
	t.Fatal("openssl s_server did not start")
	return netip.AddrPort{}
}

// TestOpenSSL grabs from servers that crypto/tls cannot speak to, and from one of each version.
func TestOpenSSL(t *testing.T) {
	for name, c := range map[string]struct {
		flags []string
		mode  string
		want  string
		suite uint16
	}{
		"only DHE":          {[]string{"-tls1_2", "-cipher", "DHE-RSA-AES128-SHA@SECLEVEL=0"}, modeFull, modeLegacy, 0x0033},
		"only DHE, certs":   {[]string{"-tls1_2", "-cipher", "DHE-RSA-AES128-SHA@SECLEVEL=0"}, modeCerts, modeCerts, 0x0033},
		"TLS 1.0":           {[]string{"-tls1", "-cipher", "AES128-SHA@SECLEVEL=0"}, modeFull, modeFull, 0x002f},
		"TLS 1.2":           {[]string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"}, modeFull, modeFull, 0xc030},
		"TLS 1.2, certs":    {[]string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"}, modeCerts, modeCerts, 0xc030},
		"only 1.3, certs":   {[]string{"-tls1_3"}, modeCerts, modeFull, 0x1301},
		"only P-384 in 1.3": {[]string{"-tls1_3", "-groups", "P-384"}, modeFull, modeFull, 0x1301},
	} {
		t.Run(name, func(t *testing.T) {
			to := openssl(t, c.flags...)
			got, err := (&tlsModule{mode: c.mode, tlsOptions: tlsOptions{ja3s: true}}).Grab(t.Context(), session(t, to, 1))
			if err != nil {
				t.Fatal(err)
			}
			r := got.(*TLSResult)
			if r.Mode != c.want || r.shown == nil || r.shown.Certificates[0].Subject != "CN=www.example.org" {
				t.Fatalf("mode %s, %+v", r.Mode, r.shown.Certificates[0])
			}
			s := uint16(r.Handshake.ServerHello.Suite)
			if s != c.suite && (c.suite != 0x1301 || s>>8 != 0x13) {
				t.Errorf("suite %s", hello.SuiteName(s))
			}
		})
	}
}

// TestOpenSSLAccepts asks openssl which versions it takes.
func TestOpenSSLAccepts(t *testing.T) {
	to := openssl(t, "-cipher", "ALL@SECLEVEL=0", "-no_tls1_1")
	s := session(t, to, 10)
	_ = s.Conn.Close()
	got := accepts(t.Context(), s, tlsOptions{})
	if !slices.Equal(got.Versions, []version{hello.TLS10, hello.TLS12, hello.TLS13}) || len(got.Export) != 0 || !got.Complete {
		t.Errorf("%+v", got)
	}
	conn, err := s.More(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if log, err := heartbleed(t.Context(), s, conn, tlsOptions{}); err != nil || log.Enabled || log.Vulnerable {
		t.Errorf("heartbeat: %+v %v", log, err)
	}
}
