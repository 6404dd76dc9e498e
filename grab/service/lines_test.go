package service

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zmap-go/zmap/grab"
)

// dialogue is a server that says a first text, then for each line that begins with a key, whatever its case, the value; after the value of
// the key startTLS it turns to TLS. What it was told is kept.
func dialogue(hello string, answers map[string]string, startTLS string, cfg *tls.Config, told *[]string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, hello)
		lines := bufio.NewScanner(c)
		for lines.Scan() {
			line := lines.Text()
			*told = append(*told, line)
			for key, answer := range answers {
				if !strings.HasPrefix(line, key) {
					continue
				}
				_, _ = io.WriteString(c, answer)
				if key == startTLS {
					s := tls.Server(c, cfg)
					defer s.Close()
					dialogue("", answers, "", nil, told)(s)
					return
				}
			}
		}
	}
}

// spoken has a module talk to a server, and returns the result as in a row.
func spoken(t *testing.T, module string, talk func(net.Conn)) (string, error) {
	t.Helper()
	m, err := Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, serve(t, talk), 3)
	s.Operator = grab.Operator{Host: "scan.example.org", URI: "https://example.org/scans"}
	r, err := m.Grab(t.Context(), s)
	return string(marshals(t, r)), err
}

// TestLineProtocols turn to TLS where the server can, name the operator, and say goodbye; none says a name or a password.
func TestLineProtocols(t *testing.T) {
	is := newIssuer(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{is.leaf(t, ecdsaKey(t), nil)}}
	for _, c := range []struct {
		module, hello string
		answers       map[string]string
		startTLS      string
		told          string
		has           []string
	}{
		{
			"smtp", "220 mx.example ESMTP\r\n",
			map[string]string{"EHLO": "250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n", "STARTTLS": "220 go\r\n", "QUIT": "221 bye\r\n"},
			"STARTTLS", "EHLO scan.example.org|STARTTLS|QUIT",
			[]string{`"banner":"220 mx.example ESMTP\r\n"`, `"starttls":"220 go\r\n"`, `"server_certificates"`, `"quit":"221 bye\r\n"`},
		},
		{
			"smtp", "220 mx.example ESMTP\r\n",
			map[string]string{"EHLO": "250-mx.example\r\n250-STARTTLSX\r\n250 8BITMIME\r\n", "QUIT": "221 bye\r\n"},
			"", "EHLO scan.example.org|QUIT",
			[]string{`"ehlo":"250-mx`},
		},
		{
			"ftp", "220 FTP\r\n",
			map[string]string{"FEAT": "530 Please log in\r\n", "AUTH TLS": "234 go\r\n", "QUIT": "221 bye\r\n"},
			"AUTH TLS", "FEAT|AUTH TLS|QUIT",
			[]string{`"feat":"530 Please`, `"auth_tls":"234 go\r\n"`, `"server_certificates"`},
		},
		{
			"pop3", "+OK ready\r\n",
			map[string]string{"CAPA": "+OK\r\nTOP\r\nSTLS\r\n.\r\n", "STLS": "+OK go\r\n", "QUIT": "+OK bye\r\n"},
			"STLS", "CAPA|STLS|QUIT",
			[]string{`"starttls":"+OK go\r\n"`, `"server_certificates"`, `"quit":"+OK bye\r\n"`},
		},
		{
			"imap", "* OK [CAPABILITY IMAP4rev1] ready\r\n",
			map[string]string{
				"a1 CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n", "a2 STARTTLS": "a2 OK go\r\n", "a3 LOGOUT": "* BYE\r\na3 OK done\r\n",
			},
			"a2 STARTTLS", "a1 CAPABILITY|a2 STARTTLS|a3 LOGOUT",
			[]string{`"starttls":"a2 OK go\r\n"`, `"server_certificates"`, `"close":"* BYE`},
		},
		{"redis", "", map[string]string{"PING": "-NOAUTH Authentication required.\r\n", "QUIT": "+OK\r\n"}, "", "PING|QUIT", []string{`"state":"auth_required"`, `"ping_response":"NOAUTH Auth`}},
		{"redis", "", map[string]string{"PING": "+PONG\r\n"}, "", "PING|QUIT", []string{`"state":"open"`}},
		{"memcached", "", map[string]string{"version": "VERSION 1.6.18\r\n"}, "", "version|quit", []string{`"version":"1.6.18"`}},
	} {
		told := []string{}
		done := make(chan struct{})
		talk := dialogue(c.hello, c.answers, c.startTLS, cfg, &told)
		got, err := spoken(t, c.module+",roots=none", func(c net.Conn) { defer close(done); talk(c) })
		if err != nil {
			t.Errorf("%s: %v", c.module, err)
		}
		for _, want := range c.has {
			if !strings.Contains(got, strings.ReplaceAll(want, "\r\n", `\r\n`)) {
				t.Errorf("%s: %s is not in %s", c.module, want, got)
			}
		}
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			continue // the session is closed when the test ends
		}
		if strings.Join(told, "|") != c.told {
			t.Errorf("%s: told %q, want %q", c.module, told, c.told)
		}
	}
}

// TestLineProtocolsThatSayNo, or are none, or never end.
func TestLineProtocolsThatSayNo(t *testing.T) {
	for _, c := range []struct {
		module, says string
		status       grab.Status
	}{
		{"smtp", "554 go away\r\n", grab.ApplicationError},
		{"ftp", "421 too many users\r\n", grab.ApplicationError},
		{"pop3", "-ERR no\r\n", grab.ApplicationError},
		{"imap", "* BYE overloaded\r\n", grab.ApplicationError},
		{"memcached", "ERROR\r\n", grab.ApplicationError},
		{"smtp", "SSH-2.0-OpenSSH_9.2\r\n", grab.ProtocolError},
		{"ftp", "* OK\r\n", grab.ProtocolError},
		{"pop3", "220 hello\r\n", grab.ProtocolError},
		{"imap", "220 hello\r\n", grab.ProtocolError},
		{"redis", "HTTP/1.1 400 Bad Request\r\n", grab.ProtocolError},
		{"memcached", "+OK\r\n", grab.ProtocolError},
		{"sip", "HTTP/1.1 400 Bad Request\r\n\r\n", grab.ProtocolError},
		{"sip", "SIP/2.0 9999 x\r\n\r\n", grab.ProtocolError},
		{"smtp", strings.Repeat("220-x\r\n", 10_000), grab.ProtocolError},
		{"ftp", "220-" + strings.Repeat("x", 100_000), grab.ProtocolError},
		{"pop3", "+OK\r\n+OK\r\n" + strings.Repeat("x\r\n", 10_000), grab.ProtocolError},
		{"imap", "* OK\r\n" + strings.Repeat("* x\r\n", 10_000), grab.ProtocolError},
		{"smtp", "", grab.ConnectionClosed},
	} {
		got, err := spoken(t, c.module, func(conn net.Conn) {
			_, _ = io.WriteString(conn, c.says)
			if c.says != "" {
				_, _ = io.Copy(io.Discard, conn)
			}
		})
		if grab.StatusOf(err) != c.status || (c.says == "") != (got == "null") {
			t.Errorf("%s, %.30q: %v (%s), %s", c.module, c.says, err, grab.StatusOf(err), got)
		}
	}
}

// TestBytesBeforeTLS are counted, and not taken for what comes over TLS.
func TestBytesBeforeTLS(t *testing.T) {
	is := newIssuer(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{is.leaf(t, ecdsaKey(t), nil)}}
	var told []string
	got, err := spoken(t, "smtp,roots=none", dialogue("220 x\r\n", map[string]string{"EHLO": "250 STARTTLS\r\n", "STARTTLS": "220 go\r\n221 injected\r\n"}, "STARTTLS", cfg, &told))
	if err != nil || !strings.Contains(got, `"bytes_before_tls":14`) || strings.Contains(got, "injected") {
		t.Errorf("%s, %v", got, err)
	}
}

// TestTelnet refuses every option and takes the text between them.
func TestTelnet(t *testing.T) {
	want := []byte{255, 252, 24, 255, 254, 1, 255, 252, 200}
	answers := make(chan []byte, 1)
	got, err := spoken(t, "telnet,quiet=300ms", func(c net.Conn) {
		_, _ = c.Write([]byte{255, 253, 24, 255, 251, 1, 'h', 'i', 255})
		time.Sleep(20 * time.Millisecond)
		_, _ = c.Write([]byte{255, 255, 250, 24, 1, 'x', 255, 240, 255, 253, 200, 255, 254, 3, '\r', '\n'})
		b := make([]byte, len(want))
		_, _ = io.ReadFull(c, b)
		answers <- b
		_, _ = io.Copy(io.Discard, c)
	})
	var r TelnetResult
	answered := <-answers
	if jerr := json.Unmarshal([]byte(got), &r); jerr != nil || err != nil {
		t.Fatal(jerr, err)
	}
	if r.Banner != "hi\uFFFD\r\n" || len(r.Do) != 2 || r.Do[0].Name != "terminal_type" || r.Do[1].Name != "unknown" || r.Will[0].Name != "echo" || len(r.Dont) != 1 || string(answered) != string(want) {
		t.Errorf("%+v, answered %v", r, answered)
	}
	if _, err := spoken(t, "telnet", func(net.Conn) {}); grab.StatusOf(err) != grab.ConnectionClosed {
		t.Errorf("nothing: %v", err)
	}
	if _, err := spoken(t, "telnet,quiet=100ms", say(0, []byte("  \r\n"))); grab.StatusOf(err) != grab.ProtocolError {
		t.Errorf("blanks: %v", err)
	}
}

// TestSSH goes up to the host key and no further: the server sees no login.
func TestSSH(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	var client string
	logins := 0
	done := make(chan struct{})
	got, err := spoken(t, "ssh", func(c net.Conn) {
		defer close(done)
		config := &ssh.ServerConfig{ServerVersion: "SSH-2.0-Test_1.0 Debian", NoClientAuth: true, AuthLogCallback: func(m ssh.ConnMetadata, _ string, _ error) {
			logins++
			client = string(m.ClientVersion())
		}}
		config.AddHostKey(signer)
		_, _, _, _ = ssh.NewServerConn(c, config)
	})
	var r SSHResult
	if jerr := json.Unmarshal([]byte(got), &r); jerr != nil || err != nil {
		t.Fatal(jerr, err, got)
	}
	if r.ServerID != (SSHServerID{"SSH-2.0-Test_1.0 Debian", "2.0", "Test_1.0", "Debian"}) || r.Exchange == nil || r.Exchange.HostKey.Fingerprint != ssh.FingerprintSHA256(signer.PublicKey()) ||
		r.Exchange.HostKey.SHA256 != fmt.Sprintf("%x", sha256.Sum256(signer.PublicKey().Marshal())) ||
		r.Selected == nil || r.Selected.Kex != "mlkem768x25519-sha256" || r.Selected.HostKey != "ssh-ed25519" || r.Selected.CS.Cipher != "aes128-gcm@openssh.com" || r.Selected.SC.Compression != "none" ||
		r.Offer == nil || len(r.Offer.Kex) == 0 || r.Offer.HostKeys[0] != "ssh-ed25519" || len(r.HASSH) != 32 {
		t.Errorf("got %s", got)
	}
	if logins != 0 || client != "" {
		t.Errorf("%d logins by %s", logins, client)
	}
	if v := sshVersion(&grab.Operator{URI: "https://example.org/scans"}); v != "SSH-2.0-measurement https://example.org/scans" {
		t.Errorf("we are %q", v)
	}
}

// TestSSHThatIsNone tells what kept a handshake from its end.
func TestSSHThatIsNone(t *testing.T) {
	for says, want := range map[string]grab.Status{
		"":              grab.ConnectionClosed,
		"220 smtp\r\n":  grab.ConnectionClosed, // it might have said more
		"SSH-2.0-x\r\n": grab.ConnectionClosed,
		"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff": grab.ProtocolError,
		"SSH-1.5-old\r\n": grab.ConnectionClosed,
	} {
		if got, err := spoken(t, "ssh", func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }() // or the end would be a reset
			_, _ = io.WriteString(c, says)
			time.Sleep(30 * time.Millisecond)
		}); grab.StatusOf(err) != want {
			t.Errorf("%q: %v (%s), %s", says, err, grab.StatusOf(err), got)
		}
	}
}

// FuzzLines has all modules of line protocols read what servers never say.
func FuzzLines(f *testing.F) {
	for _, c := range scriptedLines() {
		f.Add(c.reply)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"smtp", "ftp", "pop3", "imap", "redis", "memcached", "sip"} {
			m, err := New(name, map[string]string{"tls": "never"})
			if err != nil {
				t.Fatal(err)
			}
			conn := &addressed{talksTo{in: iotest.HalfReader(strings.NewReader(string(b)))}}
			r, err := m.Grab(context.Background(), &grab.Session{Conn: conn})
			if len(b) == 0 && (err == nil || r != nil) {
				t.Fatalf("%s: a success with nothing", name)
			}
			marshals(t, r)
		}
	})
}

// FuzzTelnet and FuzzSSH are for the parsers behind those modules.
func FuzzTelnet(f *testing.F) {
	f.Add([]byte{255, 253, 24, 255, 250, 24, 1, 255, 240, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, pieces := new(TelnetResult), new(TelnetResult)
		var p, q telnetParser
		answer := p.parse(b, whole)
		for i := range b {
			q.parse(b[i:i+1], pieces)
		}
		if string(marshals(t, whole)) != string(marshals(t, pieces)) || p.text.String() != q.text.String() || len(answer) > 3*maxTelnetOptions {
			t.Fatalf("in pieces %+v, whole %+v", pieces, whole)
		}
	})
}

func FuzzSSH(f *testing.F) {
	f.Add([]byte("hello\r\nSSH-2.0-a_b c\r\n\x00\x00\x00\x20\x04\x14aaaaaaaaaaaaaaaa\x00\x00\x00\x03a,b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := new(SSHResult)
		if r.read(b) && !strings.HasPrefix(r.ServerID.Raw, "SSH-") {
			t.Fatalf("SSH without an identification: %+v", r)
		}
		marshals(t, r)
	})
}

// An addressed is a connection with an address of ours.
type addressed struct{ talksTo }

func (*addressed) LocalAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234} }
func (*addressed) SetDeadline(time.Time) error     { return nil }
func (*addressed) SetReadDeadline(time.Time) error { return nil }
func (*addressed) Close() error                    { return nil }
