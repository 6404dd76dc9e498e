package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// tcpSnap is how much of a TCP answer is captured: headers with all options, and an ICMP error's quote of them.
const tcpSnap = 160

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
		Schema:   record.NewSchema(tcpFields(), ICMPFields()),
		Capture:  link.Filter{Snap: tcpSnap, TCP: link.TCPAnswers, Errors: true},
		FrameLen: packet.EthernetLen + packet.IPv4Len + packet.TCPLen + len(m.options),
		Ports:    true,
	}
}

// Positions of the module's fields.
const (
	tcpClass   = 10
	tcpSuccess = 11
	tcpICMP    = 12
)

// tcpFields are the fields of a TCP answer.
func tcpFields() []record.Field {
	return []record.Field{
		{Name: "sport", Type: record.Int, Doc: "TCP source port"},
		{Name: "dport", Type: record.Int, Doc: "TCP destination port"},
		{Name: "seqnum", Type: record.Int, Doc: "TCP sequence number"},
		{Name: "acknum", Type: record.Int, Doc: "TCP acknowledgement number"},
		{Name: "window", Type: record.Int, Doc: "TCP window"},
		{Name: "tcpopt_mss", Type: record.Int, Doc: "TCP MSS option"},
		{Name: "tcpopt_wscale", Type: record.Int, Doc: "TCP window scale option, as a factor"},
		{Name: "tcpopt_sack_perm", Type: record.Int, Doc: "TCP SACK permitted option"},
		{Name: "tcpopt_ts_val", Type: record.Int, Doc: "TCP timestamp option value"},
		{Name: "tcpopt_ts_ecr", Type: record.Int, Doc: "TCP timestamp option echo reply"},
		{Name: "classification", Type: record.String, Doc: "packet classification: synack, rst or icmp"},
		{Name: "success", Type: record.Bool, Doc: "is response considered success"},
	}
}

// NewEncoder returns an encoder for one sender.
func (m *tcpSYN) NewEncoder(r Route) Encoder {
	e := &tcpSYNEncoder{envelope: NewEnvelope(r), ports: r.Ports, options: append([]byte(nil), m.options...)}
	if m.stamp > 0 {
		binary.BigEndian.PutUint32(e.options[m.stamp:], r.Unix)
	}
	return e
}

// tcpSYNEncoder makes SYNs for one sender.
type tcpSYNEncoder struct {
	envelope Envelope
	ports    validate.Ports
	options  []byte
	base     packet.Sum // sum of pseudo header and segment without what Patch writes
}

// Template writes the headers, the flags and the options.
func (e *tcpSYNEncoder) Template(_ uint32, frame []byte) int {
	n := packet.TCPLen + len(e.options)
	seg := e.envelope.Template(frame, packet.ProtoTCP, n)
	f := packet.TCPFields{Flags: packet.SYN, Window: 65535, Options: e.options}
	e.base = f.Encode(seg).BaseSum(packet.PseudoHeader(netip.Addr{}, netip.Addr{}, packet.ProtoTCP, n))
	return e.envelope.FrameLen()
}

// Patch writes addresses, identification, ports, sequence number and checksums.
func (e *tcpSYNEncoder) Patch(frame []byte, s *Shot) int {
	seg, addrs := e.envelope.Patch(frame, s)
	packet.TCP(seg).Patch(e.base+addrs, e.ports.Of(s.Tag, s.Try), s.Port, s.Tag.Seq())
	return e.envelope.FrameLen()
}

// NewDecoder returns a decoder for one receiver.
func (m *tcpSYN) NewDecoder() Decoder { return tcpSYNDecoder{} }

// tcpSYNDecoder reads answers to SYNs.
type tcpSYNDecoder struct{}

// Match accepts what acknowledges our sequence number on our ports, and ICMP errors that quote our SYN. A RST may
// acknowledge the sequence number itself, which some stacks do, or the one after it (RFC 9293 section 3.10.7.1).
func (tcpSYNDecoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	if p.Kind != packet.KindTCP {
		t, tag, ok := MatchQuote(p, packet.ProtoTCP, tags)
		return t, ok && packet.TCP(p.Quoted.L4).Seq() == tag.Seq()
	}
	flags := p.TCP.Flags()
	if !flags.Has(packet.RST) && !flags.Has(packet.SYN|packet.ACK) {
		return target.Target{}, false
	}
	tag := tags.Tag(p.Dst, p.Src, p.SrcPort)
	next := p.TCP.Ack() - tag.Seq()
	if next != 1 && (next != 0 || !flags.Has(packet.RST)) || !tags.Ports().Match(tag, p.DstPort, tags.Tries()) {
		return target.Target{}, false
	}
	return target.Target{Addr: p.Src, Port: p.SrcPort}, true
}

// Decode fills the row of a SYN-ACK, a RST or an ICMP error.
func (tcpSYNDecoder) Decode(p *packet.Parsed, r *record.Record) {
	if p.Kind != packet.KindTCP {
		r.Values[tcpClass] = record.Text("icmp")
		r.Values[tcpSuccess] = record.Boolean(false)
		SetICMP(p, r, tcpICMP)
		return
	}
	setTCP(p, r)
	if p.TCP.Flags().Has(packet.RST) {
		r.Values[tcpClass] = record.Text("rst")
		r.Values[tcpSuccess] = record.Boolean(false)
		return
	}
	r.Values[tcpClass] = record.Text("synack")
	r.Values[tcpSuccess] = record.Boolean(true)
}

// setTCP sets the fields of a segment, the first ten of tcpFields.
func setTCP(p *packet.Parsed, r *record.Record) {
	v := r.Values
	v[0] = record.Uint(uint64(p.SrcPort))
	v[1] = record.Uint(uint64(p.DstPort))
	v[2] = record.Uint(uint64(p.TCP.Seq()))
	v[3] = record.Uint(uint64(p.TCP.Ack()))
	v[4] = record.Uint(uint64(p.TCP.Window()))
	o := p.TCP.Options()
	if o.HasMSS {
		v[5] = record.Uint(uint64(o.MSS))
	}
	if o.HasWScale {
		v[6] = record.Uint(1 << (o.WScale & 63))
	}
	if o.SACKPermitted {
		v[7] = record.Uint(1)
	}
	if o.HasTimestamps {
		v[8] = record.Uint(uint64(o.TSVal))
		v[9] = record.Uint(uint64(o.TSEcr))
	}
}
