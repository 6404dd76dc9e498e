package service

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// amqpModule is the module amqp. It sends the protocol's header and takes Connection.Start, in which the server tells what it is; the
// next step would be a login.
type amqpModule struct{ turn }

// newAMQP returns the module amqp.
func newAMQP(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnNever, turnFirst)
	return &amqpModule{t}, err
}

// An AMQPResult is how a broker begins, with the keys of zgrab2's module amqp091.
type AMQPResult struct {
	VersionMajor     int            `json:"version_major"`        // of the protocol: 0 of 0-9-1, 1 of 1.0
	VersionMinor     int            `json:"version_minor"`        // 9 of 0-9-1
	ServerProperties AMQPProperties `json:"server_properties"`    // what the broker says of itself
	Mechanisms       []string       `json:"mechanisms,omitempty"` // how to log in
	Locales          []string       `json:"locales"`              // its languages; null of brokers that have another version
	turned
}

// AMQPProperties are those that brokers have, and the others as a JSON object in a string.
type AMQPProperties struct {
	Product      string `json:"product"`       // RabbitMQ
	Version      string `json:"version"`       // its version
	Platform     string `json:"platform"`      // Erlang/OTP 25
	Copyright    string `json:"copyright"`     // a line
	Information  string `json:"information"`   // a line
	UnknownProps string `json:"unknown_props"` // {"capabilities":{...},"cluster_name":"rabbit@host"}
}

// amqpHeader is what a client begins with (AMQP 0-9-1 section 4.2.2).
const amqpHeader = "AMQP\x00\x00\x09\x01"

// Bounds of what a broker says first.
const (
	maxAMQP      = 16 << 10
	maxAMQPDepth = 4
)

// Describe returns the module's constants.
func (*amqpModule) Describe() grab.Description {
	return grab.Description{Name: "amqp", Protocol: "amqp091", Doc: "product and version of AMQP brokers", Port: 5672}
}

// Grab sends the header and takes Connection.Start.
func (m *amqpModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	t, conn, err := m.first(ctx, s, s.Conn)
	r := &AMQPResult{turned: turned{t}}
	if err != nil {
		return r, err
	}
	if t != nil {
		defer func() { _ = conn.Close() }()
	}
	if err = r.ask(conn); err != nil && t == nil && r.VersionMajor == 0 && r.VersionMinor == 0 {
		return nil, orDone(ctx, err)
	}
	return r, orDone(ctx, err)
}

func (r *AMQPResult) ask(conn net.Conn) error {
	if _, err := conn.Write([]byte(amqpHeader)); err != nil {
		return fmt.Errorf("send header: %w", err)
	}
	b, err := readAMQP(conn)
	if err != nil {
		return err
	}
	return r.decode(b)
}

// readAMQP reads one frame, or the header with which a broker names the version that it has.
func readAMQP(r io.Reader) ([]byte, error) {
	return readFramed(r, 7, maxAMQP, func(h []byte) int {
		switch {
		case string(h[:4]) == amqpHeader[:4]:
			return 1
		case h[0] != 1: // a method
			return -1
		}
		return int(min(binary.BigEndian.Uint32(h[3:]), maxAMQP)) + 1
	})
}

// decode reads Connection.Start (AMQP 0-9-1, class 10, method 10), or a header.
func (r *AMQPResult) decode(b []byte) error {
	if string(b[:4]) == amqpHeader[:4] {
		r.VersionMajor, r.VersionMinor = int(b[5]), int(b[6])
		return fmt.Errorf("broker speaks version %d.%d.%d: %w", b[5], b[6], b[7], grab.ErrApplication)
	}
	c := &cursor{rest: b[7:]}
	if class, method := c.big(2), c.big(2); class != 10 || method != 10 {
		return fmt.Errorf("method %d.%d: %w", class, method, grab.ErrProtocol)
	}
	major, minor := int(c.big(1)), int(c.big(1))
	props := c.amqpTable(0)
	mechanisms, locales := string(c.take(int(c.big(4)))), string(c.take(int(c.big(4))))
	if err := c.err("Connection.Start"); err != nil {
		return err
	}
	r.VersionMajor, r.VersionMinor, r.Mechanisms, r.Locales = major, minor, strings.Fields(mechanisms), strings.Fields(locales)
	return r.ServerProperties.take(props)
}

// take puts properties into their places.
func (p *AMQPProperties) take(props map[string]any) error {
	for name, to := range map[string]*string{
		"product": &p.Product, "version": &p.Version, "platform": &p.Platform, "copyright": &p.Copyright, "information": &p.Information,
	} {
		if v, ok := props[name].(string); ok {
			*to = v
			delete(props, name)
		}
	}
	b, err := json.Marshal(props)
	p.UnknownProps = string(b)
	return err
}

// amqpTable takes a table: names with values of the types that servers use there. One of another type cuts it off.
func (c *cursor) amqpTable(depth int) map[string]any {
	inner := &cursor{rest: c.take(int(c.big(4)))}
	t := make(map[string]any)
	for len(inner.rest) > 0 {
		name := string(inner.take(int(inner.big(1))))
		var v any
		switch kind := inner.big(1); kind {
		case 'S':
			v = string(inner.take(int(inner.big(4))))
		case 't':
			v = inner.big(1) != 0
		case 'b', 'B':
			v = inner.big(1)
		case 's', 'u':
			v = inner.big(2)
		case 'I', 'i':
			v = int32(inner.big(4))
		case 'l', 'L', 'T':
			v = int64(inner.big(8))
		case 'V':
		case 'F':
			if depth < maxAMQPDepth {
				v = inner.amqpTable(depth + 1)
				break
			}
			fallthrough
		default:
			inner.short, inner.rest = true, nil
		}
		if !inner.short {
			t[name] = v
		}
	}
	c.short = c.short || inner.short
	return t
}
