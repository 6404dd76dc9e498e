package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// autoModule is the module auto: what answers on any port is asked in a few ways what it is, one connection each, until a first reply
// names its protocol; then that protocol's own module speaks. The question and its answers are those of LZR (see [autoOrder]).
type autoModule struct {
	max        int           // handshakes
	order      string        // orderAuto, orderAssigned or orderRandom
	wait       time.Duration // for the server to speak first
	reply      time.Duration // for the answer to a handshake
	pause      time.Duration // between a wrong handshake and the protocol's own: servers hold wrong ones against who sends them
	grab       bool          // run the protocol's own module
	checkPorts bool          // ask whether every port answers
	// The option of that name for the modules that have it; "" leaves them theirs.
	certificates string
	modules      map[string]grab.Module
}

// Orders of handshakes.
const (
	orderAuto     = "auto" // assigned for the ports of protocols that are known here, random for all others
	orderAssigned = "assigned"
	orderRandom   = "random"
)

// autoArgs are the options of the module auto, for its help.
const autoArgs = `max=5            handshakes at most, one connection each; the first two share one
order=auto|assigned|random   which are the likeliest
wait=2s reply=3s  how long to wait for the server to speak first, and for an answer
grab=true        run the protocol's own module, over a further connection
` + briefArg + `
pause=5s         before that, if a wrong handshake was sent
check-ports=false   if nothing is found, see whether two high ports of the host accept connections, too`

// newAuto returns the module auto, with the modules that it may run. Those have no other options.
func newAuto(args map[string]string) (grab.Module, error) {
	m := &autoModule{max: 5, order: orderAuto, wait: 2 * time.Second, reply: 3 * time.Second, pause: 5 * time.Second, grab: true}
	if err := eachArg(args, m.parseArg); err != nil {
		return nil, err
	}
	if !m.grab {
		return m, nil
	}
	m.modules = make(map[string]grab.Module)
	for _, k := range Kinds() {
		if k.Name == autoName {
			continue
		}
		own, err := k.New(m.given(&k))
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", k.Name, err)
		}
		m.modules[k.Name] = own
	}
	return m, nil
}

const autoName = "auto"

// given are the options for a protocol's own module.
func (m *autoModule) given(k *Kind) map[string]string {
	if m.certificates == "" || !k.Takes(briefName) {
		return nil
	}
	return map[string]string{briefName: m.certificates}
}

func (m *autoModule) parseArg(key, value string) (err error) {
	switch key {
	case "max":
		m.max, err = parseCount(value, 1, len(autoOrder(0, orderAuto, 100)))
	case "order":
		if m.order = value; value != orderAuto && value != orderAssigned && value != orderRandom {
			return errors.New("auto, assigned or random is wanted")
		}
	case "wait":
		m.wait, err = parseSpan(value)
	case "reply":
		m.reply, err = parseSpan(value)
	case "pause":
		m.pause, err = parseSpan(value)
	case briefName:
		m.certificates, err = value, new(tlsOptions).parseBrief(value)
	case "grab":
		m.grab, err = strconv.ParseBool(value)
	case "check-ports":
		m.checkPorts, err = strconv.ParseBool(value)
	default:
		return errors.New("no such option")
	}
	return err
}

// parseSpan reads a time of up to a minute.
func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > time.Minute {
		return 0, errors.New("a time from 0s to 1m is wanted")
	}
	return d, nil
}

// Describe says that the server is waited for first, and how many connections there may be.
func (m *autoModule) Describe() grab.Description {
	return grab.Description{
		Name: autoName, Doc: "which protocol is spoken here, on any port", ServerFirst: true,
		Connections: m.max + grab.DefaultConnections,
	}
}

// Grab finds the protocol, or what kind of no service this is, and runs the protocol's own module. Its error is then nested and does
// not change how this grab ended.
func (m *autoModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	r := new(AutoResult)
	if s.Half != nil && s.Half.Window == 0 { // hardly one of them ever opens it
		r.Class = classZeroWindow
		return r, fmt.Errorf("the window is closed: %w", os.ErrDeadlineExceeded) // nothing can be sent
	}
	k := seeker{m: m, s: s, r: r, conn: s.Conn}
	k.seek(ctx)
	k.drop()
	if r.Protocol == "" {
		if m.checkPorts {
			everyPort(ctx, s, r)
		}
		return r, fmt.Errorf("no protocol found: %w", k.end(ctx))
	}
	r.Class = classService
	if own := m.modules[r.Protocol]; own != nil {
		m.follow(ctx, s, r, own)
	}
	return r, nil
}

// follow runs the module of the protocol that was found, over a connection of its own.
func (m *autoModule) follow(ctx context.Context, s *grab.Session, r *AutoResult, own grab.Module) {
	if s.More == nil {
		return
	}
	if r.By != askWait && r.By != r.Protocol && !sleep(ctx, m.pause) {
		return
	}
	at := time.Now()
	g := grab.New(own.Describe(), &s.Target, at, nil, nil)
	conn, err := s.More(ctx)
	if err != nil {
		if errors.Is(err, grab.ErrBudget) {
			return
		}
		g = grab.New(own.Describe(), &s.Target, at, nil, err)
		r.Grab = &g
		return
	}
	defer func() { _ = conn.Close() }()
	sub := *s
	sub.Conn, sub.Half = conn, nil
	result, err := own.Grab(ctx, &sub)
	g = grab.New(own.Describe(), &s.Target, at, result, err)
	r.Grab = &g
}

// sleep waits, and says whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// everyPort asks two high ports of the host for connections. Where both are given, something answers for every port, and the one that
// was scanned says nothing.
func everyPort(ctx context.Context, s *grab.Session, r *AutoResult) {
	if s.Elsewhere == nil {
		return
	}
	for _, port := range highPorts(s.Port) {
		conn, err := s.Elsewhere(ctx, s.Addr.String(), port)
		if err != nil {
			return
		}
		_ = conn.Close()
		r.OtherPorts = append(r.OtherPorts, port)
	}
	r.Class = classEveryPort
}

// firstReply sends what there is to send over a connection, and reads a first reply until a rule knows it, or until it stops coming.
func firstReply(ctx context.Context, conn net.Conn, name string, out []byte, patience time.Duration) (first []byte, protocol string, err error) {
	defer interrupt(ctx, conn)()
	start := time.Now()
	if err := conn.SetDeadline(start.Add(patience)); err != nil {
		return nil, "", err
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err() // the deadline may have come after its interruption
	}
	if len(out) > 0 {
		if _, err = conn.Write(out); err != nil {
			err = fmt.Errorf("send hello: %w", err) // and look for what was said before
		}
	}
	for b := make([]byte, maxFirst); len(first) < maxFirst; {
		n, rerr := conn.Read(b[len(first):])
		first = b[:len(first)+n]
		if protocol = recognise(first, name); n > 0 && settled(protocol, first) {
			break
		}
		if rerr != nil {
			if err == nil {
				err = rerr
			}
			break
		}
		if n > 0 {
			_ = conn.SetReadDeadline(start.Add(min(time.Since(start), patience) + restOfReply))
		}
	}
	if protocol == "" && len(out) > 0 && len(first) > 0 && len(first) <= len(out) && string(first) == string(out[:len(first)]) {
		protocol = "echo"
	}
	return first, protocol, orDone(ctx, err)
}

// restOfReply is how long to wait for more of a reply that no rule knows yet, or whose rest may say otherwise. A server that goes on a
// byte at a time gets that once, on top of its time to answer.
const restOfReply = 300 * time.Millisecond

// settled says that what a reply is known for will not change by what follows. What HTTP servers say below their headers may, and so
// may the rest of a greeting.
func settled(protocol string, first []byte) bool {
	switch protocol {
	case "", "postgres", "socks5":
		return false
	case "http":
		return len(first) > 1024
	case eitherMail:
		return first[len(first)-1] == '\n'
	}
	return true
}
