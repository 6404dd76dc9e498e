package service

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// An HTTPResponse is one answer.
type HTTPResponse struct {
	StatusLine string              `json:"status_line,omitempty"`       // "404 Not Found"
	Code       int                 `json:"status_code,omitempty"`       // 404
	Protocol   *HTTPProtocol       `json:"protocol,omitempty"`          // of the answer
	Headers    map[string][]string `json:"headers,omitempty"`           // names in lower case, with _ for -
	Body       string              `json:"body,omitempty"`              // at most as much as was asked for; bytes that are no UTF-8 are U+FFFD
	SHA256     string              `json:"body_sha256,omitempty"`       // of the bytes of that part
	Read       int                 `json:"body_length,omitempty"`       // bytes of that part
	Truncated  bool                `json:"body_truncated,omitempty"`    // there was more
	Length     *int64              `json:"content_length,omitempty"`    // as the header says
	Encodings  []string            `json:"transfer_encoding,omitempty"` // "chunked"
	Title      string              `json:"title,omitempty"`             // of the page, the first one in the body
	Request    HTTPRequest         `json:"request"`                     // what it answers
	target     string              // Location
}

// An HTTPProtocol is a version of HTTP.
type HTTPProtocol struct {
	Name  string `json:"name"`  // "HTTP/1.1"
	Major int    `json:"major"` // 1
	Minor int    `json:"minor"` // 1
}

// An HTTPRequest is what was asked.
type HTTPRequest struct {
	URL     HTTPURL             `json:"url"`
	Method  string              `json:"method"`
	Host    string              `json:"host"`
	Headers map[string][]string `json:"headers,omitempty"`
	TLS     *TLSResult          `json:"tls_log,omitempty"` // of the connection; nil without TLS
}

// An HTTPURL is the address of a page.
type HTTPURL struct {
	Scheme string `json:"scheme"`
	Host   string `json:"host"` // with the port, unless the scheme has it
	Path   string `json:"path"`
	Query  string `json:"raw_query,omitempty"`
}

// head takes the status and the headers.
func (a *HTTPResponse) head(r *http.Response) {
	a.StatusLine, a.Code = r.Status, r.StatusCode
	a.Protocol = &HTTPProtocol{r.Proto, r.ProtoMajor, r.ProtoMinor}
	a.Headers = make(map[string][]string, len(r.Header))
	for name, values := range r.Header {
		a.Headers[strings.ReplaceAll(strings.ToLower(name), "-", "_")] = values
	}
	if r.ContentLength >= 0 {
		a.Length = &r.ContentLength
	}
	a.Encodings, a.target = r.TransferEncoding, r.Header.Get("Location")
}

// body takes at most so many bytes of the body. What is compressed though nobody asked for that stays so: there is no bomb in it.
func (a *HTTPResponse) body(r io.Reader, most int, in *keepsError) error {
	b, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if len(b) > most {
		b, a.Truncated, err = b[:most], true, nil
	}
	if a.Read = len(b); len(b) > 0 {
		sum := sha256.Sum256(b)
		a.Body, a.SHA256, a.Title = strings.ToValidUTF8(string(b), "\uFFFD"), hex.EncodeToString(sum[:]), title(b)
	}
	if err != nil {
		a.Truncated = true
		return in.explain("read body", err)
	}
	return nil
}

// location returns where the answer redirects to, nil if it does not.
func (a *HTTPResponse) location() *url.URL {
	switch a.Code {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	from := &url.URL{Scheme: a.Request.URL.Scheme, Host: a.Request.URL.Host, Path: a.Request.URL.Path}
	to, err := from.Parse(a.target)
	if err != nil || a.target == "" || to.Opaque != "" || to.Host == "" {
		return nil
	}
	to.User, to.Fragment = nil, "" // credentials of others are not used
	return to
}

// maxTitle is how much of a title is kept, in bytes.
const maxTitle = 256

// title returns the text of the first title element of a page, with single blanks between words.
func title(page []byte) string {
	lower := strings.ToLower(string(page)) // of the same length where it matters: tags are ASCII
	at := strings.Index(lower, "<title")
	if at < 0 || len(lower) != len(page) {
		return ""
	}
	open := strings.IndexByte(lower[at:], '>')
	if open < 0 {
		return ""
	}
	text := page[at+open+1:]
	if end := strings.Index(lower[at+open+1:], "</title"); end >= 0 {
		text = text[:end]
	}
	words := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "\uFFFD")), " ")
	return strings.ToValidUTF8(words[:min(len(words), maxTitle)], "")
}
