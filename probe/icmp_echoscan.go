package probe

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// maxEcho is the longest payload of an echo request, so that the frame fits into 1500 bytes with room to spare for
// whatever tunnels add; C ZMap has the same bound.
const maxEcho = 1458

// echoData is how much of an answer is in a row: 58 bytes of the ICMP message behind its first four, as C ZMap. Over IPv6 as much is
// captured: enough for the headers that an error quotes.
const (
	echoData = 58
	echoSnap = packet.EthernetLen + packet.IPv6Len + 4 + echoData
)

// icmpEcho sends an echo request and counts an echo reply as success.
type icmpEcho struct{ payload []byte }

// icmpEchoModule is the table entry.
func icmpEchoModule() Module {
	return Module{
		Name: "icmp_echoscan",
		Help: "Sends an ICMP echo request to every target. An echo reply is classified 'echoreply' and a success; errors\n" +
			"about the request are 'unreach', 'sourcequench', 'redirect', 'timxceed' or 'other'. --probe-args chooses the\n" +
			"payload: text:STRING, hex:DIGITS or file:PATH (at most 1458 bytes; 20 zero bytes without it).",
		New: newICMPEcho,
	}
}

// newICMPEcho returns the module with the payload that args name.
func newICMPEcho(args Args) (Probe, error) {
	if args.Text == "" {
		return &icmpEcho{payload: make([]byte, 20)}, nil
	}
	kind, value, found := strings.Cut(args.Text, ":")
	if !found {
		return nil, fmt.Errorf("icmp_echoscan: probe arguments %q lack a colon; write text:STRING, hex:DIGITS or file:PATH", args.Text)
	}
	payload, err := readPayload(kind, value)
	if err != nil {
		return nil, fmt.Errorf("icmp_echoscan: %w", err)
	}
	if len(payload) > maxEcho {
		return nil, fmt.Errorf("icmp_echoscan: the payload is longer than %d bytes; shorten it", maxEcho)
	}
	return &icmpEcho{payload: payload}, nil
}

// readPayload returns the bytes that a probe argument of one of the kinds text, hex and file stands for, cut where they are
// too many for any frame. As in C ZMap more letters may follow the kind: "hexdigits:00" is "hex:00".
func readPayload(kind, value string) ([]byte, error) {
	switch {
	case strings.HasPrefix(kind, "text"):
		return []byte(value), nil
	case strings.HasPrefix(kind, "hex"):
		b, err := hex.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("payload hex:%s: %w; write two hexadecimal digits for each byte", value, err)
		}
		return b, nil
	case strings.HasPrefix(kind, "file"):
		f, err := os.Open(value)
		if err != nil {
			return nil, fmt.Errorf("read payload: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, link.MaxFrame+1))
		if err != nil {
			return nil, fmt.Errorf("read payload: %w", err)
		}
		return b, nil
	default:
		return nil, fmt.Errorf("unknown kind of payload %q; write text:STRING, hex:DIGITS or file:PATH", kind)
	}
}

// Describe returns the module's constants.
func (m *icmpEcho) Describe() Description {
	return Description{
		Name: "icmp_echoscan",
		Schema: record.NewSchema(echoFields(), []record.Field{
			{Name: "classification", Type: record.String, Doc: "probe module classification"},
			{Name: "success", Type: record.Bool, Doc: "did probe module classify response as success"},
			{Name: "data", Type: record.Binary, Doc: "ICMP payload"},
		}),
		Capture:       link.Filter{Snap: echoSnap, Echo: true, Errors: true},
		FrameLen:      packet.EthernetLen + packet.IPv4Len + packet.ICMPLen + len(m.payload),
		IPv6:          true,
		FromResponder: true,
	}
}

// echoFields are the fields of a message's header. setEcho sets them.
func echoFields() []record.Field {
	return []record.Field{
		{Name: "type", Type: record.Int, Doc: "icmp message type"},
		{Name: "code", Type: record.Int, Doc: "icmp message sub type code"},
		{Name: "icmp_id", Type: record.Int, Doc: "icmp id number"},
		{Name: "seq", Type: record.Int, Doc: "icmp sequence number"},
	}
}

// setEcho sets the fields of echoFields, which are the first of a row.
func setEcho(p *packet.Parsed, r *record.Record) {
	v := r.Values
	v[0].SetUint(uint64(p.ICMP.Type()))
	v[1].SetUint(uint64(p.ICMP.Code()))
	v[2].SetUint(uint64(p.ICMP.Ident()))
	v[3].SetUint(uint64(p.ICMP.Seq()))
}

// NewEncoder returns an encoder for one sender.
func (m *icmpEcho) NewEncoder(r Route) Encoder {
	return &icmpEchoEncoder{envelope: NewEnvelope(r), payload: m.payload}
}

// icmpEchoEncoder makes echo requests for one sender.
type icmpEchoEncoder struct {
	envelope Envelope
	payload  []byte
	base     packet.Sum // sum of the message without what Patch writes
}

// Template writes the headers and the payload.
func (e *icmpEchoEncoder) Template(_ uint32, frame []byte) int {
	n := packet.ICMPLen + len(e.payload)
	proto, kind, pseudo := packet.ProtoICMP, packet.ICMPv4Echo, packet.Sum(0)
	if e.envelope.route.IPv6 {
		proto, kind = packet.ProtoICMPv6, packet.ICMPv6Echo
		pseudo = packet.PseudoHeader(netip.Addr{}, netip.Addr{}, proto, n)
	}
	msg := e.envelope.Template(frame, proto, n)
	copy(msg[packet.ICMPLen:], e.payload)
	e.base = packet.ICMPFields{Type: kind}.Encode(msg).BaseSum(pseudo)
	return e.envelope.FrameLen()
}

// Patch writes addresses, identifier, sequence number and checksums.
func (e *icmpEchoEncoder) Patch(frame []byte, s *Shot) int {
	msg, addrs := e.envelope.Patch(frame, s)
	if !e.envelope.route.IPv6 {
		addrs = 0 // of which the checksum of ICMP knows nothing
	}
	packet.ICMP(msg).Patch(e.base+addrs, s.Tag.ICMPID(), s.Tag.ICMPSeq())
	return e.envelope.FrameLen()
}

// NewDecoder returns a decoder for one receiver.
func (m *icmpEcho) NewDecoder() Decoder { return icmpEchoDecoder{} }

// icmpEchoDecoder reads answers to echo requests.
type icmpEchoDecoder struct{}

// Match accepts echo replies with the target's identifier and sequence number, and errors that quote such a request.
func (icmpEchoDecoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	if p.Kind != packet.KindICMPv4 && p.Kind != packet.KindICMPv6 {
		return target.Target{}, false
	}
	if p.IsEchoReply() {
		tag := tags.Tag(p.Dst, p.Src, 0)
		ours := p.ICMP.Ident() == tag.ICMPID() && p.ICMP.Seq() == tag.ICMPSeq()
		return target.Target{Addr: p.Src}, ours
	}
	proto, kind := packet.ProtoICMP, packet.ICMPv4Echo
	if p.Kind == packet.KindICMPv6 {
		proto, kind = packet.ProtoICMPv6, packet.ICMPv6Echo
	}
	q := &p.Quoted
	if !q.Present || q.Proto != proto || q.Src != p.Dst {
		return target.Target{}, false
	}
	tag := tags.Tag(q.Src, q.Dst, 0)
	echo := packet.ICMP(q.L4)
	ours := echo.Type() == kind && echo.Ident() == tag.ICMPID() && echo.Seq() == tag.ICMPSeq()
	return target.Target{Addr: q.Dst}, ours
}

// Decode fills the row of an echo reply or an error.
func (icmpEchoDecoder) Decode(p *packet.Parsed, r *record.Record) {
	setEcho(p, r)
	r.Values[4].SetText(echoClass(p))
	r.Values[5].SetBool(p.IsEchoReply())
	data := p.ICMP[4:]
	r.SetBytes(6, data[:min(len(data), echoData)])
}

// Succeeds implements [Judge].
func (icmpEchoDecoder) Succeeds(p *packet.Parsed) bool { return p.IsEchoReply() }

// echoClass names the kinds of answers to an echo request: those of ICMPv6 as their like of ICMP.
func echoClass(p *packet.Parsed) string {
	kind := p.ICMP.Type()
	if p.Kind == packet.KindICMPv6 {
		switch kind {
		case packet.ICMPv6EchoReply:
			return "echoreply"
		case packet.ICMPv6Unreachable:
			return "unreach"
		case packet.ICMPv6TimeExceeded:
			return "timxceed"
		}
		return "other"
	}
	switch kind {
	case packet.ICMPv4EchoReply:
		return "echoreply"
	case packet.ICMPv4Unreachable:
		return "unreach"
	case packet.ICMPv4SourceQuench:
		return "sourcequench"
	case packet.ICMPv4Redirect:
		return "redirect"
	case packet.ICMPv4TimeExceeded:
		return "timxceed"
	default:
		return "other"
	}
}
