package service

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/zmap-go/zmap/grab"
)

// mssqlModule is the module mssql. It sends PRELOGIN, with which a client finds out how to log in, and shakes hands for TLS if the
// server wants it for that. It does not log in.
type mssqlModule struct{ turn }

// newMSSQL returns the module mssql.
func newMSSQL(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnNever)
	return &mssqlModule{t}, err
}

// An MSSQLResult is what a server of SQL Server says before a login, with the keys of zgrab2's module mssql.
type MSSQLResult struct {
	Version         string         `json:"version,omitempty"`          // major.minor.build
	InstanceName    *string        `json:"instance_name,omitempty"`    // nil if none was named
	PreloginOptions *MSSQLPrelogin `json:"prelogin_options,omitempty"` // what was answered
	EncryptMode     string         `json:"encrypt_mode,omitempty"`     // ENCRYPT_ON and the like: what the server chose
	turned
}

// An MSSQLPrelogin is the answer to PRELOGIN (MS-TDS section 2.2.6.5). Fields are nil for options that are not in it.
type MSSQLPrelogin struct {
	Version         *MSSQLVersion `json:"version,omitempty"`           // of the server
	EncryptMode     string        `json:"encrypt_mode,omitempty"`      // name of the encryption
	Instance        string        `json:"instance,omitempty"`          // a zero if the name asked for is right
	ThreadID        *uint32       `json:"thread_id,omitempty"`         // of the server's; seldom there
	MARS            *uint8        `json:"mars,omitempty"`              // 1: several result sets at a time
	TraceID         []byte        `json:"trace_id,omitempty"`          // 36 bytes
	FedAuthRequired *uint8        `json:"fed_auth_required,omitempty"` // 1: logins by tokens
	Nonce           []byte        `json:"nonce,omitempty"`             // 32 bytes
	Unknown         []MSSQLOption `json:"unknown,omitempty"`           // all else
}

// An MSSQLVersion is a server's version.
type MSSQLVersion struct {
	Major uint8  `json:"major"`        // 16 is SQL Server 2022
	Minor uint8  `json:"minor"`        // 0 as a rule
	Build uint16 `json:"build_number"` // which update
}

// An MSSQLOption is an option of another kind.
type MSSQLOption struct {
	Token uint8  `json:"token"` // its number
	Value []byte `json:"value"` // as it stands
}

// Types of packets (MS-TDS section 2.2.3.1.1).
const (
	tdsReply    = 4
	tdsPrelogin = 0x12
)

// Options of PRELOGIN, in the order of their numbers.
const (
	tdsVersion = iota
	tdsEncryption
	tdsInstance
	tdsThread
	tdsMARS
	tdsTrace
	tdsFedAuth
	tdsNonce
	tdsEnd = 0xff
)

// tdsEncryptions are the names of what a server may say of encryption.
var tdsEncryptions = []string{"ENCRYPT_OFF", "ENCRYPT_ON", "ENCRYPT_NOT_SUP", "ENCRYPT_REQ"}

// maxTDS bounds a packet: the largest that the protocol knows is 32767 bytes.
const maxTDS = 32 << 10

// Describe returns the module's constants.
func (*mssqlModule) Describe() grab.Description {
	return grab.Description{Name: "mssql", Doc: "version of Microsoft SQL Server, and certificates", Port: 1433, Transport: grab.Handover}
}

// Grab sends PRELOGIN and shakes hands.
func (m *mssqlModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	if _, err := s.Conn.Write(tdsPacket(tdsPrelogin, preloginRequest())); err != nil {
		return nil, fmt.Errorf("send prelogin: %w", orDone(ctx, err))
	}
	b, err := readTDS(s.Conn, tdsReply)
	if err != nil {
		return nil, orDone(ctx, err)
	}
	r := new(MSSQLResult)
	if err := r.decode(b); err != nil {
		return nil, err
	}
	if m.when == turnNever || r.EncryptMode == tdsEncryptions[2] {
		return r, nil
	}
	var c net.Conn
	if r.TLS, c, err = m.over(ctx, s, &tdsConn{Conn: s.Conn}); err != nil {
		return r, err
	}
	_ = c.Close() // what was wanted is here
	return r, nil
}

// preloginRequest is the body of a PRELOGIN that wants encryption and names no instance.
func preloginRequest() []byte {
	values := [][]byte{tdsVersion: make([]byte, 6), tdsEncryption: {1}, tdsInstance: {0}, tdsThread: make([]byte, 4), tdsMARS: {0}}
	var head, data []byte
	for token, v := range values {
		head = append(head, byte(token))
		head = binary.BigEndian.AppendUint16(head, uint16(5*len(values)+1+len(data)))
		head = binary.BigEndian.AppendUint16(head, uint16(len(v)))
		data = append(data, v...)
	}
	return append(append(head, tdsEnd), data...)
}

// tdsPacket is a message of one packet: type, last of its message, length, no process, number, window.
func tdsPacket(kind byte, body []byte) []byte {
	n := len(body) + 8
	return append([]byte{kind, 1, byte(n >> 8), byte(n), 0, 0, 0, 0}, body...)
}

// readTDS reads one packet of the given type, and returns its body.
func readTDS(r io.Reader, kind byte) ([]byte, error) {
	b, err := readFramed(r, 8, maxTDS, func(h []byte) int {
		if h[0] != kind || h[1] > 0x1f {
			return -1
		}
		return int(binary.BigEndian.Uint16(h[2:])) - 8
	})
	if err != nil {
		return nil, err
	}
	return b[8:], nil
}

// decode reads the answer to PRELOGIN: options with their places behind them.
func (r *MSSQLResult) decode(b []byte) error {
	var p MSSQLPrelogin
	for c := (&cursor{rest: b}); ; {
		token := byte(c.big(1))
		if err := c.err("prelogin"); err != nil {
			return err
		}
		if token == tdsEnd {
			break
		}
		at, n := int(c.big(2)), int(c.big(2))
		if c.short || at+n > len(b) {
			return fmt.Errorf("prelogin option %d lies beyond the end: %w", token, grab.ErrProtocol)
		}
		p.set(token, b[at:at+n])
	}
	if p.Version == nil {
		return fmt.Errorf("prelogin without a version: %w", grab.ErrProtocol)
	}
	r.PreloginOptions, r.EncryptMode = &p, p.EncryptMode
	r.Version = fmt.Sprintf("%d.%d.%d", p.Version.Major, p.Version.Minor, p.Version.Build)
	if p.Instance != "" {
		name := string(trimZero([]byte(p.Instance)))
		r.InstanceName = &name
	}
	return nil
}

// set notes one option. Those whose length is wrong are of no known kind.
func (p *MSSQLPrelogin) set(token byte, v []byte) {
	switch {
	case token == tdsVersion && len(v) == 6:
		p.Version = &MSSQLVersion{v[0], v[1], binary.BigEndian.Uint16(v[2:])}
	case token == tdsEncryption && len(v) == 1:
		if p.EncryptMode = "UNKNOWN"; int(v[0]) < len(tdsEncryptions) {
			p.EncryptMode = tdsEncryptions[v[0]]
		}
	case token == tdsInstance && len(v) > 0:
		p.Instance = string(v)
	case token == tdsThread && len(v) == 4:
		id := binary.BigEndian.Uint32(v)
		p.ThreadID = &id
	case token == tdsMARS && len(v) == 1:
		p.MARS = &v[0]
	case token == tdsFedAuth && len(v) == 1:
		p.FedAuthRequired = &v[0]
	case token == tdsTrace:
		p.TraceID = v
	case token == tdsNonce:
		p.Nonce = v
	case len(v) > 0:
		p.Unknown = append(p.Unknown, MSSQLOption{token, v})
	}
}

// A tdsConn carries a TLS handshake in packets of the type PRELOGIN, as a login wants it (MS-TDS section 3.2.5.2). It has one reader.
type tdsConn struct {
	net.Conn
	rest []byte // of a packet, not yet read
}

// Read reads out of packets.
func (c *tdsConn) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		body, err := readTDS(c.Conn, tdsPrelogin)
		if err != nil {
			return 0, err
		}
		c.rest = body
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write writes one packet, or several if b is long.
func (c *tdsConn) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(len(b), 4096-8)]
		if _, err := c.Conn.Write(tdsPacket(tdsPrelogin, piece)); err != nil {
			return n, err
		}
		n += len(piece)
		b = b[len(piece):]
	}
	return n, nil
}
