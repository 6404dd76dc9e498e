package packet

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// A reading is what two decoders can be compared by.
type reading struct {
	Kind             Kind
	Src, Dst         netip.Addr
	TTL              uint8
	IPID             uint16
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            uint8
	Window           uint16
	Type, Code       uint8
	Payload          []byte
}

func readParsed(p *Parsed) reading {
	r := reading{
		Kind: p.Kind, Src: p.Src, Dst: p.Dst, TTL: p.TTL, IPID: p.IPID, SrcPort: p.SrcPort, DstPort: p.DstPort, Payload: p.Payload,
	}
	switch p.Kind {
	case KindTCP:
		r.Seq, r.Ack, r.Flags, r.Window = p.TCP.Seq(), p.TCP.Ack(), uint8(p.TCP.Flags()), p.TCP.Window()
	case KindICMPv4, KindICMPv6:
		r.Type, r.Code = p.ICMP.Type(), p.ICMP.Code()
	case KindIP, KindNone:
		r.Payload = nil
	case KindUDP: // has no more than ports
	}
	return r
}

// readGopacket is the second opinion on decoding. It follows gopacket's layers as far as this package goes too. ok is
// false where the two are not meant to agree, as the lines say.
func readGopacket(frame []byte) (r reading, ok bool) {
	pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	tags, extensions := 0, 0
	var et layers.EthernetType
	for _, l := range pkt.Layers() {
		inner := r.Kind != KindNone // an IP packet in an IP packet
		switch l := l.(type) {
		case *layers.Ethernet:
			et = l.EthernetType
		case *layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination:
			if extensions++; extensions > maxExtensions {
				return r, false
			}
		case *layers.Dot1Q:
			et = l.Type
			tags++
		case *layers.IPv4:
			r.Kind, r.TTL, r.IPID = KindIP, l.TTL, l.Id
			r.Src, _ = netip.AddrFromSlice(l.SrcIP)
			r.Dst, _ = netip.AddrFromSlice(l.DstIP)
			// gopacket guesses behind some odd EtherTypes, lets any version pass, and takes a total length of 0 for "all".
			if inner || et != layers.EthernetTypeIPv4 || l.Version != 4 || IPv4(l.Contents).TotalLen() < 20 {
				return r, false
			}
		case *layers.IPv6:
			r.Kind, r.TTL = KindIP, l.HopLimit
			r.Src, _ = netip.AddrFromSlice(l.SrcIP)
			r.Dst, _ = netip.AddrFromSlice(l.DstIP)
			if inner || et != layers.EthernetTypeIPv6 || l.Version != 6 || l.Length == 0 || // jumbograms
				r.Src.Is4In6() || r.Dst.Is4In6() {
				return r, false
			}
		case *layers.TCP:
			// Of damaged options gopacket makes half a layer, and it takes a header cut off by whatever.
			if len(l.Contents) == 0 || int(l.DataOffset)*4 > len(l.Contents) {
				return r, false
			}
			r.Kind, r.SrcPort, r.DstPort, r.Payload = KindTCP, uint16(l.SrcPort), uint16(l.DstPort), l.Payload
			r.Seq, r.Ack, r.Window, r.Flags = l.Seq, l.Ack, l.Window, l.Contents[13]
			return r, tags <= 2
		case *layers.UDP:
			r.Kind, r.SrcPort, r.DstPort, r.Payload = KindUDP, uint16(l.SrcPort), uint16(l.DstPort), l.Payload
			return r, tags <= 2 && l.Length >= 8
		case *layers.ICMPv4:
			r.Kind, r.Type, r.Code, r.Payload = KindICMPv4, l.TypeCode.Type(), l.TypeCode.Code(), l.Payload
			return r, tags <= 2 && r.Src.Is4()
		case *layers.ICMPv6:
			r.Kind, r.Type, r.Code = KindICMPv6, l.TypeCode.Type(), l.TypeCode.Code()
			if len(l.Payload) >= 4 {
				r.Payload = l.Payload[4:] // gopacket's ICMPv6 header is 4 bytes
			}
			return r, tags <= 2 && r.Src.Is6() && len(l.Payload) >= 4
		default: // a fragment, an unknown protocol, a tunnel, an error
			return r, false
		}
	}
	return r, false
}

// checkAgainstGopacket decodes an Ethernet frame both ways and compares.
func checkAgainstGopacket(t *testing.T, p *Parsed, frame []byte) {
	t.Helper()
	want, ok := readGopacket(frame)
	if !ok || p.Kind == KindIP && p.Truncated {
		return
	}
	if diff := cmp.Diff(want, readParsed(p), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("frame %x (-gopacket +ours):\n%s", frame, diff)
	}
}

// checkInvariants checks what holds of every frame.
func checkInvariants(t *testing.T, p *Parsed, frame []byte) {
	t.Helper()
	for name, in := range map[string]bool{
		"Frame": inside(p.Frame, frame) && len(p.Frame) == len(frame), "Payload": inside(p.Payload, frame),
		"TCP": inside(p.TCP, frame), "UDP": inside(p.UDP, frame), "ICMP": inside(p.ICMP, frame), "Quoted.L4": inside(p.Quoted.L4, frame),
	} {
		if !in {
			t.Fatalf("frame %x: %s is not inside", frame, name)
		}
	}
	icmp := p.Kind == KindICMPv4 || p.Kind == KindICMPv6
	if (p.TCP != nil) != (p.Kind == KindTCP) || (p.UDP != nil) != (p.Kind == KindUDP) || (p.ICMP != nil) != icmp {
		t.Fatalf("frame %x: views do not fit kind %v", frame, p.Kind)
	}
	if p.Kind == KindTCP && len(p.TCP) < TCPLen || p.Kind == KindUDP && len(p.UDP) < UDPLen || icmp && len(p.ICMP) < ICMPLen {
		t.Fatalf("frame %x: view of kind %v is shorter than its header", frame, p.Kind)
	}
	if p.Fragment == LaterFragment && p.Kind != KindIP {
		t.Fatalf("frame %x: later fragment is %v", frame, p.Kind)
	}
	if (p.Kind == KindNone) == p.Src.IsValid() || p.Src.BitLen() != p.Dst.BitLen() || p.Src.Is4In6() || p.Dst.Is4In6() {
		t.Fatalf("frame %x: kind %v from %v to %v", frame, p.Kind, p.Src, p.Dst)
	}
	q := &p.Quoted
	if !q.Present {
		if q.L4 != nil || q.Src.IsValid() || q.SrcPort != 0 {
			t.Fatalf("frame %x: no quotation, but %+v", frame, *q)
		}
		return
	}
	if !p.IsError() || len(q.L4) < 8 || q.Src.BitLen() != p.Src.BitLen() || q.Dst.BitLen() != p.Src.BitLen() || q.Src.Is4In6() || q.Dst.Is4In6() {
		t.Fatalf("frame %x: kind %v has quotation %+v", frame, p.Kind, *q)
	}
}

// checkDecode decodes frame in every way and checks all that can be said of the result.
func checkDecode(t *testing.T, dirty *Parsed, frame []byte) {
	t.Helper()
	var fresh Parsed
	if fresh.Decode(frame, LinkEthernet) != fresh.Kind {
		t.Fatalf("frame %x: Decode does not return Kind", frame)
	}
	checkInvariants(t, &fresh, frame)
	checkAgainstGopacket(t, &fresh, frame)

	// What a Parsed was used for before, and what lies behind the frame in memory, must not matter.
	opts := cmpopts.EquateComparable(netip.Addr{})
	behind := append(bytes.Clone(frame), bytes.Repeat([]byte{0xa5}, 64)...)[:len(frame)]
	dirty.Decode(behind, LinkEthernet)
	if diff := cmp.Diff(&fresh, dirty, opts); diff != "" {
		t.Fatalf("frame %x (-fresh +used before):\n%s", frame, diff)
	}
	checkInvariants(t, dirty, behind)

	// Without its Ethernet header an untagged frame reads the same.
	if len(frame) >= EthernetLen {
		var raw Parsed
		raw.Decode(frame[EthernetLen:], LinkIP)
		checkInvariants(t, &raw, frame[EthernetLen:])
		et := Ethernet(frame).Type()
		if et == EtherTypeIPv4 && raw.Src.Is4() || et == EtherTypeIPv6 && raw.Src.Is6() {
			if diff := cmp.Diff(&fresh, &raw, opts, cmpopts.IgnoreFields(Parsed{}, "Frame")); diff != "" {
				t.Fatalf("frame %x (-ethernet +raw):\n%s", frame, diff)
			}
		}
	}
}

// randFrame makes a sound frame with gopacket: tags, extension headers, a transport protocol, data.
func randFrame(t testing.TB, r *rand.Rand) []byte {
	e := randEnds(r, r.IntN(2) == 0)
	eth := e.ether()
	l := []gopacket.SerializableLayer{eth}
	for range r.IntN(4) - 1 {
		l = append(l, &layers.Dot1Q{VLANIdentifier: u16(r) & 0xfff, Type: eth.EthernetType})
		eth.EthernetType = layers.EthernetTypeDot1Q
		if len(l) == 3 {
			eth.EthernetType = layers.EthernetTypeQinQ
			l[1].(*layers.Dot1Q).Type = layers.EthernetTypeDot1Q
		}
	}
	proto := []layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv4, layers.IPProtocolIGMP}[r.IntN(4)]
	var nl gopacket.NetworkLayer
	if e.src.Is6() {
		if proto == layers.IPProtocolICMPv4 {
			proto = layers.IPProtocolICMPv6
		}
		ip := &layers.IPv6{Version: 6, NextHeader: proto, HopLimit: uint8(r.Uint32()), SrcIP: e.src.AsSlice(), DstIP: e.dst.AsSlice()}
		l, nl = append(l, ip), ip
		if r.IntN(3) == 0 {
			d := &layers.IPv6Destination{}
			d.NextHeader, ip.NextHeader = ip.NextHeader, layers.IPProtocolIPv6Destination
			d.Options = []*layers.IPv6DestinationOption{{OptionType: 1, OptionLength: 4, OptionData: make([]byte, 4)}}
			l = append(l, d)
		}
	} else {
		ip := &layers.IPv4{Version: 4, IHL: 5, Id: u16(r), TTL: uint8(r.Uint32()), Protocol: proto, SrcIP: e.src.AsSlice(), DstIP: e.dst.AsSlice()}
		if r.IntN(4) == 0 {
			ip.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
		}
		l, nl = append(l, ip), ip
	}
	l = append(l, randTransport(t, r, proto, nl), gopacket.Payload(randBytes(r, r.IntN(60))))
	frame := serialize(t, l...)
	return append(frame, make([]byte, max(0, 60-len(frame)))...)
}

func randTransport(t testing.TB, r *rand.Rand, proto layers.IPProtocol, nl gopacket.NetworkLayer) gopacket.SerializableLayer {
	t.Helper()
	var err error
	defer func() {
		if err != nil {
			t.Fatal(err)
		}
	}()
	switch proto {
	case layers.IPProtocolTCP:
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(u16(r)), DstPort: layers.TCPPort(u16(r)), Seq: r.Uint32(), Ack: r.Uint32(), Window: u16(r),
			SYN: r.IntN(2) == 0, ACK: true, RST: r.IntN(2) == 0, ECE: r.IntN(2) == 0,
			Options: gopacketOptions([]byte{2, 4, 5, 0xb4, 1, 3, 3, 7}[:4*r.IntN(3)]),
		}
		err = tcp.SetNetworkLayerForChecksum(nl)
		return tcp
	case layers.IPProtocolUDP:
		udp := &layers.UDP{SrcPort: layers.UDPPort(1024 | u16(r)), DstPort: layers.UDPPort(1024 | u16(r))}
		err = udp.SetNetworkLayerForChecksum(nl)
		return udp
	case layers.IPProtocolICMPv4:
		return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(uint8(r.IntN(20)), uint8(r.IntN(16))), Id: u16(r), Seq: u16(r)}
	case layers.IPProtocolICMPv6:
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode([]uint8{1, 2, 3, 4, 128, 129}[r.IntN(6)], 0)}
		err = icmp.SetNetworkLayerForChecksum(nl)
		return icmp
	default:
		return gopacket.Payload(randBytes(r, 8))
	}
}

func TestDecodeAgainstGopacket(t *testing.T) {
	r := testRand(t)
	var dirty Parsed
	seen := map[Kind]int{}
	for range 3000 {
		frame := randFrame(t, r)
		checkDecode(t, &dirty, frame)
		if _, ok := readGopacket(frame); ok {
			seen[dirty.Kind]++
		}
		// The same frame damaged: cut anywhere, a few bytes of its headers changed.
		cut := bytes.Clone(frame[:r.IntN(len(frame)+1)])
		for range r.IntN(4) {
			if len(cut) > 0 {
				cut[r.IntN(min(len(cut), 80))] = byte(r.Uint32())
			}
		}
		checkDecode(t, &dirty, cut)
	}
	for _, k := range []Kind{KindTCP, KindUDP, KindICMPv4, KindICMPv6} {
		if seen[k] < 200 {
			t.Errorf("only %d frames of kind %v were compared", seen[k], k)
		}
	}
}

// Whatever packet we send, an error about it must quote it back to us, with as many bytes as its sender pleases.
func TestQuotedIsWhatWasSent(t *testing.T) {
	r := testRand(t)
	for i := range 2000 {
		e := randEnds(r, i%2 == 1)
		protos := []Proto{ProtoTCP, ProtoUDP, ProtoICMP}
		proto := protos[r.IntN(len(protos))]
		n := 8 + r.IntN(40)
		sent := make([]byte, 128)
		l4, _ := e.encodeIP(r, sent, proto, n)
		copy(l4, randBytes(r, n))
		inner := sent[EthernetLen : len(sent)-len(l4)+n]
		header := len(inner) - n
		quote := inner[:header+8+r.IntN(n-7)]

		back := randEnds(r, i%2 == 1)
		frame := make([]byte, 256)
		outerProto, typ := ProtoICMP, []uint8{3, 4, 5, 11, 12}[r.IntN(5)]
		if e.src.Is6() {
			outerProto, typ = ProtoICMPv6, []uint8{1, 2, 3, 4}[r.IntN(4)]
		}
		body, _ := back.encodeIP(r, frame, outerProto, ICMPLen+len(quote))
		ICMPFields{Type: typ}.Encode(body)
		copy(body[ICMPLen:], quote)

		var p Parsed
		p.Decode(frame, LinkEthernet)
		checkInvariants(t, &p, frame)
		q := p.Quoted
		ports := [2]uint16{q.SrcPort, q.DstPort}
		want := [2]uint16{TCP(quote[header:]).SrcPort(), TCP(quote[header:]).DstPort()}
		if proto == ProtoICMP {
			want = [2]uint16{}
		}
		if !q.Present || q.Src != e.src || q.Dst != e.dst || q.Proto != proto || ports != want || !bytes.Equal(q.L4, quote[header:]) {
			t.Fatalf("sent %x, quoted %x: got %+v", inner, quote, q)
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := testRand(f)
	for range 30 {
		f.Add(randFrame(f, r))
	}
	for _, group := range [][]parsedTest{wholePackets(), damagedPackets(), fragments(), extensionPackets(), quotations(), badQuotations()} {
		for _, tt := range group {
			if tt.link == LinkEthernet {
				f.Add(unhex(f, tt.hex))
			}
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		dirty := Parsed{SrcPort: 1, TCP: TCP{1}, Quoted: Quoted{Present: true, L4: []byte{1}}, Src: netip.IPv6Unspecified()}
		checkDecode(t, &dirty, frame)
	})
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	r := testRand(t)
	p := new(Parsed)
	for range 50 {
		frame := randFrame(t, r)
		if n := testing.AllocsPerRun(10, func() { p.Decode(frame, LinkEthernet) }); n != 0 {
			t.Fatalf("decoding %x allocates %v times, want 0", frame, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	tests := append(wholePackets(), quotations()...)
	for _, tt := range tests {
		switch tt.name {
		case "syn-ack", "two VLAN tags", "udp over IPv6", "echo reply", "unreachable with 8 bytes", "ICMPv6 unreachable":
		default:
			continue
		}
		b.Run(tt.name, func(b *testing.B) {
			frame := unhex(b, tt.hex)
			p := new(Parsed)
			b.ReportAllocs()
			for b.Loop() {
				p.Decode(frame, tt.link)
			}
		})
	}
}
