//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/service"
)

// grabOf has a module talk to host, over connections of the kernel's, and returns its result as in a row.
func grabOf(t *testing.T, module string, args map[string]string, port uint16) (row, error) {
	t.Helper()
	m, err := service.New(module, args)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s := &grab.Session{Target: grab.Target{Addr: netip.MustParseAddr(host), Port: port}, Operator: grab.Operator{URI: "https://scan.example.test/"}}
	s.More = func(ctx context.Context) (net.Conn, error) {
		c, err := new(grab.Dialer).Open(ctx, &s.Target, nil)
		if err != nil {
			return nil, err
		}
		return grab.Cap(c, grab.Limits{}), nil
	}
	if s.Conn, err = s.More(ctx); err != nil {
		t.Fatal(err)
	}
	defer s.Conn.Close()
	result, err := m.Grab(ctx, s)
	b, jerr := json.Marshal(result)
	if jerr != nil {
		t.Fatal(jerr)
	}
	r := make(row)
	if jerr := json.Unmarshal(b, &r); jerr != nil {
		t.Fatalf("%s: %v", b, jerr)
	}
	return r, err
}

// at returns what stands under a path of keys, "" if nothing does.
func (r row) at(path string) string {
	var v any = map[string]any(r)
	for key := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// has fails the test unless each path has a value that contains the one given.
func (r row) has(t *testing.T, paths map[string]string) {
	t.Helper()
	for path, want := range paths {
		if got := r.at(path); got == "" || !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q, in %v", path, got, want, r)
		}
	}
}

// leaf is where the subject of a server's certificate stands in the result of a module that turned to TLS.
const leaf = "tls.handshake_log.server_certificates.certificate.parsed.subject_dn"

// found has auto find a server on a port that is not its protocol's, and run the protocol's own module.
func found(t *testing.T, port uint16, protocol, by string, paths map[string]string) {
	t.Helper()
	r, err := grabOf(t, "auto", map[string]string{"max": "16", "wait": "1s", "reply": "1s", "pause": "0s"}, port)
	if err != nil {
		t.Errorf("auto: %v", err)
	}
	r.has(t, map[string]string{"protocol": protocol, "by": by, "class": "service"})
	r.has(t, paths)
}

// readable lets other users read what a test has made.
func readable(t *testing.T, path string) {
	t.Helper()
	for ; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// prepare runs a program to its end.
func prepare(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// TestGrabMariaDB takes the greeting, and turns to TLS.
func TestGrabMariaDB(t *testing.T) {
	debian(t, "mariadb-server")
	key, cert := certificate(t)
	data := t.TempDir()
	server{args: []string{
		"mariadbd", "--no-defaults", "--user=root", "--skip-grant-tables", "--datadir=" + data, "--socket=" + data + "/s", "--bind-address=" + host,
		"--port=4000", "--ssl-key=" + key, "--ssl-cert=" + cert, "--pid-file=" + data + "/pid", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M",
	}, port: "tcp 4000"}.start(t, newNet(t))
	r, err := grabOf(t, "mysql", nil, 4000)
	if err != nil {
		t.Fatal(err)
	}
	r.has(t, map[string]string{
		"protocol_version": "10", "server_version": "MariaDB", "capability_flags.CLIENT_SSL": "true", "capability_flags.CLIENT_PLUGIN_AUTH": "true",
		"status_flags.SERVER_STATUS_AUTOCOMMIT": "true", "auth_plugin_name": "mysql_native_password", leaf: "CN=example.test",
	})
	found(t, 4000, "mysql", "wait", map[string]string{"attempts": "1", "grab.status": "success", "grab.result.server_version": "MariaDB"})
}

// TestGrabPostgreSQL asks for TLS, and for versions, with TLS and without.
func TestGrabPostgreSQL(t *testing.T) {
	debian(t, "postgresql-15")
	const bin = "/usr/lib/postgresql/15/bin/"
	dir := t.TempDir()
	readable(t, dir)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	prepare(t, "chown", "postgres", data)
	prepare(t, "runuser", "-u", "postgres", "--", bin+"initdb", "--no-sync", "-A", "reject", "-D", data)
	key, cert := certificate(t)
	prepare(t, "cp", key, cert, data)
	prepare(t, "chown", "postgres", data+"/key.pem", data+"/cert.pem")
	prepare(t, "chmod", "600", data+"/key.pem")
	server{args: []string{
		"runuser", "-u", "postgres", "--", bin + "postgres", "-D", data, "-h", host, "-p", "4000", "-k", data,
		"-c", "ssl=on", "-c", "ssl_key_file=key.pem", "-c", "ssl_cert_file=cert.pem", "-c", "fsync=off",
	}, port: "tcp 4000", ready: "ready to accept"}.start(t, newNet(t))
	versions := map[string]string{
		"supported_versions": "FATAL:  unsupported frontend protocol 255.255: server supports 3.0 to 3.0", "protocol_error.code": "0A000",
		"protocol_error.routine": "ProcessStartupPacket", "protocol_error.file": "postmaster.c", "protocol_error.line": "2",
	}
	for tls, more := range map[string]map[string]string{"offered": {"is_ssl": "true", leaf: "CN=example.test"}, "never": {"is_ssl": "false"}} {
		r, err := grabOf(t, "postgres", map[string]string{"tls": tls}, 4000)
		if err != nil {
			t.Errorf("tls=%s: %v", tls, err)
		}
		r.has(t, versions)
		r.has(t, more)
	}
	found(t, 4000, "postgres", "postgres", map[string]string{"grab.status": "success", "grab.result.is_ssl": "true"})
}

// TestGrabMQTTBroker connects to a broker that takes anybody, one that takes nobody without a name, and over TLS.
func TestGrabMQTTBroker(t *testing.T) {
	debian(t, "mosquitto") //nolint:misspell // it is its name
	key, cert := certificate(t)
	conf := file(t, "broker.conf", fmt.Sprintf("per_listener_settings true\nuser root\nlistener 4000 %[1]s\nallow_anonymous true\nlistener 4001 %[1]s\nallow_anonymous false\n"+
		"listener 4002 %[1]s\nallow_anonymous true\ncertfile %s\nkeyfile %s\n", host, cert, key))
	server{args: []string{"mosquitto", "-c", conf}, port: "tcp 4002"}.start(t, newNet(t)) //nolint:misspell // it is its name
	for _, c := range []struct {
		args map[string]string
		port uint16
		want map[string]string
	}{
		{nil, 4000, map[string]string{"connect_return_code": "0", "reason": "accepted", "response": "20020000"}},
		{map[string]string{"version": "5"}, 4000, map[string]string{"connect_return_code": "0", "properties.receive_maximum": "20", "properties.topic_alias_maximum": "10"}},
		{nil, 4001, map[string]string{"connect_return_code": "5", "reason": "not_authorized"}},
		{map[string]string{"version": "5"}, 4001, map[string]string{"connect_return_code": "135", "reason": "not_authorized"}},
		{map[string]string{"tls": "first"}, 4002, map[string]string{"connect_return_code": "0", leaf: "CN=example.test"}},
	} {
		r, err := grabOf(t, "mqtt", c.args, c.port)
		if err != nil {
			t.Errorf("%v on %d: %v", c.args, c.port, err)
		}
		r.has(t, c.want)
	}
	found(t, 4000, "mqtt", "mqtt", map[string]string{"grab.result.reason": "accepted"})
	found(t, 4002, "tls", "tls", map[string]string{"grab." + strings.Replace(leaf, "tls.", "result.", 1): "CN=example.test"})
}

// TestGrabOpenLDAP reads the root DSE and turns to TLS.
func TestGrabOpenLDAP(t *testing.T) {
	debian(t, "slapd")
	key, cert := certificate(t)
	conf := file(t, "slapd.conf", fmt.Sprintf("include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"+
		"TLSCertificateFile %s\nTLSCertificateKeyFile %s\npidfile /run/slapd.pid\ndatabase mdb\nsuffix dc=example,dc=test\ndirectory %s\n", cert, key, t.TempDir()))
	server{args: []string{"slapd", "-d", "0", "-f", conf, "-h", "ldap://" + host + ":4000"}, port: "tcp 4000"}.start(t, newNet(t))
	r, err := grabOf(t, "ldap", nil, 4000)
	if err != nil {
		t.Fatal(err)
	}
	r.has(t, map[string]string{
		"naming_contexts": "dc=example,dc=test", "supported_ldap_version": "3", "supported_extension": "1.3.6.1.4.1.1466.20037", "subschema_subentry": "cn=Subschema",
		"other_attributes.objectClass": "OpenLDAProotDSE", "starttls_response": "0", leaf: "CN=example.test",
	})
	found(t, 4000, "ldap", "ldap", map[string]string{"grab.result.naming_contexts": "dc=example,dc=test"})
}

// TestGrabXRDP negotiates with a server that has TLS, and with one that has not.
func TestGrabXRDP(t *testing.T) {
	debian(t, "xrdp")
	key, cert := certificate(t)
	n := newNet(t)
	for port, layer := range map[int]string{4000: "tls", 4001: "rdp"} {
		ini := file(t, "xrdp.ini", fmt.Sprintf("[Globals]\nfork=false\nport=tcp://%s:%d\nsecurity_layer=%s\ncrypt_level=high\ncertificate=%s\nkey_file=%s\n"+
			"ssl_protocols=TLSv1.2, TLSv1.3\n[Logging]\nLogFile=/run/xrdp.log\nEnableSyslog=false\n", host, port, layer, cert, key))
		server{args: []string{"xrdp", "--nodaemon", "--config", ini}, port: fmt.Sprint("tcp ", port)}.start(t, n)
	}
	r, err := grabOf(t, "rdp", nil, 4000)
	if err != nil {
		t.Fatal(err)
	}
	r.has(t, map[string]string{"selected_protocol": "ssl", "negotiation_flags.extended_client_data_supported": "true", leaf: "CN=example.test"})
	if r, err = grabOf(t, "rdp", nil, 4001); err != nil || r.at("tls") != "" {
		t.Errorf("without TLS: %v, %v", r, err)
	}
	r.has(t, map[string]string{"selected_protocol": "standard_rdp"})
	found(t, 4000, "rdp", "http", map[string]string{"grab.result.selected_protocol": "ssl"}) // it answers everything with a refusal
}

// TestGrabTextServers finds servers that answer HTTP, or random bytes, in their own way.
func TestGrabTextServers(t *testing.T) {
	debian(t, "redis-server")
	debian(t, "memcached")
	n := newNet(t)
	server{args: []string{"redis-server", "--port", "4000", "--bind", host, "--save", "", "--protected-mode", "no", "--dir", "/run"}, port: "tcp 4000"}.start(t, n)
	server{args: []string{"memcached", "-u", "nobody", "-l", host, "-p", "4001", "-U", "0"}, port: "tcp 4001"}.start(t, n)
	found(t, 4000, "redis", "http", map[string]string{"attempts": "2", "first_reply": "-ERR wrong number of arguments for 'get'", "grab.result.state": "open"})
	found(t, 4001, "memcached", "tls", map[string]string{"attempts": "3", "first_reply": "ERROR", "grab.result.version": "1."})
}
