package service

import (
	"context"
	"net"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// A way is one way to learn what a server says in TLS, over a connection that is of no more use afterwards. The result is never
// nil.
type way func(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*TLSResult, error)

// fullTLS is a handshake, with a goodbye.
func fullTLS(ctx context.Context, s *grab.Session, conn net.Conn, o tlsOptions) (*TLSResult, error) {
	r, c, err := handshakeTLS(ctx, s, conn, o)
	if err == nil {
		_ = c.Close() // the answer is here, whether the goodbye gets through or not
	}
	return r, err
}

// again tries a way over one more connection. It returns nil if there is none to be had.
func again(ctx context.Context, s *grab.Session, o tlsOptions, w way) (*TLSResult, error) {
	conn, err := s.More(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return w(ctx, s, conn, o)
}

// checks makes the checks that were asked for, for as long as there are connections. What cannot be asked is left out.
func (m *tlsModule) checks(ctx context.Context, s *grab.Session, r *TLSResult) {
	if m.heartbleed && s.More != nil {
		if conn, err := s.More(ctx); err == nil {
			r.Heartbleed, _ = heartbleed(ctx, s, conn, m.tlsOptions) // without a hello, there is nothing to say
			_ = conn.Close()
		}
	}
	if m.accepts {
		r.Accepts = accepts(ctx, s, m.tlsOptions)
	}
	if m.jarm {
		r.JARM = fingerprint(ctx, s, m.sni(s))
	}
}

// fingerprint returns the JARM of a server, "" if there were too few connections for it.
func fingerprint(ctx context.Context, s *grab.Session, name string) string {
	var answers []string
	for _, p := range hello.JARMProbes(name) {
		a, err := answer(ctx, s, p)
		if err != nil {
			return ""
		}
		answers = append(answers, a)
	}
	return hello.JARM(answers)
}

// answer asks one question of JARM's. A server that closes or says nothing of use has answered, too; an error means that it was
// not asked.
func answer(ctx context.Context, s *grab.Session, p hello.JARMProbe) (string, error) {
	if s.More == nil {
		return "", grab.ErrBudget
	}
	conn, err := s.More(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	defer interrupt(ctx, conn)()
	if _, err := conn.Write(p.Hello()); err != nil {
		return "", nil //nolint:nilerr // it closed at once
	}
	a, _ := p.ReadAnswer(conn)
	return a, ctx.Err()
}
