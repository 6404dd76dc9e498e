package probe

import (
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// bacnetRequest asks a building controller for its vendor (ASHRAE 135: annex J for BACnet/IP, clauses 6 and 20 for the
// rest).
var bacnetRequest = [...]byte{
	0x81, 0x0a, 0x00, 0x11, // BACnet/IP, original unicast, 17 bytes
	0x01, 0x04, // version 1, an answer is expected
	0x00, 0x05, 0, 0x0c, // confirmed request, answers of up to 1476 bytes, invoke number, read property
	0x0c, 0x02, 0x3f, 0xff, 0xff, // object: device, instance unknown
	0x19, 0x4b, // property 75: object identifier
}

// bacnetInvoke is where the invoke number is, which answers repeat.
const bacnetInvoke = 8

// bacnetType is the first byte of everything in BACnet/IP.
const bacnetType = 0x81

// bacnet asks building controllers for their identity.
type bacnet struct{ warnings []string }

// bacnetModule is the table entry.
func bacnetModule() Module {
	return Module{
		Name: "bacnet",
		Help: "Sends a BACnet/IP read-property request of 17 bytes, usually to port 47808. An answer in BACnet/IP is classified\n" +
			"'bacnet' and a success, an ICMP error 'icmp'. Takes no --probe-args.",
		New: func(args Args) (Probe, error) { return bacnet{ignored("bacnet", args)}, nil },
	}
}

// bacnetPayload is the position of the payload.
const bacnetPayload = 4

// Describe returns the module's constants.
func (m bacnet) Describe() Description {
	d := describeDatagram("bacnet", record.NewSchema([]record.Field{
		fieldSport(), fieldDport(), fieldClass("bacnet or icmp"), fieldSuccess(),
		{Name: "udp_payload", Type: record.Binary, Doc: "UDP payload"},
	}, ICMPFields()), len(bacnetRequest))
	d.Warnings = m.warnings
	return d
}

// NewEncoder returns an encoder for one sender.
func (bacnet) NewEncoder(r Route) Encoder {
	return &bacnetEncoder{newDatagram(r, bacnetRequest[:])}
}

// bacnetEncoder makes requests for one sender.
type bacnetEncoder struct{ datagram }

// Patch writes the invoke number beside what all UDP probes get.
func (e *bacnetEncoder) Patch(frame []byte, s *Shot) int {
	e.patch(frame, s)[bacnetInvoke] = s.Tag.BACnetID()
	return e.envelope.FrameLen()
}

// NewDecoder returns a decoder for one receiver.
func (bacnet) NewDecoder() Decoder {
	return bacnetDecoder{datagramAnswers{sport: 0, dport: 1, class: 2, success: 3, icmp: 5}}
}

// bacnetDecoder reads answers to read-property requests.
type bacnetDecoder struct{ datagramAnswers }

// Match accepts what other modules over UDP accept if it is BACnet/IP. The length in its second half-word says nothing
// that the datagram's own does not, and is not believed.
func (d bacnetDecoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	if p.Kind == packet.KindUDP && (len(p.Payload) == 0 || p.Payload[0] != bacnetType) {
		return target.Target{}, false
	}
	return d.datagramAnswers.Match(p, tags)
}

// Decode fills the row of an answer or an ICMP error.
func (d bacnetDecoder) Decode(p *packet.Parsed, r *record.Record) {
	if d.setError(p, r) {
		return
	}
	d.setAnswer(p, r, "bacnet", true)
	r.SetBytes(bacnetPayload, p.Payload)
}
