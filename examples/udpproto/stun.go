package main

import (
	"encoding/binary"
	"net/netip"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// STUN in constants (RFC 8489 sections 5, 14.2 and 18).
const (
	headerLen   = 20 // type, length, cookie, transaction
	transaction = 8  // where the 12 bytes of the transaction begin
	request     = 0x0001
	success     = 0x0101
	failure     = 0x0111
	cookie      = 0x2112a442
	xorMapped   = 0x0020 // the attribute XOR-MAPPED-ADDRESS
	stunPort    = 3478
)

// stun is the module: a Binding Request, which asks a STUN server what address it sees us at.
//
// Every response repeats the transaction of its request, 12 bytes of the client's choice. So we choose them from the tag, and
// whoever answers with the right ones has read our request; a datagram to the right port proves much less.
type stun struct{}

// Positions of the module's own fields.
const (
	fieldSport = iota
	fieldDport
	fieldClass
	fieldSuccess
	fieldAddr
	fieldPort
	fieldICMP // the first of four
)

// Describe says what the engine has to know.
func (stun) Describe() probe.Description {
	return probe.Description{
		Name: "stun",
		Schema: record.NewSchema([]record.Field{
			{Name: "sport", Type: record.Int, Doc: "UDP source port"},
			{Name: "dport", Type: record.Int, Doc: "UDP destination port"},
			{Name: "classification", Type: record.String, Doc: "stun, stun-error (it answered that it will not), or icmp"},
			{Name: "success", Type: record.Bool, Doc: "is there a STUN server"},
			{Name: "mapped_addr", Type: record.Addr, Doc: "address that the server sees us at"},
			{Name: "mapped_port", Type: record.Int, Doc: "port that the server sees us at"},
		}, probe.ICMPFields()),
		Capture:     link.Filter{Snap: 256, UDP: true, Errors: true},
		FrameLen:    packet.EthernetLen + packet.IPv4Len + packet.UDPLen + headerLen,
		Ports:       true,
		DefaultPort: stunPort,
	}
}

// NewEncoder returns an encoder for one sender.
func (stun) NewEncoder(r probe.Route) probe.Encoder {
	return &encoder{envelope: probe.NewEnvelope(r), ports: r.Ports}
}

// An encoder makes Binding Requests.
type encoder struct {
	envelope probe.Envelope
	ports    validate.Ports
	base     packet.Sum // sum of pseudo header and datagram without what Patch writes
}

// Template writes what all requests share. The transaction is zero in it: zeros add nothing to a checksum.
func (e *encoder) Template(_ uint32, frame []byte) int {
	const n = packet.UDPLen + headerLen
	d := e.envelope.Template(frame, packet.ProtoUDP, n)
	clear(d) // slots have been used before
	binary.BigEndian.PutUint16(d[packet.UDPLen:], request)
	binary.BigEndian.PutUint32(d[packet.UDPLen+4:], cookie)
	e.base = packet.UDPFields{Length: n}.Encode(d).BaseSum(packet.PseudoHeader(netip.Addr{}, netip.Addr{}, packet.ProtoUDP, n))
	return e.envelope.FrameLen()
}

// Patch writes what makes the request this target's: addresses, ports and the transaction.
func (e *encoder) Patch(frame []byte, s *probe.Shot) int {
	d, addrs := e.envelope.Patch(frame, s)
	id := d[packet.UDPLen+transaction:]
	copy(id, s.Tag[:])
	packet.UDP(d).Patch((e.base + addrs).Add(id), e.ports.Of(s.Tag, s.Try), s.Port)
	return e.envelope.FrameLen()
}

// NewDecoder returns a decoder for one receiver.
func (stun) NewDecoder() probe.Decoder { return decoder{} }

// A decoder reads answers to Binding Requests.
type decoder struct{}

// Match accepts a response with our transaction, and an ICMP error that quotes the request. Errors may quote no more than the UDP
// header, whose port is all of the tag there is; if they quote more, that must be right, too.
func (decoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	if p.Kind != packet.KindUDP {
		t, tag, ok := probe.MatchQuote(p, packet.ProtoUDP, tags)
		quoted := p.Quoted.L4
		return t, ok && (len(quoted) < packet.UDPLen+headerLen || carries(quoted[packet.UDPLen:], tag))
	}
	b := p.Payload
	if len(b) < headerLen || binary.BigEndian.Uint32(b[4:]) != cookie {
		return target.Target{}, false
	}
	if t := binary.BigEndian.Uint16(b); t != success && t != failure { // a request is our own, sent back
		return target.Target{}, false
	}
	tag := tags.Tag(p.Dst, p.Src, p.SrcPort)
	ok := carries(b, tag) && tags.Ports().Match(tag, p.DstPort, tags.Tries())
	return target.Target{Addr: p.Src, Port: p.SrcPort}, ok
}

// carries says whether the transaction of a message is the tag's.
func carries(b []byte, tag validate.Tag) bool {
	return string(b[transaction:headerLen]) == string(tag[:12])
}

// Decode fills the row of a response or an ICMP error.
func (decoder) Decode(p *packet.Parsed, r *record.Record) {
	v := r.Values
	v[fieldSuccess].SetBool(p.Kind == packet.KindUDP)
	if p.Kind != packet.KindUDP {
		v[fieldClass].SetText("icmp")
		probe.SetICMP(p, r, fieldICMP)
		return
	}
	v[fieldSport].SetUint(uint64(p.SrcPort))
	v[fieldDport].SetUint(uint64(p.DstPort))
	v[fieldClass].SetText("stun")
	if binary.BigEndian.Uint16(p.Payload) == failure {
		v[fieldClass].SetText("stun-error")
	}
	if at, ok := mapped(p.Payload); ok {
		v[fieldAddr].SetAddr(at.Addr())
		v[fieldPort].SetUint(uint64(at.Port()))
	}
}
