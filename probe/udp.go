package probe

import (
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// A HelpError is what a module's New returns where the arguments ask for a text rather than for a scan: print it and end
// well.
type HelpError struct{ Text string }

// Error returns the text.
func (e *HelpError) Error() string { return e.Text }

// udp sends datagrams with a payload of the user's choice. Any datagram that comes back is a success.
type udp struct {
	payload  []byte
	fields   *udpTemplate // nil if every probe has the same payload
	port     uint16       // where the payload usually goes, 0 if that is not known
	warnings []string
}

// udpModule is the table entry.
func udpModule() Module {
	return Module{
		Name: "udp",
		Help: "Sends a UDP datagram to every target. Any UDP answer is classified 'udp' and a success, an ICMP error 'icmp'.\n" +
			"Answers may come from another port of the host (those to the first eight ports that are asked), unless\n" +
			"--validate-source-port=enable.\n" +
			"--probe-args chooses the payload, at most 1472 bytes of it: text:STRING, hex:DIGITS, file:PATH, template:PATH (a\n" +
			"file with fields such as ${DADDR}; template-fields lists them), or name:NAME, a ready payload from\n" +
			"--list-payloads, which also knows the port. One whose answer is over ten times its size wants name:NAME,amplify.",
		New:   newUDP,
		Least: Args{Text: "text:"},
	}
}

// newUDP returns the module with the payload that args name.
func newUDP(args Args) (Probe, error) {
	if args.Text == "template-fields" {
		return nil, &HelpError{Text: templateHelp()}
	}
	m, err := readUDP(args.Text)
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	return m, nil
}

// udpKinds are the kinds of arguments. Any beginning of a word stands for the first that begins so: "t:" and ":" are text,
// "te" as well, "tem" is template.
var udpKinds = [...]string{"text", "file", "template", "hex", "name"}

// readUDP reads the arguments.
func readUDP(text string) (*udp, error) {
	kind, value, found := strings.Cut(text, ":")
	if !found {
		return nil, fmt.Errorf("probe arguments %q name no payload; write text:STRING, hex:DIGITS, file:PATH, template:PATH or name:NAME", text)
	}
	for _, word := range udpKinds {
		if strings.HasPrefix(word, kind) {
			return readUDPKind(word, value)
		}
	}
	return nil, fmt.Errorf("unknown kind of payload %q; write text:STRING, hex:DIGITS, file:PATH, template:PATH or name:NAME", kind)
}

// readUDPKind reads the arguments of one kind.
func readUDPKind(kind, value string) (*udp, error) {
	switch kind {
	case "name":
		return readyUDP(value)
	case "template":
		m, err := literalUDP("file", value)
		if err != nil {
			return nil, err
		}
		if m.fields, err = parseTemplate(string(m.payload)); err != nil {
			return nil, fmt.Errorf("template %s: %w", value, err)
		}
		return m, nil
	default:
		return literalUDP(kind, value)
	}
}

// literalUDP returns a module whose payload is there byte for byte, cut with a warning if it is too long.
func literalUDP(kind, value string) (*udp, error) {
	b, err := readPayload(kind, value)
	if err != nil {
		return nil, err
	}
	m := &udp{payload: b}
	if len(b) > maxDatagram {
		m.payload = b[:maxDatagram]
		m.warnings = []string{fmt.Sprintf("udp: the payload is cut to %d bytes, the most that a probe holds", maxDatagram)}
	}
	return m, nil
}

// readyUDP returns a module with the payload of the table that value names.
func readyUDP(value string) (*udp, error) {
	name, flag, flagged := strings.Cut(value, ",")
	if flagged && flag != "amplify" {
		return nil, fmt.Errorf("payload %s: unknown flag %q; there is only amplify", name, flag)
	}
	p, err := findPayload(name)
	if err != nil {
		return nil, err
	}
	if p.Amplifies() && !flagged {
		return nil, fmt.Errorf("payload %s: %d bytes are answered by about %d, which third parties may be made to receive; "+
			"write name:%s,amplify if that is wanted", name, p.Size(), p.Answer, name)
	}
	fields, err := parseTemplate(p.Bytes)
	if err != nil {
		return nil, fmt.Errorf("payload %s: %w", name, err)
	}
	return &udp{payload: []byte(p.Bytes), fields: fields, port: p.Port}, nil
}

// Positions of the fields that not all modules over UDP have.
const (
	udpSize = 4
	udpData = 5
)

// Describe returns the module's constants.
func (m *udp) Describe() Description {
	longest := len(m.payload)
	if m.fields != nil {
		longest = m.fields.longest
	}
	d := describeDatagram("udp", record.NewSchema([]record.Field{
		fieldClass("udp or icmp"), fieldSuccess(), fieldSport(), fieldDport(),
		{Name: "udp_pkt_size", Type: record.Int, Doc: "UDP packet length"},
		{Name: "data", Type: record.Binary, Doc: "UDP payload"},
	}, ICMPFields()), longest)
	d.AnyPort, d.DefaultPort, d.Warnings = true, m.port, m.warnings
	d.IPv6 = m.fields == nil || !m.fields.addressed()
	return d
}

// NewEncoder returns an encoder for one sender.
func (m *udp) NewEncoder(r Route) Encoder {
	d := newDatagram(r, m.payload)
	if m.fields == nil {
		return &d
	}
	return newTemplateEncoder(d, m.fields)
}

// NewDecoder returns a decoder for one receiver.
func (m *udp) NewDecoder() Decoder {
	return udpDecoder{datagramAnswers{class: 0, success: 1, sport: 2, dport: 3, icmp: 6}}
}

// udpDecoder reads answers to datagrams.
type udpDecoder struct{ datagramAnswers }

// Decode fills the row of an answer or an ICMP error. The size is the one that the header claims; the data is what of it
// came.
func (d udpDecoder) Decode(p *packet.Parsed, r *record.Record) {
	if d.setError(p, r) {
		return
	}
	d.setAnswer(p, r, "udp", true)
	r.Values[udpSize].SetUint(uint64(p.UDP.Length()))
	r.SetBytes(udpData, p.Payload)
}

// Succeeds implements [Judge].
func (udpDecoder) Succeeds(p *packet.Parsed) bool { return p.Kind == packet.KindUDP }
