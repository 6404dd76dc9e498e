package probe

import (
	"bytes"
	"unicode/utf8"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// upnpSearch asks for root devices (UPnP Device Architecture 2.0 section 1.3.2). The Host field names the multicast group
// although the request goes to one host: that is what C ZMap sends and what devices expect.
const upnpSearch = "M-SEARCH * HTTP/1.1\r\n" +
	"Host:239.255.255.250:1900\r\n" +
	"ST:upnp:rootdevice\r\n" +
	"Man:\"ssdp:discover\"\r\n" +
	"MX:3\r\n" +
	"\r\n"

// upnp searches for UPnP devices.
type upnp struct{ warnings []string }

// upnpModule is the table entry.
func upnpModule() Module {
	return Module{
		Name: "upnp",
		Help: "Sends a UPnP search for root devices, usually to port 1900. An answer that begins with 'HTTP/1.1 200 OK' is\n" +
			"classified 'upnp' and a success; others are 'no-http-header', empty ones 'none', ICMP errors 'icmp'. Many devices\n" +
			"answer from another port: --validate-source-port=disable accepts that. Takes no --probe-args.",
		New: func(args Args) (Probe, error) { return upnp{ignored("upnp", args)}, nil },
	}
}

// upnpHeaders are the header fields that a row has, in order, from position upnpHeader on. The second column is what a
// header is compared with.
var upnpHeaders = [...]struct{ field, header string }{
	{"server", "server"},
	{"location", "location"},
	{"usn", "usn"},
	{"st", "st"},
	{"ext", "ext"},
	{"cache_control", "cache-control"},
	{"x_user_agent", "x-user-agent"},
	{"agent", "agent"},
	{"date", "date"},
}

// Positions of the other fields.
const (
	upnpHeader = 2
	upnpData   = 17
)

// Describe returns the module's constants.
func (m upnp) Describe() Description {
	var headers []record.Field
	for _, h := range upnpHeaders {
		headers = append(headers, record.Field{Name: h.field, Type: record.String, Doc: "UPnP header " + h.header})
	}
	d := describeDatagram("upnp", record.NewSchema(
		[]record.Field{fieldClass("upnp, no-http-header, none or icmp"), fieldSuccess()},
		headers,
		[]record.Field{fieldSport(), fieldDport()},
		ICMPFields(),
		[]record.Field{{Name: "data", Type: record.Binary, Doc: "UDP payload"}},
	), len(upnpSearch))
	d.Warnings = m.warnings
	return d
}

// NewEncoder returns an encoder for one sender.
func (upnp) NewEncoder(r Route) Encoder {
	d := newDatagram(r, []byte(upnpSearch))
	return &d
}

// NewDecoder returns a decoder for one receiver.
func (upnp) NewDecoder() Decoder {
	return upnpDecoder{datagramAnswers{class: 0, success: 1, sport: 11, dport: 12, icmp: 13}}
}

// upnpDecoder reads answers to searches.
type upnpDecoder struct{ datagramAnswers }

// Decode fills the row of an answer or an ICMP error.
func (d upnpDecoder) Decode(p *packet.Parsed, r *record.Record) {
	if d.setError(p, r) {
		return
	}
	first, rest := nextLine(p.Payload)
	switch {
	case first == nil:
		d.setAnswer(p, r, "none", false)
	case string(first) != "HTTP/1.1 200 OK":
		d.setAnswer(p, r, "no-http-header", false)
	default:
		d.setAnswer(p, r, "upnp", true)
		setUPnPHeaders(rest, r)
	}
	r.SetBytes(upnpData, p.Payload)
}

// setUPnPHeaders sets the fields of the headers in b. Of a header that comes twice the last counts.
func setUPnPHeaders(b []byte, r *record.Record) {
	for line, rest := nextLine(b); line != nil; line, rest = nextLine(rest) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		for i := range upnpHeaders {
			if !equalFold(key, upnpHeaders[i].header) {
				continue
			}
			value = bytes.TrimPrefix(value, []byte(" "))
			r.Values[upnpHeader+i].SetText(validText(value))
		}
	}
}

// nextLine returns the first line of b that is not empty, without its end, and what is behind it; nil if there is none.
func nextLine(b []byte) (line, rest []byte) {
	for len(b) > 0 {
		line, b, _ = bytes.Cut(b, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) > 0 {
			return line, b
		}
	}
	return nil, nil
}

// equalFold says whether key is name, which has no upper-case letters, but for the case of ASCII letters.
func equalFold(key []byte, name string) bool {
	if len(key) != len(name) {
		return false
	}
	for i, c := range key {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// validText returns b as text, each byte that is not part of valid UTF-8 replaced by U+FFFD.
func validText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}
