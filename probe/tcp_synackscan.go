package probe

import (
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// tcpSYNACK sends a SYN-ACK that belongs to no connection, and counts a RST as success.
//
// A host refuses such a segment with <SEQ=SEG.ACK><CTL=RST>, whether the port is closed (RFC 9293 section 3.10.7.1) or
// listening (section 3.10.7.2): our acknowledgement number comes back as the RST's sequence number. A SYN-ACK in answer
// follows from no rule of TCP. C ZMap's help says that it is a failure, while its code counts it as a success: here the help
// is right.
type tcpSYNACK struct{ warnings []string }

// tcpSYNACKModule is the table entry.
func tcpSYNACKModule() Module {
	return Module{
		Name: "tcp_synackscan",
		Help: "Sends a TCP SYN-ACK that nobody asked for to every target (58-byte frames, MSS option). A RST, with which a host\n" +
			"refuses it, is classified 'rst' and a success; a SYN-ACK 'synack' and an ICMP error 'icmp', neither of which is.\n" +
			"(C ZMap counts SYN-ACKs as successes, against its own help.) There are no --probe-args.",
		New: func(args Args) (Probe, error) {
			return &tcpSYNACK{warnings: ignored("tcp_synackscan", args)}, nil
		},
	}
}

// mssLen is the length of the option in the segment, mssOption: MSS 1460 (RFC 9293 section 3.2).
const mssLen = 4

func mssOption() []byte { return []byte{2, mssLen, 5, 0xb4} }

// Describe returns the module's constants.
func (m *tcpSYNACK) Describe() Description {
	return Description{
		Name:     "tcp_synackscan",
		Schema:   record.NewSchema(tcpFields(), tcpClassFields(), ICMPFields()),
		Capture:  link.Filter{Snap: tcpSnap, TCP: link.TCPAnswers, Errors: true},
		FrameLen: packet.EthernetLen + packet.IPv4Len + packet.TCPLen + mssLen,
		Ports:    true,
		Warnings: m.warnings,
	}
}

// synAckClass is the position of the field classification.
const synAckClass = 5

// NewEncoder returns an encoder for one sender.
func (m *tcpSYNACK) NewEncoder(r Route) Encoder {
	e := tcpEncoder{envelope: NewEnvelope(r), ports: r.Ports, flags: packet.SYN | packet.ACK, options: mssOption()}
	return &tcpSYNACKEncoder{e}
}

// tcpSYNACKEncoder makes SYN-ACKs for one sender.
type tcpSYNACKEncoder struct{ tcpEncoder }

// Patch completes a SYN-ACK with both numbers of the tag.
func (e *tcpSYNACKEncoder) Patch(frame []byte, s *Shot) int { return e.patch(frame, s, s.Tag.Ack()) }

// NewDecoder returns a decoder for one receiver.
func (m *tcpSYNACK) NewDecoder() Decoder { return tcpSYNACKDecoder{} }

// tcpSYNACKDecoder reads answers to SYN-ACKs.
type tcpSYNACKDecoder struct{}

// Match accepts what acknowledges our sequence number on our ports, and ICMP errors that quote our SYN-ACK. A RST may bear
// our acknowledgement number instead, which is what RFC 9293 asks for, or the one after it, which some stacks make of it.
func (tcpSYNACKDecoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	t, tag, ok := matchTCP(p, tags)
	if !ok || p.Kind != packet.KindTCP {
		return t, ok
	}
	return t, p.TCP.Ack()-tag.Seq() == 1 || p.TCP.Seq()-tag.Ack() <= 1 && p.TCP.Flags().Has(packet.RST)
}

// Decode fills the row of a RST, a SYN-ACK or an ICMP error.
func (tcpSYNACKDecoder) Decode(p *packet.Parsed, r *record.Record) {
	decodeTCP(p, r, synAckClass, classRST)
}

// Succeeds implements [Judge].
func (tcpSYNACKDecoder) Succeeds(p *packet.Parsed) bool { return classTCP(p) == classRST }
