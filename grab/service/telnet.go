package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// telnetModule is the module telnet (RFC 854). It agrees to no option that the server asks for, takes what it says until it is silent,
// and types nothing.
type telnetModule struct {
	quiet time.Duration
	most  int
}

const telnetArgs = `quiet=1s     the server has said all when it says nothing more for so long
max=4096     take at most so many bytes`

// newTelnet returns the module telnet.
func newTelnet(args map[string]string) (grab.Module, error) {
	m := &telnetModule{quiet: time.Second, most: 4096}
	return m, eachArg(args, func(key, value string) (err error) {
		switch key {
		case "quiet":
			m.quiet, err = parseSpan(value)
		case "max":
			m.most, err = parseCount(value, 1, 64<<10)
		default:
			err = errors.New("no such option")
		}
		return err
	})
}

// Describe returns the module's constants.
func (*telnetModule) Describe() grab.Description {
	return grab.Description{Name: "telnet", Doc: "greeting and options of a terminal server", Port: 23, ServerFirst: true}
}

// A TelnetResult is what a terminal server says before anybody types, with the keys of zgrab2's module telnet.
type TelnetResult struct {
	Banner string         `json:"banner,omitempty"`
	Will   []TelnetOption `json:"will,omitempty"` // what the server would do
	Do     []TelnetOption `json:"do,omitempty"`   // what it wants of us
	Wont   []TelnetOption `json:"wont,omitempty"`
	Dont   []TelnetOption `json:"dont,omitempty"`
}

// A TelnetOption is an option of the terminal.
type TelnetOption struct {
	Name  string `json:"name"` // of IANA's registry, or "unknown"
	Value byte   `json:"value"`
}

// Commands (RFC 854).
const (
	telnetSE   = 240
	telnetSB   = 250
	telnetWill = 251
	telnetWont = 252
	telnetDo   = 253
	telnetDont = 254
	telnetIAC  = 255
)

// maxTelnetOptions bounds what is noted of each kind, and answered.
const maxTelnetOptions = 64

// telnetOption gives an option its name of IANA's registry of telnet options.
func telnetOption(n byte) TelnetOption {
	names := map[byte]string{
		0: "binary", 1: "echo", 3: "suppress_go_ahead", 5: "status", 6: "timing_mark", 24: "terminal_type", 31: "window_size",
		32: "terminal_speed", 33: "remote_flow_control", 34: "linemode", 35: "x_display_location", 36: "environment",
		37: "authentication", 38: "encryption", 39: "new_environment", 42: "charset", 44: "com_port_control",
	}
	if name, ok := names[n]; ok {
		return TelnetOption{name, n}
	}
	return TelnetOption{"unknown", n}
}

// Grab takes what the server says.
func (m *telnetModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	r := new(TelnetResult)
	var p telnetParser
	b := make([]byte, 1024)
	for p.taken < m.most {
		n, err := s.Conn.Read(b[:min(len(b), m.most-p.taken)])
		answer := p.parse(b[:n], r)
		r.Banner = strings.ToValidUTF8(p.text.String(), "\uFFFD")
		if len(answer) > 0 && err == nil {
			_, err = s.Conn.Write(answer)
		}
		if err != nil {
			// Silence after something is the end, and so is a server that has said what it had to say and hangs up.
			if p.taken > 0 && ctx.Err() == nil && (errors.Is(err, os.ErrDeadlineExceeded) || n == 0) {
				break
			}
			if p.taken == 0 {
				return nil, orDone(ctx, err)
			}
			return r, orDone(ctx, err)
		}
		_ = s.Conn.SetReadDeadline(time.Now().Add(m.quiet))
		if ctx.Err() != nil { // the deadline may have come after its interruption
			return r, ctx.Err()
		}
	}
	if len(r.Will)+len(r.Do)+len(r.Wont)+len(r.Dont) == 0 && strings.TrimSpace(r.Banner) == "" {
		return r, fmt.Errorf("%d bytes and neither text nor options: %w", p.taken, grab.ErrProtocol)
	}
	return r, nil
}

// A telnetParser takes commands out of the text, over any number of pieces.
type telnetParser struct {
	state   int // 0 text, 1 after IAC, 2 after a verb, 3 in a subnegotiation, 4 after IAC in it
	verb    byte
	taken   int
	answers int
	text    bytes.Buffer
}

// parse takes one piece, and returns what to answer: no, to all that is asked for.
func (p *telnetParser) parse(b []byte, r *TelnetResult) (answer []byte) {
	p.taken += len(b)
	for _, c := range b {
		switch {
		case p.state == 0 && c == telnetIAC:
			p.state = 1
		case p.state == 0:
			p.text.WriteByte(c)
		case p.state == 1 && c >= telnetWill && c <= telnetDont:
			p.state, p.verb = 2, c
		case p.state == 1 && c == telnetSB:
			p.state = 3
		case p.state == 1:
			if p.state = 0; c == telnetIAC {
				p.text.WriteByte(c)
			}
		case p.state == 2:
			p.state = 0
			answer = append(answer, p.option(c, r)...)
		case p.state == 3 && c == telnetIAC:
			p.state = 4
		case p.state == 4 && c == telnetSE:
			p.state = 0
		case p.state == 4:
			p.state = 3
		}
	}
	return answer
}

// option notes an option, and returns the answer that refuses it.
func (p *telnetParser) option(c byte, r *TelnetResult) []byte {
	list := map[byte]*[]TelnetOption{telnetWill: &r.Will, telnetDo: &r.Do, telnetWont: &r.Wont, telnetDont: &r.Dont}[p.verb]
	if len(*list) < maxTelnetOptions {
		*list = append(*list, telnetOption(c))
	}
	if p.answers++; p.answers > maxTelnetOptions {
		return nil
	}
	switch p.verb {
	case telnetWill:
		return []byte{telnetIAC, telnetDont, c}
	case telnetDo:
		return []byte{telnetIAC, telnetWont, c}
	}
	return nil
}
