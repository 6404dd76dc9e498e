package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// pop3Module is the module pop3 (RFC 1939). It asks for capabilities and turns to TLS if the server can (RFC 2449, 2595). It names no
// user.
type pop3Module struct{ turn }

// newPOP3 returns the module pop3.
func newPOP3(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnFirst, turnNever)
	return &pop3Module{t}, err
}

// Describe returns the module's constants.
func (*pop3Module) Describe() grab.Description {
	return grab.Description{Name: "pop3", Doc: "greeting, capabilities and TLS of a mailbox server (POP3)", Port: 110, ServerFirst: true}
}

// A POP3Result is what a mailbox server says, with the keys of zgrab2's module pop3: its replies as they came.
type POP3Result struct {
	Banner   string `json:"banner,omitempty"`
	Capa     string `json:"capa,omitempty"`
	StartTLS string `json:"starttls,omitempty"`
	Quit     string `json:"quit,omitempty"`
	lined
}

// Grab takes the greeting and asks for capabilities.
func (m *pop3Module) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(POP3Result)
	return grabLines(ctx, s, &m.turn, r, &r.lined, r.talk)
}

func (r *POP3Result) talk(ctx context.Context, l *lineTalk) (err error) {
	if r.Banner, err = l.status(); err != nil {
		return err
	}
	if !strings.HasPrefix(r.Banner, "+OK") {
		return refusedBy(r.Banner)
	}
	if err = l.say("CAPA"); err != nil {
		return err
	}
	if r.Capa, err = l.list(); err != nil {
		return err
	}
	if l.when == turnOffered && offers(r.Capa, "STLS", 0) {
		if err = l.say("STLS"); err != nil {
			return err
		}
		if r.StartTLS, err = l.status(); err != nil {
			return err
		}
		if strings.HasPrefix(r.StartTLS, "+OK") {
			if err = l.toTLS(ctx); err != nil {
				return err
			}
		}
	}
	r.Quit = l.bye("QUIT", l.status)
	return nil
}

// status reads a line that begins with +OK or -ERR.
func (l *lineTalk) status() (string, error) {
	line, err := l.line()
	if err == nil && !strings.HasPrefix(line, "+OK") && !strings.HasPrefix(line, "-ERR") {
		err = fmt.Errorf("reply %.40q: %w", line, grab.ErrProtocol)
	}
	return line, err
}

// list reads a status and, if that is good, lines up to one with a dot alone.
func (l *lineTalk) list() (string, error) {
	first, err := l.status()
	if err != nil || !strings.HasPrefix(first, "+OK") {
		return first, err
	}
	rest, err := l.lines(func(line string) (bool, error) { return strings.TrimRight(line, "\r\n") == ".", nil })
	return first + rest, err
}
