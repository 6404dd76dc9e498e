package probe

import (
	"net/netip"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// What the modules that send one TCP segment have in common: the way a segment is made, how its answers are told from
// others, and the fields of those.

// tcpSnap is how much of a TCP answer is captured: headers with all options, and an ICMP error's quote of them.
const tcpSnap = 160

// The classifications of answers to a segment.
const (
	classSYNACK = "synack"
	classRST    = "rst"
	classICMP   = "icmp"
)

// tcpFields are the fields of a segment's header. setTCP sets them.
func tcpFields() []record.Field {
	return []record.Field{
		{Name: "sport", Type: record.Int, Doc: "TCP source port"},
		{Name: "dport", Type: record.Int, Doc: "TCP destination port"},
		{Name: "seqnum", Type: record.Int, Doc: "TCP sequence number"},
		{Name: "acknum", Type: record.Int, Doc: "TCP acknowledgement number"},
		{Name: "window", Type: record.Int, Doc: "TCP window"},
	}
}

// setTCP sets the fields of tcpFields, which are the first of a row.
func setTCP(p *packet.Parsed, r *record.Record) {
	v := r.Values
	v[0].SetUint(uint64(p.SrcPort))
	v[1].SetUint(uint64(p.DstPort))
	v[2].SetUint(uint64(p.TCP.Seq()))
	v[3].SetUint(uint64(p.TCP.Ack()))
	v[4].SetUint(uint64(p.TCP.Window()))
}

// tcpClassFields say what kind of answer it is. Those of [ICMPFields] come behind them.
func tcpClassFields() []record.Field {
	return []record.Field{fieldClass("synack, rst or icmp"), fieldSuccess()}
}

// classTCP is the class of an answer that matchTCP accepts.
func classTCP(p *packet.Parsed) string {
	switch {
	case p.Kind != packet.KindTCP:
		return classICMP
	case p.TCP.Flags().Has(packet.RST):
		return classRST
	default:
		return classSYNACK
	}
}

// decodeTCP fills a row, in which the fields of tcpClassFields begin at position at, with all but the TCP options. An answer
// of the class wanted is a success.
func decodeTCP(p *packet.Parsed, r *record.Record, at int, wanted string) {
	class := classTCP(p)
	if class == classICMP {
		SetICMP(p, r, at+2)
	} else {
		setTCP(p, r)
	}
	r.Values[at].SetText(class)
	r.Values[at+1].SetBool(class == wanted)
}

// matchTCP says whether p is an ICMP error that quotes a segment of ours, or a SYN-ACK or RST to a port of ours from a target
// of that tag. Which numbers the latter must carry is for the module to say.
func matchTCP(p *packet.Parsed, tags validate.Source) (target.Target, validate.Tag, bool) {
	if p.Kind != packet.KindTCP {
		t, tag, ok := MatchQuote(p, packet.ProtoTCP, tags)
		return t, tag, ok && packet.TCP(p.Quoted.L4).Seq() == tag.Seq()
	}
	if flags := p.TCP.Flags(); !flags.Has(packet.RST) && !flags.Has(packet.SYN|packet.ACK) {
		return target.Target{}, validate.Tag{}, false
	}
	tag := tags.Tag(p.Dst, p.Src, p.SrcPort)
	return target.Target{Addr: p.Src, Port: p.SrcPort}, tag, tags.Ports().Match(tag, p.DstPort, tags.Tries())
}

// SYNWindow is the window that probes of TCP offer, in bytes: the most without scaling.
const SYNWindow = 65535

// tcpEncoder makes segments that differ in addresses, ports and numbers, for one sender.
type tcpEncoder struct {
	envelope Envelope
	ports    validate.Ports
	flags    packet.TCPFlags
	options  []byte
	base     packet.Sum // sum of pseudo header and segment without what patch writes
}

// Template writes the headers, the flags and the options.
func (e *tcpEncoder) Template(_ uint32, frame []byte) int {
	n := packet.TCPLen + len(e.options)
	seg := e.envelope.Template(frame, packet.ProtoTCP, n)
	f := packet.TCPFields{Flags: e.flags, Window: SYNWindow, Options: e.options}
	e.base = f.Encode(seg).BaseSum(packet.PseudoHeader(netip.Addr{}, netip.Addr{}, packet.ProtoTCP, n))
	return e.envelope.FrameLen()
}

// patch writes addresses, identification, ports, sequence number, the acknowledgement number ack and checksums.
func (e *tcpEncoder) patch(frame []byte, s *Shot, ack uint32) int {
	seg, addrs := e.envelope.Patch(frame, s)
	packet.TCP(seg).SetAck(ack)
	packet.TCP(seg).Patch((e.base + addrs).Add32(ack), e.ports.Of(s.Tag, s.Try), s.Port, s.Tag.Seq())
	return e.envelope.FrameLen()
}
