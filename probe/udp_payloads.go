package probe

import (
	"fmt"
	"strings"
)

// A Payload is a ready request of a protocol over UDP, for the module udp.
type Payload struct {
	Name   string // as in --probe-args name:NAME
	Port   uint16 // asked if the user names no other
	Bytes  string // what is sent; it may hold the fields of templates
	Answer int    // typical size of what one answer carries, in bytes
	Spec   string // what it was written from
	Help   string // what it asks
}

// Size returns the length of the request's payload, in bytes; the longest there can be if it has fields.
func (p Payload) Size() int {
	if t, err := parseTemplate(p.Bytes); err == nil && t != nil {
		return t.longest
	}
	return len(p.Bytes)
}

// Amplifies says whether the typical answer is over ten times the size of the request. Such requests, sent with a forged
// source address, are what denial-of-service attacks are made of, and servers that answer them are better not woken
// by accident: the module sends them only where name:NAME,amplify was written.
func (p Payload) Amplifies() bool { return p.Answer > 10*p.Size() }

// Payloads returns the ready payloads, sorted by name.
func Payloads() []Payload { return append([]Payload(nil), payloads...) }

// findPayload returns the payload called name. The error lists those there are.
func findPayload(name string) (Payload, error) {
	var names []string
	for _, p := range payloads {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Payload{}, fmt.Errorf("unknown payload %q; there are: %s", name, strings.Join(names, ", "))
}

// payloads are sorted by name. Answers vary with the server: the sizes are of what common ones send, and internal/peers
// measures that no server it has is more than a factor of two away.
var payloads = []Payload{
	{
		Name: "cldap", Port: 389, Answer: 85,
		Spec: "RFC 4511 section 4.5.1, RFC 4512 section 5.1, over UDP as in RFC 1798",
		Help: "asks the root DSE of an LDAP server for the versions it supports, and nothing else",
		Bytes: "\x30\x3b\x02\x01\x01" + // message 1
			"\x63\x36\x04\x00\x0a\x01\x00\x0a\x01\x00" + // search: base "", base object, never dereference
			"\x02\x01\x00\x02\x01\x00\x01\x01\x00" + // no limits of size and time, values too
			"\x87\x0bobjectClass" + // present
			"\x30\x16\x04\x14supportedLDAPVersion",
	},
	{
		Name: "cldap-all", Port: 389, Answer: 3000,
		Spec: "RFC 4511 section 4.5.1, RFC 4512 section 5.1, over UDP as in RFC 1798",
		Help: "asks the root DSE of an LDAP server for all attributes",
		Bytes: "\x30\x25\x02\x01\x01" +
			"\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00" +
			"\x02\x01\x00\x02\x01\x00\x01\x01\x00" +
			"\x87\x0bobjectClass" +
			"\x30\x00", // all attributes
	},
	{
		Name: "coap", Port: 5683, Answer: 4,
		Spec:  "RFC 7252 section 4.3",
		Help:  "CoAP ping: an empty confirmable message, which is answered by a reset",
		Bytes: "\x40\x00\x5a\x4d", // version 1, confirmable, no token; empty; message number
	},
	{
		Name: "coap-core", Port: 5683, Answer: 700,
		Spec: "RFC 7252 section 3, RFC 6690 section 4",
		Help: "asks a CoAP server for the list of its resources",
		Bytes: "\x40\x01\x5a\x4d" + // version 1, confirmable, no token; GET; message number
			"\xbb.well-known" + "\x04core", // options Uri-Path
	},
	{
		Name: "dtls", Port: 443, Answer: 48,
		Spec: "RFC 6347 section 4.2, RFC 5246 section 7.4.1.2, RFC 8422 section 5.1",
		Help: "DTLS 1.2 client hello without a cookie, which is answered by a hello verify request",
		Bytes: "\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x6e" + // handshake record, epoch 0, number 0
			"\x01\x00\x00\x62\x00\x00\x00\x00\x00\x00\x00\x62" + // client hello, message 0, in one piece
			"\xfe\xfd" + "zmap: research scan, DTLS hello." + // DTLS 1.2, 32 random bytes, which need not be here
			"\x00\x00" + // no session, no cookie
			"\x00\x1a\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30\xcc\xa9\xcc\xa8\x00\x9c\x00\x9d" + // ECDHE and RSA with GCM, ChaCha20
			"\xc0\xa8\xc0\xae\x00\x2f\x00\x35\x00\xff" + // CCM-8 as CoAP has it, RSA with CBC, secure renegotiation
			"\x01\x00" + // no compression
			"\x00\x1e" +
			"\x00\x0a\x00\x06\x00\x04\x00\x1d\x00\x17" + // groups X25519, P-256
			"\x00\x0b\x00\x02\x01\x00" + // points uncompressed
			"\x00\x0d\x00\x0a\x00\x08\x04\x03\x08\x04\x04\x01\x02\x01", // signatures ECDSA, RSA-PSS, RSA with SHA-256 and SHA-1
	},
	{
		Name: "ipmi", Port: 623, Answer: 28,
		Spec: "DMTF DSP0136 (ASF 2.0) section 3.2.4",
		Help: "RMCP presence ping to a management controller",
		Bytes: "\x06\x00\xff\x06" + // RMCP version 1, no acknowledgement wanted, class ASF
			"\x00\x00\x11\xbe\x80\x00\x00\x00", // ASF's enterprise number, presence ping, tag 0, no data
	},
	{
		Name: "mdns", Port: 5353, Answer: 130,
		Spec: "RFC 6762 sections 5.5 and 6.7, RFC 6763 section 9",
		Help: "asks a multicast DNS responder directly which services it has",
		Bytes: "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + // query, one question
			"\x09_services\x07_dns-sd\x04_udp\x05local\x00" +
			"\x00\x0c\x80\x01", // PTR, class IN, unicast answer wanted
	},
	{
		Name: "memcached", Port: 11211, Answer: 24,
		Spec: "memcached protocol.txt, sections UDP protocol and version",
		Help: "asks memcached for its version",
		Bytes: "\x5a\x4d\x00\x00\x00\x01\x00\x00" + // request number, datagram 0 of 1
			"version\r\n",
	},
	{
		Name: "netbios", Port: 137, Answer: 211,
		Spec: "RFC 1002 section 4.2.17",
		Help: "asks a NetBIOS node for its names",
		Bytes: "\x5a\x4d\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + // query, one question
			"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00" + // the name "*"
			"\x00\x21\x00\x01", // node status, class IN
	},
	{
		Name: "portmap", Port: 111, Answer: 24,
		Spec: "RFC 5531 section 9, RFC 1833 section 3",
		Help: "calls the null procedure of a port mapper",
		Bytes: "zmap\x00\x00\x00\x00\x00\x00\x00\x02" + // transaction, call, RPC version 2
			"\x00\x01\x86\xa0\x00\x00\x00\x02\x00\x00\x00\x00" + // program 100000, version 2, procedure 0
			"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00", // no credentials, no verifier
	},
	{
		Name: "quic", Port: 443, Answer: 40,
		Spec: "RFC 8999 section 5.1, RFC 9000 sections 6.1, 14.1 and 15",
		Help: "QUIC packet of a version that nobody has, which is answered by the list of versions there are",
		Bytes: "\xc0\x1a\x1a\x1a\x1a" + // long header, a version that is reserved for this
			"\x08zmapquic\x08scanquic" + // connection identifiers of destination and source
			strings.Repeat("\x00", 1200-23), // shorter ones are not answered
	},
	{
		Name: "sip", Port: 5060, Answer: 500,
		Spec: "RFC 3261 sections 8.1.1 and 11, RFC 3581 section 3",
		Help: "asks a SIP server or phone for its capabilities (OPTIONS)",
		Bytes: "OPTIONS sip:${DADDR} SIP/2.0\r\n" +
			"Via: SIP/2.0/UDP ${SADDR}:${SPORT};branch=z9hG4bK${RAND_DIGIT=10};rport\r\n" +
			"Max-Forwards: 70\r\n" +
			"From: <sip:zmap@${SADDR}>;tag=${RAND_DIGIT=8}\r\n" +
			"To: <sip:${DADDR}>\r\n" +
			"Call-ID: ${RAND_DIGIT=12}@${SADDR}\r\n" +
			"CSeq: 1 OPTIONS\r\n" +
			"Contact: <sip:zmap@${SADDR}:${SPORT}>\r\n" +
			"Accept: application/sdp\r\n" +
			"Content-Length: 0\r\n" +
			"\r\n",
	},
	{
		Name: "snmp3", Port: 161, Answer: 110,
		Spec: "RFC 3412 section 6, RFC 3414 sections 2.4 and 4",
		Help: "SNMPv3 discovery: an SNMP engine tells its identifier, boots and time",
		Bytes: "\x30\x3e\x02\x01\x03" + // version 3
			"\x30\x11\x02\x04\x5a\x4d\x41\x50\x02\x03\x00\xff\xe3\x04\x01\x04\x02\x01\x03" + // number, 65507 bytes, reportable, USM
			"\x04\x10\x30\x0e\x04\x00\x02\x01\x00\x02\x01\x00\x04\x00\x04\x00\x04\x00" + // no engine, boots, time, user
			"\x30\x14\x04\x00\x04\x00" + // no context
			"\xa0\x0e\x02\x04\x5a\x4d\x41\x50\x02\x01\x00\x02\x01\x00\x30\x00", // get nothing
	},
	{
		Name: "stun", Port: 3478, Answer: 80,
		Spec: "RFC 8489 sections 5 and 6",
		Help: "STUN binding request: from which address and port did this come",
		Bytes: "\x00\x01\x00\x00\x21\x12\xa4\x42" + // binding request, no attributes, magic cookie
			"zmap-binding", // transaction
	},
}
