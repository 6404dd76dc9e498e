package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// Bounds of what servers of line protocols say.
const (
	maxLine  = 4 << 10 // bytes; RFC 5321 section 4.5.3.1 has 512
	maxReply = 100     // lines of one reply
	// byeWait is how long an answer to a goodbye is waited for, which changes nothing.
	byeWait = 500 * time.Millisecond
)

// A lineTalk is a conversation in lines, for protocols of that kind. It may turn to TLS. One goroutine has it.
type lineTalk struct {
	turn
	lined
	s     *grab.Session
	conn  net.Conn
	in    *bufio.Reader
	heard bool // the server has said something
}

// A lined is what results of such protocols have in common.
type lined struct {
	// Early is how many bytes came before TLS, behind the answer that it may begin: a fault by which others can speak for the server
	// (CVE-2011-0411 and its kin).
	Early int `json:"bytes_before_tls,omitempty"`
	turned
}

// grabLines has a conversation, over TLS if that comes first, and returns r, the result, of which said is a part: nil if there is
// nothing in it.
func grabLines(ctx context.Context, s *grab.Session, t *turn, r any, said *lined, talk func(context.Context, *lineTalk) error) (any, error) {
	defer interrupt(ctx, s.Conn)()
	l := &lineTalk{turn: *t, s: s, conn: s.Conn}
	log, conn, err := t.first(ctx, s, s.Conn)
	l.TLS = log
	if err == nil {
		l.conn, l.in = conn, bufio.NewReaderSize(conn, maxLine)
		err = talk(ctx, l)
		if l.conn != s.Conn {
			_ = l.conn.Close() // the connection below is the session's
		}
	}
	if *said = l.lined; !l.heard && l.TLS == nil {
		return nil, orDone(ctx, err)
	}
	return r, orDone(ctx, err)
}

// toTLS turns to TLS, after the server said that it may begin.
func (l *lineTalk) toTLS(ctx context.Context) (err error) {
	l.Early = l.in.Buffered()
	t, conn, err := l.over(ctx, l.s, l.conn)
	l.TLS = t
	if err != nil {
		return err
	}
	l.conn, l.in = conn, bufio.NewReaderSize(conn, maxLine)
	return nil
}

// bye says the last line in the protocol's manner and takes what is answered, if that comes: who measures hangs up in order.
func (l *lineTalk) bye(line string, reply func() (string, error)) string {
	if l.say(line) != nil {
		return ""
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(byeWait)) // a connection that is closed says so when it is read
	text, _ := reply()
	return text
}

// say sends a line.
func (l *lineTalk) say(line string) error {
	_, err := io.WriteString(l.conn, line+"\r\n")
	if err != nil {
		return fmt.Errorf("send %s: %w", line, err)
	}
	return nil
}

// line reads a line, which it returns with its end.
func (l *lineTalk) line() (string, error) {
	b, err := l.in.ReadSlice('\n')
	l.heard = l.heard || len(b) > 0
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return strings.ToValidUTF8(string(b), "\uFFFD"), fmt.Errorf("line of more than %d bytes: %w", maxLine, grab.ErrProtocol)
	case err != nil && len(b) > 0:
		return strings.ToValidUTF8(string(b), "\uFFFD"), cutShort(err)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), err
}

// lines reads lines until one is the last, and returns all of them.
func (l *lineTalk) lines(last func(line string) (bool, error)) (string, error) {
	var all strings.Builder
	for range maxReply {
		line, err := l.line()
		all.WriteString(line)
		if err != nil {
			return all.String(), err
		}
		end, err := last(line)
		if end || err != nil {
			return all.String(), err
		}
	}
	return all.String(), fmt.Errorf("reply of more than %d lines: %w", maxReply, grab.ErrProtocol)
}

// reply reads a reply of SMTP or FTP (RFC 5321 section 4.2.1, RFC 959 section 4.2): lines with a code and a dash, the last one without.
func (l *lineTalk) reply() (string, error) {
	return l.lines(func(line string) (bool, error) {
		if len(line) < 4 || code(line) == 0 {
			return false, fmt.Errorf("reply %.40q: %w", line, grab.ErrProtocol)
		}
		return line[3] != '-', nil
	})
}

// featReply is reply for FTP, where lines between the first and the last have no code.
func (l *lineTalk) featReply() (string, error) {
	first := 0
	return l.lines(func(line string) (bool, error) {
		n := code(line)
		switch {
		case first == 0 && n == 0:
			return false, fmt.Errorf("reply %.40q: %w", line, grab.ErrProtocol)
		case first == 0:
			first = n
		}
		return n == first && line[3] != '-', nil
	})
}

// code is the code of a line, 0 if it has none.
func code(line string) int {
	if len(line) < 4 {
		return 0
	}
	n := 0
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// refusedBy says that a server said no, in its protocol.
func refusedBy(line string) error {
	return fmt.Errorf("%.60q: %w", strings.TrimSpace(line), grab.ErrApplication)
}

// offers says whether one of the lines of a reply is a word, behind a prefix of so many bytes, alone or before a blank.
func offers(reply, word string, prefix int) bool {
	for line := range strings.Lines(strings.ToUpper(reply)) {
		if len(line) < prefix {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(line[prefix:]), " ")
		if first == word {
			return true
		}
	}
	return false
}
