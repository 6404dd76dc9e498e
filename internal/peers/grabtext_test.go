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
