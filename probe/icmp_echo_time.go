package probe

import (
	"encoding/binary"
	"net/netip"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// icmpTime sends an echo request that carries the moment it is sent at, and counts an echo reply as success. Nothing is
// remembered: the time of the round trip comes from the reply alone.
//
//	0            4            8            12
//	+------------+------------+------------+
//	| seconds    |microseconds| target     |
//	+------------+------------+------------+
//	 little endian             network order
//
// The tag vouches for who answered, not for the payload: a host that changes it makes up a round trip, as one that waits
// with its answer does. Fields of a payload that cannot be ours, and a round trip that takes less than no time, are null.
type icmpTime struct{ warnings []string }

// icmpTimeModule is the table entry.
func icmpTimeModule() Module {
	return Module{
		Name: "icmp_echo_time",
		Help: "Sends an ICMP echo request with the time in it to every target (54-byte frames), and takes the round-trip time\n" +
			"from the reply (rtt_us). Classified and counted as in icmp_echoscan. dst_raw is the target, also where an error\n" +
			"answers; the times are null where the answer does not bring them back. There are no --probe-args.",
		New: func(args Args) (Probe, error) {
			return &icmpTime{warnings: ignored("icmp_echo_time", args)}, nil
		},
	}
}

// Parts of the payload.
const (
	timeStamp   = 8 // bytes of seconds and microseconds
	timePayload = 12
)

// timeSnap is how much of an answer is captured: an error behind a VLAN tag with the longest IP headers that quotes all of
// a request.
const timeSnap = packet.EthernetLen + 4 + 60 + packet.ICMPLen + 60 + packet.ICMPLen + timePayload

// Positions of the module's fields behind those of echoFields.
const (
	timeSent    = 4 // seconds and microseconds
	timeArrived = 6 // the same
	timeRTT     = 8
	timeTarget  = 9
	timeClass   = 10
	timeSuccess = 11
)

// Describe returns the module's constants.
func (m *icmpTime) Describe() Description {
	return Description{
		Name: "icmp_echo_time",
		Schema: record.NewSchema(echoFields(), []record.Field{
			{Name: "sent_timestamp_ts", Type: record.Int, Doc: "timestamp of sent probe in seconds since Epoch"},
			{Name: "sent_timestamp_us", Type: record.Int, Doc: "microsecond part of sent timestamp"},
			{Name: "recv_timestamp_ts", Type: record.Int, Doc: "timestamp of received answer in seconds since Epoch"},
			{Name: "recv_timestamp_us", Type: record.Int, Doc: "microsecond part of receive timestamp"},
			{Name: "rtt_us", Type: record.Int, Doc: "round-trip time in microseconds"},
			{Name: "dst_raw", Type: record.Int, Doc: "network order integer form of the probed address"},
			{Name: "classification", Type: record.String, Doc: "probe module classification"},
			{Name: "success", Type: record.Int, Doc: "did probe module classify response as success"},
		}),
		Capture:       link.Filter{Snap: timeSnap, Echo: true, Errors: true},
		FrameLen:      packet.EthernetLen + packet.IPv4Len + packet.ICMPLen + timePayload,
		FromResponder: true,
		Warnings:      m.warnings,
	}
}

// NewEncoder returns an encoder for one sender.
func (m *icmpTime) NewEncoder(r Route) Encoder {
	return &icmpTimeEncoder{icmpEchoEncoder{envelope: NewEnvelope(r), payload: make([]byte, timePayload)}}
}

// icmpTimeEncoder makes echo requests for one sender.
type icmpTimeEncoder struct{ icmpEchoEncoder }

var _ Stamper = (*icmpTimeEncoder)(nil)

// Patch completes a request in which no time is yet.
func (e *icmpTimeEncoder) Patch(frame []byte, s *Shot) int {
	msg, _ := e.envelope.Patch(frame, s)
	payload := msg[packet.ICMPLen:]
	clear(payload[:timeStamp])
	*(*[4]byte)(payload[timeStamp:]) = s.Addr.As4()
	packet.ICMP(msg).Patch(e.base.AddAddr(s.Addr), s.Tag.ICMPID(), s.Tag.ICMPSeq())
	return e.envelope.FrameLen()
}

// Stamp writes the time.
func (e *icmpTimeEncoder) Stamp(frame []byte, now int64) {
	msg := packet.ICMP(frame[e.envelope.l4:e.envelope.end])
	payload := msg[packet.ICMPLen:]
	sec, us := payload[:4], payload[4:timeStamp]
	oldSec, oldUS := binary.BigEndian.Uint32(sec), binary.BigEndian.Uint32(us)
	binary.LittleEndian.PutUint32(sec, uint32(now/1e9))
	binary.LittleEndian.PutUint32(us, uint32(now/1e3%1e6))
	sum := packet.UpdateChecksum32(msg.Checksum(), oldSec, binary.BigEndian.Uint32(sec))
	msg.SetChecksum(packet.UpdateChecksum32(sum, oldUS, binary.BigEndian.Uint32(us)))
}

// NewDecoder returns a decoder for one receiver.
func (m *icmpTime) NewDecoder() Decoder { return &icmpTimeDecoder{} }

// icmpTimeDecoder reads answers to echo requests.
type icmpTimeDecoder struct {
	icmpEchoDecoder
	arrived int64 // nanoseconds since the Unix epoch, 0 if nobody said
}

var _ TimedDecoder = (*icmpTimeDecoder)(nil)

// Arrived takes down when the next packet to decode arrived.
func (d *icmpTimeDecoder) Arrived(at int64) { d.arrived = at }

// Decode fills the row of an echo reply or an error. An error has the time of sending, and so the round trip, if it quotes
// the payload; most routers do, but need not (RFC 792, RFC 1812 section 4.3.2.3).
func (d *icmpTimeDecoder) Decode(p *packet.Parsed, r *record.Record) {
	setEcho(p, r)
	v := r.Values
	asked, payload := p.Src, p.Payload
	if p.Quoted.Present {
		asked, payload = p.Quoted.Dst, p.Quoted.L4[packet.ICMPLen:]
	}
	if d.arrived > 0 {
		v[timeArrived].SetUint(uint64(d.arrived / 1e9))
		v[timeArrived+1].SetUint(uint64(d.arrived / 1e3 % 1e6))
	}
	if sec, us, ok := sentTime(payload, asked); ok {
		v[timeSent].SetUint(uint64(sec))
		v[timeSent+1].SetUint(uint64(us))
		if rtt := d.arrived/1e3 - (int64(sec)*1e6 + int64(us)); d.arrived > 0 && rtt >= 0 {
			v[timeRTT].SetUint(uint64(rtt))
		}
	}
	a := asked.As4()
	v[timeTarget].SetUint(uint64(binary.LittleEndian.Uint32(a[:])))
	v[timeClass].SetText(echoClass(p))
	v[timeSuccess].SetUint(0)
	if p.ICMP.Type() == packet.ICMPv4EchoReply {
		v[timeSuccess].SetUint(1)
	}
}

// sentTime reads the time of sending from the payload of a request to the address asked, and says whether it can be ours:
// whole, about that address, with a time in it.
func sentTime(payload []byte, asked netip.Addr) (sec, us uint32, ok bool) {
	if len(payload) < timePayload || [4]byte(payload[timeStamp:timePayload]) != asked.As4() {
		return 0, 0, false
	}
	sec, us = binary.LittleEndian.Uint32(payload), binary.LittleEndian.Uint32(payload[4:])
	return sec, us, sec != 0 && us < 1e6
}
