//go:build peers

package peers

import (
	"fmt"
	"testing"
)

// TestGrabDovecot greets a mail store by both of its protocols, turns to TLS where that is offered, and logs in nowhere.
func TestGrabDovecot(t *testing.T) {
	debian(t, "dovecot-imapd")
	debian(t, "dovecot-pop3d")
	key, cert := certificate(t)
	conf := file(t, "dovecot.conf", fmt.Sprintf(`
base_dir = /run/dovecot
listen = %s
protocols = imap pop3
log_path = /dev/stderr
login_greeting = lab ready
ssl = yes
ssl_cert = <%s
ssl_key = <%s
passdb {
  driver = passwd-file
  args = /dev/null
}
userdb {
  driver = passwd-file
  args = /dev/null
}
service imap-login {
  inet_listener imap {
    port = 4000
  }
  inet_listener imaps {
    port = 4001
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = 4002
  }
  inet_listener pop3s {
    port = 4003
    ssl = yes
  }
}
`, host, cert, key))
	server{args: []string{"dovecot", "-F", "-c", conf}, port: "tcp 4003"}.start(t, newNet(t))
	for _, c := range []struct {
		module, tls string
		port        uint16
	}{{"imap", "offered", 4000}, {"imap", "first", 4001}, {"pop3", "offered", 4002}, {"pop3", "first", 4003}} {
		r, err := grabOf(t, c.module, map[string]string{"tls": c.tls}, c.port)
		if err != nil {
			t.Errorf("%s on port %d: %v", c.module, c.port, err)
		}
		r.has(t, map[string]string{"banner": "lab ready", leaf: "CN=example.test"})
	}
	found(t, 4000, "imap", "wait", map[string]string{"grab.result.banner": "lab ready"})
	found(t, 4002, "pop3", "wait", map[string]string{"grab.result.banner": "lab ready"})
}

// TestGrabExim greets a mail server, whom it tells the operator's name, and sends no mail.
func TestGrabExim(t *testing.T) {
	debian(t, "exim4-daemon-light")
	key, cert := certificate(t)
	readable(t, cert)
	readable(t, key)
	conf := file(t, "exim.conf", fmt.Sprintf(`
primary_hostname = mail.example.test
local_interfaces = %s
daemon_smtp_ports = 4000 : 4001
tls_on_connect_ports = 4001
tls_advertise_hosts = *
tls_certificate = %s
tls_privatekey = %s
spool_directory = /run/exim
log_file_path = /run/exim/%%slog
host_lookup =
rfc1413_hosts =
begin acl
`, host, cert, key))
	run := "mkdir /run/exim && chown Debian-exim /run/exim && exec exim4 -bdf -C " + conf
	server{args: []string{"sh", "-c", run}, port: "tcp 4001"}.start(t, newNet(t))
	for port, when := range map[uint16]string{4000: "offered", 4001: "first"} {
		r, err := grabOf(t, "smtp", map[string]string{"tls": when}, port)
		if err != nil {
			t.Errorf("port %d: %v", port, err)
		}
		r.has(t, map[string]string{"banner": "220 mail.example.test ESMTP Exim", "ehlo": "250-mail.example.test Hello", leaf: "CN=example.test"})
	}
	found(t, 4000, "smtp", "wait", map[string]string{"grab.result.banner": "220 mail.example.test"})
}
