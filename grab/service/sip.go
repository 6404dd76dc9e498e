package service

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// sipModule is the module sip (RFC 3261, over TCP). It asks what the server can (OPTIONS), and calls nobody.
type sipModule struct{ turn }

// newSIP returns the module sip.
func newSIP(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnNever, turnFirst)
	return &sipModule{t}, err
}

// Describe returns the module's constants.
func (*sipModule) Describe() grab.Description {
	return grab.Description{Name: "sip", Doc: "what a telephony server is and can, over TCP", Port: 5060}
}

// A SIPResult is what a server of SIP answers to OPTIONS.
type SIPResult struct {
	StatusLine string              `json:"status_line,omitempty"`
	Code       int                 `json:"status_code,omitempty"`
	Headers    map[string][]string `json:"headers,omitempty"` // names in lower case, with _ for -
	lined
}

// Grab asks for the server's abilities (RFC 3261 section 11).
func (m *sipModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(SIPResult)
	return grabLines(ctx, s, &m.turn, r, &r.lined, r.talk)
}

func (r *SIPResult) talk(_ context.Context, l *lineTalk) error {
	local := l.s.Conn.LocalAddr().String()
	host, port, err := net.SplitHostPort(local)
	if err != nil {
		return fmt.Errorf("own address: %w", err)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	target := "sip:" + (&grab.Target{Addr: l.s.Addr}).Host() + ":" + strconv.Itoa(int(l.s.Port))
	// The address and port of a connection are its own for its time: they make what has to be unique.
	request := []string{
		"OPTIONS " + target + " SIP/2.0",
		"Via: SIP/2.0/TCP " + local + ";branch=z9hG4bK" + port,
		"Max-Forwards: 70",
		"From: <sip:measurement@" + host + ">;tag=" + port,
		"To: <" + target + ">",
		"Call-ID: " + port + "@" + host,
		"CSeq: 1 OPTIONS",
		"User-Agent: " + l.s.Operator.Agent(),
		"Accept: application/sdp",
		"Content-Length: 0",
		"",
	}
	if err := l.say(strings.Join(request, "\r\n")); err != nil {
		return err
	}
	return r.read(l)
}

// read takes the answer, without its body.
func (r *SIPResult) read(l *lineTalk) error {
	line, err := l.line()
	if err != nil {
		return err
	}
	words := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(words) < 2 || words[0] != "SIP/2.0" {
		return fmt.Errorf("answer %.40q: %w", line, grab.ErrProtocol)
	}
	if r.Code, err = parseCount(words[1], 100, 699); err != nil {
		return fmt.Errorf("status %.10q: %w", words[1], grab.ErrProtocol)
	}
	r.StatusLine = strings.TrimSpace(line)
	r.Headers = make(map[string][]string)
	_, err = l.lines(func(line string) (bool, error) {
		line = strings.TrimRight(line, "\r\n")
		if name, value, ok := strings.Cut(line, ":"); ok {
			name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")
			r.Headers[name] = append(r.Headers[name], strings.TrimSpace(value))
		}
		return line == "", nil
	})
	return err
}
