package probe

import (
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// maxDatagram is the longest UDP payload: what is left of 1500 bytes behind both headers.
const maxDatagram = link.MaxFrame - packet.EthernetLen - packet.IPv4Len - packet.UDPLen

// datagramSnap is how much of a UDP answer is captured: a whole frame with VLAN tags, and then some, so that no answer
// that came in one piece is cut (1500 bytes, where C ZMap stops for most modules, lack the end of a full frame).
const datagramSnap = 2048

// describeDatagram returns what the descriptions of all modules over UDP have in common; longest is their longest payload.
func describeDatagram(name string, schema *record.Schema, longest int) Description {
	return Description{
		Name:     name,
		Schema:   schema,
		Capture:  link.Filter{Snap: datagramSnap, UDP: true, Errors: true},
		FrameLen: packet.EthernetLen + packet.IPv4Len + packet.UDPLen + longest,
		Ports:    true,
	}
}

// A datagram makes UDP probes that all have the same payload, for one sender. It is an [Encoder], and part of those that
// change a few bytes of the payload.
//
// Over IPv4 the checksum stays zero, which says that there is none (RFC 768): so do the probes of C ZMap, and bytes of the payload
// can be patched for nothing. Over IPv6 there must be one (RFC 8200 section 8.1), see seal.
type datagram struct {
	envelope Envelope
	ports    validate.Ports
	payload  []byte
}

// newDatagram returns an encoder of payload, which it keeps and never writes to.
func newDatagram(r Route, payload []byte) datagram {
	return datagram{envelope: NewEnvelope(r), ports: r.Ports, payload: payload}
}

// Template writes the headers and the payload.
func (d *datagram) Template(_ uint32, frame []byte) int {
	n := packet.UDPLen + len(d.payload)
	seg := d.envelope.Template(frame, packet.ProtoUDP, n)
	packet.UDPFields{Length: n}.Encode(seg)
	copy(seg[packet.UDPLen:], d.payload)
	return d.envelope.FrameLen()
}

// Patch writes addresses, identification, ports and checksums.
func (d *datagram) Patch(frame []byte, s *Shot) int {
	d.patch(frame, s)
	return d.seal(frame, s)
}

// seal writes the checksum of a datagram over IPv6, once its payload is complete, and returns the frame's length.
func (d *datagram) seal(frame []byte, s *Shot) int {
	if d.envelope.route.IPv6 {
		seg := packet.UDP(frame[d.envelope.l4:d.envelope.end])
		seg.FillChecksum(packet.PseudoHeader(s.Src, s.Addr, packet.ProtoUDP, len(seg)))
	}
	return d.envelope.FrameLen()
}

// patch is Patch without seal, and returns the frame's payload for more to be written to.
func (d *datagram) patch(frame []byte, s *Shot) []byte {
	seg, _ := d.envelope.Patch(frame, s)
	u := packet.UDP(seg)
	u.SetSrcPort(d.ports.Of(s.Tag, s.Try))
	u.SetDstPort(s.Port)
	return seg[packet.UDPLen:]
}

// fieldSport, fieldDport, fieldClass and fieldSuccess return the fields that all modules over UDP have, each at a place of its
// own in their schemas.
func fieldSport() record.Field {
	return record.Field{Name: "sport", Type: record.Int, Doc: "UDP source port"}
}

func fieldDport() record.Field {
	return record.Field{Name: "dport", Type: record.Int, Doc: "UDP destination port"}
}

func fieldClass(kinds string) record.Field {
	return record.Field{Name: "classification", Type: record.String, Doc: "packet classification: " + kinds}
}

func fieldSuccess() record.Field {
	return record.Field{Name: "success", Type: record.Bool, Doc: "is response considered success"}
}

// datagramAnswers recognises answers to UDP probes, and sets the fields that all modules over UDP have. It has the positions
// of those fields; icmp is that of the first field of [ICMPFields]. It is part of a [Decoder].
type datagramAnswers struct{ class, success, sport, dport, icmp int }

// Match accepts datagrams to the port that the tag gives to a probe of the address and port they come from, and ICMP errors
// that quote such a probe.
func (a datagramAnswers) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	t, _, ok := a.matchTag(p, tags)
	return t, ok
}

// matchTag is Match, and returns the target's tag for modules whose answers carry more of it.
func (datagramAnswers) matchTag(p *packet.Parsed, tags validate.Source) (target.Target, validate.Tag, bool) {
	if p.Kind != packet.KindUDP {
		return MatchQuote(p, packet.ProtoUDP, tags)
	}
	tag := tags.Tag(p.Dst, p.Src, p.SrcPort)
	return target.Target{Addr: p.Src, Port: p.SrcPort}, tag, tags.Ports().Match(tag, p.DstPort, tags.Tries())
}

// setAnswer sets the fields of a datagram.
func (a datagramAnswers) setAnswer(p *packet.Parsed, r *record.Record, class string, success bool) {
	r.Values[a.class].SetText(class)
	r.Values[a.success].SetBool(success)
	r.Values[a.sport].SetUint(uint64(p.UDP.SrcPort()))
	r.Values[a.dport].SetUint(uint64(p.UDP.DstPort()))
}

// setError sets the fields of p if it is not a datagram but an ICMP error, and says whether it was.
func (a datagramAnswers) setError(p *packet.Parsed, r *record.Record) bool {
	if p.Kind == packet.KindUDP {
		return false
	}
	r.Values[a.class].SetText("icmp")
	r.Values[a.success].SetBool(false)
	SetICMP(p, r, a.icmp)
	return true
}
