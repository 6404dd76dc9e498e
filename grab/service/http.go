package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
)

// httpModule is the modules http and https. It asks for one page, and follows redirects if it may.
type httpModule struct {
	turn
	secure    bool // https
	method    string
	path      string
	most      int // bytes of a body
	redirects int
}

// httpArgs are the options of the modules http and https, for their help.
const httpArgs = `method=GET|HEAD
path=/           what to ask for
max=65536        take at most so many bytes of a body
redirects=0      follow at most so many: to the same host over a further connection, to others only where they may be scanned
`

// Bounds of an answer.
const (
	maxHTTPHeader    = 64 << 10 // bytes; interim answers count
	maxHTTPBody      = 1 << 20  // bytes that max may be
	maxHTTPRedirects = 10
	maxHTTPInterim   = 5 // answers with a status of 1xx before the real one
)

// newHTTP returns the module http.
func newHTTP(args map[string]string) (grab.Module, error) { return newWeb(args, false, turnNever) }

// newHTTPS returns the module https.
func newHTTPS(args map[string]string) (grab.Module, error) { return newWeb(args, true, turnFirst) }

func newWeb(args map[string]string, secure bool, when string) (grab.Module, error) {
	m := &httpModule{secure: secure, method: http.MethodGet, path: "/", most: 64 << 10}
	var err error
	m.turn, err = newTurn(args, m.parseArg, when)
	if secure {
		m.alpn = []string{"http/1.1"}
	}
	return m, err
}

func (m *httpModule) parseArg(key, value string) (err error) {
	switch key {
	case "method":
		if m.method = value; value != http.MethodGet && value != http.MethodHead {
			return errors.New("GET or HEAD is wanted: others may change something")
		}
	case "path":
		if m.path = value; !strings.HasPrefix(value, "/") || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
			return errors.New("a path is wanted that begins with / and has neither blanks nor other than ASCII characters")
		}
	case "max":
		m.most, err = parseCount(value, 1, maxHTTPBody)
	case "redirects":
		m.redirects, err = parseCount(value, 0, maxHTTPRedirects)
	default:
		return errors.New("no such option")
	}
	return err
}

// Describe returns the module's constants.
func (m *httpModule) Describe() grab.Description {
	if m.secure {
		return grab.Description{
			Name: "https", Protocol: "http", Doc: "a web page and its headers, over TLS", Port: 443, Transport: grab.Handover,
			Connections: grab.DefaultConnections + m.redirects,
		}
	}
	return grab.Description{
		Name: "http", Doc: "a web page and its headers", Port: 80, Transport: grab.Oneshot, Reply: maxHTTPHeader + m.most,
		Connections: grab.DefaultConnections + m.redirects,
	}
}

// An HTTPResult is what a web server answered, with the keys of zgrab2's module http.
type HTTPResult struct {
	Response *HTTPResponse   `json:"response,omitempty"`                // the last answer; nil if none came
	Chain    []*HTTPResponse `json:"redirect_response_chain,omitempty"` // those before it, oldest first
	// Stopped says why a redirect was not followed, if it might have been: an address that may not be contacted, say.
	Stopped string `json:"redirect_stopped,omitempty"`
}

// Names returns the hosts that redirects lead to, and the names of certificates.
func (r *HTTPResult) Names() []grab.FoundName {
	var names []grab.FoundName
	for _, a := range append(r.Chain, r.Response) {
		if a == nil {
			continue
		}
		if a.Request.TLS != nil {
			names = append(names, a.Request.TLS.Names()...)
		}
		if u := a.location(); u != nil && net.ParseIP(u.Hostname()) == nil && u.Hostname() != "" {
			names = append(names, grab.FoundName{Name: u.Hostname(), Source: "redirect"})
		}
	}
	return names
}

// Shown returns the certificates of the host that the answer is from.
func (r *HTTPResult) Shown() *cert.Chain {
	if r.Response == nil {
		return nil
	}
	return r.Response.Request.TLS.Shown()
}

// WantsName says that TLS without a name was refused.
func (r *HTTPResult) WantsName() bool {
	return r.Response != nil && r.Response.Request.TLS != nil && r.Response.Request.TLS.WantsName()
}

// Grab asks for the page.
func (m *httpModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	u := &url.URL{Scheme: "http", Host: webHost(s, m.secure), Path: m.path}
	if m.secure {
		u.Scheme = "https"
	}
	if path, query, ok := strings.Cut(m.path, "?"); ok {
		u.Path, u.RawQuery = path, query
	}
	r, own := new(HTTPResult), u.Hostname()
	answer, err := m.ask(ctx, s, s.Conn, u)
	r.Response = answer
	for n := 0; err == nil && n < m.redirects; n++ {
		next := answer.location()
		if next == nil {
			break
		}
		conn, why := m.follow(ctx, s, own, next)
		if why != nil {
			r.Stopped = why.Error()
			break
		}
		other := *s
		other.Conn, other.Name = conn, next.Hostname()
		if answer, why = m.ask(ctx, &other, conn, next); why != nil {
			r.Stopped = why.Error()
		}
		_ = conn.Close()
		if answer == nil {
			break
		}
		r.Chain, r.Response = append(r.Chain, r.Response), answer
	}
	if r.Response == nil {
		return nil, err
	}
	return r, err
}

// webHost is the host of a target as it stands in a URL: without the port that the scheme has anyway. A name that would not stand in
// a header is left out.
func webHost(s *grab.Session, secure bool) string {
	host := s.Host()
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '@' }) {
		host = (&grab.Target{Addr: s.Addr}).Host()
	}
	if s.Port == 80 && !secure || s.Port == 443 && secure {
		return host
	}
	return fmt.Sprintf("%s:%d", host, s.Port)
}

// follow opens a connection to where a redirect leads: one more to the target if its own name and port are what it names, else to
// another host, if that may be contacted. A host elsewhere that redirects to itself is elsewhere still.
func (m *httpModule) follow(ctx context.Context, s *grab.Session, own string, to *url.URL) (net.Conn, error) {
	_ = s.Conn.Close() // as Session.More wants it
	port := map[string]uint16{"http": 80, "https": 443}[to.Scheme]
	if text := to.Port(); text != "" {
		n, err := parseCount(text, 1, 1<<16-1)
		if err != nil {
			return nil, fmt.Errorf("port %s: %w", text, err)
		}
		port = uint16(n)
	}
	switch {
	case port == 0:
		return nil, fmt.Errorf("a redirect to %s is not followed", to.Scheme)
	case strings.EqualFold(to.Hostname(), own) && port == s.Port && s.More != nil:
		return s.More(ctx)
	case s.Elsewhere == nil:
		return nil, fmt.Errorf("other hosts are not contacted: %w", grab.ErrBlocked)
	}
	return s.Elsewhere(ctx, to.Hostname(), port)
}

// ask sends the request for u and reads the answer, of which it returns what came.
func (m *httpModule) ask(ctx context.Context, s *grab.Session, conn net.Conn, u *url.URL) (*HTTPResponse, error) {
	defer interrupt(ctx, conn)()
	request := HTTPRequest{
		URL: HTTPURL{Scheme: u.Scheme, Host: u.Host, Path: u.EscapedPath(), Query: u.RawQuery}, Method: m.method, Host: u.Host,
		Headers: map[string][]string{"user_agent": {s.Operator.Agent()}, "accept": {"*/*"}},
	}
	if u.Scheme == "https" {
		t, over, err := m.over(ctx, s, conn)
		if err != nil {
			if t == nil {
				return nil, err
			}
			request.TLS = t
			return &HTTPResponse{Request: request}, err
		}
		defer func() { _ = over.Close() }()
		request.TLS, conn = t, over
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		m.method, u.RequestURI(), u.Host, s.Operator.Agent())
	answer := &HTTPResponse{Request: request}
	err := orDone(ctx, m.exchange(conn, text, answer))
	if answer.Code == 0 && request.TLS == nil {
		return nil, err
	}
	return answer, err
}

// exchange sends the request and fills the answer.
func (m *httpModule) exchange(conn net.Conn, request string, answer *HTTPResponse) error {
	if _, err := io.WriteString(conn, request); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	in := &keepsError{r: conn, left: maxHTTPHeader}
	b := bufio.NewReaderSize(in, 4<<10)
	for range maxHTTPInterim {
		r, err := http.ReadResponse(b, &http.Request{Method: m.method})
		if err != nil {
			return in.explain("read answer", err)
		}
		if r.StatusCode < 200 && r.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		answer.head(r)
		in.left = m.most + maxHTTPHeader // chunks have headers of their own
		return answer.body(r.Body, m.most, in)
	}
	return fmt.Errorf("%d interim answers: %w", maxHTTPInterim, grab.ErrProtocol)
}

// A keepsError is a reader that remembers why reading from it ended, which parsers hide, and that ends when left bytes are read.
type keepsError struct {
	r    io.Reader
	left int
	some bool
	err  error
}

// Read reads.
func (k *keepsError) Read(b []byte) (int, error) {
	if k.left <= 0 {
		k.err = grab.ErrTooLong
		return 0, k.err
	}
	n, err := k.r.Read(b[:min(len(b), k.left)])
	k.left -= n
	k.some = k.some || n > 0
	if err != nil {
		k.err = err
	}
	return n, err
}

// explain says why parsing failed: because of the connection, or because of what came.
func (k *keepsError) explain(what string, err error) error {
	switch {
	case k.err != nil && (!k.some || !errors.Is(k.err, io.EOF)):
		return fmt.Errorf("%s: %w", what, k.err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, grab.ErrProtocol, err)
}
