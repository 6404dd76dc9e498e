package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
)

// An AutoResult says what is spoken on a port, or what kind of no service it is.
type AutoResult struct {
	Protocol   string        `json:"protocol,omitempty"`        // as rules name it: the module's name where there is one
	By         string        `json:"by,omitempty"`              // the handshake that it answered
	Attempts   int           `json:"attempts"`                  // handshakes that were tried, waiting included
	Class      string        `json:"class"`                     // see docs/services.md: service, or why it is none
	Tried      []AutoAttempt `json:"tried,omitempty"`           // each of them, with what became of it
	FirstReply string        `json:"first_reply,omitempty"`     // the first bytes of the reply that counts, what is not ASCII escaped as in Go
	Hex        string        `json:"first_reply_hex,omitempty"` // the same bytes
	OtherPorts []uint16      `json:"other_ports,omitempty"`     // further ports that accepted a connection, if they were asked
	Grab       *grab.Grab    `json:"grab,omitempty"`            // what the protocol's own module made of it
}

// Names returns the names that the protocol's own module found.
func (r *AutoResult) Names() []grab.FoundName {
	if n := r.namer(); n != nil {
		return n.Names()
	}
	return nil
}

// WantsName says that the protocol's own module wants a name.
func (r *AutoResult) WantsName() bool {
	n := r.namer()
	return n != nil && n.WantsName()
}

// Shown returns the certificates that the protocol's own module was shown.
func (r *AutoResult) Shown() *cert.Chain {
	if r.Grab == nil {
		return nil
	}
	if s, ok := r.Grab.Result.(cert.Shower); ok {
		return s.Shown()
	}
	return nil
}

func (r *AutoResult) namer() grab.Namer {
	if r.Grab == nil {
		return nil
	}
	n, _ := r.Grab.Result.(grab.Namer)
	return n
}

// An AutoAttempt is one handshake.
type AutoAttempt struct {
	Handshake string `json:"handshake"` // its name
	Outcome   string `json:"outcome"`   // data, silent, closed, reset, or error
}

// Classes of what accepted a connection.
const (
	classService      = "service"            // it speaks a protocol that rules know
	classUnrecognised = "unrecognised"       // it sends what no rule knows
	classZeroWindow   = "zero_window"        // its SYN-ACK closes the window
	classNoData       = "ack_no_data"        // it accepts, and never answers
	classResets       = "reset_on_data"      // it resets connections on which something is said
	classCloses       = "closes_on_data"     // it closes them without a word
	classAtOnce       = "closes_at_once"     // it closes or resets connections on which nothing is said
	classGone         = "gone"               // it takes no second connection
	classQuiet        = "not_asked"          // it says nothing first, and asking might do harm on this port
	classEveryPort    = "answers_every_port" // ports that nobody chose accept, too
)

// Outcomes of a handshake.
const (
	sawData   = "data"
	sawSilent = "silent"
	sawClosed = "closed"
	sawReset  = "reset"
	sawError  = "error"
)

// maxShown is how many bytes of a first reply are shown.
const maxShown = 256

// A seeker makes the handshakes of one target.
type seeker struct {
	m    *autoModule
	s    *grab.Session
	r    *AutoResult
	conn net.Conn // open, and nothing was said on it; nil if there is none
	err  error    // how the last one ended
}

// seek tries one handshake after the other until a protocol is found, or there is no use in more.
func (k *seeker) seek(ctx context.Context) {
	order := autoOrder(k.s.Port, k.m.order, k.m.max)
	for _, name := range order {
		if !k.open(ctx) {
			return
		}
		if k.try(ctx, name) {
			return
		}
	}
	if k.r.Class == classNoData && len(order) == 1 && quietPorts[k.s.Port] {
		k.r.Class = classQuiet
	}
}

// open sees to a connection. Without one, this is the end.
func (k *seeker) open(ctx context.Context) bool {
	if k.conn != nil {
		return true
	}
	if k.s.More == nil {
		return false
	}
	conn, err := k.s.More(ctx)
	if err != nil {
		if errors.Is(err, grab.ErrConnect) && !errors.Is(err, grab.ErrBlocked) && k.r.Class != classUnrecognised {
			k.r.Class = classGone
		}
		k.err = err
		return false
	}
	k.conn = conn
	return true
}

// drop closes the connection, as [grab.Session.More] wants it. The session's own is closed by who opened it, too.
func (k *seeker) drop() {
	if k.conn != nil {
		_ = k.conn.Close()
		k.conn = nil
	}
}

// try makes one handshake, and says whether that is enough.
func (k *seeker) try(ctx context.Context, name string) bool {
	out := autoHello(name, k.s)
	if name != askWait && out == nil {
		return false
	}
	k.r.Attempts++
	patience := k.m.reply
	if name == askWait {
		patience = k.m.wait
	}
	first, protocol, err := firstReply(ctx, k.conn, name, out, patience)
	if protocol == eitherMail {
		protocol = k.mail(ctx)
	}
	outcome := outcomeOf(first, err)
	k.err = err
	k.r.Tried = append(k.r.Tried, AutoAttempt{name, outcome})
	k.note(name, first, protocol, outcome)
	if name != askWait || outcome != sawSilent {
		k.drop()
	}
	return protocol != "" || ctx.Err() != nil || name == askWait && outcome != sawSilent
}

// note writes down what came, if it says more than what came before.
func (k *seeker) note(name string, first []byte, protocol, outcome string) {
	if len(first) > 0 && (protocol != "" || k.r.FirstReply == "") {
		shown := first[:min(len(first), maxShown)]
		k.r.FirstReply, k.r.Hex = escape(shown), hex.EncodeToString(shown)
	}
	switch {
	case protocol != "":
		k.r.Protocol, k.r.By = protocol, name
	case k.r.Class == classUnrecognised: // nothing says more
	case outcome == sawData:
		k.r.Class = classUnrecognised
	case name == askWait && (outcome == sawClosed || outcome == sawReset):
		k.r.Class = classAtOnce
	case outcome == sawReset && k.r.Class != classCloses:
		k.r.Class = classResets
	case outcome == sawClosed:
		k.r.Class = classCloses
	case k.r.Class == "":
		k.r.Class = classNoData
	}
}

// mail asks a server of which only a greeting "220" is known what it is, on the same connection: an SMTP server takes EHLO (RFC 5321
// section 4.1.1.1), and an FTP server does not know the command, or wants a login first.
func (k *seeker) mail(ctx context.Context) string {
	reply, _, _ := firstReply(ctx, k.conn, "ehlo", []byte("EHLO "+headerValue(ourName(&k.s.Operator, k.conn))+"\r\n"), k.m.reply)
	defer func() {
		_ = k.conn.SetDeadline(time.Now().Add(k.m.reply))
		_, _ = k.conn.Write([]byte("QUIT\r\n"))
	}()
	switch s := string(reply); {
	case strings.HasPrefix(s, "250"):
		return "smtp"
	case strings.HasPrefix(s, "500"), strings.HasPrefix(s, "502"), strings.HasPrefix(s, "530"), strings.HasPrefix(s, "503"):
		return "ftp"
	}
	return ""
}

// ourName returns what to call ourselves in a greeting: the operator's host, or our address as a literal (RFC 5321 section 4.1.3).
func ourName(op *grab.Operator, conn net.Conn) string {
	if op.Host != "" {
		return op.Host
	}
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	switch {
	case !ok:
		return "[127.0.0.1]"
	case local.IP.To4() == nil:
		return "[IPv6:" + local.IP.String() + "]"
	}
	return "[" + local.IP.String() + "]"
}

// end returns why nothing was found, so that its status fits.
func (k *seeker) end(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case k.r.Class == classUnrecognised:
		return fmt.Errorf("%s: %w", k.r.Class, grab.ErrProtocol)
	case k.err != nil:
		return fmt.Errorf("%s: %w", k.r.Class, k.err)
	}
	return fmt.Errorf("%s: %w", k.r.Class, grab.ErrProtocol)
}

// outcomeOf returns the word for what became of a handshake.
func outcomeOf(first []byte, err error) string {
	switch {
	case len(first) > 0:
		return sawData
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return sawSilent
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return sawReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return sawClosed
	}
	return sawError
}

// escape returns bytes as text, what is not printable ASCII escaped as in Go.
func escape(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		switch {
		case c == '\n':
			s.WriteString(`\n`)
		case c == '\r':
			s.WriteString(`\r`)
		case c == '\\':
			s.WriteString(`\\`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&s, `\x%02x`, c)
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

// highPorts returns two ports that no service is likely to have, drawn by lot.
func highPorts(but uint16) []uint16 {
	var ports []uint16
	for len(ports) < 2 {
		p := uint16(20000 + rand.IntN(40000)) //nolint:gosec // nobody gains by guessing it
		if p != but && !quietPorts[p] && (len(ports) == 0 || ports[0] != p) {
			ports = append(ports, p)
		}
	}
	return ports
}
