//go:build peers

package peers

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/zmap-go/zmap/probe"
)

// askPayload scans with a ready payload on its own port, and returns the row and what the server answered. The answer's size
// must be about what the table says: as many other servers answer more as less.
func askPayload(t *testing.T, name string, q question) (row, []byte) {
	t.Helper()
	all := probe.Payloads()
	i := slices.IndexFunc(all, func(p probe.Payload) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("there is no payload %s", name)
	}
	p := all[i]
	q.module, q.args, q.ports = "udp", "name:"+name, strconv.Itoa(int(p.Port))
	if p.Amplifies() {
		q.args += ",amplify"
	}
	r := scan(t, q)[0]
	r.want(t, map[string]string{"classification": "udp", "sport": q.ports})
	size, err := strconv.Atoi(r.text("udp_pkt_size"))
	if err != nil {
		t.Fatal(err)
	}
	size -= 8
	t.Logf("%s: %d bytes are answered with %d; the table says %d", name, p.Size(), size, p.Answer)
	if size > 2*p.Answer || 2*size < p.Answer {
		t.Errorf("%s: answer of %d bytes, the table says %d", name, size, p.Answer)
	}
	if over := size > 10*p.Size(); over != p.Amplifies() {
		t.Errorf("%s: %d bytes are answered with %d, amplifying is %v", name, p.Size(), size, p.Amplifies())
	}
	data := r.bytes(t, "data")
	if len(data) != min(size, maxFirst) {
		t.Errorf("%s: %d bytes of %d", name, len(data), size)
	}
	return r, data
}

// maxFirst is what of a datagram is in the first fragment on the lab's link.
const maxFirst = 1500 - 20 - 8

func TestPayloadMemcached(t *testing.T) {
	debian(t, "memcached")
	server{args: []string{"memcached", "-u", "root", "-l", host, "-U", "11211", "-t", "1"}, port: "udp 11211"}.start(t, newNet(t))
	_, data := askPayload(t, "memcached", question{})
	if !regexp.MustCompile(`^ZM\x00\x00\x00\x01\x00\x00VERSION 1\.\d+\.\d+\r\n$`).Match(data) {
		t.Errorf("answer is %q", data)
	}
}

// TestPayloadSNMP asks an agent for its engine identifier, which it was given.
func TestPayloadSNMP(t *testing.T) {
	debian(t, "snmpd")
	const engine = "80001f8804zmap-peer"
	conf := file(t, "snmpd.conf", "agentaddress udp:"+host+":161\nexactEngineID 0x80001f8804"+hex.EncodeToString([]byte("zmap-peer"))+"\n")
	server{
		args: []string{"snmpd", "-f", "-Lo", "-C", "-c", conf, "-I", "-"}, env: []string{"SNMP_PERSISTENT_DIR=/run"}, port: "udp 161",
	}.start(t, newNet(t))
	_, data := askPayload(t, "snmp3", question{})
	var m struct {
		Version int
		Header  struct {
			ID, MaxSize int
			Flags       []byte
			Model       int
		}
		Security []byte
		Scoped   struct {
			Engine, Context []byte
			PDU             asn1.RawValue
		}
	}
	if rest, err := asn1.Unmarshal(data, &m); err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes left of %x", err, len(rest), data)
	}
	if got := hex.EncodeToString(m.Scoped.Engine[:5]) + string(m.Scoped.Engine[5:]); m.Version != 3 || m.Header.ID != 0x5a4d4150 || got != engine {
		t.Errorf("version %d, message %x, engine %s", m.Version, m.Header.ID, got)
	}
	// A report (RFC 3416 section 3) of usmStatsUnknownEngineIDs, 1.3.6.1.6.3.15.1.1.4.0.
	if unknown := []byte("\x06\x0a\x2b\x06\x01\x06\x03\x0f\x01\x01\x04\x00"); m.Scoped.PDU.Tag != 8 || !bytes.Contains(m.Scoped.PDU.Bytes, unknown) {
		t.Errorf("PDU %d: %x", m.Scoped.PDU.Tag, m.Scoped.PDU.Bytes)
	}
}

// TestPayloadSTUN asks a server which address and port we have.
func TestPayloadSTUN(t *testing.T) {
	debian(t, "coturn")
	n := newNet(t)
	server{args: []string{
		"turnserver", "-n", "-L", host, "-S", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", "--pidfile", "/run/t.pid", "-b", "/run/t.db",
	}, port: "udp 3478"}.start(t, n)
	r, data := askPayload(t, "stun", question{})
	if len(data) < 20 || string(data[:2]) != "\x01\x01" || string(data[4:20]) != "\x21\x12\xa4\x42zmap-binding" {
		t.Fatalf("answer is %x, want a binding success with our transaction", data)
	}
	var seen string
	for b := data[20:]; len(b) >= 4; b = b[4+(int(binary.BigEndian.Uint16(b[2:]))+3)&^3:] {
		if v := b[4:]; binary.BigEndian.Uint16(b) == 0x0020 && v[1] == 1 { // XOR-MAPPED-ADDRESS (RFC 8489 section 14.2)
			port := binary.BigEndian.Uint16(v[2:]) ^ 0x2112
			addr := binary.BigEndian.Uint32(v[4:]) ^ 0x2112a442
			seen = fmt.Sprintf("%v:%d", netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, addr))), port)
		}
	}
	if want := fmt.Sprintf("%v:%s", n.Link().Scanner, r.text("dport")); seen != want {
		t.Errorf("the server saw %q, want %q", seen, want)
	}
}

// TestPayloadsSamba asks a domain controller, made for this test, as an LDAP server and as a NetBIOS node.
func TestPayloadsSamba(t *testing.T) {
	debian(t, "samba")
	const script = `mkdir -p /var/lib/samba/private /run/samba &&
samba-tool domain provision --realm=EXAMPLE.TEST --domain=EXAMPLE --adminpass=Passw0rd,not,used --server-role=dc --host-name=zmappeer \
	--host-ip="$1" --dns-backend=NONE --option="interfaces=$1" --option="bind interfaces only=yes" --option="server services=ldap, cldap, nbt" &&
exec samba -F --no-process-group --debug-stdout`
	server{
		args: []string{"sh", "-c", script, "sh", host}, port: "udp 389",
		empty: []string{"/etc/samba", "/var/lib/samba", "/var/cache/samba", "/var/log/samba"},
	}.start(t, newNet(t))
	_, data := askPayload(t, "cldap", question{})
	var entry struct {
		ID    int
		Entry asn1.RawValue
	}
	rest, err := asn1.Unmarshal(data, &entry)
	if err != nil || entry.ID != 1 || entry.Entry.Class != asn1.ClassApplication || entry.Entry.Tag != 4 {
		t.Fatalf("answer %x: %v, want a search entry", data, err)
	}
	if want := "\x04\x14supportedLDAPVersion1\x06\x04\x012\x04\x013"; !strings.HasSuffix(string(entry.Entry.Bytes), want) {
		t.Errorf("entry %q, want %q in it", entry.Entry.Bytes, want)
	}
	if want := "\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00"; string(rest) != want { // done, success
		t.Errorf("behind the entry %q, want %q", rest, want)
	}
	if _, data := askPayload(t, "cldap-all", question{}); !bytes.Contains(data, []byte("DC=example,DC=test")) {
		t.Errorf("answer %q", data)
	}
	// RFC 1002 section 4.2.18: name, type 33, class, time to live, length, number of names, 18 bytes for each.
	_, data = askPayload(t, "netbios", question{})
	if len(data) < 57 || string(data[:2]) != "ZM" || string(data[46:50]) != "\x00\x21\x00\x01" || len(data) < 57+18*int(data[56]) {
		t.Fatalf("answer %q, want a node status", data)
	}
	if name := string(data[57:72]); data[56] == 0 || name != "ZMAPPEER       " && name != "\x01\x02__MSBROWSE__\x02" && name != "__SAMBA__      " && name != "EXAMPLE        " {
		t.Errorf("%d names, the first %q", data[56], name)
	}
}

func TestPayloadPortmap(t *testing.T) {
	debian(t, "rpcbind")
	server{args: []string{"rpcbind", "-f", "-h", host}, port: "udp 111"}.start(t, newNet(t))
	// A reply (1), accepted (0), no verifier, success (0), nothing (RFC 5531 section 9).
	if _, data := askPayload(t, "portmap", question{}); string(data) != "zmap\x00\x00\x00\x01"+strings.Repeat("\x00", 16) {
		t.Errorf("answer %x", data)
	}
}

// TestPayloadCoAP asks a server to which a dozen resources were added, as many as devices have.
func TestPayloadCoAP(t *testing.T) {
	debian(t, "libcoap3-bin")
	n := newNet(t)
	server{args: []string{"coap-server-notls", "-A", host, "-d", "20"}, port: "udp 5683"}.start(t, n)
	for i := range 12 {
		runInside(t, n, "coap-client-notls", "-m", "put", "-e", "1", fmt.Sprintf("coap://%s/sensors/temperature/room-%d", host, i))
	}
	// For a moment after its last client this server leaves messages without an answer: one probe in three, without the pause.
	time.Sleep(300 * time.Millisecond)
	if _, data := askPayload(t, "coap", question{}); string(data) != "\x70\x00\x5a\x4d" {
		t.Errorf("answer %x, want a reset of our message", data)
	}
	_, data := askPayload(t, "coap-core", question{})
	// An acknowledgement with content (2.05), and in it links (RFC 6690 section 2).
	if string(data[:4]) != "\x60\x45\x5a\x4d" || !bytes.Contains(data, []byte("\xff</>;")) || !bytes.Contains(data, []byte("</sensors/temperature/room-")) {
		t.Errorf("answer %q", data)
	}
}

// kamailio starts a proxy of telephony, which does with requests as it is told.
func kamailio(t *testing.T, transport string, port int, route string) {
	t.Helper()
	debian(t, "kamailio")
	conf := file(t, "kamailio.cfg", fmt.Sprintf(`#!KAMAILIO
log_stderror=yes
fork=no
children=1
tcp_children=1
listen=%s:%s:%d
loadmodule "sl.so"
loadmodule "textops.so"
request_route {%s
}
`, transport, host, port, route))
	args := []string{"kamailio", "-DD", "-E", "-f", conf, "-w", "/run", "-P", "/run/k.pid", "-Y", "/run"}
	server{args: args, port: fmt.Sprintf("%s %d", transport, port)}.start(t, newNet(t))
}

// TestPayloadSIP asks a proxy for what it can do.
func TestPayloadSIP(t *testing.T) {
	kamailio(t, "udp", 5060, `
	if (is_method("OPTIONS")) {
		append_to_reply("Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO\r\nAccept: application/sdp\r\nSupported: replaces, timer\r\n");
		sl_send_reply("200", "OK");
	}`)
	r, data := askPayload(t, "sip", question{})
	for _, want := range []string{
		`^SIP/2\.0 200 OK\r\n`, `\r\nVia: SIP/2\.0/UDP 172\.31\.255\.1:` + r.text("dport") + `;branch=z9hG4bK\d{10};rport=` + r.text("dport") + `;received=172\.31\.255\.1\r\n`,
		`\r\nTo: <sip:10\.7\.0\.5>;tag=\S+\r\n`, `\r\nCSeq: 1 OPTIONS\r\n`, `\r\nAllow: INVITE`, `\r\n\r\n$`,
	} {
		if !regexp.MustCompile(want).Match(data) {
			t.Errorf("answer %q, want %s in it", data, want)
		}
	}
}

// checkHelloVerify checks that an answer is a hello verify request (RFC 6347 section 4.2.1), to its end.
func checkHelloVerify(t *testing.T, data []byte) {
	t.Helper()
	if len(data) < 28 || string(data[:3]) != "\x16\xfe\xff" && string(data[:3]) != "\x16\xfe\xfd" || data[13] != 3 ||
		int(binary.BigEndian.Uint16(data[11:])) != len(data)-13 || data[27] == 0 || int(data[27]) != len(data)-28 {
		t.Errorf("answer %x", data)
	}
}

func TestPayloadDTLSOpenSSL(t *testing.T) {
	debian(t, "openssl")
	key, cert := certificate(t)
	server{ // which ends with its standard input
		args: []string{"sh", "-c", `sleep 60 | "$@"`, "sh", "openssl", "s_server", "-dtls", "-listen", "-accept", host + ":443", "-key", key, "-cert", cert},
		port: "udp 443",
	}.start(t, newNet(t))
	_, data := askPayload(t, "dtls", question{})
	checkHelloVerify(t, data)
}

func TestPayloadDTLSGnuTLS(t *testing.T) {
	debian(t, "gnutls-bin")
	key, cert := certificate(t)
	server{args: []string{"gnutls-serv", "--udp", "-p", "443", "--x509keyfile", key, "--x509certfile", cert}, port: "udp 443"}.start(t, newNetOf(t, host))
	_, data := askPayload(t, "dtls", question{alone: true})
	checkHelloVerify(t, data)
}

// TestPayloadQUIC is answered by a version negotiation packet (RFC 9000 section 17.2.1): version 0, our connection
// identifiers the other way round, and the versions, the first of QUIC among them.
func TestPayloadQUIC(t *testing.T) {
	debian(t, "ngtcp2-server")
	key, cert := certificate(t)
	server{args: []string{"gtlsserver", "-q", host, "443", key, cert}, port: "udp 443"}.start(t, newNet(t))
	_, data := askPayload(t, "quic", question{})
	versions, ok := strings.CutPrefix(string(data[1:]), "\x00\x00\x00\x00\x08scanquic\x08zmapquic")
	if !ok || data[0]&0x80 == 0 || len(versions)%4 != 0 || !strings.Contains(versions, "\x00\x00\x00\x01") {
		t.Errorf("answer %x", data)
	}
}

// TestPayloadMDNS asks a responder that announces this machine as a workstation. It speaks to its own link alone.
func TestPayloadMDNS(t *testing.T) {
	debian(t, "avahi-daemon")
	conf := file(t, "avahi.conf", `[server]
host-name=zmappeer
use-ipv6=no
enable-dbus=no
allow-interfaces=net0
[publish]
publish-workstation=yes
`)
	server{
		args: []string{"sh", "-c", `mkdir /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --debug -f "$1"`, "sh", conf},
		port: "udp 5353", ready: "startup complete",
	}.start(t, newNet(t))
	_, data := askPayload(t, "mdns", question{onLink: true})
	var m dnsmessage.Message
	if err := m.Unpack(data); err != nil || !m.Response || len(m.Answers) != 1 {
		t.Fatalf("answer %v, error %v", m, err)
	}
	if p, ok := m.Answers[0].Body.(*dnsmessage.PTRResource); !ok || p.PTR.String() != "_workstation._tcp.local." {
		t.Errorf("answer %v", m.Answers[0])
	}
}

// TestPayloadIPMI pings a simulated management controller: presence pong (ASF 2.0 section 3.2.4.3), which supports IPMI.
func TestPayloadIPMI(t *testing.T) {
	debian(t, "openipmi")
	lan := file(t, "lan.conf", "name \"zmappeer\"\nset_working_mc 0x20\nstartlan 1\n addr "+host+" 623\n priv_limit admin\n"+
		" allowed_auths_callback none\n guid a123456789abcdefa123456789abcdef\nendlan\n")
	emulation := file(t, "peer.emu", "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n")
	server{args: []string{"ipmi_sim", "-n", "-c", lan, "-f", emulation, "-s", "/run"}, port: "udp 623"}.start(t, newNet(t))
	_, data := askPayload(t, "ipmi", question{})
	if len(data) != 28 || string(data[:9]) != "\x06\x00\xff\x06\x00\x00\x11\xbe\x40" || data[11] != 16 || data[20]&0x80 == 0 {
		t.Errorf("answer %x", data)
	}
}
