package service

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
)

// unhex is for bytes that were recorded from servers.
func unhex(parts ...string) []byte {
	b, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Recorded from servers of Debian 12: MariaDB 10.11.19, PostgreSQL 15.18, Eclipse's MQTT broker 2.0.11, OpenLDAP 2.5.13.
var (
	recordedMariaDB = unhex("640000000a352e352e352d31302e31312e31392d4d6172696144422d302b64656231327531000300000033214d413e53672e00fef7080200ff8115000000000000",
		"1d0000004a69544644613f525e63545e006d7973716c5f6e61746976655f70617373776f726400")
	recordedPostgres = unhex("450000008753464154414c0056464154414c00433041303030004d756e737570706f727465642066726f6e74656e642070726f746f636f6c203235352e3235353a20",
		"73657276657220737570706f72747320332e3020746f20332e300046706f73746d61737465722e63004c32323232005250726f63657373537461727475705061636b65740000")
	recordedMosquitto  = unhex("20020000")
	recordedMosquitto5 = unhex("200900000622000a210014")
	recordedSlapd      = unhex("3030020101642b040030273025040b6f626a656374436c61737331160403746f70040f4f70656e4c444150726f6f74445345300c02010165070a010004000400")
)

// say is a server that reads a first message of n bytes or more, answers, and waits for the client to go.
func say(n int, answer []byte) func(net.Conn) {
	return func(c net.Conn) {
		if n > 0 {
			if _, err := io.ReadAtLeast(c, make([]byte, 4096), n); err != nil {
				return
			}
		}
		_, _ = c.Write(answer)
		_, _ = io.Copy(io.Discard, c)
	}
}

// shake is a server's side of TLS over a connection; then it is done.
func shake(c net.Conn, cfg *tls.Config) {
	t := tls.Server(c, cfg)
	if t.Handshake() == nil {
		_, _ = t.Read(make([]byte, 1))
		_ = t.Close()
	}
}

// fakeMySQL greets with MariaDB's packet, and turns to TLS if there is a configuration.
func fakeMySQL(t *testing.T, cfg *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		b := bytes.Clone(recordedMariaDB)
		if cfg != nil {
			at := bytes.IndexByte(b[5:], 0) + 5 + 1 + 4 + 8 + 1
			b[at+1] |= mysqlSSL >> 8
		}
		_, _ = c.Write(b)
		if cfg == nil {
			_, _ = io.Copy(io.Discard, c)
			return
		}
		req := make([]byte, 36)
		if _, err := io.ReadFull(c, req); err != nil {
			return
		}
		if req[0] != 32 || req[3] != 1 || binary.LittleEndian.Uint32(req[4:])&mysqlSSL == 0 || !bytes.Equal(req[13:], make([]byte, 23)) {
			t.Errorf("request for TLS is %x", req)
		}
		shake(c, cfg)
	}
}

// fakePostgres answers as PostgreSQL does, with TLS if there is a configuration.
func fakePostgres(t *testing.T, cfg *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		start := func(c net.Conn) uint32 {
			b := make([]byte, 8)
			if _, err := io.ReadFull(c, b); err != nil {
				return 0
			}
			if binary.BigEndian.Uint32(b) != 8 {
				t.Errorf("start is %x", b)
			}
			return binary.BigEndian.Uint32(b[4:])
		}
		v := start(c)
		if v == postgresTLS && cfg == nil {
			_, _ = c.Write([]byte{'N'})
			v = start(c)
		} else if v == postgresTLS {
			_, _ = c.Write([]byte{'S'})
			s := tls.Server(c, cfg)
			if s.Handshake() != nil {
				return
			}
			defer s.Close()
			v, c = start(s), s
		}
		if v == postgresVersion {
			_, _ = c.Write(recordedPostgres)
		} else if v != 0 {
			t.Errorf("version %#x is asked for", v)
		}
	}
}

// preloginAnswer is that of SQL Server 2022 with one kind of encryption, by MS-TDS's example.
func preloginAnswer(encryption byte) []byte {
	body := unhex("000015000601001b000102001c000103001d0000ff", "1000040e0000")
	body[1], body[2] = 0, 21
	return tdsPacket(tdsReply, append(body, encryption, 0))
}

// fakeMSSQL answers PRELOGIN and shakes hands inside its packets.
func fakeMSSQL(t *testing.T, encryption byte, cfg *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		h := make([]byte, 8)
		if _, err := io.ReadFull(c, h); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint16(h[2:]))-8)
		if _, err := io.ReadFull(c, body); err != nil || h[0] != tdsPrelogin {
			t.Errorf("prelogin is %x %x: %v", h, body, err)
			return
		}
		_, _ = c.Write(preloginAnswer(encryption))
		if cfg == nil {
			_, _ = io.Copy(io.Discard, c)
			return
		}
		shake(&tdsConn{Conn: c}, cfg)
	}
}

// A bsonWriter writes documents, an independent twin of the reader.
type bsonWriter struct{ bytes.Buffer }

func (w *bsonWriter) add(kind byte, name string, v any) *bsonWriter {
	w.WriteByte(kind)
	w.WriteString(name + "\x00")
	switch v := v.(type) {
	case string:
		_ = binary.Write(w, binary.LittleEndian, uint32(len(v)+1))
		w.WriteString(v + "\x00")
	case *bsonWriter:
		w.Write(v.done())
	default:
		_ = binary.Write(w, binary.LittleEndian, v)
	}
	return w
}

func (w *bsonWriter) done() []byte {
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(w.Len()+5)), w.Bytes()...), 0)
}

func isMasterAnswer(wire int32) []byte {
	topology := new(bsonWriter).add(7, "processId", [12]byte{1}).add(18, "counter", int64(0))
	return new(bsonWriter).add(8, "ismaster", true).add(3, "topologyVersion", topology).add(16, "maxBsonObjectSize", int32(16777216)).
		add(16, "maxMessageSizeBytes", int32(48000000)).add(16, "maxWriteBatchSize", int32(100000)).add(9, "localTime", int64(1700000000000)).
		add(16, "logicalSessionTimeoutMinutes", int32(30)).add(16, "minWireVersion", int32(0)).add(16, "maxWireVersion", wire).
		add(8, "readOnly", false).add(2, "setName", "rs0").add(1, "ok", float64(1)).done()
}

func buildInfoAnswer() []byte {
	engines := new(bsonWriter).add(2, "0", "devnull").add(2, "1", "wiredTiger")
	env := new(bsonWriter).add(2, "distmod", "debian12").add(2, "target_os", "linux")
	return new(bsonWriter).add(2, "version", "7.0.5").add(2, "gitVersion", "7809d71e84e314b497f282ea8aa06d7ded3eb205").add(8, "debug", false).
		add(16, "bits", int32(64)).add(2, "javascriptEngine", "mozjs").add(4, "storageEngines", engines).add(3, "buildEnvironment", env).
		add(1, "ok", float64(1)).done()
}

func mongoAnswer(op uint32, doc []byte) []byte {
	b := make([]byte, 16)
	binary.LittleEndian.PutUint32(b[12:], op)
	if op == mongoReply {
		b = append(append(b, make([]byte, 16)...), 1, 0, 0, 0)
	} else {
		b = append(b, 0, 0, 0, 0, 0)
	}
	b = append(b, doc...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

// fakeMongoDB answers isMaster by OP_QUERY, and buildInfo by whatever its wire version has.
func fakeMongoDB(t *testing.T, wire int32, info []byte) func(net.Conn) {
	return func(c net.Conn) {
		for {
			h := make([]byte, 16)
			if _, err := io.ReadFull(c, h); err != nil {
				return
			}
			body := make([]byte, binary.LittleEndian.Uint32(h)-16)
			_, _ = io.ReadFull(c, body)
			op := binary.LittleEndian.Uint32(h[12:])
			switch {
			case op == mongoQuery && bytes.Contains(body, []byte("\x10isMaster\x00\x01\x00\x00\x00")):
				_, _ = c.Write(mongoAnswer(mongoReply, isMasterAnswer(wire)))
			case op == mongoQuery && wire < 6 && bytes.Contains(body, []byte("buildInfo")):
				_, _ = c.Write(mongoAnswer(mongoReply, info))
			case op == mongoMsg && wire >= 6 && bytes.Contains(body, []byte("buildInfo")) && bytes.Contains(body, []byte("$db")):
				_, _ = c.Write(mongoAnswer(mongoMsg, info))
			default:
				t.Errorf("wire version %d was sent %x %x", wire, h, body)
				return
			}
		}
	}
}

// rdpConfirm is a connection confirm of Windows with what was selected.
func rdpConfirm(kind, flags, value byte) []byte {
	return []byte{3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, kind, flags, 8, 0, value, 0, 0, 0}
}

// fakeRDP takes a connection request of 19 bytes and shakes hands.
func fakeRDP(answer []byte, cfg *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, 19)); err != nil {
			return
		}
		_, _ = c.Write(answer)
		if cfg == nil {
			_, _ = io.Copy(io.Discard, c)
			return
		}
		shake(c, cfg)
	}
}

// amqpStart is Connection.Start as RabbitMQ 3.10 sends it.
func amqpStart() []byte {
	str := func(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }
	field := func(name string, kind byte, v []byte) []byte {
		return append(append(append([]byte{byte(len(name))}, name...), kind), v...)
	}
	caps := append(field("publisher_confirms", 't', []byte{1}), field("basic.nack", 't', []byte{1})...)
	props := bytes.Join([][]byte{
		field("capabilities", 'F', str(string(caps))), field("cluster_name", 'S', str("rabbit@host")), field("product", 'S', str("RabbitMQ")),
		field("version", 'S', str("3.10.8")), field("platform", 'S', str("Erlang/OTP 25.2.3")),
	}, nil)
	body := append([]byte{0, 10, 0, 10, 0, 9}, str(string(props))...)
	body = append(append(body, str("PLAIN AMQPLAIN")...), str("en_US")...)
	return append(append([]byte{1, 0, 0, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...), 0xce)
}
