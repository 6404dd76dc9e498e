package service

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
)

// marshals fails if a result cannot be written, and returns it.
func marshals(t *testing.T, r any) []byte {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzMySQL(f *testing.F) {
	f.Add(recordedMariaDB)
	f.Add([]byte("\x15\x00\x00\x00\xff\x10\x04#08004Too many conn."))
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, err := readMySQL(bytes.NewReader(b))
		if err != nil {
			return
		}
		r := new(MySQLResult)
		err = r.decode(payload)
		marshals(t, r)
		if err == nil && r.ErrorCode == nil && r.ProtocolVersion != 9 && r.ProtocolVersion != 10 {
			t.Fatalf("version %d", r.ProtocolVersion)
		}
	})
}

func FuzzPostgres(f *testing.F) {
	f.Add(recordedPostgres)
	f.Add([]byte("EFATAL 1:  unsupported frontend protocol\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, err := readPostgres(bytes.NewReader(b))
		if err != nil {
			return
		}
		r := new(PostgresResult)
		if r.decode(msg) == nil && r.SupportedVersions == "" && len(msg) > 5 && r.ProtocolError == nil && len(bytes.TrimSpace(msg[1:])) > 0 {
			t.Fatalf("nothing in %q", msg)
		}
		marshals(t, r)
	})
}

func FuzzMSSQL(f *testing.F) {
	f.Add(preloginAnswer(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := readTDS(bytes.NewReader(b), tdsReply)
		if err != nil {
			return
		}
		r := new(MSSQLResult)
		if r.decode(body) == nil && r.Version == "" {
			t.Fatal("no version")
		}
		marshals(t, r)
		c := tdsConn{Conn: readConn{Reader: bytes.NewReader(b)}}
		if _, err := io.ReadAll(&c); err == nil && len(b) > 0 && b[0] != tdsPrelogin {
			t.Fatalf("%x is read", b)
		}
	})
}

func FuzzBSON(f *testing.F) {
	f.Add(isMasterAnswer(21))
	f.Add(buildInfoAnswer())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseBSON(b)
		if err != nil {
			return
		}
		if len(d) > maxBSONValues {
			t.Fatalf("%d values", len(d))
		}
		marshals(t, d.isMaster())
		marshals(t, d.buildInfo())
	})
}

func FuzzMongoDB(f *testing.F) {
	f.Add(mongoAnswer(mongoReply, isMasterAnswer(21)))
	f.Add(mongoAnswer(mongoMsg, buildInfoAnswer()))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if msg, err := readMongo(bytes.NewReader(b)); err == nil {
			_, _ = decodeMongo(msg)
		}
	})
}

func FuzzLDAP(f *testing.F) {
	f.Add(recordedSlapd)
	f.Add(ldapMessage(1, []byte{ldapDone, 7, berEnumerated, 1, 1, 4, 0, 4, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for r := bytes.NewReader(b); ; {
			op, c, err := readLDAP(r)
			if err != nil {
				return
			}
			if op != ldapEntry {
				c.number(berEnumerated)
				continue
			}
			attrs, _ := decodeEntry(c)
			var r LDAPResult
			r.take(attrs)
			marshals(t, &r)
		}
	})
}

func FuzzRDP(f *testing.F) {
	f.Add(rdpConfirm(2, 0x1f, 2))
	f.Add(rdpConfirm(3, 0, 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := readTPKT(bytes.NewReader(b))
		if err != nil {
			return
		}
		r := new(RDPResult)
		if _, err := r.decode(body); err == nil && r.SelectedProtocol == "" && r.FailureCode == "" {
			t.Fatal("neither selected nor failed")
		}
		marshals(t, r)
	})
}

func FuzzMQTT(f *testing.F) {
	f.Add(recordedMosquitto, false)
	f.Add(recordedMosquitto5, true)
	f.Fuzz(func(t *testing.T, b []byte, five bool) {
		kind, body, err := readMQTT(bytes.NewReader(b))
		if err != nil {
			return
		}
		r := new(MQTTResult)
		if r.decode(kind, body, five) == nil && r.Response == "" {
			t.Fatal("no response")
		}
		marshals(t, r)
	})
}

func FuzzAMQP(f *testing.F) {
	f.Add(amqpStart())
	f.Add([]byte("AMQP\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if msg, err := readAMQP(bytes.NewReader(b)); err == nil {
			r := new(AMQPResult)
			_ = r.decode(msg)
			marshals(t, r)
		}
	})
}

// FuzzOptions gives any option to any module, but for those that open files.
func FuzzOptions(f *testing.F) {
	f.Add("tls", "never")
	f.Add("version", "5")
	f.Add("max", "3")
	f.Add("wait", "1s")
	f.Fuzz(func(t *testing.T, key, value string) {
		if key == "roots" {
			return
		}
		for _, parse := range []func(key, value string) error{new(mqttModule).parseArg, new(autoModule).parseArg} {
			_ = parse(key, value)
		}
		if n, err := parseCount(value, 1, 9); err == nil && (n < 1 || n > 9) {
			t.Fatalf("%s is %d", value, n)
		}
		if d, err := parseSpan(value); err == nil && (d < 0 || d.Minutes() > 1) {
			t.Fatalf("%s is %v", value, d)
		}
	})
}

// FuzzRecognise names anything, in answer to any handshake, as one protocol at most and always the same.
func FuzzRecognise(f *testing.F) {
	for _, l := range labServers() {
		for name, a := range l.Answers {
			f.Add(unhex(l.Replies[a.Reply]), name)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, after string) {
		p := recognise(b, after)
		if p != "" && len(b) == 0 {
			t.Fatalf("nothing is %s", p)
		}
		if len(b) > maxFirst && recognise(b[:maxFirst], after) != p {
			t.Fatal("what is not looked at counts")
		}
		escape(b)
	})
}
