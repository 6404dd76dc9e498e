package lab

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func randomPath(random *rand.Rand) path {
	return path{
		fromMAC: mac{2, 0, 0, 0, 0, byte(random.Uint32())}, toMAC: mac{2, 0, 0, 0, 1, byte(random.Uint32())},
		src: random.Uint32(), dst: random.Uint32(),
	}
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// serialize is gopacket's opinion on what a frame looks like.
func serialize(t *testing.T, p path, proto layers.IPProtocol, transport gopacket.SerializableLayer, payload []byte) []byte {
	t.Helper()
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: proto, Flags: layers.IPv4DontFragment,
		SrcIP: net.IP(toAddr(p.src).AsSlice()), DstIP: net.IP(toAddr(p.dst).AsSlice()),
	}
	if l, ok := transport.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		if err := l.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: p.fromMAC[:], DstMAC: p.toMAC[:], EthernetType: layers.EthernetTypeIPv4},
		ip, transport, gopacket.Payload(payload))
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestFramesAgreeWithGopacket(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	for range 500 {
		p := randomPath(random)
		payload := randomBytes(random, random.IntN(40))
		s := segment{
			sport: uint16(random.Uint32()), dport: uint16(random.Uint32()),
			seq: random.Uint32(), ack: random.Uint32(), flags: []uint8{flagSYN, flagSYN | flagACK, flagRST, flagRST | flagACK}[random.IntN(4)],
		}
		m := message{typ: uint8(random.Uint32()), code: uint8(random.Uint32()), id: uint16(random.Uint32()), seq: uint16(random.Uint32())}
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(s.sport), DstPort: layers.TCPPort(s.dport), Seq: s.seq, Ack: s.ack, Window: 65535,
			SYN: s.flags&flagSYN != 0, ACK: s.flags&flagACK != 0, RST: s.flags&flagRST != 0,
		}
		if tcp.SYN {
			tcp.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}}}
		}
		if tcp.RST {
			tcp.Window = 0
		}
		udp := &layers.UDP{SrcPort: layers.UDPPort(s.sport), DstPort: layers.UDPPort(s.dport)}
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(m.typ, m.code), Id: m.id, Seq: m.seq}
		for name, c := range map[string]struct{ got, want []byte }{
			"tcp":  {appendTCP(nil, p, s), serialize(t, p, layers.IPProtocolTCP, tcp, nil)},
			"udp":  {appendUDP(nil, p, s.sport, s.dport, payload), serialize(t, p, layers.IPProtocolUDP, udp, payload)},
			"icmp": {appendICMP(nil, p, m, payload), serialize(t, p, layers.IPProtocolICMPv4, icmp, payload)},
		} {
			c.want = bytes.TrimSuffix(c.want, make([]byte, len(c.want)-min(len(c.want), len(c.got)))) // padding to 60 bytes
			if !bytes.Equal(c.got, c.want) {
				t.Fatalf("%s:\n got %x\nwant %x\npath %+v segment %+v message %+v", name, c.got, c.want, p, s, m)
			}
			checkParse(t, c.got, p, s, m, payload)
		}
	}
}

// checkParse: parsing a frame gives back what it was made from, whatever follows it.
func checkParse(t *testing.T, frame []byte, p path, s segment, m message, payload []byte) {
	t.Helper()
	padded := append(bytes.Clone(frame), 0, 0, 0)
	got, ok := parse(padded)
	if !ok || got.path != p || !bytes.Equal(got.packet, frame[etherLen:]) {
		t.Fatalf("parse(%x) = %+v, %v", padded, got, ok)
	}
	switch got.proto {
	case protoTCP:
		ok = got.tcp == s && len(got.payload) == 0
	case protoUDP:
		ok = got.tcp == segment{sport: s.sport, dport: s.dport} && bytes.Equal(got.payload, payload)
	case protoICMP:
		ok = got.icmp == m && bytes.Equal(got.payload, payload)
	}
	if !ok {
		t.Fatalf("parse(%x) = %+v, made from %+v %+v %x", padded, got, s, m, payload)
	}
}

func TestUDPChecksumIsNeverZero(t *testing.T) {
	p := path{src: 1, dst: 2}
	for i := range 1 << 16 {
		frame := appendUDP(nil, p, uint16(i), 0, nil)
		if frame[etherLen+ipLen+6] == 0 && frame[etherLen+ipLen+7] == 0 {
			t.Fatalf("source port %d has checksum 0, which means none", i)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := appendTCP(nil, path{src: 1, dst: 2}, segment{flags: flagSYN})
	for name, change := range map[string]func([]byte) []byte{
		"empty":           func([]byte) []byte { return nil },
		"cut short":       func(b []byte) []byte { return b[:len(b)-1] },
		"ARP":             func(b []byte) []byte { b[13] = 6; return b },
		"IPv6 version":    func(b []byte) []byte { b[etherLen] = 0x65; return b },
		"short header":    func(b []byte) []byte { b[etherLen] = 0x44; return b },
		"long header":     func(b []byte) []byte { b[etherLen] = 0x4f; return b },
		"more fragments":  func(b []byte) []byte { b[etherLen+6] |= 0x20; return b },
		"fragment offset": func(b []byte) []byte { b[etherLen+7] = 1; return b },
		"TCP offset low":  func(b []byte) []byte { b[etherLen+ipLen+12] = 0x40; return b },
		"TCP offset high": func(b []byte) []byte { b[etherLen+ipLen+12] = 0xf0; return b },
		"TCP cut":         func(b []byte) []byte { b[etherLen+3] = ipLen + 19; return b },
		"UDP cut":         func(b []byte) []byte { b[etherLen+9] = protoUDP; b[etherLen+3] = ipLen + 7; return b },
		"ICMP cut":        func(b []byte) []byte { b[etherLen+9] = protoICMP; b[etherLen+3] = ipLen + 7; return b },
	} {
		frame := change(bytes.Clone(good))
		if a, ok := parse(frame); ok {
			t.Errorf("%s: parse(%x) = %+v, want refusal", name, frame, a)
		}
	}
}

func FuzzParse(f *testing.F) {
	p := path{src: 0x0a000001, dst: 0x0a000002}
	f.Add(appendTCP(nil, p, segment{flags: flagSYN}))
	f.Add(appendUDP(nil, p, 1, 2, []byte("x")))
	f.Add(appendICMP(nil, p, message{typ: icmpEcho}, nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		a, ok := parse(frame)
		if !ok {
			return
		}
		if len(a.packet) > len(frame)-etherLen || len(a.payload) > len(a.packet) {
			t.Errorf("parse(%x): packet of %d and payload of %d bytes", frame, len(a.packet), len(a.payload))
		}
	})
}

func TestTagsAgreeWithGopacket(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	frame := appendUDP(nil, randomPath(random), 1, 2, []byte("x"))
	for _, c := range []struct {
		vlans [2]uint16
		want  []layers.Dot1Q
	}{
		{[2]uint16{7}, []layers.Dot1Q{{VLANIdentifier: 7, Type: layers.EthernetTypeIPv4}}},
		{[2]uint16{4094, 1}, []layers.Dot1Q{
			{VLANIdentifier: 4094, Type: layers.EthernetTypeDot1Q}, {VLANIdentifier: 1, Type: layers.EthernetTypeIPv4},
		}},
	} {
		got := gopacket.NewPacket(appendTagged(nil, frame, c.vlans), layers.LayerTypeEthernet, gopacket.Default)
		all := got.Layers()
		if len(all) != 4+len(c.want) || got.ErrorLayer() != nil {
			t.Fatalf("VLANs %v: %v", c.vlans, got)
		}
		if kind := all[0].(*layers.Ethernet).EthernetType; (kind == layers.EthernetTypeDot1Q) != (len(c.want) == 1) {
			t.Errorf("VLANs %v: the first tag is of type %v", c.vlans, kind)
		}
		for i, want := range c.want {
			if tag := all[1+i].(*layers.Dot1Q); tag.VLANIdentifier != want.VLANIdentifier || tag.Type != want.Type {
				t.Errorf("VLANs %v: tag %d is %+v, want %+v", c.vlans, i, tag, want)
			}
		}
		if rest := got.Layer(layers.LayerTypeIPv4).(*layers.IPv4); !bytes.Equal(frame[etherLen:], append(rest.Contents, rest.Payload...)) {
			t.Errorf("VLANs %v: behind the tags is another packet", c.vlans)
		}
	}
}
