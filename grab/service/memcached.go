package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// memcachedModule is the module memcached. It asks for the version, and nothing of what the server holds.
type memcachedModule struct{ turn }

// newMemcached returns the module memcached.
func newMemcached(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnNever, turnFirst)
	return &memcachedModule{t}, err
}

// Describe returns the module's constants.
func (*memcachedModule) Describe() grab.Description {
	return grab.Description{Name: "memcached", Doc: "version of memcached", Port: 11211}
}

// A MemcachedResult is what a server of memcached answers, with the key of zgrab2's module memcached.
type MemcachedResult struct {
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"` // what it says instead, if it wants a login
	lined
}

// Grab asks for the version (memcached's doc/protocol.txt).
func (m *memcachedModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(MemcachedResult)
	return grabLines(ctx, s, &m.turn, r, &r.lined, r.talk)
}

func (r *MemcachedResult) talk(_ context.Context, l *lineTalk) error {
	if err := l.say("version"); err != nil {
		return err
	}
	line, err := l.line()
	if err != nil {
		return err
	}
	text := strings.TrimRight(line, "\r\n")
	switch word, rest, _ := strings.Cut(text, " "); word {
	case "VERSION":
		r.Version = rest
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		r.Error = text
		return refusedBy(line)
	default:
		return fmt.Errorf("answer %.40q: %w", line, grab.ErrProtocol)
	}
	return l.say("quit") // which is not answered
}
