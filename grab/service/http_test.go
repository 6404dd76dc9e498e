package service

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// answers is a web server that reads a request and says text.
func answers(text string) func(net.Conn) {
	return new(asking).server(func(int, net.Conn) string { return text })
}

// An asking is what web servers were asked, over any number of connections.
type asking struct {
	mu  sync.Mutex
	all []string
}

// server is a web server that reads a request and says text, which may depend on how many requests came before. It keeps what it was asked.
func (a *asking) server(text func(before int, c net.Conn) string) func(net.Conn) {
	return func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		a.mu.Lock()
		before := len(a.all)
		a.all = append(a.all, fmt.Sprintf("%s %s %s %s", r.Method, r.Host, r.RequestURI, r.UserAgent()))
		a.mu.Unlock()
		_, _ = io.WriteString(c, text(before, c))
	}
}

// list returns what was asked until now.
func (a *asking) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.all)
}

// web has a web module talk to a server.
func web(t *testing.T, module string, talk func(net.Conn), change func(*grab.Session)) (*HTTPResult, error) {
	t.Helper()
	m, err := Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, serve(t, talk), 5)
	if change != nil {
		change(s)
	}
	r, err := m.Grab(t.Context(), s)
	if r == nil {
		return nil, err
	}
	return r.(*HTTPResult), err
}

// TestHTTP reads answers of all forms.
func TestHTTP(t *testing.T) {
	for _, c := range []struct {
		name, module, answer string
		code                 int
		body, title          string
		truncated            bool
		err                  error
	}{
		{"length", "http", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", 200, "hello", "", false, nil},
		{"until the end", "http", "HTTP/1.0 404 Not Found\r\n\r\n<html><TITLE lang=en> Not\n found </TITLE>", 404, "<html><TITLE lang=en> Not\n found </TITLE>", "Not found", false, nil},
		{"chunks", "http", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", 200, "hello", "", false, nil},
		{"interim", "http", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", "", false, nil},
		{"most", "http,max=3", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hel", "", true, nil},
		{"head", "http,method=HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", "", false, nil},
		{"compressed", "http", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", 200, "\x1f\uFFFD\x08", "", false, nil},
		{"cut short", "http", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 200, "hello", "", true, io.ErrUnexpectedEOF},
		{"other protocol", "http", "220 mail.example ESMTP\r\n", 0, "", "", false, grab.ErrProtocol},
		{"nothing", "http", "", 0, "", "", false, io.EOF},
		{"bad chunk", "http", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhe\r\n", 200, "", "", true, grab.ErrProtocol},
		{"interim for ever", "http", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), 0, "", "", false, grab.ErrProtocol},
		{"endless header", "http", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20), 0, "", "", false, grab.ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := web(t, c.module, answers(c.answer), nil)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("got error %v, want %v", err, c.err)
			}
			if r == nil {
				if c.code != 0 {
					t.Error("no result")
				}
				return
			}
			a := r.Response
			if a.Code != c.code || a.Body != c.body || a.Title != c.title || a.Truncated != c.truncated || (a.SHA256 != "") != (c.body != "") {
				t.Errorf("got %+v", a)
			}
			marshals(t, r)
		})
	}
}

// TestHTTPAsksAsTheOperator and with the name, or the address where the name would do harm.
func TestHTTPAsksAsTheOperator(t *testing.T) {
	for name, host := range map[string]string{"": "127.0.0.1", "www.example.org": "www.example.org", "evil\r\nX: y": "127.0.0.1"} {
		asked := new(asking)
		var port uint16
		_, err := web(t, "http,path=/a?b=c", asked.server(func(int, net.Conn) string { return "HTTP/1.1 204 No Content\r\n\r\n" }), func(s *grab.Session) {
			s.Name, s.Operator, port = name, grab.Operator{URI: "https://example.org/scans"}, s.Port
		})
		want := fmt.Sprintf("GET %s:%d /a?b=c Mozilla/5.0 (compatible; measurement; +https://example.org/scans)", host, port)
		if err != nil || !slices.Equal(asked.list(), []string{want}) {
			t.Errorf("%q: asked %q, want %q; %v", name, asked.list(), want, err)
		}
	}
}

// TestHTTPRedirects follows them within the bounds, to the same host and to others that may be contacted.
func TestHTTPRedirects(t *testing.T) {
	to := func(location string) string {
		return "HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n"
	}
	const done = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"
	for _, c := range []struct {
		name, module    string
		where           func(n int) string
		asked, chain    int
		stopped, second string
		names           []string
	}{
		{"none", "http", func(int) string { return to("/x") }, 1, 0, "", "", nil},
		{"one", "http,redirects=3", func(n int) string { return map[bool]string{true: to("/login?a=b#c"), false: done}[n == 1] }, 2, 1, "", "/login?a=b", nil},
		{"loop", "http,redirects=3", func(int) string { return to("/x") }, 4, 3, "", "/x", nil},
		{"elsewhere", "http,redirects=3", func(int) string { return to("http://www.example.org/") }, 1, 0, "address may not be contacted", "", []string{"www.example.org"}},
		{"other scheme", "http,redirects=3", func(int) string { return to("ftp://127.0.0.1/") }, 1, 0, "a redirect to ftp is not followed", "", nil},
		{"nonsense", "http,redirects=3", func(int) string { return to("http://[::1") }, 1, 0, "", "", nil},
		{"no location", "http,redirects=3", func(int) string { return to("") }, 1, 0, "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := new(asking)
			r, err := web(t, c.module, a.server(func(before int, _ net.Conn) string { return c.where(before + 1) }), func(s *grab.Session) {
				s.Elsewhere = func(context.Context, string, uint16) (net.Conn, error) { return nil, grab.ErrBlocked }
			})
			asked := a.list()
			if err != nil || len(asked) != c.asked || len(r.Chain) != c.chain || r.Stopped != c.stopped || c.second != "" && !strings.Contains(asked[1], " "+c.second+" ") {
				t.Errorf("asked %q, chain of %d, stopped %q, %v", asked, len(r.Chain), r.Stopped, err)
			}
			var names []string
			for _, f := range r.Names() {
				names = append(names, f.Name)
			}
			if !slices.Equal(names, c.names) {
				t.Errorf("found names %q", names)
			}
		})
	}
}

// TestHTTPElsewhere goes to another host where that is allowed.
func TestHTTPElsewhere(t *testing.T) {
	other := serve(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"))
	r, err := web(t, "http,redirects=1", answers("HTTP/1.1 301 Moved\r\nLocation: http://other.example:81/\r\n\r\n"), func(s *grab.Session) {
		s.Elsewhere = func(ctx context.Context, host string, port uint16) (net.Conn, error) {
			if host != "other.example" || port != 81 {
				t.Errorf("asked for %s:%d", host, port)
			}
			return new(grab.Dialer).Open(ctx, &grab.Target{Addr: other.Addr(), Port: other.Port()}, nil)
		}
	})
	if err != nil || r.Response.Body != "other" || len(r.Chain) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestHTTPElsewhereAgain follows another host that redirects to itself on the port of the target's, and from there back to the target.
func TestHTTPElsewhereAgain(t *testing.T) {
	to := func(host, path string, port int64) string {
		return fmt.Sprintf("HTTP/1.1 302 Found\r\nLocation: http://%s:%d%s\r\n\r\n", host, port, path)
	}
	own, others := new(asking), new(asking)
	var port atomic.Int64
	other := serve(t, others.server(func(before int, _ net.Conn) string {
		if before == 0 {
			return to("other.example", "/second", port.Load())
		}
		return to("127.0.0.1", "/home", port.Load())
	}))
	r, err := web(t, "http,redirects=5", own.server(func(before int, c net.Conn) string {
		if before == 0 {
			port.Store(int64(c.LocalAddr().(*net.TCPAddr).Port))
			return to("other.example", "/first", port.Load())
		}
		return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhome"
	}), func(s *grab.Session) {
		s.Elsewhere = func(ctx context.Context, _ string, _ uint16) (net.Conn, error) {
			return new(grab.Dialer).Open(ctx, &grab.Target{Addr: other.Addr(), Port: other.Port()}, nil)
		}
	})
	if err != nil || len(r.Chain) != 3 || r.Response.Body != "home" || len(own.list()) != 2 || len(others.list()) != 2 || !strings.Contains(others.list()[1], " /second ") {
		t.Errorf("asked %q and %q; %+v, %v", own.list(), others.list(), r, err)
	}
}

// TestHTTPS has the log of the handshake beside the answer, also when there is only that.
func TestHTTPS(t *testing.T) {
	is := newIssuer(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{is.leaf(t, ecdsaKey(t), nil)}, NextProtos: []string{"h2", "http/1.1"}}
	secure := func(talk func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			s := tls.Server(c, cfg)
			defer s.Close()
			talk(s)
		}
	}
	r, err := web(t, "https,roots=none", secure(answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")), nil)
	if err != nil || r.Response.Body != "hello" || r.Response.Request.TLS == nil || r.Response.Request.TLS.Handshake.Certificates == nil || r.Response.Request.URL.Scheme != "https" {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = web(t, "https,roots=none", secure(func(c net.Conn) { _ = c.(*tls.Conn).Handshake() }), nil)
	if err == nil || r == nil || r.Response.Code != 0 || r.Response.Request.TLS == nil {
		t.Errorf("closed after the handshake: %+v, %v", r, err)
	}
	if r, err = web(t, "https,roots=none", say(1, []byte("HTTP/1.1 400 Bad Request\r\n\r\n")), nil); grab.StatusOf(err) != grab.ProtocolError {
		t.Errorf("no TLS: %+v, %v", r, err)
	}
}

// TestHTTPInPieces has the answer come a byte at a time, which changes nothing, and end at every byte, which never is a success.
func TestHTTPInPieces(t *testing.T) {
	const text = "HTTP/1.1 200 OK\r\nServer: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	ask := func(r io.Reader) (string, error) {
		a := new(HTTPResponse)
		err := (&httpModule{method: http.MethodGet, most: 100}).exchange(&talksTo{in: r}, "GET", a)
		return string(marshals(t, a)), err
	}
	whole, err := ask(strings.NewReader(text))
	if err != nil || !strings.Contains(whole, `"body":"hello"`) {
		t.Fatalf("%s, %v", whole, err)
	}
	if got, err := ask(iotest.OneByteReader(strings.NewReader(text))); got != whole || err != nil {
		t.Errorf("a byte at a time is %s, %v", got, err)
	}
	for n := range len(text) - 4 { // the last line end may be missing
		if _, err := ask(strings.NewReader(text[:n])); err == nil {
			t.Errorf("a success after %q", text[:n])
		}
	}
}

// TestHTTPEnds with its context, whatever the server does not do.
func TestHTTPEnds(t *testing.T) {
	m, err := New("http", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, serve(t, func(c net.Conn) {
		for { // a tarpit
			if _, err := c.Write([]byte("H")); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}), 0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.Grab(ctx, s); !errors.Is(err, context.DeadlineExceeded) && grab.StatusOf(err) != grab.IOTimeout {
		t.Errorf("got %v", err)
	}
}

// TestHTTPBadOptions are named.
func TestHTTPBadOptions(t *testing.T) {
	for _, text := range []string{"http,method=POST", "http,path=x", "http,path=/a b", "http,max=-1", "http,redirects=99", "http,colour=red", "https,tls=never"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

func FuzzHTTP(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: //x:y@[fe80::1%25a]:9/?q#f\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n<title>\xc4\xb0</title>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &httpModule{method: http.MethodGet, most: 100}
		a := &HTTPResponse{Request: HTTPRequest{URL: HTTPURL{Scheme: "http", Host: "192.0.2.1", Path: "/"}}}
		err := m.exchange(&talksTo{in: strings.NewReader(string(b))}, "GET", a)
		if len(a.Body) > 300 || a.Read > 100 {
			t.Fatalf("%d bytes kept", len(a.Body))
		}
		if (err == nil) && (a.Code < 200 && a.Code != 101) {
			t.Fatalf("success with status %d", a.Code)
		}
		r := &HTTPResult{Response: a}
		if u := a.location(); u != nil && strings.ContainsAny(u.RequestURI()+u.Host, "\r\n ") {
			t.Fatalf("%q would break a request", u)
		}
		r.Names()
		marshals(t, r)
	})
}

// A talksTo is a connection with something to read, and that takes everything.
type talksTo struct {
	net.Conn
	in io.Reader
}

func (c *talksTo) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *talksTo) Write(b []byte) (int, error) { return len(b), nil }
