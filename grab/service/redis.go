package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// redisModule is the module redis. It says PING, which shows whether the server wants a password, and nothing of what it holds.
type redisModule struct{ turn }

// newRedis returns the module redis.
func newRedis(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnNever, turnFirst)
	return &redisModule{t}, err
}

// Describe returns the module's constants.
func (*redisModule) Describe() grab.Description {
	return grab.Description{Name: "redis", Doc: "whether Redis answers strangers", Port: 6379}
}

// A RedisResult is what a server of Redis answers, with the key of zgrab2's module redis.
type RedisResult struct {
	Ping string `json:"ping_response,omitempty"` // "PONG", or the error with its class in front
	// State is "open", "auth_required" (a password is wanted), "protected" (strangers are refused), or "refused" with another error.
	State string `json:"state,omitempty"`
	lined
}

// Grab says PING (Redis serialization protocol, "inline commands").
func (m *redisModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(RedisResult)
	return grabLines(ctx, s, &m.turn, r, &r.lined, r.talk)
}

func (r *RedisResult) talk(_ context.Context, l *lineTalk) error {
	if err := l.say("PING"); err != nil {
		return err
	}
	line, err := l.line()
	if err != nil {
		return err
	}
	text := strings.TrimRight(line, "\r\n")
	switch class, _, _ := strings.Cut(text, " "); {
	case text == "+PONG":
		r.State = "open"
	case class == "-NOAUTH", class == "-WRONGPASS", strings.HasPrefix(text, "-ERR operation not permitted"): // the last before 2.8
		r.State = "auth_required"
	case class == "-DENIED":
		r.State = "protected"
	case strings.HasPrefix(text, "-ERR"), class == "-MISCONF", class == "-LOADING", class == "-MASTERDOWN", class == "-BUSY", class == "-NOPERM":
		r.State = "refused"
	default:
		return fmt.Errorf("answer %.40q: %w", line, grab.ErrProtocol)
	}
	r.Ping = text[1:]
	_ = l.bye("QUIT", l.line)
	return nil
}
