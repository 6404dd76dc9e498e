//go:build peers

package peers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGrabNginx asks for pages, whole and in chunks, follows a redirect to the same host and none to another, with TLS and without.
func TestGrabNginx(t *testing.T) {
	debian(t, "nginx-light")
	key, cert := certificate(t)
	page := "<!doctype html><title>A lab's\n page</title>" + strings.Repeat("<p>text</p>", 1000)
	root := filepath.Dir(file(t, "index.html", page))
	if err := os.WriteFile(filepath.Join(root, "parts.shtml"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	readable(t, root)
	conf := file(t, "nginx.conf", fmt.Sprintf(`daemon off; master_process off; pid /run/nginx.pid; error_log stderr; user root;
events { worker_connections 64; }
http {
	access_log off; gzip on; gzip_types text/html; types { text/html html shtml; }
	client_body_temp_path /run/a; proxy_temp_path /run/b; fastcgi_temp_path /run/c; uwsgi_temp_path /run/d; scgi_temp_path /run/e;
	server {
		listen %[1]s:4000; listen %[1]s:4001 ssl; ssl_certificate %[2]s; ssl_certificate_key %[3]s; root %[4]s;
		location /moved { return 301 /index.html; }
		location /away { return 302 https://www.example.test/login; }
		location /parts.shtml { ssi on; }
	}
}`, host, cert, key, root))
	server{args: []string{"nginx", "-e", "stderr", "-c", conf}, port: "tcp 4001"}.start(t, newNet(t))
	sum := sha256.Sum256([]byte(page))
	whole := map[string]string{
		"response.status_line": "200 OK", "response.status_code": "200", "response.headers.server": "nginx/1.", "response.body": "<!doctype html>",
		"response.body_sha256": hex.EncodeToString(sum[:]), "response.title": "A lab's page", "response.protocol.name": "HTTP/1.1",
	}
	over := "response.request." + strings.Replace(leaf, "tls.", "tls_log.", 1)
	for _, c := range []struct {
		module string
		args   map[string]string
		port   uint16
		want   map[string]string
	}{
		{"http", nil, 4000, map[string]string{"response.content_length": fmt.Sprint(len(page))}},
		{"http", map[string]string{"path": "/parts.shtml"}, 4000, map[string]string{"response.transfer_encoding": "chunked"}},
		{"http", map[string]string{"path": "/moved", "redirects": "1"}, 4000, map[string]string{"redirect_response_chain": "301 Moved Permanently"}},
		{"https", nil, 4001, map[string]string{"response.request.url.scheme": "https", over: "CN=example.test"}},
		{"https", map[string]string{"path": "/moved", "redirects": "2"}, 4001, map[string]string{"redirect_response_chain": "301 Moved Permanently", over: "CN=example.test"}},
	} {
		r, err := grabOf(t, c.module, c.args, c.port)
		if err != nil {
			t.Errorf("%s %v: %v", c.module, c.args, err)
		}
		r.has(t, whole)
		r.has(t, c.want)
	}
	r, err := grabOf(t, "http", map[string]string{"path": "/away", "redirects": "3", "method": "HEAD"}, 4000)
	if err != nil || r.at("response.body") != "" || r.at("redirect_response_chain") != "" {
		t.Errorf("away: %v, %v", r, err)
	}
	r.has(t, map[string]string{"response.status_code": "302", "response.headers.location": "https://www.example.test/login", "redirect_stopped": "not contacted"})
	found(t, 4000, "http", "http", map[string]string{"grab.result.response.title": "A lab's page"})
	found(t, 4001, "tls", "http", nil)
}

// TestGrabOpenSSH has the server prove each of its host keys, and ends where a login would begin.
func TestGrabOpenSSH(t *testing.T) {
	debian(t, "openssh-server")
	dir := t.TempDir()
	conf := "Port 4000\nListenAddress " + host + "\nPidFile none\nUsePAM no\n"
	public := make(map[string]string)
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		prepare(t, "ssh-keygen", "-q", "-t", kind, "-N", "", "-f", dir+"/"+kind)
		conf += "HostKey " + dir + "/" + kind + "\n"
		b, err := os.ReadFile(dir + "/" + kind + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		public[kind] = strings.Fields(string(b))[1]
	}
	run := "mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f " + file(t, "sshd_config", conf)
	server{args: []string{"sh", "-c", run}, port: "tcp 4000"}.start(t, newNet(t))
	for kind, c := range map[string]struct{ wanted, named string }{
		"ed25519": {"ssh-ed25519", "ssh-ed25519"}, "ecdsa": {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"}, "rsa": {"ssh-ed25519-cert-v01@openssh.com+rsa-sha2-256", "ssh-rsa"},
	} {
		r, err := grabOf(t, "ssh", map[string]string{"hostkey": c.wanted}, 4000)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		r.has(t, map[string]string{
			"server_id.raw": "SSH-2.0-OpenSSH_", "server_id.version": "2.0", "server_id.comment": "Debian", "server_key_exchange.kex_algorithms": "curve25519-sha256",
			"server_key_exchange.host_key_algorithms": "rsa-sha2-512", "algorithm_selection.dh_kex_algorithm": "sha256", "hassh_server": "",
			"algorithm_selection.server_to_client_alg_group.compression": "none", "key_exchange.server_host_key.algorithm": c.named,
			"key_exchange.server_host_key.raw": public[kind],
		})
	}
	found(t, 4000, "ssh", "wait", map[string]string{"grab.status": "success", "grab.result.server_id.software": "OpenSSH_"})
}

// TestGrabTelnetd refuses the options of a server, which asks for a login all the same.
func TestGrabTelnetd(t *testing.T) {
	debian(t, "inetutils-telnetd")
	server{args: []string{"socat", "TCP4-LISTEN:4000,bind=" + host + ",reuseaddr,fork", "EXEC:/usr/sbin/telnetd"}, port: "tcp 4000"}.start(t, newNet(t))
	want := map[string]string{"banner": "login: ", "do": "terminal_type", "will": "echo"}
	r, err := grabOf(t, "telnet", nil, 4000)
	if err != nil {
		t.Error(err)
	}
	r.has(t, want)
	found(t, 4000, "telnet", "wait", map[string]string{"grab.status": "success", "grab.result.banner": "login: "})
}

// TestGrabKamailio asks a telephony server over TCP.
func TestGrabKamailio(t *testing.T) {
	kamailio(t, "tcp", 4000, `
	append_to_reply("Allow: INVITE, OPTIONS\r\n");
	sl_send_reply("200", "OK");`)
	r, err := grabOf(t, "sip", nil, 4000)
	if err != nil {
		t.Error(err)
	}
	r.has(t, map[string]string{"status_line": "SIP/2.0 200 OK", "status_code": "200", "headers.allow": "INVITE, OPTIONS", "headers.server": "kamailio", "headers.cseq": "1 OPTIONS"})
}

// TestGrabCaches asks stores that take anybody, and one that wants a password.
func TestGrabCaches(t *testing.T) {
	debian(t, "redis-server")
	debian(t, "memcached")
	n := newNet(t)
	redis := []string{"redis-server", "--bind", host, "--save", "", "--protected-mode", "no", "--dir", "/run", "--port"}
	server{args: append(redis[:len(redis):len(redis)], "4000"), port: "tcp 4000"}.start(t, n)
	server{args: append(redis[:len(redis):len(redis)], "4001", "--requirepass", "secret"), port: "tcp 4001"}.start(t, n)
	server{args: []string{"memcached", "-u", "nobody", "-l", host, "-p", "4002", "-U", "0"}, port: "tcp 4002"}.start(t, n)
	for _, c := range []struct {
		module string
		port   uint16
		want   map[string]string
	}{
		{"redis", 4000, map[string]string{"ping_response": "PONG", "state": "open"}},
		{"redis", 4001, map[string]string{"ping_response": "NOAUTH", "state": "auth_required"}},
		{"memcached", 4002, map[string]string{"version": "1."}},
	} {
		r, err := grabOf(t, c.module, nil, c.port)
		if err != nil {
			t.Errorf("%s on %d: %v", c.module, c.port, err)
		}
		r.has(t, c.want)
	}
}
