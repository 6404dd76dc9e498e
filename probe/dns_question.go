package probe

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Bits and places in a DNS message (RFC 1035 section 4.1.1).
const (
	dnsHeaderLen        = 12
	dnsRecursionDesired = 0x0100
	dnsClassIN          = 1
	dnsMaxName          = 255 // bytes of a name on the wire, the last zero included
	dnsMaxLabel         = 63
)

// dnsSafeSize is the answer's size that EDNS offers unless told otherwise: it comes through without fragments everywhere.
const dnsSafeSize = 1232

// A dnsQuestion is a query as it is sent, but for its number.
type dnsQuestion struct {
	message []byte // with number 0
	asked   []byte // the part of message that answers repeat: name, type and class
}

// parseDNSQuestions reads arguments: TYPE[:FLAG...],NAME joined by semicolons, of which one more may stand at either end.
// Warnings are about what is left out or filled in.
func parseDNSQuestions(text string) (questions []dnsQuestion, warnings []string, err error) {
	text = strings.TrimPrefix(text, ";")
	text = strings.TrimSuffix(text, ";")
	if text == "" {
		text = "A,www.google.com"
		warnings = append(warnings, "dns: no question in the probe arguments; asking for A,www.google.com")
	}
	for _, one := range strings.Split(text, ";") {
		q, unknown, err := parseDNSQuestion(one)
		if err != nil {
			return nil, nil, fmt.Errorf("question %q: %w", one, err)
		}
		for _, flag := range unknown {
			warnings = append(warnings, fmt.Sprintf("dns: question %q: unknown flag %q is left out; there are: nr, edns, edns=BYTES, do", one, flag))
		}
		questions = append(questions, q)
	}
	return questions, warnings, nil
}

// parseDNSQuestion reads one question. What is behind a second comma is left out, as in C ZMap.
func parseDNSQuestion(text string) (q dnsQuestion, unknown []string, err error) {
	parts := strings.Split(text, ",")
	if len(parts) < 2 {
		return q, nil, fmt.Errorf("there is no comma between type and name; write for example A,example.com")
	}
	flags := strings.Split(parts[0], ":")
	kind, ok := parseDNSType(flags[0])
	if !ok {
		return q, nil, fmt.Errorf("unknown type %q; write A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, RRSIG, ALL or another in capitals", flags[0])
	}
	o, unknown, err := parseDNSFlags(flags[1:])
	if err != nil {
		return q, nil, err
	}
	name, err := appendDNSName(nil, parts[1])
	if err != nil {
		return q, nil, err
	}
	return newDNSQuestion(name, kind, o), unknown, nil
}

// dnsOptions are what a question is asked with.
type dnsOptions struct {
	noRecursion bool
	edns        bool
	size        uint16 // of the largest answer, with edns
	dnssec      bool   // signatures wanted, with edns
}

// parseDNSFlags reads what is behind the type.
func parseDNSFlags(flags []string) (o dnsOptions, unknown []string, err error) {
	o.size = dnsSafeSize
	for _, flag := range flags {
		size, sized := strings.CutPrefix(flag, "edns=")
		switch {
		case flag == "nr":
			o.noRecursion = true
		case flag == "edns":
			o.edns = true
		case flag == "do":
			o.edns, o.dnssec = true, true
		case sized:
			n, err := strconv.ParseUint(size, 10, 16)
			if err != nil || n < 512 {
				return o, nil, fmt.Errorf("flag %q: the answer's size must be from 512 to 65535", flag)
			}
			o.edns, o.size = true, uint16(n)
		default:
			unknown = append(unknown, flag)
		}
	}
	return o, unknown, nil
}

// newDNSQuestion writes the query (RFC 1035 section 4.1; the OPT record RFC 6891 section 6.1).
func newDNSQuestion(name []byte, kind dnsType, o dnsOptions) dnsQuestion {
	m := make([]byte, dnsHeaderLen, 512)
	if !o.noRecursion {
		binary.BigEndian.PutUint16(m[2:], dnsRecursionDesired)
	}
	binary.BigEndian.PutUint16(m[4:], 1)
	m = append(m, name...)
	m = binary.BigEndian.AppendUint16(m, uint16(kind))
	m = binary.BigEndian.AppendUint16(m, dnsClassIN)
	asked := len(m)
	if o.edns {
		binary.BigEndian.PutUint16(m[10:], 1)
		m = append(m, 0) // the root's name
		m = binary.BigEndian.AppendUint16(m, uint16(dnsOPT))
		m = binary.BigEndian.AppendUint16(m, o.size)
		flags := uint16(0)
		if o.dnssec {
			flags = 0x8000
		}
		m = append(m, 0, 0) // extended response code, version
		m = binary.BigEndian.AppendUint16(m, flags)
		m = append(m, 0, 0) // no options
	}
	return dnsQuestion{message: m, asked: m[dnsHeaderLen:asked:asked]}
}

// appendDNSName appends a name as it is on the wire (RFC 1035 section 3.1). A dot at its end changes nothing, and one alone
// is the root.
func appendDNSName(b []byte, name string) ([]byte, error) {
	start := len(b)
	if name == "" {
		return nil, fmt.Errorf("there is no name behind the comma; the root is a dot")
	}
	if name = strings.TrimSuffix(name, "."); name != "" {
		for _, label := range strings.Split(name, ".") {
			if label == "" || len(label) > dnsMaxLabel {
				return nil, fmt.Errorf("label %q has %d bytes; labels have 1 to %d", label, len(label), dnsMaxLabel)
			}
			b = append(append(b, byte(len(label))), label...)
		}
	}
	b = append(b, 0)
	if n := len(b) - start; n > dnsMaxName {
		return nil, fmt.Errorf("the name takes %d bytes in a message; %d are the most", n, dnsMaxName)
	}
	return b, nil
}
