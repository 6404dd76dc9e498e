package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/zmap-go/zmap/grab"
)

// postgresModule is the module postgres. It asks whether the server can turn to TLS, does so, and then begins in a version of the
// protocol that nobody has: the server names those that it has, and where in its source it says so, and closes. No user is named.
// It leaves one line in the server's log, "unsupported frontend protocol".
type postgresModule struct{ turn }

// newPostgres returns the module postgres.
func newPostgres(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnNever)
	return &postgresModule{t}, err
}

// A PostgresResult is what a server of PostgreSQL says to those that it does not know, with the keys of zgrab2's module postgres.
type PostgresResult struct {
	IsSSL             bool              `json:"is_ssl"`                       // the server turned to TLS
	SupportedVersions string            `json:"supported_versions,omitempty"` // the error in one line, which names them
	ProtocolError     map[string]string `json:"protocol_error,omitempty"`     // the same by its fields: severity, code, message, file, line, routine
	turned
}

// What a client may begin with in place of a version (PostgreSQL's manual, "Message Formats"), and a version that there is not.
const (
	postgresTLS     = 1234<<16 | 5679
	postgresVersion = 255<<16 | 255
)

// maxPostgres bounds one error, which is two hundred bytes as a rule.
const maxPostgres = 8 << 10

// Describe returns the module's constants.
func (*postgresModule) Describe() grab.Description {
	return grab.Description{
		Name: "postgres", Doc: "versions of PostgreSQL's protocol, and certificates", Port: 5432, Transport: grab.Handover,
	}
}

// Grab asks for TLS and for versions.
func (m *postgresModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	r, conn := new(PostgresResult), s.Conn
	if m.when != turnNever {
		offers, err := askPostgresTLS(conn)
		if err != nil {
			return nil, orDone(ctx, err)
		}
		if offers {
			if r.TLS, conn, err = m.over(ctx, s, conn); err != nil {
				return r, err
			}
			r.IsSSL = true
		}
	}
	err := r.versions(conn)
	if conn != s.Conn {
		_ = conn.Close() // with a goodbye; the server has closed as a rule
	}
	if r.ProtocolError == nil && r.SupportedVersions == "" && r.TLS == nil {
		return nil, orDone(ctx, err)
	}
	return r, orDone(ctx, err)
}

// postgresStart is the packet with which a client begins.
func postgresStart(version uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, version)
}

// askPostgresTLS asks whether the server can turn to TLS. It answers with one byte, or an error if it never heard of that.
func askPostgresTLS(conn net.Conn) (bool, error) {
	if _, err := conn.Write(postgresStart(postgresTLS)); err != nil {
		return false, fmt.Errorf("ask for TLS: %w", err)
	}
	var b [1]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		return false, fmt.Errorf("read answer about TLS: %w", err)
	}
	switch b[0] {
	case 'S':
		return true, nil
	case 'N':
		return false, nil
	}
	return false, fmt.Errorf("answer about TLS is %q: %w", b[0], grab.ErrProtocol)
}

// versions begins in a version that there is not.
func (r *PostgresResult) versions(conn net.Conn) error {
	if _, err := conn.Write(postgresStart(postgresVersion)); err != nil {
		return fmt.Errorf("ask for versions: %w", err)
	}
	b, err := readPostgres(conn)
	if err != nil {
		return err
	}
	return r.decode(b)
}

// readPostgres reads one message: its type, then its length without that. An error from before version 3 of the protocol is its type, text, and zero;
// it is returned with the length left out, as if it had one.
func readPostgres(r io.Reader) ([]byte, error) {
	b, err := readFramed(r, 5, maxPostgres, func(h []byte) int {
		n := int64(binary.BigEndian.Uint32(h[1:])) - 4
		if h[0] == 'E' && n >= maxPostgres { // letters
			return 0
		}
		return int(min(n, maxPostgres+1))
	})
	if err != nil || len(b) > 5 || b[0] != 'E' {
		return b, err
	}
	for one := []byte{0}; len(b) < maxPostgres; {
		if _, err := io.ReadFull(r, one); errors.Is(err, io.EOF) || err == nil && one[0] == 0 {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read error: %w", err)
		}
		b = append(b, one[0])
	}
	return b, nil
}

// decode reads the answer to a version that there is not. It must be an error.
func (r *PostgresResult) decode(b []byte) error {
	if b[0] != 'E' || len(b) < 6 {
		return fmt.Errorf("answer of type %q: %w", b[0], grab.ErrProtocol)
	}
	if n := binary.BigEndian.Uint32(b[1:]); n >= maxPostgres+4 { // as before version 3
		r.SupportedVersions = string(bytes.TrimSpace(b[1:]))
		return nil
	}
	for c := (&cursor{rest: b[5:]}); len(c.rest) > 0; {
		name, known := postgresFields[byte(c.big(1))]
		if value := c.text(); known && !c.short {
			if r.ProtocolError == nil {
				r.ProtocolError = make(map[string]string)
			}
			r.ProtocolError[name] = value
		}
	}
	if r.ProtocolError == nil {
		return fmt.Errorf("error without fields: %w", grab.ErrProtocol)
	}
	r.SupportedVersions = r.ProtocolError["severity"] + ":  " + r.ProtocolError["message"]
	return nil
}

// postgresFields are the names of fields of errors (PostgreSQL's manual, "Error and Notice Message Fields"), as zgrab2 has them.
var postgresFields = map[byte]string{
	'S': "severity", 'V': "severity_v", 'C': "code", 'M': "message", 'D': "detail", 'H': "hint", 'P': "position", 'p': "internal_position",
	'q': "internal_query", 'W': "where", 's': "schema", 't': "table", 'd': "data", 'n': "constraint", 'F': "file", 'L': "line", 'R': "routine",
}
