package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// imapModule is the module imap (RFC 9051). It asks for capabilities, turns to TLS if the server can, and logs out without having
// logged in.
type imapModule struct{ turn }

// newIMAP returns the module imap.
func newIMAP(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnFirst, turnNever)
	return &imapModule{t}, err
}

// Describe returns the module's constants.
func (*imapModule) Describe() grab.Description {
	return grab.Description{Name: "imap", Doc: "greeting, capabilities and TLS of a mailbox server (IMAP)", Port: 143, ServerFirst: true}
}

// An IMAPResult is what a mailbox server says, with the keys of zgrab2's module imap: its replies as they came.
type IMAPResult struct {
	Banner     string `json:"banner,omitempty"`
	Capability string `json:"capability,omitempty"`
	StartTLS   string `json:"starttls,omitempty"`
	Close      string `json:"close,omitempty"` // the answer to LOGOUT
	lined
}

// Grab takes the greeting and asks for capabilities.
func (m *imapModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(IMAPResult)
	return grabLines(ctx, s, &m.turn, r, &r.lined, r.talk)
}

func (r *IMAPResult) talk(ctx context.Context, l *lineTalk) (err error) {
	if r.Banner, err = l.line(); err != nil {
		return err
	}
	switch upper := strings.ToUpper(r.Banner); {
	case strings.HasPrefix(upper, "* BYE"):
		return refusedBy(r.Banner)
	case !strings.HasPrefix(upper, "* OK") && !strings.HasPrefix(upper, "* PREAUTH"):
		return fmt.Errorf("greeting %.40q: %w", r.Banner, grab.ErrProtocol)
	}
	if r.Capability, err = l.command("a1", "CAPABILITY"); err != nil {
		return err
	}
	if l.when == turnOffered && strings.Contains(strings.ToUpper(r.Banner+r.Capability), "STARTTLS") {
		if r.StartTLS, err = l.command("a2", "STARTTLS"); err != nil {
			return err
		}
		if strings.Contains(strings.ToUpper(r.StartTLS), "A2 OK") {
			if err = l.toTLS(ctx); err != nil {
				return err
			}
		}
	}
	r.Close = l.bye("a3 LOGOUT", func() (string, error) { return l.tagged("a3") })
	return nil
}

// command says a command with a tag, and reads the answer.
func (l *lineTalk) command(tag, command string) (string, error) {
	if err := l.say(tag + " " + command); err != nil {
		return "", err
	}
	return l.tagged(tag)
}

// tagged reads up to the line with a tag.
func (l *lineTalk) tagged(tag string) (string, error) {
	return l.lines(func(line string) (bool, error) {
		return len(line) > len(tag) && strings.EqualFold(line[:len(tag)+1], tag+" "), nil
	})
}
