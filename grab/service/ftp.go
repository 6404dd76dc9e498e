package service

import (
	"context"

	"github.com/zmap-go/zmap/grab"
)

// ftpModule is the module ftp (RFC 959). It asks for features (RFC 2389) and turns to TLS if the server can (RFC 4217). It names no
// user, not even anonymous.
type ftpModule struct{ turn }

// newFTP returns the module ftp.
func newFTP(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnFirst, turnNever)
	return &ftpModule{t}, err
}

// Describe returns the module's constants.
func (*ftpModule) Describe() grab.Description {
	return grab.Description{Name: "ftp", Doc: "greeting, features and TLS of a file server", Port: 21, ServerFirst: true}
}

// An FTPResult is what a file server says, with the keys of zgrab2's module ftp: its replies as they came.
type FTPResult struct {
	Banner  string `json:"banner,omitempty"`
	Feat    string `json:"feat,omitempty"` // many servers want a login first
	AuthTLS string `json:"auth_tls,omitempty"`
	Quit    string `json:"quit,omitempty"`
	lined
}

// Grab takes the greeting and asks for features.
func (m *ftpModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(FTPResult)
	return grabLines(ctx, s, &m.turn, r, &r.lined, r.talk)
}

func (r *FTPResult) talk(ctx context.Context, l *lineTalk) (err error) {
	if r.Banner, err = l.featReply(); err != nil {
		return err
	}
	if code(r.Banner) != 220 {
		r.Quit = l.bye("QUIT", l.featReply)
		return refusedBy(r.Banner)
	}
	if err = l.say("FEAT"); err != nil {
		return err
	}
	if r.Feat, err = l.featReply(); err != nil {
		return err
	}
	if l.when == turnOffered { // who does not list it may have it all the same
		if err = l.say("AUTH TLS"); err != nil {
			return err
		}
		if r.AuthTLS, err = l.featReply(); err != nil {
			return err
		}
		if code(r.AuthTLS) == 234 {
			if err = l.toTLS(ctx); err != nil {
				return err
			}
		}
	}
	r.Quit = l.bye("QUIT", l.featReply)
	return nil
}
