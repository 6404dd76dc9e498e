package service

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/grab"
)

// grabbed makes a module, and has it talk to a server; it returns the result with its JSON.
func grabbed(t *testing.T, name string, args map[string]string, talk func(net.Conn)) (any, string, error) {
	t.Helper()
	if args == nil {
		args = map[string]string{"roots": "none"}
	}
	m, err := New(name, args)
	if err != nil {
		t.Fatal(err)
	}
	if d := m.Describe(); d.Name != name || d.Doc == "" {
		t.Errorf("describes itself as %+v", d)
	}
	s := session(t, serve(t, talk), 5)
	s.Operator.URI = "https://scan.example.org/about"
	r, err := m.Grab(t.Context(), s)
	_ = s.Conn.Close() // as callers do
	b, jerr := json.Marshal(r)
	if jerr != nil {
		t.Fatal(jerr)
	}
	return r, string(b), err
}

func serverConfig(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{newIssuer(t).leaf(t, ecdsaKey(t), nil)}}
}

// want looks for parts of a result's JSON.
func want(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s is not in %s", p, got)
		}
	}
}

const certificateInTLS = `"tls":{"handshake_log":{"server_hello":`

// TestNamesOfTurned hands on the names of certificates, from whatever protocol they are.
func TestNamesOfTurned(t *testing.T) {
	cfg := serverConfig(t)
	for name, talk := range map[string]func(net.Conn){
		"mysql": fakeMySQL(t, cfg), "postgres": fakePostgres(t, cfg), "mssql": fakeMSSQL(t, 1, cfg), "rdp": fakeRDP(rdpConfirm(2, 0, 1), cfg),
	} {
		r, _, err := grabbed(t, name, nil, talk)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n, ok := r.(grab.Namer)
		if !ok || len(n.Names()) != 2 || n.Names()[0] != (grab.FoundName{Name: "www.example.org", Source: "san"}) || n.WantsName() {
			t.Errorf("%s: names of %T: %v", name, r, ok)
		}
	}
	for _, r := range []any{new(MySQLResult), new(PostgresResult), new(MSSQLResult), new(MongoDBResult), new(LDAPResult), new(RDPResult), new(MQTTResult), new(AMQPResult)} {
		if n, ok := r.(grab.Namer); !ok || n.Names() != nil || n.WantsName() {
			t.Errorf("%T without TLS: %v", r, ok)
		}
	}
}

func TestMySQL(t *testing.T) {
	_, got, err := grabbed(t, "mysql", nil, fakeMySQL(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"protocol_version":10`, `"server_version":"5.5.5-10.11.19-MariaDB-0+deb12u1"`, `"connection_id":3`,
		`"status_flags":{"SERVER_STATUS_AUTOCOMMIT":true}`, `"auth_plugin_name":"mysql_native_password"`, `"CLIENT_PLUGIN_AUTH":true`,
		`"auth_plugin_data":"MyFNQT5TZy5KaVRGRGE/Ul5jVF4="`)
	if strings.Contains(got, "CLIENT_SSL") || strings.Contains(got, `"tls"`) {
		t.Errorf("TLS in %s", got)
	}
	_, got, err = grabbed(t, "mysql", nil, fakeMySQL(t, serverConfig(t)))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"CLIENT_SSL":true`, certificateInTLS, `"server_certificates"`)
	// A refusal, with and without an SQL state.
	for _, e := range []string{"\x45\x00\x00\x00\xff\x6a\x04Host '10.0.0.1' is not allowed to connect to this MariaDB server", "\x15\x00\x00\x00\xff\x10\x04#08004Too many conn."} {
		b := []byte(e)
		b[0] = byte(len(b) - 4)
		_, got, err = grabbed(t, "mysql", nil, say(0, b))
		if grab.StatusOf(err) != grab.ApplicationError {
			t.Errorf("refusal is %v", err)
		}
		want(t, got, `"error_code":1`, `"error_id":"ER_`, `"error_message":"`)
	}
	// The old protocol, and the short form.
	_, got, err = grabbed(t, "mysql", nil, say(0, []byte("\x17\x00\x00\x00\x093.21.33\x00\x01\x00\x00\x00abcdefgh\x00\x00")))
	if err != nil {
		t.Error(err)
	}
	want(t, got, `"protocol_version":9`, `"server_version":"3.21.33"`, `"auth_plugin_data":"YWJjZGVmZ2g="`)
	if _, _, err := grabbed(t, "mysql", nil, say(0, []byte("\x05\x00\x00\x00\x0b1.2\x00"))); grab.StatusOf(err) != grab.ProtocolError {
		t.Errorf("version 11: %v", err)
	}
}

func TestPostgres(t *testing.T) {
	for name, cfg := range map[string]*tls.Config{"plain": nil, "TLS": serverConfig(t)} {
		t.Run(name, func(t *testing.T) {
			_, got, err := grabbed(t, "postgres", nil, fakePostgres(t, cfg))
			if err != nil {
				t.Fatal(err)
			}
			want(t, got, `"supported_versions":"FATAL:  unsupported frontend protocol 255.255: server supports 3.0 to 3.0"`, `"code":"0A000"`,
				`"file":"postmaster.c"`, `"line":"2222"`, `"routine":"ProcessStartupPacket"`, `"severity_v":"FATAL"`)
			if cfg == nil {
				want(t, got, `"is_ssl":false`)
			} else {
				want(t, got, `"is_ssl":true`, certificateInTLS)
			}
		})
	}
	// An error of before version 3, and TLS not asked for.
	_, got, err := grabbed(t, "postgres", map[string]string{"tls": "never"}, say(8, []byte("EFATAL 1:  unsupported frontend protocol\n\x00")))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"supported_versions":"FATAL 1:  unsupported frontend protocol"`)
	for _, bad := range []string{"X", "S", "SHTTP/1.1 200 OK\r\n", "NR\x00\x00\x00\x08\x00\x00\x00\x00", "NE\x00\x00\x00\x05\x00", "NE\x00\x00\x00\x00"} {
		if _, got, err := grabbed(t, "postgres", nil, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 8))
			_, _ = io.WriteString(c, bad)
			_, _ = c.Read(make([]byte, 8))
		}); err == nil {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

func TestMSSQL(t *testing.T) {
	for encryption, name := range tdsEncryptions {
		var cfg *tls.Config
		if name != "ENCRYPT_NOT_SUP" {
			cfg = serverConfig(t)
		}
		_, got, err := grabbed(t, "mssql", nil, fakeMSSQL(t, byte(encryption), cfg))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want(t, got, `"version":"16.0.1038"`, `"instance_name":""`, `"encrypt_mode":"`+name+`"`, `"major":16,"minor":0,"build_number":1038`)
		if cfg != nil {
			want(t, got, certificateInTLS)
		}
	}
	_, got, err := grabbed(t, "mssql", map[string]string{"tls": "never"}, fakeMSSQL(t, 1, nil))
	if err != nil || strings.Contains(got, `"tls"`) {
		t.Errorf("without TLS: %v, %s", err, got)
	}
	for _, bad := range [][]byte{
		tdsPacket(tdsReply, nil), tdsPacket(tdsReply, []byte{0xff}), tdsPacket(tdsReply, []byte{0, 0, 6, 0, 7, 0xff, 1, 2, 3, 4, 5, 6}),
		tdsPacket(tdsReply, []byte{0, 0xff, 0xff, 0xff, 0xff}),
		{4, 1, 0, 7, 0, 0, 0, 0},
	} {
		if r, _, err := grabbed(t, "mssql", nil, say(8, bad)); grab.StatusOf(err) != grab.ProtocolError || r != nil {
			t.Errorf("%x: %v, %v", bad, r, err)
		}
	}
}

func TestMongoDB(t *testing.T) {
	for _, wire := range []int32{2, 5, 6, 21} {
		_, got, err := grabbed(t, "mongodb", nil, fakeMongoDB(t, wire, buildInfoAnswer()))
		if err != nil {
			t.Fatalf("wire version %d: %v", wire, err)
		}
		want(t, got, `"is_master":{"is_master":true`, `"max_bson_object_size":16777216`, `"logical_session_timeout_minutes":30`, `"read_only":false`,
			`"set_name":"rs0"`, `"build_info":{"version":"7.0.5","git_version":"7809d71e`, `"bits":64`, `"storage_engines":["devnull","wiredTiger"]`,
			`"build_environment":{"dist_mod":"debian12","target_os":"linux"}`)
	}
	denied := new(bsonWriter).add(1, "ok", float64(0)).add(2, "errmsg", "command buildInfo requires authentication").add(16, "code", int32(13)).done()
	r, got, err := grabbed(t, "mongodb", nil, fakeMongoDB(t, 25, denied))
	if err != nil || r.(*MongoDBResult).BuildInfo != nil || r.(*MongoDBResult).IsMaster.MaxWireVersion != 25 {
		t.Errorf("%v, %s", err, got)
	}
	// What a later step loses is no reason to forget.
	r, _, err = grabbed(t, "mongodb", nil, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = c.Write(mongoAnswer(mongoReply, isMasterAnswer(6)))
		_, _ = c.Read(make([]byte, 4096))
	})
	if grab.StatusOf(err) != grab.ConnectionClosed || r.(*MongoDBResult).IsMaster == nil {
		t.Errorf("%v, %v", err, r)
	}
}

func TestMongoDBOverTLS(t *testing.T) {
	cfg := serverConfig(t)
	_, got, err := grabbed(t, "mongodb", map[string]string{"tls": "first", "roots": "none"}, func(c net.Conn) {
		s := tls.Server(c, cfg)
		defer s.Close()
		fakeMongoDB(t, 21, buildInfoAnswer())(s)
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"version":"7.0.5"`, certificateInTLS)
}

func TestMQTT(t *testing.T) {
	sent := make(chan []byte, 1)
	_, got, err := grabbed(t, "mqtt", nil, func(c net.Conn) {
		b := make([]byte, 100)
		n, _ := c.Read(b)
		_, _ = c.Write(recordedMosquitto)
		rest, _ := io.ReadAll(c)
		sent <- append(b[:n], rest...)
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"connect_return_code":0`, `"response":"20020000"`, `"reason":"accepted"`)
	if b := <-sent; !bytes.HasPrefix(b, []byte("\x10\x23\x00\x04MQTT\x04\x02\x00\x1e\x00\x17scanexampleor")) || !bytes.HasSuffix(b, []byte{mqttDisconnect, 0}) {
		t.Errorf("sent %q", b)
	}
	_, got, err = grabbed(t, "mqtt", map[string]string{"version": "5", "roots": "none"}, say(20, recordedMosquitto5))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"properties":{"receive_maximum":20,"topic_alias_maximum":10}`, `"response":"200900000622000A210014"`)
	_, got, err = grabbed(t, "mqtt", nil, say(20, []byte{mqttConnack, 2, 0, 5}))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"connect_return_code":5`, `"reason":"not_authorized"`)
	for _, bad := range []string{"\x20\x00", "\x20\x01\x00", "\x30\x02\x00\x00", "\x20\xff\xff\xff\xff\x7f", "\x20\xff\xff\xff\x7f"} {
		if _, got, err := grabbed(t, "mqtt", nil, say(20, []byte(bad))); grab.StatusOf(err) != grab.ProtocolError {
			t.Errorf("%x: %v, %s", bad, err, got)
		}
	}
	for _, bad := range []string{"\x20\x04\x00\x00\x05\x11", "\x20\x05\x00\x00\x02\x63\x00", "\x20\x06\x00\x00\x03\x1f\xff\xff"} {
		r, _, err := grabbed(t, "mqtt", map[string]string{"version": "5"}, say(20, []byte(bad)))
		if grab.StatusOf(err) != grab.ProtocolError || r.(*MQTTResult).Response == "" {
			t.Errorf("%x: %v, %v", bad, r, err)
		}
	}
}

// TestMQTTIdentifiers sees that each is new, allowed, and the operator's.
func TestMQTTIdentifiers(t *testing.T) {
	for uri, who := range map[string]string{"": "measurement", "https://scan.example.org/x": "scanexampleor", "http://[2001:db8::1]/": "20010db81"[:0], ":": "measurement", "http://ü.example/": "example"} {
		a, b := mqttID(&grab.Operator{URI: uri}), mqttID(&grab.Operator{URI: uri})
		if a == b || len(a) != 23 || !strings.HasPrefix(a, who) || strings.Trim(a, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Errorf("%s: %s and %s", uri, a, b)
		}
	}
}

func TestLDAP(t *testing.T) {
	_, got, err := grabbed(t, "ldap", nil, say(100, recordedSlapd))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"other_attributes":{"objectClass":["top","OpenLDAProotDSE"]}`)
	// Active Directory's lengths are longer than they need be.
	attr := func(name string, values ...string) []byte {
		var set []byte
		for _, v := range values {
			set = append(set, ber(berOctets, []byte(v))...)
		}
		return append([]byte{berSequence, 0x84, 0, 0, 0, byte(len(name) + 4 + len(set) + 4)}, append(ber(berOctets, []byte(name)), append([]byte{0x31, 0x84, 0, 0, 0, byte(len(set))}, set...)...)...)
	}
	attrs := bytes.Join([][]byte{attr("namingContexts", "DC=example", "CN=Configuration"), attr("dnsHostName", "dc1.example.test"), attr("vendorName", "X")}, nil)
	entry := append(ldapMessage(1, ber(ldapEntry, ber(berOctets), ber(berSequence, attrs))), ldapMessage(1, []byte{ldapDone, 7, berEnumerated, 1, 0, 4, 0, 4, 0})...)
	_, got, err = grabbed(t, "ldap", nil, say(100, entry))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"naming_contexts":["DC=example","CN=Configuration"]`, `"dns_host_name":"dc1.example.test"`, `"other_attributes":{"vendorName":["X"]}`)
	for name, c := range map[string]struct {
		reply []byte
		want  grab.Status
	}{
		"wants a bind":  {ldapMessage(1, []byte{ldapDone, 7, berEnumerated, 1, 1, 4, 0, 4, 0}), grab.ApplicationError},
		"disconnects":   {ldapMessage(0, []byte{ldapResponse, 7, berEnumerated, 1, 2, 4, 0, 4, 0}), grab.ApplicationError},
		"references":    {bytes.Repeat(ldapMessage(1, []byte{0x73, 0}), 20), grab.ProtocolError},
		"no operation":  {ldapMessage(1, nil), grab.ProtocolError},
		"no code":       {ldapMessage(1, []byte{ldapDone, 0}), grab.ProtocolError},
		"cut attribute": {ldapMessage(1, ber(ldapEntry, ber(berOctets), ber(berSequence, []byte{0x30, 9, 4}))), grab.ProtocolError},
		"no length":     {[]byte{0x30, 0x80, 0, 0}, grab.ProtocolError},
		"giant":         {[]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, grab.ProtocolError},
	} {
		if _, got, err := grabbed(t, "ldap", nil, say(100, c.reply)); grab.StatusOf(err) != c.want {
			t.Errorf("%s: %v, %s", name, err, got)
		}
	}
}

// TestLDAPTurnsToTLS has servers that offer StartTLS and keep the word, and one that does not.
func TestLDAPTurnsToTLS(t *testing.T) {
	offer := append(ldapMessage(1, ber(ldapEntry, ber(berOctets), ber(berSequence, ber(berSequence, ber(berOctets, []byte("supportedExtension")), ber(0x31, ber(berOctets, []byte(ldapStartTLS))))))),
		ldapMessage(1, []byte{ldapDone, 7, berEnumerated, 1, 0, 4, 0, 4, 0})...)
	cfg := serverConfig(t)
	for code, expect := range map[byte]string{0: certificateInTLS, 52: `"starttls_response":52}`} {
		goodbye := make(chan string, 1)
		_, got, err := grabbed(t, "ldap", nil, func(c net.Conn) {
			b := make([]byte, 4096)
			_, _ = io.ReadAtLeast(c, b, 100)
			_, _ = c.Write(offer)
			n, _ := io.ReadAtLeast(c, b, 20)
			if !bytes.Contains(b[:n], []byte(ldapStartTLS)) {
				t.Errorf("asks %x", b[:n])
			}
			_, _ = c.Write(ldapMessage(2, []byte{ldapResponse, 7, berEnumerated, 1, code, 4, 0, 4, 0}))
			if code == 0 {
				c = tls.Server(c, cfg)
			}
			n, _ = c.Read(b)
			goodbye <- string(b[:n])
		})
		if err != nil {
			t.Fatal(err)
		}
		want(t, got, expect)
		if g := <-goodbye; g != string(ldapMessage(3, []byte{ldapUnbind, 0})) {
			t.Errorf("goodbye is %x", g)
		}
	}
	_, got, err := grabbed(t, "ldap", map[string]string{"tls": "first", "roots": "none"}, func(c net.Conn) { say(100, recordedSlapd)(tls.Server(c, cfg)) })
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, certificateInTLS, "OpenLDAProotDSE")
}

func TestRDP(t *testing.T) {
	for value, name := range map[byte]string{1: "ssl", 2: "hybrid", 8: "hybrid_ex"} {
		_, got, err := grabbed(t, "rdp", nil, fakeRDP(rdpConfirm(2, 0x1f, value), serverConfig(t)))
		if err != nil {
			t.Fatal(err)
		}
		want(t, got, `"selected_protocol":"`+name+`"`, `"restricted_admin_mode_supported":true`, certificateInTLS)
	}
	for name, c := range map[string]struct{ answer, want string }{
		"standard":       {string(rdpConfirm(2, 0, 0)), `"selected_protocol":"standard_rdp"`},
		"old":            {"\x03\x00\x00\x0b\x06\xd0\x00\x00\x12\x34\x00", `{"selected_protocol":"standard_rdp"}`},
		"fails":          {string(rdpConfirm(3, 0, 5)), `{"failure_code":"hybrid_required_by_server"}`},
		"fails strangly": {string(rdpConfirm(3, 0, 99)), `{"failure_code":"unknown(0x63)"}`},
	} {
		_, got, err := grabbed(t, "rdp", nil, fakeRDP([]byte(c.answer), nil))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want(t, got, c.want)
	}
	for _, bad := range []string{"\x03\x00\x00\x04", "\x03\x00\x00\x03", "\x03\x00\x00\x0b\x06\x80\x00\x00\x12\x34\x00", string(rdpConfirm(9, 0, 0)), "\x03\x00\xff\xff", "\x16\x03\x01\x00"} {
		if r, _, err := grabbed(t, "rdp", nil, fakeRDP([]byte(bad), nil)); grab.StatusOf(err) != grab.ProtocolError || r != nil {
			t.Errorf("%x: %v, %v", bad, r, err)
		}
	}
}

func TestAMQP(t *testing.T) {
	_, got, err := grabbed(t, "amqp", nil, say(8, amqpStart()))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"version_major":0,"version_minor":9`, `"product":"RabbitMQ","version":"3.10.8","platform":"Erlang/OTP 25.2.3"`,
		`"unknown_props":"{\"capabilities\":{\"basic.nack\":true,\"publisher_confirms\":true},\"cluster_name\":\"rabbit@host\"}"`,
		`"mechanisms":["PLAIN","AMQPLAIN"],"locales":["en_US"]`)
	_, got, err = grabbed(t, "amqp", nil, say(8, []byte("AMQP\x00\x01\x00\x00")))
	if grab.StatusOf(err) != grab.ApplicationError {
		t.Errorf("another version: %v", err)
	}
	want(t, got, `"version_major":1,"version_minor":0`)
}

// TestOptions holds what modules say to options that they do not have.
func TestOptions(t *testing.T) {
	for _, k := range Kinds() {
		if _, err := k.New(nil); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		if _, err := New(k.Name, map[string]string{"no-such": "x"}); err == nil || !strings.Contains(err.Error(), "no-such=x") {
			t.Errorf("%s: %v", k.Name, err)
		}
		for _, a := range []string{"tls=sometimes", "version=4", "max=0", "wait=-1s"} {
			key, value, _ := strings.Cut(a, "=")
			if _, err := k.New(map[string]string{key: value}); err == nil {
				t.Errorf("%s takes %s", k.Name, a)
			}
		}
		if !strings.Contains(k.Args, "=") {
			t.Errorf("%s explains no options", k.Name)
		}
	}
	if _, err := New("no-such", nil); err == nil || !strings.Contains(err.Error(), "mysql") {
		t.Errorf("got %v", err)
	}
}
