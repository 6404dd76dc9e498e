package service

import (
	"context"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// tlsModule is the module tls.
type tlsModule struct {
	tlsOptions
	mode       string // modeFull or modeCerts
	jarm       bool
	heartbleed bool
	accepts    bool
}

// Describe says that certificates alone are a question with one answer, and that a handshake is not.
func (m *tlsModule) Describe() grab.Description {
	d := grab.Description{Name: "tls", Doc: "certificates, and what a server chooses in a TLS handshake", Port: 443, Transport: grab.Handover}
	if m.mode == modeCerts {
		d.Transport = grab.Oneshot
	}
	d.Connections = grab.DefaultConnections
	if m.heartbleed {
		d.Connections++
	}
	if m.accepts {
		d.Connections += maxAccepts
	}
	if m.jarm {
		d.Connections += hello.JARMConnections
	}
	return d
}

// Grab shakes hands, or collects certificates, in a second way over a further connection if the first is refused, and makes the
// checks that were asked for, each over connections of its own. Those do not change how the grab ended.
func (m *tlsModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r, err := m.first(ctx, s)
	_ = s.Conn.Close() // as Session.More wants it
	if other := m.second(err); other != nil && s.More != nil {
		if r2, err2 := again(ctx, s, m.tlsOptions, other); r2 != nil && (err2 == nil || r2.further(r)) {
			r, err = r2, err2
		}
	}
	if r.Handshake.ServerHello != nil || r.Handshake.Alert != nil { // it is TLS
		m.checks(ctx, s, r)
	}
	return r, err
}

// first is the handshake over the connection that there is.
func (m *tlsModule) first(ctx context.Context, s *grab.Session) (*TLSResult, error) {
	if m.mode == modeCerts && m.min < hello.TLS13 {
		return certsTLS(ctx, s, s.Conn, m.tlsOptions)
	}
	return fullTLS(ctx, s, s.Conn, m.tlsOptions)
}

// second returns another way after the first ended with err, nil if there is no reason to try one.
func (m *tlsModule) second(err error) way {
	switch {
	case err == nil:
		return nil
	case m.mode == modeCerts && mayBeNewer(err):
		return fullTLS
	case m.mode == modeFull && m.min < hello.TLS13 && mayBeOlder(err):
		return legacyTLS
	}
	return nil
}

// further says whether a result got farther than another.
func (r *TLSResult) further(than *TLSResult) bool {
	score := func(r *TLSResult) (n int) {
		if r.Handshake.ServerHello != nil {
			n++
		}
		if r.Handshake.Certificates != nil {
			n += 2
		}
		return n
	}
	return score(r) > score(than)
}
