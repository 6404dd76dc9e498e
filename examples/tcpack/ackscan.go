package main

import (
	"net/netip"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// ackScan is the module tcp_ackscan: it sends an ACK that belongs to no connection.
//
// A host answers it with <SEQ=SEG.ACK><CTL=RST>, whether the port is closed (RFC 9293 section 3.10.7.1) or listening
// (section 3.10.7.2). So a RST whose sequence number is the acknowledgement number that we made up proves that the segment
// arrived: "unfiltered". An ICMP error about the segment says the opposite: "filtered".
type ackScan struct{}

var _ probe.Probe = ackScan{}

// Positions of the module's own fields.
const (
	fieldSport = iota
	fieldDport
	fieldSeq
	fieldWindow
	fieldClass
	fieldSuccess
	fieldICMP // the first of four
)

// Describe says what the engine has to know: the fields, which frames can be answers, how long a probe is.
func (ackScan) Describe() probe.Description {
	return probe.Description{
		Name: "tcp_ackscan",
		Schema: record.NewSchema([]record.Field{
			{Name: "sport", Type: record.Int, Doc: "TCP source port"},
			{Name: "dport", Type: record.Int, Doc: "TCP destination port"},
			{Name: "seqnum", Type: record.Int, Doc: "TCP sequence number"},
			{Name: "window", Type: record.Int, Doc: "TCP window"},
			{Name: "classification", Type: record.String, Doc: "unfiltered or filtered"},
			{Name: "success", Type: record.Bool, Doc: "did the segment reach the target"},
		}, probe.ICMPFields()),
		Capture:  link.Filter{Snap: 128, TCP: link.TCPAnswers, Errors: true},
		FrameLen: packet.EthernetLen + packet.IPv4Len + packet.TCPLen,
		Ports:    true,
	}
}

// NewEncoder returns an encoder for one sender.
func (ackScan) NewEncoder(r probe.Route) probe.Encoder {
	return &encoder{envelope: probe.NewEnvelope(r), ports: r.Ports}
}

// An encoder makes ACKs.
type encoder struct {
	envelope probe.Envelope
	ports    validate.Ports
	base     packet.Sum // sum of pseudo header and segment without what Patch writes
}

// Template writes what all probes share: the headers in front, the flags and the window.
func (e *encoder) Template(_ uint32, frame []byte) int {
	seg := e.envelope.Template(frame, packet.ProtoTCP, packet.TCPLen)
	pseudo := packet.PseudoHeader(netip.Addr{}, netip.Addr{}, packet.ProtoTCP, packet.TCPLen)
	e.base = packet.TCPFields{Flags: packet.ACK, Window: 1024}.Encode(seg).BaseSum(pseudo)
	return e.envelope.FrameLen()
}

// Patch writes what makes the probe this target's: addresses, ports, and the tag in both numbers.
func (e *encoder) Patch(frame []byte, s *probe.Shot) int {
	seg, addrs := e.envelope.Patch(frame, s)
	ack := s.Tag.Ack()
	packet.TCP(seg).SetAck(ack)
	packet.TCP(seg).Patch((e.base + addrs).Add32(ack), e.ports.Of(s.Tag, s.Try), s.Port, s.Tag.Seq())
	return e.envelope.FrameLen()
}

// NewDecoder returns a decoder for one receiver.
func (ackScan) NewDecoder() probe.Decoder { return decoder{} }

// A decoder reads answers to ACKs.
type decoder struct{}

// Match accepts a RST that repeats our acknowledgement number, and an ICMP error that quotes our sequence number.
func (decoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	if p.Kind != packet.KindTCP {
		t, tag, ok := probe.MatchQuote(p, packet.ProtoTCP, tags)
		return t, ok && packet.TCP(p.Quoted.L4).Seq() == tag.Seq()
	}
	if !p.TCP.Flags().Has(packet.RST) {
		return target.Target{}, false
	}
	tag := tags.Tag(p.Dst, p.Src, p.SrcPort) // of the probe: its source is the answer's destination
	if p.TCP.Seq() != tag.Ack() || !tags.Ports().Match(tag, p.DstPort, tags.Tries()) {
		return target.Target{}, false
	}
	return target.Target{Addr: p.Src, Port: p.SrcPort}, true
}

// Decode fills the row of a RST or an ICMP error.
func (decoder) Decode(p *packet.Parsed, r *record.Record) {
	v := r.Values
	if p.Kind != packet.KindTCP {
		v[fieldClass].SetText("filtered")
		v[fieldSuccess].SetBool(false)
		probe.SetICMP(p, r, fieldICMP)
		return
	}
	v[fieldSport].SetUint(uint64(p.SrcPort))
	v[fieldDport].SetUint(uint64(p.DstPort))
	v[fieldSeq].SetUint(uint64(p.TCP.Seq()))
	v[fieldWindow].SetUint(uint64(p.TCP.Window()))
	v[fieldClass].SetText("unfiltered")
	v[fieldSuccess].SetBool(true)
}
