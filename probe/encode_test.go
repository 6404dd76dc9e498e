package probe

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// wantFrame makes the frame of a probe with gopacket, from the specification: which bytes of the tag go where, and the
// option bytes as its table has them.
func wantFrame(t testing.TB, v variant, r Route, s *Shot) []byte {
	t.Helper()
	ct := slowTag(testKey(), s.Src.AsSlice(), s.Addr.AsSlice(), s.Port)
	ip := &layers.IPv4{
		Version: 4, IHL: 5, Id: binary.BigEndian.Uint16(ct[12:]), TTL: r.TTL, SrcIP: s.Src.AsSlice(), DstIP: s.Addr.AsSlice(),
	}
	l := append([]gopacket.SerializableLayer{ip}, wantLayers(t, v, ip, s, ct)...)
	if r.Ether {
		l = append([]gopacket.SerializableLayer{&layers.Ethernet{
			SrcMAC: r.SourceMAC[:], DstMAC: net.HardwareAddr(r.Hops[s.Hop][:]), EthernetType: layers.EthernetTypeIPv4,
		}}, l...)
	}
	frame := serialize(t, l...)
	if r.Ether {
		frame = frame[:v.frame] // gopacket fills Ethernet frames up to 60 bytes, which is the driver's work
	}
	return frame
}

// wantLayers returns what is behind the IP header of a probe, and sets the protocol in that.
func wantLayers(t testing.TB, v variant, ip *layers.IPv4, s *Shot, ct []byte) []gopacket.SerializableLayer {
	sport := uint16(32768 + (binary.LittleEndian.Uint32(ct[4:])+uint32(s.Try))%28233)
	switch v.name {
	case "icmp_echoscan", "icmp_echo_time":
		ip.Protocol = layers.IPProtocolICMPv4
		payload := gopacket.Payload(v.payload)
		if v.name == "icmp_echo_time" { // no time yet, and the target
			payload = append(make([]byte, 8), s.Addr.AsSlice()...)
		}
		return []gopacket.SerializableLayer{&layers.ICMPv4{
			TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: binary.BigEndian.Uint16(ct[4:]), Seq: binary.BigEndian.Uint16(ct[8:]),
		}, payload}
	case "tcp_synscan", "tcp_synackscan":
		ip.Protocol = layers.IPProtocolTCP
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(s.Port), Seq: binary.BigEndian.Uint32(ct[0:]), SYN: true,
			Window: 65535, Options: options(unhex(t, v.options)),
		}
		if v.name == "tcp_synackscan" {
			tcp.ACK, tcp.Ack = true, binary.BigEndian.Uint32(ct[8:])
		}
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		return []gopacket.SerializableLayer{tcp}
	case "ipip":
		ip.Protocol, ip.TTL = layers.IPProtocolIPv4, 255
		inner := &layers.IPv4{
			Version: 4, IHL: 5, Id: ip.Id, TTL: 255, Protocol: layers.IPProtocolUDP, SrcIP: ip.DstIP, DstIP: ip.SrcIP,
		}
		return []gopacket.SerializableLayer{inner, wantUDP(sport, s.Port, v.payload)}
	default:
		t.Fatalf("no second opinion on the probes of %v", v)
		return nil
	}
}

// wantUDP is a datagram without a checksum, which gopacket cannot be asked for.
func wantUDP(sport, dport uint16, payload string) gopacket.Payload {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// dirty returns the memory of two slots in which other frames have been.
func dirty() [2][]byte {
	return [2][]byte{bytes.Repeat([]byte{0xa5}, link.MaxFrame), bytes.Repeat([]byte{0x5a}, link.MaxFrame)}
}

// TestEveryByte patches two slots in turn, each many times over, and compares all bytes with gopacket's.
func TestEveryByte(t *testing.T) {
	tags := tagger(3)
	for _, v := range variants() {
		for _, route := range []Route{testRoute(true, 1), testRoute(true, 3), testRoute(false, 0)} {
			r := rand.New(rand.NewPCG(1, 2))
			p := v.probe(t)
			e, slots := p.NewEncoder(route), dirty()
			for i := range slots {
				e.Template(1, slots[i])
			}
			for i := range 500 {
				s := randShot(r, v, tags)
				if len(route.Hops) > 0 {
					s.Hop = uint16(r.IntN(len(route.Hops)))
				}
				frame := slots[i%2]
				if i%100 > 90 { // the engine writes a template again when a slot comes back
					if n := e.Template(uint32(1+s.Try), frame); n != len(wantFrame(t, v, route, &s)) {
						t.Fatalf("%v: Template says %d bytes", v, n)
					}
				}
				got, want := frame[:e.Patch(frame, &s)], wantFrame(t, v, route, &s)
				if !bytes.Equal(got, want) {
					t.Fatalf("%v, ether %v, probe %d, %+v:\ngot  %x\nwant %x", v, route.Ether, i, s, got, want)
				}
			}
			for i, fresh := range dirty() {
				if n := p.Describe().FrameLen; !bytes.Equal(slots[i][n:], fresh[n:]) {
					t.Errorf("%v writes beyond its frame of %d bytes", v, n)
				}
			}
		}
	}
}

// goldenShot has the numbers of a probe that C ZMap 4.3 printed in a dry run: source port 56937 of 32768 to 61000, sequence
// number 1069071489 to 8.8.8.215, TCP checksum c13b, IP checksum 6906.
func goldenShot() Shot {
	return Shot{
		Target: target.Target{Addr: mustAddr("8.8.8.215"), Port: 80}, Src: mustAddr("192.0.2.2"),
		Tag: validate.Tag{0x3f, 0xb8, 0xbc, 0x81, 0x69, 0x5e, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x3e, 0xdd, 0xff, 0xff},
	}
}

// TestTries says that probes to one target differ in the source port alone, and echo requests not at all.
func TestTries(t *testing.T) {
	r, tags := rand.New(rand.NewPCG(3, 4)), tagger(4)
	for _, v := range variants() {
		s := randShot(r, v, tags)
		seen := make(map[string]bool)
		for s.Try = range 4 {
			frame := frameOf(t, v, testRoute(false, 0), &s)
			seen[string(frame)] = true
			if !v.ports() {
				continue
			}
			if v.name == "ipip" {
				frame = frame[20:]
			}
			if got, want := binary.BigEndian.Uint16(frame[20:]), validate.DefaultPorts().Of(s.Tag, s.Try); got != want {
				t.Errorf("%v, try %d: source port %d, want %d", v, s.Try, got, want)
			}
		}
		if want := map[bool]int{true: 4, false: 1}[v.ports()]; len(seen) != want {
			t.Errorf("%v: 4 tries make %d different frames, want %d", v, len(seen), want)
		}
	}
}
