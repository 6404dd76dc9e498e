package service

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// A labServer is a server by what it answers first to each handshake.
type labServer struct {
	Name     string             `json:"name"`     // the program
	Package  string             `json:"package"`  // Debian's, with its version; "" if it is by the protocol's documents
	Port     uint16             `json:"port"`     // where the script has it
	Protocol string             `json:"protocol"` // what it speaks
	Replies  []string           `json:"replies"`  // in hexadecimal
	Answers  map[string]labTurn `json:"answers"`  // by handshake; others are not answered
}

// A labTurn is one answer, and what becomes of the connection: open, closed, reset, or held as long as the client.
type labTurn struct {
	Reply int    `json:"reply"` // which of the replies
	End   string `json:"end"`
}

// recordedServers are servers of Debian 12, see testdata/first_replies.sh.
func recordedServers() []labServer {
	b, err := os.ReadFile("testdata/first_replies.json")
	if err != nil {
		panic(err)
	}
	var all []labServer
	if err := json.Unmarshal(b, &all); err != nil {
		panic(err)
	}
	for i := range all {
		if l := &all[i]; l.Name == "vsftpd" { // which answers EHLO as any command before a login; the script does not say it
			l.Answers[askEHLO] = labTurn{len(l.Replies), "open"}
			l.Replies = append(l.Replies, hex.EncodeToString([]byte("530 Please login with USER and PASS.\r\n")))
		}
	}
	return all
}

// written is a server by its protocol's documents: it answers the handshakes given, of which "" stands for all others.
func written(name, protocol string, answers map[string]string) labServer {
	l := labServer{Name: name, Protocol: protocol, Answers: make(map[string]labTurn)}
	for _, ask := range append(autoOrder(0, orderAuto, 100), askEHLO, "") {
		reply, own := answers[ask]
		if !own && ask != askWait && ask != askEHLO {
			reply, own = answers[""]
		}
		if own {
			l.Answers[ask] = labTurn{len(l.Replies), "closed"}
			l.Replies = append(l.Replies, hex.EncodeToString([]byte(reply)))
		}
	}
	return l
}

// writtenServers are those that Debian 12 has not, or that need hardware, Java or Windows.
func writtenServers() []labServer {
	refuse := "(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=12504)(ERROR_STACK=(ERROR=(CODE=12504)(EMFI=4))))"
	refuse = "\x00" + string(rune(len(refuse)+12)) + "\x00\x00\x04\x00\x00\x00\x22\x00\x00" + string(rune(len(refuse))) + refuse
	return []labServer{
		written("Oracle listener", "oracle", map[string]string{askOracle: refuse}),
		written("RouterOS", "pptp", map[string]string{askPPTP: string(pptpReply())}),
		written("SQL Server", "mssql", map[string]string{askMSSQL: string(preloginAnswer(1))}),
		written("MongoDB", "mongodb", map[string]string{askHTTP: "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 85\r\n\r\n" +
			"It looks like you are trying to access MongoDB over HTTP on the native driver port.\r\n"}),
		written("Windows", "rdp", map[string]string{askRDP: string(rdpConfirm(2, 0x1f, 2))}),
		written("RealVNC", "vnc", map[string]string{askWait: "RFB 005.000\n"}),
		written("INN", "nntp", map[string]string{askWait: "200 news.example.test InterNetNews NNRP server INN 2.7.0 ready (posting ok)\r\n"}),
		written("camera", "rtsp", map[string]string{askHTTP: "RTSP/1.0 400 Bad Request\r\nServer: Dahua Rtsp Server\r\n\r\n"}),
		written("Kafka", "kafka", map[string]string{askKafka: "\x00\x00\x00\x0a" + kafkaID + "\x00\x23\x00\x00"}),
		written("ZooKeeper", "zookeeper", map[string]string{askZooKeeper: "ruok is not executed because it is not in the whitelist.\n"}),
		written("Go server", "tls", map[string]string{askHTTP: "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", askTLS: "\x15\x03\x01\x00\x02\x02\x28"}),
		written("TLS alone", "tls", map[string]string{"": "\x15\x03\x03\x00\x02\x02\x32"}),
		written("Asterisk manager", "ami", map[string]string{askWait: "Asterisk Call Manager/5.0.2\r\n"}),
		written("dictd", "dict", map[string]string{askWait: "220 host dictd 1.13.0/rf on Linux 6.1.0 <auth.mime> <1.2.3@host>\r\n"}),
		written("echo", "echo", map[string]string{"": "\x00echo"}),
		written("Cassandra", "cassandra", map[string]string{"": "\x84\x00\x00\x00\x00\x00\x00\x00\x3e\x00\x00\x00\x0a\x00\x38Invalid or unsupported protocol version (71); the lowest supported version is 3"}),
		written("MySQL, refusing", "mysql", map[string]string{askWait: "\x45\x00\x00\x00\xffj\x04Host '10.0.0.1' is not allowed to connect to this MySQL server\x00\x00\x00"}),
		written("Redis, protected", "redis", map[string]string{askWait: "-DENIED Redis is running in protected mode because protected mode is enabled"}),
		written("FileZilla", "ftp", map[string]string{askWait: "220-FileZilla Server 1.7.0\r\n220 Please visit https://filezilla-project.org/\r\n"}),
		written("smart host", "smtp", map[string]string{askWait: "220 mx1.example.test ready\r\n", askEHLO: "250-mx1.example.test\r\n250 8BITMIME\r\n"}),
	}
}

// askEHLO is what settles what a greeting 220 means.
const askEHLO = "ehlo"

func pptpReply() []byte {
	b := pptpRequest()
	b[9] = 2  // a reply
	b[14] = 1 // yes
	copy(b[28:], "local")
	copy(b[92:], "MikroTik")
	return b
}

func labServers() []labServer { return append(recordedServers(), writtenServers()...) }

// asked returns which handshake a server has read.
func asked(b []byte) string {
	for name, begin := range map[string]string{
		askTLS: "\x16\x03", askHTTP: "GET ", askDNS: "\x00\x11" + dnsID, askPPTP: "\x00\x9c", askRDP: "\x03\x00\x00\x13", askPostgres: "\x00\x00\x00\x08",
		askMSSQL: "\x12\x01", askMQTT: "\x10", askLDAP: "\x30\x82", askSMB: "\x00\x00\x00\x68\xfeSMB", askSOCKS: "\x05\x01\x00", askKafka: "\x00\x00\x00\x0a",
		askZooKeeper: "ruok", askSIP: "OPTIONS ", askEHLO: "EHLO ", askOracle: "\x00\x72\x00\x00\x01",
	} {
		if strings.HasPrefix(string(b), begin) {
			return name
		}
	}
	return "?" + hex.EncodeToString(b)
}

// serve speaks on one connection as the server would.
func (l *labServer) serve(c net.Conn) {
	defer c.Close()
	said := l.say(c, askWait, "")
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		name := asked(b[:n])
		if strings.HasPrefix(name, "?") { // a goodbye, or of the protocol's own module
			return
		}
		if l.Name == "echo" {
			_, _ = c.Write(b[:n])
			continue
		}
		if l.say(c, name, said); l.Answers[name].End != "open" && l.Answers[name].End != "" {
			return
		}
	}
}

// say writes the answer to a handshake, but for what was said before.
func (l *labServer) say(c net.Conn, name, before string) string {
	a, ok := l.Answers[name]
	if !ok {
		return ""
	}
	b, err := hex.DecodeString(l.Replies[a.Reply])
	if err != nil {
		panic(err)
	}
	if more := strings.TrimPrefix(string(b), before); more != "" {
		_, _ = io.WriteString(c, more)
	}
	return string(b)
}

// labSession is a session with such a server over pipes, with as many connections as the module says that it may need.
func labSession(t *testing.T, l *labServer, port uint16) (*grab.Session, *int) {
	connections := new(int)
	open := func(context.Context) (net.Conn, error) {
		*connections++
		ours, theirs := net.Pipe()
		go l.serve(theirs)
		return grab.Cap(ours, grab.Limits{}), nil
	}
	s := &grab.Session{Target: grab.Target{Addr: netip.MustParseAddr("192.0.2.1"), Port: port}, More: open}
	s.Conn, _ = open(t.Context())
	return s, connections
}

// find has auto find what a server speaks, in a bubble where nothing takes time.
func (l *labServer) find(t *testing.T, port uint16, args map[string]string) (r *AutoResult, connections int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, err := newAuto(args)
		if err != nil {
			t.Fatal(err)
		}
		s, n := labSession(t, l, port)
		got, err := m.Grab(t.Context(), s)
		_ = s.Conn.Close()
		r, connections = got.(*AutoResult), *n
		if (err == nil) != (r.Protocol != "") || (r.Class == classService) != (r.Protocol != "") {
			t.Errorf("%s: class %s, protocol %q, error %v", l.Name, r.Class, r.Protocol, err)
		}
		synctest.Wait()
	})
	return r, connections
}

// TestAutoFindsTheLab has auto at servers on a port that is nobody's, and states how many it finds by how many handshakes. It must be no fewer
// than what was found when this was written. On the Internet the share is another, as the servers there are (see autoAssigned): most are
// of HTTP, TLS, SSH and the like, which this lab has once each.
func TestAutoFindsTheLab(t *testing.T) {
	servers := labServers()
	if len(servers) < 40 {
		t.Fatalf("%d servers", len(servers))
	}
	m, err := newAuto(nil)
	if err != nil {
		t.Fatal(err)
	}
	full := m.(*autoModule)
	for _, c := range []struct {
		order string
		max   int
		least int // of 100, found
		own   int // of 100, handed to their protocol's own module
	}{{orderRandom, 1, 37, 22}, {orderRandom, 2, 70, 39}, {orderRandom, 5, 77, 41}, {orderAssigned, 5, 77, 41}, {orderRandom, 16, 100, 54}} {
		t.Run(fmt.Sprintf("%s %d", c.order, c.max), func(t *testing.T) {
			var missed []string
			by := make(map[string]int)
			handshakes, own := 0, 0
			for _, l := range servers {
				r, connections := l.find(t, 47123, map[string]string{"order": c.order, "max": fmt.Sprint(c.max), "grab": "false"})
				if r.Attempts > c.max || connections > max(1, r.Attempts) {
					t.Errorf("%s: %d handshakes, %d connections", l.Name, r.Attempts, connections)
				}
				handshakes += r.Attempts
				switch r.Protocol {
				case l.Protocol:
					by[r.By]++
					if full.modules[r.Protocol] != nil {
						own++
					}
				case "":
					missed = append(missed, l.Name+" ("+r.Class+")")
				default:
					t.Errorf("%s is %s, not %s: %+v", l.Name, r.Protocol, l.Protocol, r)
				}
			}
			found := len(servers) - len(missed)
			t.Logf("order %s, at most %d handshakes: %d of %d services found (%d %%), %d of them with a module (%d %%), %.1f handshakes each; by %v; not found: %s",
				c.order, c.max, found, len(servers), 100*found/len(servers), own, 100*own/len(servers), float64(handshakes)/float64(len(servers)), by, strings.Join(missed, ", "))
			if 100*found < c.least*len(servers) || 100*own < c.own*len(servers) {
				t.Errorf("%d of %d found and %d with a module, want %d %% and %d %%", found, len(servers), own, c.least, c.own)
			}
		})
	}
}

// TestAutoOnOwnPorts has servers on the ports that their protocols are known for: two handshakes find each.
func TestAutoOnOwnPorts(t *testing.T) {
	ports := map[string]uint16{
		"mqtt": 1883, "postgres": 5432, "ldap": 389, "mssql": 1433, "rdp": 3389, "smb": 445, "socks5": 1080, "dns": 53, "kafka": 9092, "zookeeper": 2181,
		"pptp": 1723, "oracle": 1521, "sip": 5060, "redis": 6379, "http": 80, "mongodb": 27017, "amqp": 5672, "ssh": 22, "mysql": 3306,
	}
	seen := maps.Clone(ports)
	for _, l := range labServers() {
		port, ok := ports[l.Protocol]
		if !ok {
			continue
		}
		delete(seen, l.Protocol)
		if r, _ := l.find(t, port, map[string]string{"grab": "false"}); r.Protocol != l.Protocol || r.Attempts > 2 {
			t.Errorf("%s on %d: %+v", l.Name, port, r)
		}
	}
	if len(seen) > 0 {
		t.Errorf("no server of %v", slices.Collect(maps.Keys(seen)))
	}
}

// TestRecordFirstReplies asks the servers that testdata/first_replies.sh has started, and writes down what they say.
func TestRecordFirstReplies(t *testing.T) {
	if os.Getenv("ZMAP_RECORD_REPLIES") == "" {
		t.Skip("records nothing: testdata/first_replies.sh sets ZMAP_RECORD_REPLIES")
	}
	all := recordedServers()
	var wg sync.WaitGroup
	for i := range all {
		l := &all[i]
		l.Replies, l.Answers = nil, make(map[string]labTurn)
		wg.Go(func() {
			for _, name := range autoOrder(0, orderAuto, 100) {
				reply, end := record(t, l.Port, name)
				at := slices.Index(l.Replies, reply)
				if at < 0 {
					at = len(l.Replies)
					l.Replies = append(l.Replies, reply)
				}
				l.Answers[name] = labTurn{at, end}
			}
		})
	}
	wg.Wait()
	out := []byte("[\n")
	for i := range all {
		b, err := json.Marshal(&all[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, b...), ",\n"...)
	}
	out = append(out[:len(out)-2], "\n]\n"...)
	if err := os.WriteFile("testdata/first_replies.json", out, 0o644); err != nil {
		t.Fatal(err)
	}
}

// record makes one handshake, and returns the first 600 bytes of the reply in hexadecimal.
func record(t *testing.T, port uint16, name string) (reply, end string) {
	s := &grab.Session{Target: grab.Target{Addr: netip.MustParseAddr("127.0.0.1"), Port: port}}
	c, err := new(grab.Dialer).Open(t.Context(), &s.Target, nil)
	if err != nil {
		t.Errorf("port %d: %v", port, err)
		return "", sawError
	}
	defer c.Close()
	s.Conn = c
	_ = c.SetDeadline(time.Now().Add(1500 * time.Millisecond))
	_, _ = c.Write(autoHello(name, s))
	b, err := io.ReadAll(io.LimitReader(c, 600))
	switch outcomeOf(nil, err) {
	case sawReset:
		end = "reset"
	case sawSilent:
		end = "open"
	default:
		end = "closed"
	}
	return hex.EncodeToString(b), end
}
