package probe

import (
	"encoding/binary"
	"fmt"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// ntpLen is the length of an NTP packet without extensions (RFC 5905 section 7.3).
const ntpLen = 48

// ntpClient is the first byte of a request: leap indicator 3 (clock not synchronised), version 4, mode 3 (client).
const ntpClient = 0xe3

// ntp asks for the time. Any datagram that comes back is a success.
type ntp struct{ warnings []string }

// ntpModule is the table entry.
func ntpModule() Module {
	return Module{
		Name: "ntp",
		Help: "Sends an NTP version 4 client request of 48 bytes, usually to port 123. Any UDP answer is classified 'ntp' and\n" +
			"a success, an ICMP error 'icmp'. Takes no --probe-args; those that C ZMap asks for, and ignores, do no harm.",
		New: func(args Args) (Probe, error) { return ntp{ignored("ntp", args)}, nil },
	}
}

// ntpHeader is the position of the first field of the NTP header.
const ntpHeader = 8

// Describe returns the module's constants.
func (m ntp) Describe() Description {
	d := describeDatagram("ntp", record.NewSchema(
		[]record.Field{fieldClass("ntp or icmp"), fieldSuccess(), fieldSport(), fieldDport()},
		ICMPFields(),
		[]record.Field{
			{Name: "LI_VN_MODE", Type: record.Int, Doc: "leap indication, version number, mode"},
			{Name: "stratum", Type: record.Int, Doc: "stratum"},
			{Name: "poll", Type: record.Int, Doc: "poll"},
			{Name: "precision", Type: record.Int, Doc: "precision"},
			{Name: "root_delay", Type: record.Int, Doc: "root delay"},
			{Name: "root_dispersion", Type: record.Int, Doc: "root dispersion"},
			{Name: "reference_clock_identifier", Type: record.Int, Doc: "code clock type"},
			{Name: "reference_timestamp", Type: record.Int, Full: true, Doc: "local time at which local clock was last set or corrected"},
			{Name: "originate_timestamp", Type: record.Int, Full: true, Doc: "local time at which the request departed the client for the service"},
			{Name: "receive_timestamp", Type: record.Int, Full: true, Doc: "local time at which the request arrived at the service host"},
			{Name: "transmit_timestamp", Type: record.Int, Full: true, Doc: "local time which the reply departed the service host for the client"},
		}), ntpLen)
	d.Warnings = m.warnings
	d.AppendDryRun = appendNTPDryRun
	return d
}

// NewEncoder returns an encoder for one sender.
func (ntp) NewEncoder(r Route) Encoder {
	d := newDatagram(r, append([]byte{ntpClient}, make([]byte, ntpLen-1)...))
	return &d
}

// NewDecoder returns a decoder for one receiver.
func (ntp) NewDecoder() Decoder {
	return ntpDecoder{datagramAnswers{class: 0, success: 1, sport: 2, dport: 3, icmp: 4}}
}

// ntpDecoder reads answers to NTP requests.
type ntpDecoder struct{ datagramAnswers }

// Decode fills the row of an answer or an ICMP error. The header's fields are null if the answer is too short for one.
// Timestamps are as on the wire: seconds since 1900 in the upper 32 bits, their fraction in the lower.
func (d ntpDecoder) Decode(p *packet.Parsed, r *record.Record) {
	if d.setError(p, r) {
		return
	}
	d.setAnswer(p, r, "ntp", true)
	b := p.Payload
	if len(b) < ntpLen {
		return
	}
	v := r.Values[ntpHeader:]
	for i := range 4 {
		v[i].SetUint(uint64(b[i]))
	}
	for i := range 3 {
		v[4+i].SetUint(uint64(binary.BigEndian.Uint32(b[4+4*i:])))
	}
	for i := range 4 {
		v[7+i].SetUint(binary.BigEndian.Uint64(b[16+8*i:]))
	}
}

// appendNTPDryRun puts a line for the NTP header before what [AppendDryRun] prints.
func appendNTPDryRun(dst, frame []byte, ether bool) []byte {
	var p packet.Parsed
	kind := packet.LinkIP
	if ether {
		kind = packet.LinkEthernet
	}
	if p.Decode(frame, kind) == packet.KindUDP && len(p.Payload) >= 3 {
		dst = fmt.Appendf(dst, "ntp { LI_VN_MODE: %d | stratum: %d | poll: %d }\n", p.Payload[0], p.Payload[1], p.Payload[2])
	}
	return AppendDryRun(dst, frame, ether)
}
