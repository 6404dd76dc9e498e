package service

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// mqttModule is the module mqtt. It connects with a clean session, without name or password, under a client identifier that nobody
// else has, takes the answer, and disconnects. It subscribes to nothing. That a server wants a login is a good answer, too.
type mqttModule struct {
	turn
	five bool // MQTT 5 in place of 3.1.1
}

// newMQTT returns the module mqtt.
func newMQTT(args map[string]string) (grab.Module, error) {
	m := new(mqttModule)
	var err error
	m.turn, err = newTurn(args, m.parseArg, turnNever, turnFirst)
	return m, err
}

func (m *mqttModule) parseArg(key, value string) error {
	if m.five = value == "5"; key != "version" || !m.five && value != "3.1.1" {
		return fmt.Errorf("version=3.1.1 or version=5 is wanted")
	}
	return nil
}

// An MQTTResult is how a broker answers CONNECT, with the keys of zgrab2's module mqtt.
type MQTTResult struct {
	SessionPresent    bool           `json:"session_present,omitempty"` // a session of ours is still there, which cannot be
	ConnectReturnCode byte           `json:"connect_return_code"`       // 0 is a yes; MQTT 3.1.1 section 3.2.2.3, MQTT 5 section 3.2.2.2
	Response          string         `json:"response,omitempty"`        // the packet, in hexadecimal
	Reason            string         `json:"reason,omitempty"`          // what the code means
	Properties        map[string]any `json:"properties,omitempty"`      // MQTT 5: what the broker says of itself, by the specification's names
	turned
}

// Packets of MQTT, by their first byte.
const (
	mqttConnect    = 0x10
	mqttConnack    = 0x20
	mqttDisconnect = 0xe0
)

// maxMQTT bounds an answer, which is four bytes in MQTT 3.1.1.
const maxMQTT = 4 << 10

// Describe returns the module's constants.
func (*mqttModule) Describe() grab.Description {
	return grab.Description{Name: "mqtt", Doc: "whether MQTT brokers take anybody", Port: 1883}
}

// Grab connects and disconnects.
func (m *mqttModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	t, conn, err := m.first(ctx, s, s.Conn)
	if err != nil {
		return &MQTTResult{turned: turned{t}}, err
	}
	r := &MQTTResult{turned: turned{t}}
	if t != nil {
		defer func() { _ = conn.Close() }()
	}
	if err := r.connect(conn, mqttRequest(&s.Operator, m.five), m.five); err != nil {
		if t == nil && r.Response == "" {
			return nil, orDone(ctx, err)
		}
		return r, orDone(ctx, err)
	}
	_, _ = conn.Write([]byte{mqttDisconnect, 0}) // so that the broker need not wonder; it has answered
	return r, nil
}

// connect sends CONNECT and reads the answer.
func (r *MQTTResult) connect(conn net.Conn, request []byte, five bool) error {
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("send connect: %w", err)
	}
	kind, body, err := readMQTT(conn)
	if err != nil {
		return err
	}
	return r.decode(kind, body, five)
}

// mqttRequest is a CONNECT (MQTT 3.1.1 section 3.1): protocol name and level, clean session, seconds to keep alive, identifier. In
// MQTT 5 the operator stands in a user property, too.
func mqttRequest(op *grab.Operator, five bool) []byte {
	b := append(mqttText(nil, "MQTT"), 4, 2, 0, 30)
	if five {
		var props []byte
		if op.URI != "" && len(op.URI) < 100 {
			props = mqttText(mqttText([]byte{38}, "operator"), op.URI)
		}
		b[6] = 5
		b = append(append(b, byte(len(props))), props...) // one byte of length serves up to 127
	}
	b = mqttText(b, mqttID(op))
	return append(append([]byte{mqttConnect}, binary.AppendUvarint(nil, uint64(len(b)))...), b...)
}

func mqttText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// mqttID returns an identifier of 23 letters and digits, which every broker must take (MQTT 3.1.1 section 3.1.3.1): the operator's
// host as far as it goes, and chance.
func mqttID(op *grab.Operator) string {
	who := "measurement"
	if u, err := url.Parse(op.URI); err == nil && u.Hostname() != "" {
		who = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return -1
		}, u.Hostname())
	}
	return (who[:min(len(who), 13)] + rand.Text())[:23]
}

// readMQTT reads one packet: its first byte, its length in sevens of bits, lowest first.
func readMQTT(r io.Reader) (kind byte, body []byte, err error) {
	b := make([]byte, 2, 5)
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, nil, fmt.Errorf("read header: %w", err)
	}
	for b[len(b)-1]&0x80 != 0 && len(b) < 5 {
		b = append(b, 0)
		if _, err := io.ReadFull(r, b[len(b)-1:]); err != nil {
			return 0, nil, fmt.Errorf("read header: %w", cutShort(err))
		}
	}
	n, used := binary.Uvarint(b[1:])
	if used <= 0 || n > maxMQTT || b[0] != mqttConnack && b[0] != mqttDisconnect {
		return 0, nil, fmt.Errorf("header %x: %w", b, grab.ErrProtocol)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, fmt.Errorf("read packet of %d bytes: %w", n, cutShort(err))
	}
	return b[0], body, nil
}

// decode reads a CONNACK, or the DISCONNECT that MQTT 5 allows in its place.
func (r *MQTTResult) decode(kind byte, body []byte, five bool) error {
	c := &cursor{rest: body}
	if kind == mqttConnack {
		r.SessionPresent = c.big(1)&1 == 1
	} else if len(body) == 0 {
		c.rest = []byte{0} // no reason is a normal one
	}
	r.ConnectReturnCode = byte(c.big(1))
	if err := c.err("answer"); err != nil {
		return err
	}
	r.Response = fmt.Sprintf("%X", append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...))
	if r.Reason = mqttReasons[r.ConnectReturnCode]; r.Reason == "" {
		r.Reason = "unknown"
	}
	if !five || len(c.rest) == 0 {
		return nil
	}
	n, used := binary.Uvarint(c.rest)
	c.take(max(used, 0))
	if used <= 0 || n != uint64(len(c.rest)) {
		return fmt.Errorf("properties of %d bytes: %w", n, grab.ErrProtocol)
	}
	return r.properties(c)
}

// properties reads all properties (MQTT 5 section 2.2.2).
func (r *MQTTResult) properties(c *cursor) error {
	for len(c.rest) > 0 {
		id := byte(c.big(1))
		p, ok := mqttProperties[id]
		if !ok {
			return fmt.Errorf("property %d: %w", id, grab.ErrProtocol)
		}
		var v any
		switch p.size {
		case mqttString:
			v = string(c.take(int(c.big(2))))
		case mqttPair:
			v = string(c.take(int(c.big(2)))) + "=" + string(c.take(int(c.big(2))))
		default:
			v = c.big(p.size)
		}
		if err := c.err("property"); err != nil {
			return err
		}
		if r.Properties == nil {
			r.Properties = make(map[string]any)
		}
		r.Properties[p.name] = v
	}
	return nil
}

// Sizes of properties that are no numbers.
const (
	mqttString = -1
	mqttPair   = -2
)

// mqttProperties are those that may stand in an answer, with their size in bytes.
var mqttProperties = map[byte]struct {
	name string
	size int
}{
	17: {"session_expiry_interval", 4}, 18: {"assigned_client_identifier", mqttString}, 19: {"server_keep_alive", 2},
	21: {"authentication_method", mqttString}, 22: {"authentication_data", mqttString}, 26: {"response_information", mqttString},
	28: {"server_reference", mqttString}, 31: {"reason_string", mqttString}, 33: {"receive_maximum", 2}, 34: {"topic_alias_maximum", 2},
	36: {"maximum_qos", 1}, 37: {"retain_available", 1}, 38: {"user_property", mqttPair}, 39: {"maximum_packet_size", 4},
	40: {"wildcard_subscription_available", 1}, 41: {"subscription_identifiers_available", 1}, 42: {"shared_subscription_available", 1},
}

// mqttReasons are what codes mean: of MQTT 3.1.1 up to 5, of MQTT 5 from 128 on.
var mqttReasons = map[byte]string{
	0: "accepted", 1: "unacceptable_protocol_version", 2: "identifier_rejected", 3: "server_unavailable", 4: "bad_user_name_or_password",
	5: "not_authorized", 128: "unspecified_error", 129: "malformed_packet", 130: "protocol_error", 131: "implementation_specific_error",
	132: "unsupported_protocol_version", 133: "client_identifier_not_valid", 134: "bad_user_name_or_password", 135: "not_authorized",
	136: "server_unavailable", 137: "server_busy", 138: "banned", 140: "bad_authentication_method", 144: "topic_name_invalid",
	149: "packet_too_large", 151: "quota_exceeded", 153: "payload_format_invalid", 154: "retain_not_supported", 155: "qos_not_supported",
	156: "use_another_server", 157: "server_moved", 159: "connection_rate_exceeded",
}
