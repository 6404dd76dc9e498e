package service

import (
	"encoding/json"
	"fmt"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// A TLSResult is what a TLS handshake taught, with the keys of zgrab2's module tls and of the "tls_log" of its other modules. A
// handshake that was cut short leaves what came before. No keys, secrets or random numbers of ours are in it.
type TLSResult struct {
	// Handshake is the log of the handshake: of the one that got farthest if there were several.
	Handshake HandshakeLog `json:"handshake_log"`
	// Mode is how it was learned: "full" is a handshake of crypto/tls, "legacy" one of zcrypto with what crypto/tls refuses,
	// "certs" a look at the server's first flight without cryptography.
	Mode string `json:"mode"`
	// JA3S is the fingerprint of that name, when asked for.
	JA3S string `json:"ja3s,omitempty"`
	// JARM is the fingerprint of that name, when asked for and if there were connections enough.
	JARM string `json:"jarm,omitempty"`
	// Heartbleed and Accepts are the checks of docs/exposure.md, when asked for.
	Heartbleed *HeartbleedLog `json:"heartbleed_log,omitempty"`
	Accepts    *AcceptsLog    `json:"accepts,omitempty"`
	// ClientCertificate says that the server asked for one; it got none.
	ClientCertificate bool `json:"client_certificate_requested,omitempty"`
	// SNIRequired says that no name was sent, and that the server would not go on without, or showed a stand-in.
	SNIRequired bool `json:"sni_required,omitempty"`

	shown *cert.Chain // nil if none came
}

// A HandshakeLog is what a server said in a handshake, with the keys of zgrab2.
type HandshakeLog struct {
	ServerHello  *ServerHelloLog  `json:"server_hello,omitempty"`        // what it chose; nil if it chose nothing
	Certificates *CertificatesLog `json:"server_certificates,omitempty"` // what it showed; nil if nothing came
	KeyExchange  *KeyExchangeLog  `json:"server_key_exchange,omitempty"` // TLS 1.2 and older, elliptic curves
	Alert        *AlertLog        `json:"alert,omitempty"`               // the one that ended it
	Warnings     []AlertLog       `json:"warnings,omitempty"`            // those that did not; the first few
}

// A ServerHelloLog is a ServerHello.
type ServerHelloLog struct {
	Version     version      `json:"version"`                         // of the field of that name, which TLS 1.3 leaves at 1.2
	Random      []byte       `json:"random"`                          // 32 bytes of the server's
	SessionID   []byte       `json:"session_id"`                      // at most 32 bytes
	Suite       suite        `json:"cipher_suite"`                    // the one chosen
	Compression number       `json:"compression_method"`              // NULL, but for servers that ignore the offer
	OCSP        bool         `json:"ocsp_stapling"`                   // extension status_request
	Ticket      bool         `json:"ticket"`                          // extension session_ticket
	Secure      bool         `json:"secure_renegotiation"`            // extension renegotiation_info
	Heartbeat   bool         `json:"heartbeat"`                       // extension heartbeat
	Master      bool         `json:"extended_master_secret"`          // extension extended_master_secret
	SCTs        []rawBytes   `json:"scts,omitempty"`                  // signed certificate timestamps
	ALPN        string       `json:"alpn_protocol,omitempty"`         // the protocol chosen
	Selected    *selected    `json:"supported_versions,omitempty"`    // TLS 1.3: the version
	KeyShare    *namedNumber `json:"key_share,omitempty"`             // TLS 1.3: the group
	Extensions  []uint16     `json:"extension_identifiers,omitempty"` // in the order in which they came
}

type selected struct {
	Version version `json:"selected_version"`
}

type rawBytes struct {
	Raw []byte `json:"raw,omitempty"`
}

// A CertificatesLog is a server's chain, leaf first, and what became of it.
type CertificatesLog struct {
	Certificate cert.Inline      `json:"certificate"`          // the leaf
	Chain       []cert.Inline    `json:"chain,omitempty"`      // the others, in the server's order
	Validation  *cert.Validation `json:"validation,omitempty"` // nil if nobody judged
}

// A KeyExchangeLog is the group and the signature of a handshake of TLS 1.2 or older over elliptic curves.
type KeyExchangeLog struct {
	ECDH      ecdhLog       `json:"ecdh_params"`         // the curve
	Signature *signatureLog `json:"signature,omitempty"` // TLS 1.2
}

type ecdhLog struct {
	Curve namedID `json:"curve_id"`
}

type signatureLog struct {
	Scheme  namedNumber `json:"scheme"`
	Version version     `json:"tls_version"`
}

// An AlertLog is an alert of the server's.
type AlertLog struct {
	Level       byte   `json:"level"`       // 1 warning, 2 fatal
	Description byte   `json:"description"` // its number
	Name        string `json:"name"`        // IANA's
}

// A namedNumber is a number of a registry, with its name.
type namedNumber struct {
	Name  string `json:"name"`
	Value uint16 `json:"value"`
}

// A namedID is a namedNumber where zgrab2 writes "id".
type namedID struct {
	Name string `json:"name"`
	ID   uint16 `json:"id"`
}

// A version marshals as its name and value.
type version uint16

// MarshalJSON writes {"name":"TLSv1.2","value":771}.
func (v version) MarshalJSON() ([]byte, error) {
	return json.Marshal(namedNumber{hello.VersionName(uint16(v)), uint16(v)})
}

// A suite marshals as its number in hexadecimal, name and value.
type suite uint16

// MarshalJSON writes {"hex":"0xC02F","name":"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256","value":49199}.
func (s suite) MarshalJSON() ([]byte, error) {
	return json.Marshal(number{fmt.Sprintf("0x%04X", uint16(s)), hello.SuiteName(uint16(s)), uint16(s)})
}

type number struct {
	Hex   string `json:"hex"`
	Name  string `json:"name"`
	Value uint16 `json:"value"`
}

// logHello writes down a ServerHello.
func logHello(h *hello.ServerHello) *ServerHelloLog {
	l := &ServerHelloLog{
		Version: version(h.Legacy), Random: h.Random, SessionID: h.SessionID, Suite: suite(h.Suite),
		Compression: number{fmt.Sprintf("0x%02X", h.Compression), compression(h.Compression), uint16(h.Compression)},
		OCSP:        h.OCSP, Ticket: h.Ticket, Secure: h.Secure, Heartbeat: h.Heartbeat != 0, Master: h.Master, ALPN: h.ALPN,
		Extensions: h.Extensions,
	}
	for _, sct := range h.SCTs {
		l.SCTs = append(l.SCTs, rawBytes{sct})
	}
	if h.Version != h.Legacy {
		l.Selected = &selected{version(h.Version)}
	}
	if h.Group != 0 {
		l.KeyShare = &namedNumber{hello.GroupName(h.Group), h.Group}
	}
	return l
}

// compression returns the name of a compression method (RFC 3749 section 2).
func compression(id byte) string {
	switch id {
	case 0:
		return "NULL"
	case 1:
		return "DEFLATE"
	case 64:
		return "LZS"
	}
	return "unknown"
}

func logAlert(a hello.Alert) AlertLog { return AlertLog{a.Level, a.Description, a.Name()} }

// Names returns the names that the leaf is for.
func (r *TLSResult) Names() []grab.FoundName {
	if r.shown == nil {
		return nil
	}
	leaf := r.shown.Certificates[0]
	all := make([]grab.FoundName, 0, len(leaf.Names))
	for _, n := range leaf.Names {
		if hello.SNI(n) != "" { // not an address
			all = append(all, grab.FoundName{Name: n, Source: "san"})
		}
	}
	return all
}

// Shown returns the server's certificates; of no handshake there are none.
func (r *TLSResult) Shown() *cert.Chain {
	if r == nil {
		return nil
	}
	return r.shown
}

// WantsName says that no name was sent and that one is needed.
func (r *TLSResult) WantsName() bool { return r.SNIRequired }
