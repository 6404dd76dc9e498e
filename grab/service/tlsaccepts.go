package service

import (
	"context"
	"errors"
	"slices"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// An AcceptsLog says which versions and which suites for export a server agrees to; see docs/exposure.md.
type AcceptsLog struct {
	Versions []version `json:"versions"`        // oldest first
	Export   []suite   `json:"export_suites"`   // at most maxExport: those that it likes best
	Complete bool      `json:"complete"`        // all questions were asked and answered
	Error    string    `json:"error,omitempty"` // why not
}

// maxExport bounds the questions about suites. One is enough for FREAK or Logjam.
const maxExport = 3

// maxAccepts is how many connections accepts takes: one for each version, and those about suites.
const maxAccepts = 5 + maxExport

// accepts asks which versions a server agrees to, one connection each, and which suites for export. Each question is a hello and
// ends with the server's choice.
func accepts(ctx context.Context, s *grab.Session, o tlsOptions) *AcceptsLog {
	log := &AcceptsLog{Versions: []version{}, Export: []suite{}}
	name := o.sni(s)
	for _, v := range []uint16{hello.SSL3, hello.TLS10, hello.TLS11, hello.TLS12, hello.TLS13} {
		h, err := choice(ctx, s, hello.Only(v, name))
		switch {
		case err != nil:
			log.Error = err.Error()
			return log
		case h != nil && h.Version == v:
			log.Versions = append(log.Versions, version(v))
		}
	}
	offer := hello.Census(name)
	for offer.Suites = hello.Export(); len(log.Export) < maxExport; {
		h, err := choice(ctx, s, offer)
		if err != nil {
			log.Error = err.Error()
			return log
		}
		if h == nil || !slices.Contains(offer.Suites, h.Suite) {
			break
		}
		log.Export = append(log.Export, suite(h.Suite))
		offer.Suites = slices.DeleteFunc(offer.Suites, func(id uint16) bool { return id == h.Suite })
	}
	log.Complete = true
	return log
}

// choice returns what a server chose of an offer, nil if nothing. An error means that it was not asked.
func choice(ctx context.Context, s *grab.Session, offer hello.Client) (*hello.ServerHello, error) {
	if s.More == nil {
		return nil, grab.ErrBudget
	}
	conn, err := s.More(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	var f flight
	err = ask(ctx, conn, &offer, &f, hello.TypeServerHello)
	switch grab.StatusOf(err) { //nolint:exhaustive // the others are answers
	case grab.IOTimeout, grab.UnknownError:
		if err != nil && !errors.Is(err, grab.ErrTooLong) {
			return nil, err
		}
	}
	return f.hello, nil
}
