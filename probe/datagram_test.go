package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// A datagramCase is a module over UDP with arguments, and the payload of its probes by the specification; sport is our
// source port and ct the tag.
type datagramCase struct {
	name, args string
	payload    func(s *Shot, ct []byte) string
}

func (c datagramCase) String() string { return fmt.Sprintf("%s/%.20s", c.name, c.args) }

func datagramCases() []datagramCase {
	same := func(text string) func(*Shot, []byte) string { return func(*Shot, []byte) string { return text } }
	query := func(asked ...string) func(*Shot, []byte) string {
		return func(s *Shot, ct []byte) string { return string(ct[8:10]) + asked[s.Try%len(asked)] }
	}
	const one = "\x00\x01\x00\x00\x00\x00\x00\x00"
	return []datagramCase{
		{"udp", "text:hello, world", same("hello, world")},
		{"udp", "text:", same("")},
		{"udp", "hex:00fFfe", same("\x00\xff\xfe")},
		{"udp", "name:coap", same("\x40\x00ZM")},
		{"ntp", "", same("\xe3" + string(make([]byte, 47)))},
		{"upnp", "", same("M-SEARCH * HTTP/1.1\r\nHost:239.255.255.250:1900\r\nST:upnp:rootdevice\r\nMan:\"ssdp:discover\"\r\nMX:3\r\n\r\n")},
		{"bacnet", "", func(_ *Shot, ct []byte) string {
			return "\x81\x0a\x00\x11\x01\x04\x00\x05" + string(ct[7:8]) + "\x0c\x0c\x02\x3f\xff\xff\x19\x4b"
		}},
		{"dns", "A,example.com", query("\x01\x00" + one + "\x07example\x03com\x00\x00\x01\x00\x01")},
		{"dns", "A,example.com;MX:nr,zmap.io", query(
			"\x01\x00"+one+"\x07example\x03com\x00\x00\x01\x00\x01",
			"\x00\x00"+one+"\x04zmap\x02io\x00\x00\x0f\x00\x01",
		)},
	}
}

// probe returns the case's probe.
func (c datagramCase) probe(t testing.TB) Probe {
	t.Helper()
	p, err := New(c.name, Args{Text: c.args})
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	return p
}

// firstOf returns the first case of a module.
func firstOf(name string) datagramCase {
	for _, c := range datagramCases() {
		if c.name == name {
			return c
		}
	}
	return datagramCase{}
}

// shot returns a probe of a random target, as the engine would make it.
func (c datagramCase) shot(r *rand.Rand, tags validate.Source) Shot {
	s := Shot{Target: target.Target{Addr: randAddr(r), Port: uint16(r.Uint32())}, Src: randAddr(r), Try: r.IntN(tags.Tries())}
	s.Tag = tags.Tag(s.Src, s.Addr, s.Port)
	return s
}

// frame returns the frame of a probe.
func (c datagramCase) frame(t testing.TB, r Route, s *Shot) []byte {
	t.Helper()
	e, frame := c.probe(t).NewEncoder(r), make([]byte, link.MaxFrame)
	e.Template(uint32(1+s.Try), frame)
	return frame[:e.Patch(frame, s)]
}

// wantDatagram makes the frame of a probe with gopacket.
func wantDatagram(t testing.TB, r Route, s *Shot, payload []byte) []byte {
	t.Helper()
	ct := slowTag(testKey(), s.Src.AsSlice(), s.Addr.AsSlice(), s.Port)
	ip := &layers.IPv4{
		Version: 4, IHL: 5, Id: binary.BigEndian.Uint16(ct[12:]), TTL: r.TTL, Protocol: layers.IPProtocolUDP,
		SrcIP: s.Src.AsSlice(), DstIP: s.Addr.AsSlice(),
	}
	udp := &layers.UDP{
		SrcPort: layers.UDPPort(32768 + (binary.LittleEndian.Uint32(ct[4:])+uint32(s.Try))%28233), DstPort: layers.UDPPort(s.Port),
	}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	frame := serialize(t, ip, udp, gopacket.Payload(payload))
	frame[26], frame[27] = 0, 0 // there is no UDP checksum
	if r.Ether {
		e := append(append([]byte(nil), r.Hops[s.Hop][:]...), r.SourceMAC[:]...)
		frame = append(append(e, 8, 0), frame...)
	}
	return frame
}

// TestDatagramEveryByte patches two slots in turn, each many times over, and compares all bytes with gopacket's.
func TestDatagramEveryByte(t *testing.T) {
	tags := tagger(4)
	for _, c := range datagramCases() {
		p := c.probe(t)
		for _, route := range []Route{testRoute(true, 1), testRoute(true, 3), testRoute(false, 0)} {
			r := rand.New(rand.NewPCG(31, 32))
			e, slots, written := p.NewEncoder(route), dirty(), [2]uint32{}
			longest := 0
			for i := range 400 {
				s, slot := c.shot(r, tags), i%2
				if len(route.Hops) > 0 {
					s.Hop = uint16(r.IntN(len(route.Hops)))
				}
				if id := uint32(1 + s.Try); written[slot] != id { // as the engine does
					e.Template(id, slots[slot])
					written[slot] = id
				}
				got := slots[slot][:e.Patch(slots[slot], &s)]
				ct := slowTag(testKey(), s.Src.AsSlice(), s.Addr.AsSlice(), s.Port)
				if want := wantDatagram(t, route, &s, []byte(c.payload(&s, ct))); !bytes.Equal(got, want) {
					t.Fatalf("%v, ether %v, probe %d, %+v:\ngot  %x\nwant %x", c, route.Ether, i, s, got, want)
				}
				longest = max(longest, len(got))
			}
			for i, fresh := range dirty() {
				if !bytes.Equal(slots[i][longest:], fresh[longest:]) {
					t.Errorf("%v writes beyond its frame of %d bytes", c, longest)
				}
			}
			if want := p.Describe().FrameLen; route.Ether && longest != want {
				t.Errorf("%v: the longest frame has %d bytes, FrameLen is %d", c, longest, want)
			}
		}
	}
}

func TestDatagramDryRun(t *testing.T) {
	const below = `ip { saddr: 192.0.2.2 | daddr: 8.8.8.215 | checksum: %s }
eth { shost: 0a:0b:0c:0d:0e:0f | dhost: 00:11:22:33:44:55 }
------------------------------------------------------
`
	for name, want := range map[string]string{
		"udp":    "udp { source: 56937 | dest: 80 | checksum: 0000 }\n" + fmt.Sprintf(below, "0X6907"),
		"upnp":   "udp { source: 56937 | dest: 80 | checksum: 0000 }\n" + fmt.Sprintf(below, "0X68B2"),
		"bacnet": "udp { source: 56937 | dest: 80 | checksum: 0000 }\n" + fmt.Sprintf(below, "0X6902"),
		"ntp":    "ntp { LI_VN_MODE: 227 | stratum: 0 | poll: 0 }\nudp { source: 56937 | dest: 80 | checksum: 0000 }\n" + fmt.Sprintf(below, "0X68E3"),
		"dns":    dashes + "dns { source: 56937 | dest: 80 | checksum: 0000 }\n" + fmt.Sprintf(below, "0X68F6"),
	} {
		c, s := firstOf(name), goldenShot()
		text := c.probe(t).Describe().AppendDryRun
		if text == nil {
			text = AppendDryRun
		}
		if got := string(text([]byte("before\n"), c.frame(t, testRoute(true, 1), &s), true)); got != "before\n"+want {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
		for n := range 60 { // nothing is too short to be printed
			text(nil, c.frame(t, testRoute(true, 1), &s)[:n], true)
			text(nil, c.frame(t, testRoute(false, 0), &s)[:n/2], false)
		}
	}
}

// reply returns a frame with a datagram that answers s.
func reply(t testing.TB, s *Shot, payload []byte) []byte {
	t.Helper()
	e, ip := headers(s.Addr, s.Src, layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(s.Port), DstPort: layers.UDPPort(validate.DefaultPorts().Of(s.Tag, s.Try))}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialize(t, e, ip, udp, gopacket.Payload(payload))
}

// about returns an ICMP error about the probe s that quotes n bytes of what is behind its IP header.
func (c datagramCase) about(t testing.TB, s *Shot, n int) message {
	t.Helper()
	probe := c.frame(t, testRoute(false, 0), s)
	return message{from: router(), to: s.Src, kind: 3, code: 3, body: probe[:min(len(probe), 20+n)]}
}

// answerPayload returns a payload that the module takes for an answer.
func (c datagramCase) answerPayload(s *Shot) []byte {
	switch c.name {
	case "bacnet":
		return []byte("\x81\x0a\x00\x04")
	case "dns":
		return []byte(c.payload(s, s.Tag[:])) // a reflector's: number and question are there
	}
	return []byte("anything")
}

// decoded runs a decoder over a frame, Match first, and returns the row.
func decoded(t testing.TB, d Decoder, schema *record.Schema, frame []byte, tries int) *record.Record {
	t.Helper()
	var p packet.Parsed
	p.Decode(frame, packet.LinkEthernet)
	if _, ok := d.Match(&p, tagger(tries)); !ok {
		t.Fatalf("not accepted: %x", frame)
	}
	r := record.New(schema)
	d.Decode(&p, r)
	return r
}

// slowDatagram says whether a frame carries the tag of a UDP probe, and which target was asked. It knows the specification
// and no package.
func slowDatagram(tries int, frame []byte) (addr netip.Addr, port uint16, ok bool) {
	at := 12
	for range 2 {
		if kind := slow16(frame, at); kind == 0x8100 || kind == 0x88a8 {
			at += 4
		}
	}
	if slow16(frame, at) != 0x0800 || len(frame) < at+2+20 {
		return addr, 0, false
	}
	ip := frame[at+2:]
	n := int(ip[0]&15) * 4
	if ip[0]>>4 != 4 || n < 20 || len(ip) < n+8 {
		return addr, 0, false
	}
	l4, us, them := ip[n:], ip[16:20], ip[12:16]
	switch {
	case ip[9] == 17:
		port = slow16(l4, 0)
		return netip.AddrFrom4([4]byte(them)), port, slowPort(slowTag(testKey(), us, them, port), slow16(l4, 2), tries)
	case ip[9] == 1 && (l4[0] >= 3 && l4[0] <= 5 || l4[0] == 11 || l4[0] == 12):
		q := l4[8:]
		if len(q) < 28 || q[0]>>4 != 4 || string(q[12:16]) != string(us) || q[9] != 17 {
			return addr, 0, false
		}
		n := int(q[0]&15) * 4
		if n < 20 || len(q) < n+8 {
			return addr, 0, false
		}
		port = slow16(q, n+2)
		return netip.AddrFrom4([4]byte(q[16:20])), port, slowPort(slowTag(testKey(), us, q[16:20], port), slow16(q, n), tries)
	}
	return addr, 0, false
}
