package probe

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/zmap-go/zmap/link"
)

// sent returns the payload that a probe with a ready payload carries.
func sent(t testing.TB, name string) []byte {
	t.Helper()
	r, s := testRoute(true, 1), goldenShot()
	r.Random = seeded(3)
	c := datagramCase{name: "udp", args: "name:" + name + ",amplify"}
	e, frame := c.probe(t).NewEncoder(r), make([]byte, link.MaxFrame)
	e.Template(1, frame)
	return frame[42:e.Patch(frame, &s)]
}

// TestPayloads holds the whole table to its rules.
func TestPayloads(t *testing.T) {
	required := []string{"quic", "dtls", "sip", "snmp3", "mdns", "coap", "memcached", "stun", "cldap", "portmap"}
	last := ""
	for _, p := range Payloads() {
		if p.Name <= last || strings.ContainsAny(p.Name, ",: ") {
			t.Errorf("%s behind %s: names are sorted and have no separators", p.Name, last)
		}
		last = p.Name
		if p.Port == 0 || p.Answer <= 0 || p.Size() == 0 || p.Size() > 1472 || len(p.Spec) < 8 || len(p.Help) < 8 {
			t.Errorf("%s: something is missing: %+v", p.Name, p)
		}
		required = slices.DeleteFunc(required, func(name string) bool { return name == p.Name })
		_, err := newUDP(Args{Text: "name:" + p.Name})
		if over := p.Answer > 10*p.Size(); over != p.Amplifies() || over != (err != nil) {
			t.Errorf("%s: %d bytes, answer %d: amplifies %v, error without the flag %v", p.Name, p.Size(), p.Answer, p.Amplifies(), err)
		}
		m, err := newUDP(Args{Text: "name:" + p.Name + ",amplify"})
		if err != nil || m.Describe().DefaultPort != p.Port {
			t.Errorf("%s with the flag: error %v, want none, and the port %d", p.Name, err, p.Port)
		}
		if got := len(sent(t, p.Name)); got > p.Size() || got < p.Size()*3/4 {
			t.Errorf("%s: %d bytes are sent, the size is said to be %d", p.Name, got, p.Size())
		}
	}
	if len(required) > 0 {
		t.Errorf("these are not there: %q", required)
	}
	Payloads()[0].Name = "changed"
	if Payloads()[0].Name == "changed" {
		t.Error("callers can write to the table")
	}
}

// TestPayloadsInASN1 reads BER requests with encoding/asn1, to their ends.
func TestPayloadsInASN1(t *testing.T) {
	var snmp struct {
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
	if rest, err := asn1.Unmarshal(sent(t, "snmp3"), &snmp); err != nil || len(rest) > 0 {
		t.Fatalf("SNMP message: %v, %d bytes left", err, len(rest))
	}
	if snmp.Version != 3 || snmp.Header.MaxSize != 65507 || !bytes.Equal(snmp.Header.Flags, []byte{4}) || snmp.Header.Model != 3 {
		t.Errorf("SNMP message %+v: want version 3, reportable, user-based security", snmp)
	}
	var usm struct {
		Engine            []byte
		Boots, Time       int
		User, Auth, Privy []byte
	}
	if rest, err := asn1.Unmarshal(snmp.Security, &usm); err != nil || len(rest) > 0 || len(usm.Engine)+len(usm.User) > 0 {
		t.Errorf("SNMP security parameters %+v: %v, %d bytes left", usm, err, len(rest))
	}
	if pdu := snmp.Scoped.PDU; pdu.Class != asn1.ClassContextSpecific || pdu.Tag != 0 || len(pdu.Bytes) != 14 {
		t.Errorf("SNMP request %+v: want a get-request", pdu)
	}
	for name, attributes := range map[string][]string{"cldap": {"supportedLDAPVersion"}, "cldap-all": nil} {
		var ldap struct {
			ID      int
			Request asn1.RawValue
		}
		if rest, err := asn1.Unmarshal(sent(t, name), &ldap); err != nil || len(rest) > 0 {
			t.Fatalf("%s: %v, %d bytes left", name, err, len(rest))
		}
		if r := ldap.Request; r.Class != asn1.ClassApplication || r.Tag != 3 {
			t.Errorf("%s: %+v, want a search request", name, r)
		}
		whole := slices.Clone(ldap.Request.FullBytes)
		whole[0] = 0x30 // a sequence, for the library
		var search struct {
			Base         []byte
			Scope, Deref asn1.Enumerated
			Size, Time   int
			TypesOnly    bool
			Filter       asn1.RawValue
			Attributes   [][]byte
		}
		if rest, err := asn1.Unmarshal(whole, &search); err != nil || len(rest) > 0 {
			t.Fatalf("%s: search: %v, %d bytes left", name, err, len(rest))
		}
		var got []string
		for _, a := range search.Attributes {
			got = append(got, string(a))
		}
		if search.Scope != 0 || len(search.Base) > 0 || search.Filter.Tag != 7 || string(search.Filter.Bytes) != "objectClass" || !slices.Equal(got, attributes) {
			t.Errorf("%s: search %+v", name, search)
		}
	}
}

// TestPayloadsOfDNS reads requests in the form of DNS messages with another library.
func TestPayloadsOfDNS(t *testing.T) {
	for name, want := range map[string]dnsmessage.Question{
		"mdns":    {Name: dnsmessage.MustNewName("_services._dns-sd._udp.local."), Type: dnsmessage.TypePTR, Class: 0x8001},
		"netbios": {Name: dnsmessage.MustNewName("CK" + strings.Repeat("A", 30) + "."), Type: 33, Class: 1},
	} {
		var m dnsmessage.Message
		if err := m.Unpack(sent(t, name)); err != nil || len(m.Questions) != 1 || m.Questions[0] != want || m.Response {
			t.Errorf("%s: %+v, error %v, want %v", name, m, err, want)
		}
		if packed, err := m.Pack(); err != nil || !bytes.Equal(packed, sent(t, name)) {
			t.Errorf("%s: packed again %x, error %v, want %x", name, packed, err, sent(t, name))
		}
	}
}

// TestPayloadSIP reads the request with gopacket, and says that it holds our addresses and ends as the RFC wants it.
func TestPayloadSIP(t *testing.T) {
	b := sent(t, "sip")
	p := gopacket.NewPacket(b, layers.LayerTypeSIP, gopacket.Default)
	sip, ok := p.Layer(layers.LayerTypeSIP).(*layers.SIP)
	if !ok {
		t.Fatalf("gopacket does not read %q: %v", b, p.ErrorLayer())
	}
	if sip.Method != layers.SIPMethodOptions || sip.RequestURI != "sip:8.8.8.215" || sip.IsResponse {
		t.Errorf("request %+v", sip)
	}
	for header, want := range map[string]string{
		"Via": "SIP/2.0/UDP 192.0.2.2:56937;branch=z9hG4bK0990", "From": "<sip:zmap@192.0.2.2>;tag=", "To": "<sip:8.8.8.215>",
		"Call-ID": "@192.0.2.2", "CSeq": "1 OPTIONS", "Max-Forwards": "70", "Contact": "<sip:zmap@192.0.2.2:56937>", "Content-Length": "0",
	} {
		if got := sip.GetFirstHeader(header); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q in it", header, got, want)
		}
	}
	if !bytes.HasSuffix(b, []byte("\r\n\r\n")) || bytes.Contains(bytes.ReplaceAll(b, []byte("\r\n"), nil), []byte("\n")) {
		t.Errorf("lines of %q do not end in CRLF", b)
	}
}

// TestPayloadDTLS walks through the client hello: every length in it must be true.
func TestPayloadDTLS(t *testing.T) {
	b := sent(t, "dtls")
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(b[at:])) }
	if b[0] != 22 || u16(1) != 0xfeff || u16(11) != len(b)-13 {
		t.Fatalf("record header %x for %d bytes", b[:13], len(b)-13)
	}
	h := len(b) - 25
	if b[13] != 1 || u16(15) != h || u16(23) != h || u16(17) != 0 || u16(20) != 0 {
		t.Fatalf("handshake header %x for %d bytes", b[13:25], h)
	}
	at := 25 + 2 + 32
	if u16(25) != 0xfefd || b[at] != 0 || b[at+1] != 0 {
		t.Fatalf("hello %x: want DTLS 1.2, no session and no cookie", b[25:])
	}
	at += 2
	at += 2 + u16(at) // cipher suites
	if at%2 == 0 || b[at] != 1 || b[at+1] != 0 {
		t.Fatalf("compression at %d of %x", at, b)
	}
	at += 2
	if u16(at) != len(b)-at-2 {
		t.Fatalf("extensions of %d bytes, %d are there", u16(at), len(b)-at-2)
	}
	at += 2
	for at < len(b) {
		at += 4 + u16(at+2)
	}
	if at != len(b) {
		t.Errorf("the last extension ends at %d of %d", at, len(b))
	}
}

// TestPayloadsInHex has the short ones, byte by byte.
func TestPayloadsInHex(t *testing.T) {
	for name, want := range map[string]string{
		"coap": `40 00 5a4d # version 1, confirmable, token of 0; code 0.00`,
		"coap-core": `40 01 5a4d # GET
			bb 2e77656c6c2d6b6e6f776e # option 11, 11 bytes: .well-known
			04 636f7265 # the same option, 4 bytes: core`,
		"ipmi":      `06 00 ff 06 # RMCP 1.0, no acknowledgement, ASF` + "\n" + `000011be 80 00 00 00 # presence ping`,
		"memcached": `5a4d 0000 0001 0000 76657273696f6e 0d0a # version`,
		"portmap":   `7a6d6170 00000000 00000002 000186a0 00000002 00000000 0000000000000000 0000000000000000`,
		"stun":      `0001 0000 2112a442 7a6d6170 2d62696e 64696e67`,
	} {
		if got := sent(t, name); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: got %x, want %x", name, got, unhex(t, want))
		}
	}
	// What QUIC's version-independent part says of the packet (RFC 8999 section 5.1), and its least length.
	b := sent(t, "quic")
	if len(b) != 1200 || b[0]&0xc0 != 0xc0 || binary.BigEndian.Uint32(b[1:])&0x0f0f0f0f != 0x0a0a0a0a || b[5] != 8 || b[14] != 8 {
		t.Errorf("quic: %d bytes, %x", len(b), b[:24])
	}
}
