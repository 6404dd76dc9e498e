package probe

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// ipip sends a UDP datagram from the target to us inside an IP packet from us to the target (RFC 2003). A target that
// forwards what it finds inside, no matter who sent it, sends us our own datagram: a success.
//
//	+----------------------+----------------------+-----------------------+---------
//	| IPv4: us -> target   | IPv4: target -> us   | UDP: ours -> target's | payload
//	+----------------------+----------------------+-----------------------+---------
type ipip struct {
	payload  []byte
	warnings []string
}

// The limits of the packet, both C ZMap's.
const (
	ipipTTL     = 255 // of both IP headers, whatever Route says
	ipipPayload = 200 // bytes
)

// ipipModule is the table entry.
func ipipModule() Module {
	return Module{
		Name: "ipip",
		Help: "Sends a UDP datagram inside an IP packet inside another (TTL 255, whatever --probe-ttl says), as if the target\n" +
			"had sent it to us. A target that forwards it back is classified 'udp' and a success; an ICMP unreachable message\n" +
			"'icmp-unreach', another error 'icmp'. --probe-args chooses the payload: text:STRING, hex:DIGITS or file:PATH (200\n" +
			"bytes at most; an HTTP request without it).",
		New: newIPIP,
	}
}

// newIPIP returns the module with the payload that args name.
func newIPIP(args Args) (Probe, error) {
	if args.Text == "" {
		return &ipip{payload: []byte("GET / HTTP/1.1\r\nHost: www\r\n\r\n")}, nil
	}
	kind, value, found := strings.Cut(args.Text, ":")
	if !found {
		return nil, fmt.Errorf("ipip: probe arguments %q lack a colon; write text:STRING, hex:DIGITS or file:PATH", args.Text)
	}
	switch kind {
	case "text", "hex", "file":
	default:
		return nil, fmt.Errorf("ipip: unknown kind of payload %q; write text:STRING, hex:DIGITS or file:PATH", kind)
	}
	payload, err := readPayload(kind, value)
	if err != nil {
		return nil, fmt.Errorf("ipip: %w", err)
	}
	m := &ipip{payload: payload}
	if len(payload) > ipipPayload {
		m.payload = payload[:ipipPayload]
		m.warnings = []string{fmt.Sprintf("ipip: the payload is longer than %d bytes; what is behind them is left out", ipipPayload)}
	}
	return m, nil
}

// ipipHeaders is the length of what is between the outer IP header and the payload.
const ipipHeaders = packet.IPv4Len + packet.UDPLen

// Describe returns the module's constants. Answers come from our ports and not to them, so that the capture takes all.
func (m *ipip) Describe() Description {
	d := describeDatagram("ipip", record.NewSchema(
		[]record.Field{fieldClass("udp, icmp-unreach or icmp"), fieldSuccess(), fieldSport(), fieldDport()},
		ICMPFields(),
		[]record.Field{
			{Name: "udp_pkt_size", Type: record.Int, Doc: "UDP packet length"},
			{Name: "data", Type: record.Binary, Doc: "UDP payload"},
		}), len(m.payload))
	d.FrameLen += packet.IPv4Len
	d.Capture.Ports = []link.PortRange{{First: 0, Last: 65535}}
	d.Warnings = m.warnings
	d.AppendDryRun = appendIPIPDryRun
	return d
}

// Positions of the module's last fields.
const (
	ipipSize = 8
	ipipData = 9
)

// NewEncoder returns an encoder for one sender.
func (m *ipip) NewEncoder(r Route) Encoder {
	r.TTL = ipipTTL
	return &ipipEncoder{envelope: NewEnvelope(r), ports: r.Ports, payload: m.payload}
}

// ipipEncoder makes packets in packets for one sender. The UDP checksum stays zero: there is none.
type ipipEncoder struct {
	envelope Envelope
	ports    validate.Ports
	payload  []byte
	base     packet.Sum // sum of the inner IP header without identification, addresses and checksum
}

// Template writes all headers and the payload.
func (e *ipipEncoder) Template(_ uint32, frame []byte) int {
	n := ipipHeaders + len(e.payload)
	inner := e.envelope.Template(frame, packet.ProtoIPIP, n)
	none := netip.IPv4Unspecified()
	h := packet.IPv4Fields{TotalLen: n, TTL: ipipTTL, Proto: packet.ProtoUDP, Src: none, Dst: none}.Encode(inner)
	h.SetChecksum(0)
	e.base = packet.Sum(0).Add(h[:packet.IPv4Len])
	packet.UDPFields{Length: n - packet.IPv4Len}.Encode(inner[packet.IPv4Len:])
	copy(inner[ipipHeaders:], e.payload)
	return e.envelope.FrameLen()
}

// Patch writes both identifications, all addresses, the ports and the checksums of both IP headers.
func (e *ipipEncoder) Patch(frame []byte, s *Shot) int {
	inner, addrs := e.envelope.Patch(frame, s)
	id := s.Tag.IPID()
	h := packet.IPv4(inner)
	h.SetID(id)
	h.SetSrc(s.Addr)
	h.SetDst(s.Src)
	h.SetChecksum((e.base + addrs).Add16(id).Checksum())
	u := packet.UDP(inner[packet.IPv4Len:])
	u.SetSrcPort(e.ports.Of(s.Tag, s.Try))
	u.SetDstPort(s.Port)
	return e.envelope.FrameLen()
}

// NewDecoder returns a decoder for one receiver.
func (m *ipip) NewDecoder() Decoder {
	return ipipDecoder{datagramAnswers{class: 0, success: 1, sport: 2, dport: 3, icmp: 4}}
}

// ipipDecoder recognises our own datagrams when they come back.
type ipipDecoder struct{ datagramAnswers }

// Match accepts datagrams from the port that the tag gives to a probe of the address they come from and of the port they are
// for, and ICMP errors that quote such a probe down to the ports: 28 bytes of what the outer IP header is in front of. The 8
// that RFC 792 asks for end before the ports, without which there is no tag; RFC 1812 section 4.3.2.3 asks for all.
func (ipipDecoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	if p.Kind == packet.KindUDP {
		return matchOwn(target.Target{Addr: p.Src, Port: p.DstPort}, p.Dst, p.SrcPort, tags)
	}
	q := &p.Quoted
	var inner packet.Quoted
	if !q.Present || q.Proto != packet.ProtoIPIP || q.Src != p.Dst || !inner.Decode(q.L4) {
		return target.Target{}, false
	}
	if inner.Proto != packet.ProtoUDP || inner.Src != q.Dst || inner.Dst != q.Src {
		return target.Target{}, false
	}
	return matchOwn(target.Target{Addr: inner.Src, Port: inner.DstPort}, inner.Dst, inner.SrcPort, tags)
}

// matchOwn returns t, and whether port is a source port of probes from our address us to t.
func matchOwn(t target.Target, us netip.Addr, port uint16, tags validate.Source) (target.Target, bool) {
	return t, tags.Ports().Match(tags.Tag(us, t.Addr, t.Port), port, tags.Tries())
}

// Decode fills the row of our own datagram or an ICMP error.
func (d ipipDecoder) Decode(p *packet.Parsed, r *record.Record) {
	if d.setError(p, r) {
		if p.ICMP.Type() == packet.ICMPv4Unreachable {
			r.Values[d.class].SetText("icmp-unreach")
		}
		return
	}
	d.setAnswer(p, r, "udp", true)
	r.Values[ipipSize].SetUint(uint64(p.UDP.Length()))
	r.SetBytes(ipipData, p.Payload)
}

// appendIPIPDryRun puts the lines of the inner packet before those that [AppendDryRun] prints of the outer one.
func appendIPIPDryRun(dst, frame []byte, ether bool) []byte {
	var p packet.Parsed
	kind := packet.LinkIP
	if ether {
		kind = packet.LinkEthernet
	}
	if p.Decode(frame, kind) == packet.KindIP && p.Proto == packet.ProtoIPIP {
		dst = AppendDryRun(dst, p.Payload, false)
		dst = dst[:len(dst)-len(dashes)]
	}
	return AppendDryRun(dst, frame, ether)
}
