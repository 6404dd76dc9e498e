package probe

import (
	"encoding/binary"
	"fmt"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// tcpSYN sends a SYN and counts a SYN-ACK as success. A RST and an ICMP error about the SYN are answers as well.
type tcpSYN struct {
	options []byte
	stamp   int // where in options the timestamp value is, 0 if there is none
}

// tcpSYNModule is the table entry.
func tcpSYNModule() Module {
	return Module{
		Name: "tcp_synscan",
		Help: "Sends a TCP SYN to every target. A SYN-ACK is classified 'synack' and a success, a RST 'rst' and an ICMP\n" +
			"error 'icmp', neither of which is. --probe-args chooses the TCP options of the SYN: 'windows' (default, 66-byte\n" +
			"frames), 'linux' (74), 'bsd' (78) or 'smallest-probes' (58, MSS only: more per second, fewer answers).",
		New: newTCPSYN,
	}
}

// newTCPSYN returns the module with the options that args name.
func newTCPSYN(args Args) (Probe, error) {
	for _, l := range tcpLayouts {
		if l.name == args.Text || args.Text == "" && l.name == "windows" {
			return &tcpSYN{options: l.options, stamp: l.stamp}, nil
		}
	}
	return nil, fmt.Errorf("tcp_synscan knows no probe arguments %q; it takes one of: smallest-probes, windows, linux, bsd", args.Text)
}

// tcpLayouts are the option layouts of operating systems (RFC 9293 section 3.2, RFC 7323, RFC 2018).
var tcpLayouts = []struct {
	name    string
	options []byte
	stamp   int
}{
	{"smallest-probes", []byte{2, 4, 5, 0xb4}, 0},
	{"windows", []byte{2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2}, 0},
	{"linux", []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7}, 8},
	{"bsd", []byte{2, 4, 5, 0xb4, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 0, 0}, 12},
}

// Describe returns the module's constants.
func (m *tcpSYN) Describe() Description {
	return Description{
		Name:     "tcp_synscan",
		Schema:   record.NewSchema(tcpFields(), tcpOptionFields(), tcpClassFields(), ICMPFields()),
		Capture:  link.Filter{Snap: tcpSnap, TCP: link.TCPAnswers, Errors: true},
		FrameLen: packet.EthernetLen + packet.IPv4Len + packet.TCPLen + len(m.options),
		IPv6:     true,
		Ports:    true,
	}
}

// Positions of the module's fields.
const (
	synOptions = 5 // the first of five
	synClass   = 10
)

// tcpOptionFields are the fields of a segment's options. setTCPOptions sets them.
func tcpOptionFields() []record.Field {
	return []record.Field{
		{Name: "tcpopt_mss", Type: record.Int, Doc: "TCP MSS option"},
		{Name: "tcpopt_wscale", Type: record.Int, Doc: "TCP window scale option, as a factor"},
		{Name: "tcpopt_sack_perm", Type: record.Int, Doc: "TCP SACK permitted option"},
		{Name: "tcpopt_ts_val", Type: record.Int, Doc: "TCP timestamp option value"},
		{Name: "tcpopt_ts_ecr", Type: record.Int, Doc: "TCP timestamp option echo reply"},
	}
}

// NewEncoder returns an encoder for one sender.
func (m *tcpSYN) NewEncoder(r Route) Encoder {
	options := append([]byte(nil), m.options...)
	if m.stamp > 0 {
		binary.BigEndian.PutUint32(options[m.stamp:], r.Unix)
	}
	return &tcpSYNEncoder{tcpEncoder{envelope: NewEnvelope(r), ports: r.Ports, flags: packet.SYN, options: options}}
}

// tcpSYNEncoder makes SYNs for one sender.
type tcpSYNEncoder struct{ tcpEncoder }

// Patch completes a SYN. Its acknowledgement number means nothing and is 0.
func (e *tcpSYNEncoder) Patch(frame []byte, s *Shot) int { return e.patch(frame, s, 0) }

// NewDecoder returns a decoder for one receiver.
func (m *tcpSYN) NewDecoder() Decoder { return tcpSYNDecoder{} }

// tcpSYNDecoder reads answers to SYNs.
type tcpSYNDecoder struct{}

// Match accepts what acknowledges our sequence number on our ports, and ICMP errors that quote our SYN. A RST may
// acknowledge the sequence number itself, which some stacks do, or the one after it (RFC 9293 section 3.10.7.1).
func (tcpSYNDecoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	t, tag, ok := matchTCP(p, tags)
	if !ok || p.Kind != packet.KindTCP {
		return t, ok
	}
	next := p.TCP.Ack() - tag.Seq()
	return t, next == 1 || next == 0 && p.TCP.Flags().Has(packet.RST)
}

// Decode fills the row of a SYN-ACK, a RST or an ICMP error.
func (tcpSYNDecoder) Decode(p *packet.Parsed, r *record.Record) {
	decodeTCP(p, r, synClass, classSYNACK)
	if p.Kind == packet.KindTCP {
		setTCPOptions(p, r.Values[synOptions:])
	}
}

// Succeeds implements [Judge].
func (tcpSYNDecoder) Succeeds(p *packet.Parsed) bool { return classTCP(p) == classSYNACK }

// setTCPOptions sets the fields of tcpOptionFields that the segment has.
func setTCPOptions(p *packet.Parsed, v []record.Value) {
	o := p.TCP.Options()
	if o.HasMSS {
		v[0].SetUint(uint64(o.MSS))
	}
	if o.HasWScale {
		v[1].SetUint(1 << (o.WScale & 63))
	}
	if o.SACKPermitted {
		v[2].SetUint(1)
	}
	if o.HasTimestamps {
		v[3].SetUint(uint64(o.TSVal))
		v[4].SetUint(uint64(o.TSEcr))
	}
}
