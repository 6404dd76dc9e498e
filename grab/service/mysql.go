package service

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/zmap-go/zmap/grab"
)

// mysqlModule is the module mysql. It reads the packet with which a server begins, turns to TLS if the server can, and leaves
// where a client would send its name. Servers count that as a connection that was broken off.
type mysqlModule struct{ turn }

// newMySQL returns the module mysql.
func newMySQL(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnNever)
	return &mysqlModule{t}, err
}

// A MySQLResult is what a server of MySQL or MariaDB says first, with the keys of zgrab2's module mysql.
type MySQLResult struct {
	ProtocolVersion byte            `json:"protocol_version"`           // 10, or 9 of servers before 1998
	ServerVersion   string          `json:"server_version,omitempty"`   // as it stands: MariaDB may put "5.5.5-" before its own
	ConnectionID    uint32          `json:"connection_id,omitempty"`    // number of the connection since the server began
	AuthPluginData  []byte          `json:"auth_plugin_data,omitempty"` // the challenge
	CharacterSet    byte            `json:"character_set,omitempty"`    // number of the default collation
	StatusFlags     map[string]bool `json:"status_flags,omitempty"`     // SERVER_STATUS_AUTOCOMMIT and the like
	CapabilityFlags map[string]bool `json:"capability_flags,omitempty"` // CLIENT_SSL and the like
	AuthPluginName  string          `json:"auth_plugin_name,omitempty"` // how to log in
	ErrorCode       *int            `json:"error_code,omitempty"`       // if the server refuses us at once
	ErrorID         string          `json:"error_id,omitempty"`         // name of the code
	ErrorMessage    string          `json:"error_message,omitempty"`    // the server's words
	turned

	capabilities uint32 // CapabilityFlags as they stand
}

// maxMySQL bounds the first packet, which is a hundred bytes as a rule.
const maxMySQL = 4 << 10

// The capability that lets a connection turn to TLS, and those that are claimed with it: the protocol since 4.1, its
// authentication, and plugins for that.
const (
	mysqlSSL    = 1 << 11
	mysqlClaims = 1<<9 | mysqlSSL | 1<<15 | 1<<19
)

// Describe returns the module's constants.
func (*mysqlModule) Describe() grab.Description {
	return grab.Description{
		Name: "mysql", Doc: "the first packet of MySQL and MariaDB, and certificates", Port: 3306,
		ServerFirst: true, Transport: grab.Handover,
	}
}

// Grab reads the first packet and turns to TLS.
func (m *mysqlModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	stop := interrupt(ctx, s.Conn)
	defer stop()
	b, err := readMySQL(s.Conn)
	if err != nil {
		return nil, orDone(ctx, err)
	}
	r := new(MySQLResult)
	if err := r.decode(b); err != nil {
		return r.known(), err
	}
	if r.ErrorCode != nil {
		return r, fmt.Errorf("error %d: %w", *r.ErrorCode, grab.ErrApplication)
	}
	if m.when == turnNever || r.capabilities&mysqlSSL == 0 {
		return r, nil
	}
	if _, err := s.Conn.Write(mysqlSSLRequest()); err != nil {
		return r, fmt.Errorf("ask for TLS: %w", orDone(ctx, err))
	}
	var c net.Conn
	if r.TLS, c, err = m.over(ctx, s, s.Conn); err != nil {
		return r, err
	}
	_ = c.Close() // what was wanted is here
	return r, nil
}

// readMySQL reads the payload of one packet: three bytes of length, lowest first, and a number before it.
func readMySQL(r io.Reader) ([]byte, error) {
	b, err := readFramed(r, 4, maxMySQL, func(h []byte) int { return int(h[0]) | int(h[1])<<8 | int(h[2])<<16 })
	if err != nil {
		return nil, err
	}
	return b[4:], nil
}

// decode reads the payload of the first packet, a Protocol::Handshake of version 10 or an ERR_Packet (MySQL's internals, "Connection
// Phase Packets").
func (r *MySQLResult) decode(b []byte) error {
	c := &cursor{rest: b}
	switch v := byte(c.big(1)); v {
	case 0xff:
		return r.decodeError(c)
	case 9, 10:
		r.ProtocolVersion = v
	default:
		return fmt.Errorf("protocol version %d: %w", v, grab.ErrProtocol)
	}
	r.ServerVersion = c.text()
	r.ConnectionID = uint32(c.little(4))
	if r.ProtocolVersion == 9 {
		r.AuthPluginData = []byte(c.text())
		return c.err("handshake")
	}
	r.AuthPluginData = append(r.AuthPluginData, c.take(8)...)
	c.take(1)
	r.capabilities = uint32(c.little(2))
	if err := c.err("handshake"); err != nil {
		return err
	}
	r.CapabilityFlags = flagNames(uint64(r.capabilities), mysqlCapabilities)
	if len(c.rest) == 0 {
		return nil // the short form, of old servers
	}
	r.CharacterSet = byte(c.big(1))
	r.StatusFlags = flagNames(c.little(2), mysqlStatus)
	r.capabilities |= uint32(c.little(2)) << 16
	r.CapabilityFlags = flagNames(uint64(r.capabilities), mysqlCapabilities)
	n := int(c.big(1))
	c.take(10)
	if more := max(13, n-8); n > 0 || len(c.rest) >= more {
		data := c.take(more)
		r.AuthPluginData = append(r.AuthPluginData, data[:max(0, len(data)-1)]...) // without the zero at its end
	}
	if err := c.err("handshake"); err != nil {
		return err
	}
	if len(c.rest) > 0 {
		r.AuthPluginName = string(trimZero(c.rest)) // without a zero at its end before 5.5.10
	}
	return nil
}

func (r *MySQLResult) decodeError(c *cursor) error {
	code := int(c.little(2))
	if err := c.err("error packet"); err != nil {
		return err
	}
	if len(c.rest) > 6 && c.rest[0] == '#' { // SQL state
		c.take(6)
	}
	r.ErrorCode, r.ErrorID, r.ErrorMessage = &code, mysqlErrors[code], string(trimZero(c.rest))
	return nil
}

// known returns r, or nil if nothing is in it.
func (r *MySQLResult) known() any {
	if r.ServerVersion == "" {
		return nil
	}
	return r
}

// trimZero returns what stands before the first zero byte.
func trimZero(b []byte) []byte {
	for i, x := range b {
		if x == 0 {
			return b[:i]
		}
	}
	return b
}

// mysqlSSLRequest is the packet that turns to TLS. It names nobody (Protocol::SSLRequest).
func mysqlSSLRequest() []byte {
	b := make([]byte, 4+32)
	b[0], b[3] = 32, 1
	binary.LittleEndian.PutUint32(b[4:], mysqlClaims)
	binary.LittleEndian.PutUint32(b[8:], 1<<24)
	b[12] = 45 // utf8mb4
	return b
}

// mysqlCapabilities are the names of capabilities from bit 0 on (mysql_com.h).
var mysqlCapabilities = []string{
	"CLIENT_LONG_PASSWORD", "CLIENT_FOUND_ROWS", "CLIENT_LONG_FLAG", "CLIENT_CONNECT_WITH_DB", "CLIENT_NO_SCHEMA", "CLIENT_COMPRESS",
	"CLIENT_ODBC", "CLIENT_LOCAL_FILES", "CLIENT_IGNORE_SPACE", "CLIENT_PROTOCOL_41", "CLIENT_INTERACTIVE", "CLIENT_SSL",
	"CLIENT_IGNORE_SIGPIPE", "CLIENT_TRANSACTIONS", "CLIENT_RESERVED", "CLIENT_SECURE_CONNECTION", "CLIENT_MULTI_STATEMENTS",
	"CLIENT_MULTI_RESULTS", "CLIENT_PS_MULTI_RESULTS", "CLIENT_PLUGIN_AUTH", "CLIENT_CONNECT_ATTRS",
	"CLIENT_PLUGIN_AUTH_LEN_ENC_CLIENT_DATA", "CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS", "CLIENT_SESSION_TRACK", "CLIENT_DEPRECATED_EOF",
}

// mysqlStatus are the names of bits of a server's status (mysql_com.h). Bit 2 has none.
var mysqlStatus = []string{
	"SERVER_STATUS_IN_TRANS", "SERVER_STATUS_AUTOCOMMIT", "", "SERVER_MORE_RESULTS_EXISTS", "SERVER_QUERY_NO_GOOD_INDEX_USED",
	"SERVER_QUERY_NO_INDEX_USED", "SERVER_STATUS_CURSOR_EXISTS", "SERVER_STATUS_LAST_ROW_SENT", "SERVER_STATUS_DB_DROPPED",
	"SERVER_STATUS_NO_BACKSLASH_ESCAPES", "SERVER_STATUS_METADATA_CHANGED", "SERVER_QUERY_WAS_SLOW", "SERVER_PS_OUT_PARAMS",
	"SERVER_STATUS_IN_TRANS_READONLY", "SERVER_SESSION_STATE_CHANGED",
}

// mysqlErrors are the names of errors with which servers greet (mysqld_error.h).
var mysqlErrors = map[int]string{
	1040: "ER_CON_COUNT_ERROR", 1041: "ER_OUT_OF_RESOURCES", 1042: "ER_BAD_HOST_ERROR", 1043: "ER_HANDSHAKE_ERROR",
	1045: "ER_ACCESS_DENIED_ERROR", 1053: "ER_SERVER_SHUTDOWN", 1129: "ER_HOST_IS_BLOCKED", 1130: "ER_HOST_NOT_PRIVILEGED",
	1135: "ER_CANT_CREATE_THREAD", 1152: "ER_ABORTING_CONNECTION", 1203: "ER_TOO_MANY_USER_CONNECTIONS",
}
