package service

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// A scripted module is one with all that a server answers it, in one piece.
type scripted struct {
	name  string
	args  map[string]string
	first int // bytes that a client has sent before the server speaks
	reply []byte
}

// scriptedModules are all modules of binary protocols.
func scriptedModules() []scripted {
	never := map[string]string{"tls": "never"}
	return []scripted{
		{"mysql", never, 0, recordedMariaDB},
		{"postgres", map[string]string{"tls": "offered", "roots": "none"}, 8, append([]byte{'N'}, recordedPostgres...)},
		{"mssql", never, 8, preloginAnswer(1)},
		{"mongodb", never, 16, append(mongoAnswer(mongoReply, isMasterAnswer(21)), mongoAnswer(mongoMsg, buildInfoAnswer())...)},
		{"mqtt", never, 8, recordedMosquitto},
		{"mqtt", map[string]string{"version": "5"}, 8, recordedMosquitto5},
		{"ldap", never, 8, recordedSlapd},
		{"rdp", never, 19, rdpConfirm(2, 0, 1)},
		{"amqp", never, 8, amqpStart()},
	}
}

// scriptedLines are modules of line protocols. Many of them wait for the server, however long.
func scriptedLines() []scripted {
	never := map[string]string{"tls": "never"}
	return []scripted{
		{"smtp", never, 0, []byte("220-mx.example\r\n220 ESMTP\r\n250-mx.example\r\n250 STARTTLS\r\n")},
		{"ftp", never, 0, []byte("220-Welcome\r\n of all\r\n220 ready\r\n211-Features:\r\n UTF8\r\n211 End\r\n")},
		{"pop3", never, 0, []byte("+OK ready\r\n+OK\r\nSTLS\r\nUIDL\r\n.\r\n")},
		{"imap", never, 0, []byte("* OK ready\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n")},
		{"redis", never, 6, []byte("+PONG\r\n")},
		{"memcached", never, 9, []byte("VERSION 1.6.18\r\n")},
		{"sip", never, 20, []byte("SIP/2.0 200 OK\r\nServer: test\r\nAllow: INVITE\r\nContent-Length: 0\r\n\r\n")},
	}
}

// run has a scripted module talk to a server.
func (c *scripted) run(ctx context.Context, t *testing.T, talk func(net.Conn)) (any, error) {
	t.Helper()
	m, err := New(c.name, c.args)
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, serve(t, talk), 0)
	defer s.Conn.Close()
	return m.Grab(ctx, s)
}

// TestBinaryInPieces has what servers say come a byte at a time, which changes nothing, and end at every byte, which never is a success.
func TestBinaryInPieces(t *testing.T) {
	for _, c := range append(scriptedModules(), scriptedLines()...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			whole, err := c.run(t.Context(), t, say(c.first, c.reply))
			if err != nil {
				t.Fatal(err)
			}
			dripped, err := c.run(t.Context(), t, func(conn net.Conn) { say(c.first, c.reply)(drip{conn}) })
			if err != nil {
				t.Fatalf("a byte at a time: %v", err)
			}
			a, _ := json.Marshal(whole)
			b, _ := json.Marshal(dripped)
			if !bytes.Equal(a, b) {
				t.Errorf("a byte at a time is %s, not %s", b, a)
			}
			for cut := range len(c.reply) {
				_, err := c.run(t.Context(), t, func(conn net.Conn) {
					_, _ = io.ReadAtLeast(conn, make([]byte, 4096), c.first)
					_, _ = conn.Write(c.reply[:cut])
				})
				if s := grab.StatusOf(err); s != grab.ConnectionClosed && s != grab.ProtocolError {
					t.Errorf("cut after %d of %d bytes: %s (%v)", cut, len(c.reply), s, err)
				}
			}
		})
	}
}

// TestBinaryAgainstStrangers has servers of other protocols, or none.
func TestBinaryAgainstStrangers(t *testing.T) {
	noise := make([]byte, 8192)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(noise)
	for name, s := range map[string]struct {
		talk func(net.Conn)
		want []grab.Status
	}{
		"HTTP":           {say(8, []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")), []grab.Status{grab.ProtocolError}},
		"SSH":            {say(0, []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")), []grab.Status{grab.ProtocolError}},
		"TLS":            {sayAndClose([]byte{21, 3, 1, 0, 2, 2, 40}), []grab.Status{grab.ProtocolError, grab.ConnectionClosed}},
		"noise":          {say(0, noise), []grab.Status{grab.ProtocolError}},
		"closes at once": {func(net.Conn) {}, []grab.Status{grab.ConnectionClosed}},
		"resets":         {func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); _ = c.(*net.TCPConn).SetLinger(0) }, []grab.Status{grab.ConnectionClosed}},
		"silent":         {say(0, nil), []grab.Status{grab.IOTimeout}},
		"one byte, then": {say(0, []byte{0}), []grab.Status{grab.IOTimeout, grab.ProtocolError}},
		"giant":          {say(0, bytes.Repeat([]byte{0xff}, 1<<16)), []grab.Status{grab.ProtocolError}},
		"zeros for ever": {func(c net.Conn) {
			for b := make([]byte, 4096); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}, []grab.Status{grab.ProtocolError, grab.IOTimeout}},
	} {
		for _, c := range scriptedModules() {
			if c.name == "mysql" && (name == "TLS" || name == "HTTP" || name == "resets") {
				continue // they wait for the client, who waits for them
			}
			t.Run(name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				if slices.Contains(s.want, grab.IOTimeout) {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
					defer cancel()
				}
				r, err := c.run(ctx, t, s.talk)
				if got := grab.StatusOf(err); !slices.Contains(s.want, got) {
					t.Errorf("status %s (%v), want %v", got, err, s.want)
				}
				if b, _ := json.Marshal(r); string(b) != "null" && (name != "SSH" || c.name != "postgres") { // whose yes to TLS is an S
					t.Errorf("result is %s", b)
				}
			})
		}
	}
}

// sayAndClose is a server that answers the first bytes, whatever they are, and closes.
func sayAndClose(answer []byte) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = c.Write(answer)
	}
}

// TestBinaryLeavesNothingBehind counts goroutines after grabs that ended by their context.
func TestBinaryLeavesNothingBehind(t *testing.T) {
	to := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	before := runtime.NumGoroutine()
	for _, c := range scriptedModules() {
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			m, err := New(c.name, c.args)
			if err != nil {
				t.Fatal(err)
			}
			s := session(t, to, 0)
			if _, err := m.Grab(ctx, s); grab.StatusOf(err) != grab.IOTimeout {
				t.Errorf("%s: %v", c.name, err)
			}
			_ = s.Conn.Close()
			cancel()
		}
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
