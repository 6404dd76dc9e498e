package service

import (
	"context"

	"github.com/zmap-go/zmap/grab"
)

// smtpModule is the module smtp (RFC 5321). It says EHLO and goes, over TLS if the server can (RFC 3207). It names no sender and no
// receiver.
type smtpModule struct{ turn }

// newSMTP returns the module smtp.
func newSMTP(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnFirst, turnNever)
	return &smtpModule{t}, err
}

// Describe returns the module's constants.
func (*smtpModule) Describe() grab.Description {
	return grab.Description{Name: "smtp", Doc: "greeting, extensions and TLS of a mail server", Port: 25, ServerFirst: true}
}

// An SMTPResult is what a mail server says, with the keys of zgrab2's module smtp: its replies as they came.
type SMTPResult struct {
	Banner   string `json:"banner,omitempty"`
	EHLO     string `json:"ehlo,omitempty"`
	StartTLS string `json:"starttls,omitempty"`
	Quit     string `json:"quit,omitempty"`
	lined
}

// Grab takes the greeting and asks for extensions.
func (m *smtpModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(SMTPResult)
	return grabLines(ctx, s, &m.turn, r, &r.lined, r.talk)
}

func (r *SMTPResult) talk(ctx context.Context, l *lineTalk) (err error) {
	if r.Banner, err = l.reply(); err != nil {
		return err
	}
	if code(r.Banner) != 220 {
		r.Quit = l.bye("QUIT", l.reply)
		return refusedBy(r.Banner)
	}
	if err = l.say("EHLO " + ourName(&l.s.Operator, l.s.Conn)); err != nil {
		return err
	}
	if r.EHLO, err = l.reply(); err != nil {
		return err
	}
	if l.when == turnOffered && offers(r.EHLO, "STARTTLS", 4) {
		if err = l.say("STARTTLS"); err != nil {
			return err
		}
		if r.StartTLS, err = l.reply(); err != nil {
			return err
		}
		if code(r.StartTLS) == 220 {
			if err = l.toTLS(ctx); err != nil {
				return err
			}
		}
	}
	r.Quit = l.bye("QUIT", l.reply)
	return nil
}
