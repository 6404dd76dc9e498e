package remote

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// HTTPConfig says where rows are posted to, and how.
type HTTPConfig struct {
	URL    string      // http or https
	Header http.Header // sent with every request: Authorization, say
	Gzip   bool        // compress bodies (Content-Encoding: gzip)
	TLS    *tls.Config // nil verifies the server by the system's roots
}

// httpServer posts batches of rows as JSON lines (application/x-ndjson), as the output module json writes them, with times in
// UTC. Each request has the headers
//
//	Idempotency-Key   "ID", the id of the batch in quotes (draft-ietf-httpapi-idempotency-key-header): the same whenever the batch
//	                  comes again, with the same body, so a receiver that keeps ids sees each batch once
//	Zmap-Scan         the id of the scan
//	Zmap-Probe        the name of the probe module
//	Zmap-First-Row    the number of the first row since the start of the scanner
//	Zmap-Rows         the number of rows
//
// An answer of 2xx is the acknowledgement. Connections that fail, 408, 409 (RFC draft above: the first request with the key is
// still at work), 425, 429 and 5xx pass, after what Retry-After says; every other answer stays. That a scan begins and ends is
// not posted.
type httpServer struct {
	config HTTPConfig
	url    *url.URL
	client *http.Client

	lines  jsonLines
	packed bytes.Buffer
}

// Bounds of what a server may answer: the part of the body that an error quotes, and what is read to use the connection again.
const (
	maxQuote = 300
	maxReply = 64 << 10
)

// NewHTTP returns a server that rows are posted to. Redirects are followed within the host and scheme only, and only those that
// keep the request (307, 308).
func NewHTTP(c HTTPConfig) (Server, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("parse URL of the server: it is none, and not shown as it may hold a password")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("URL %s: expected http://HOST/PATH or https://HOST/PATH", u.Redacted())
	}
	h := &httpServer{config: c, url: u}
	dial := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	h.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            dial.DialContext,
			TLSClientConfig:        c.TLS,
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			IdleConnTimeout:        time.Minute,
			MaxIdleConns:           1,
			MaxResponseHeaderBytes: maxReply,
			DisableCompression:     true, // nobody needs large answers
		},
		CheckRedirect: h.redirect,
	}
	return h, nil
}

// String implements [Server].
func (h *httpServer) String() string { return h.url.Redacted() }

// redirect lets a request go to another path of the same server, with its body.
func (h *httpServer) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > 3 || r.Method != http.MethodPost || r.URL.Host != h.url.Host || r.URL.Scheme != h.url.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// connect does nothing: what a server would say to an empty request says little about rows.
func (h *httpServer) connect(context.Context) error { return nil }

func (h *httpServer) close() { h.client.CloseIdleConnections() }

func (h *httpServer) deliver(ctx context.Context, b *batch) error {
	if b.kind != kindRows {
		return nil
	}
	body, err := h.encode(b)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url.String(), bytes.NewReader(body))
	if err != nil {
		return permanent(err)
	}
	for name, values := range h.config.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	if h.config.Gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	r.Header.Set("Idempotency-Key", strconv.Quote(b.id()))
	r.Header.Set("Zmap-Scan", b.origin.Scan.ID)
	r.Header.Set("Zmap-Probe", b.origin.Scan.Probe)
	r.Header.Set("Zmap-First-Row", strconv.FormatUint(b.first, 10))
	r.Header.Set("Zmap-Rows", strconv.Itoa(b.rows))
	resp, err := h.client.Do(r)
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return permanent(err)
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read by then, as far as it is wanted
	return judge(resp)
}

// encode returns the body of a batch, valid until the next call. It is the same for every try.
func (h *httpServer) encode(b *batch) ([]byte, error) {
	lines, err := h.lines.encode(b)
	if err != nil || !h.config.Gzip {
		return lines, err
	}
	h.packed.Reset()
	w, err := gzip.NewWriterLevel(&h.packed, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(lines)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, permanent(fmt.Errorf("compress rows: %w", err))
	}
	return h.packed.Bytes(), nil
}

// judge says what an answer means.
func judge(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if resp.StatusCode/100 == 2 {
		return nil // whatever the body is, or whether it all came
	}
	quote := strings.ToValidUTF8(strings.TrimSpace(string(text[:min(len(text), maxQuote)])), "\uFFFD")
	err = errors.Join(fmt.Errorf("server answers %.100s: %q", resp.Status, quote), err)
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		if to := resp.Header.Get("Location"); resp.StatusCode/100 == 3 && to != "" {
			err = fmt.Errorf("server redirects to %.200q: name the right address, rows are not sent elsewhere", to)
		}
		if resp.StatusCode/100 != 5 {
			return permanent(err)
		}
	}
	if after, ok := parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
		return &laterError{err, after}
	}
	return err
}

// parseRetryAfter reads the header Retry-After (RFC 9110, section 10.2.3): seconds, or a date.
func parseRetryAfter(s string, now time.Time) (time.Duration, bool) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return time.Duration(min(n, uint64(maxLater/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0, false
	}
	return min(max(0, at.Sub(now)), maxLater), true
}
