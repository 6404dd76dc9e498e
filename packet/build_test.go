package packet

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// serialize is the second opinion on building: gopacket computes lengths and checksums.
func serialize(t testing.TB, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		t.Fatalf("serialize with gopacket: %v", err)
	}
	return bytes.Clone(buf.Bytes())
}

func randAddr4(r *rand.Rand) netip.Addr { return netip.AddrFrom4([4]byte(randBytes(r, 4))) }

func randAddr6(r *rand.Rand) netip.Addr {
	b := randBytes(r, 16)
	b[0] = 0x20
	return netip.AddrFrom16([16]byte(b))
}

func u16(r *rand.Rand) uint16 { return uint16(r.Uint32()) }

// An ends is a pair of hosts, in our types and, by ether and ip, in gopacket's.
type ends struct {
	src, dst       netip.Addr
	srcMAC, dstMAC MAC
}

func randEnds(r *rand.Rand, v6 bool) ends {
	e := ends{srcMAC: MAC(randBytes(r, 6)), dstMAC: MAC(randBytes(r, 6))}
	if v6 {
		e.src, e.dst = randAddr6(r), randAddr6(r)
	} else {
		e.src, e.dst = randAddr4(r), randAddr4(r)
	}
	return e
}

func (e ends) ether() *layers.Ethernet {
	l := &layers.Ethernet{
		SrcMAC: net.HardwareAddr(e.srcMAC[:]), DstMAC: net.HardwareAddr(e.dstMAC[:]), EthernetType: layers.EthernetTypeIPv4,
	}
	if e.src.Is6() {
		l.EthernetType = layers.EthernetTypeIPv6
	}
	return l
}

// encodeIP writes the Ethernet and IP headers for n bytes of proto into frame, and returns the rest of frame and the
// same headers for gopacket. Random fields come from r.
func (e ends) encodeIP(r *rand.Rand, frame []byte, proto Proto, n int) ([]byte, []gopacket.SerializableLayer) {
	et := EtherTypeIPv4
	if e.src.Is6() {
		et = EtherTypeIPv6
	}
	EthernetFields{Dst: e.dstMAC, Src: e.srcMAC, Type: et}.Encode(frame)
	if e.src.Is6() {
		f := IPv6Fields{
			TrafficClass: uint8(r.Uint32()), FlowLabel: r.Uint32() & 0xfffff, PayloadLen: n,
			NextHeader: proto, HopLimit: uint8(r.Uint32()), Src: e.src, Dst: e.dst,
		}
		f.Encode(frame[EthernetLen:])
		return frame[EthernetLen+IPv6Len:], []gopacket.SerializableLayer{e.ether(), &layers.IPv6{
			Version: 6, TrafficClass: f.TrafficClass, FlowLabel: f.FlowLabel, NextHeader: layers.IPProtocol(proto),
			HopLimit: f.HopLimit, SrcIP: e.src.AsSlice(), DstIP: e.dst.AsSlice(),
		}}
	}
	f := IPv4Fields{
		TOS: uint8(r.Uint32()), TotalLen: IPv4Len + n, ID: u16(r), DontFragment: r.IntN(2) == 0,
		TTL: uint8(r.Uint32()), Proto: proto, Src: e.src, Dst: e.dst,
	}
	f.Encode(frame[EthernetLen:])
	ip := &layers.IPv4{
		Version: 4, IHL: 5, TOS: f.TOS, Id: f.ID, TTL: f.TTL, Protocol: layers.IPProtocol(proto),
		SrcIP: e.src.AsSlice(), DstIP: e.dst.AsSlice(),
	}
	if f.DontFragment {
		ip.Flags = layers.IPv4DontFragment
	}
	return frame[EthernetLen+IPv4Len:], []gopacket.SerializableLayer{e.ether(), ip}
}

// networkLayer returns the layer that gopacket needs for a pseudo header.
func networkLayer(l []gopacket.SerializableLayer) gopacket.NetworkLayer {
	return l[1].(gopacket.NetworkLayer)
}

// The options of the SYNs that zmap sends, by --probe-args (compat 4.1), and the length of the frame they make.
func synOptions() map[string]struct {
	options string
	frame   int
} {
	return map[string]struct {
		options string
		frame   int
	}{
		"smallest-probes": {"020405b4", 58},
		"windows":         {"020405b4010303080101" + "0402", 66},
		"linux":           {"020405b40402080a5f5e100000000000" + "01030307", 74},
		"bsd":             {"020405b401030306" + "0101080a5f5e100000000000" + "04020000", 78},
	}
}

func gopacketOptions(b []byte) []layers.TCPOption {
	var out []layers.TCPOption
	for len(b) > 0 {
		n := 1
		if b[0] > 1 {
			n = int(b[1])
		}
		o := layers.TCPOption{OptionType: layers.TCPOptionKind(b[0]), OptionLength: uint8(n)}
		if n > 1 {
			o.OptionData = b[2:n]
		}
		out = append(out, o)
		b = b[n:]
	}
	return out
}

func TestBuildSYNAgainstGopacket(t *testing.T) {
	r := testRand(t)
	for name, tt := range synOptions() {
		options, err := hex.DecodeString(tt.options)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			e := randEnds(r, i%2 == 1)
			f := TCPFields{SrcPort: u16(r), DstPort: u16(r), Seq: r.Uint32(), Ack: r.Uint32(), Flags: SYN, Window: 65535, Options: options}
			frame := make([]byte, 128)
			l4, l := e.encodeIP(r, frame, ProtoTCP, f.Len())
			f.Encode(l4)[:f.Len()].FillChecksum(PseudoHeader(e.src, e.dst, ProtoTCP, f.Len()))
			tcp := &layers.TCP{
				SrcPort: layers.TCPPort(f.SrcPort), DstPort: layers.TCPPort(f.DstPort), Seq: f.Seq, Ack: f.Ack,
				SYN: true, Window: 65535, Options: gopacketOptions(options),
			}
			if err := tcp.SetNetworkLayerForChecksum(networkLayer(l)); err != nil {
				t.Fatal(err)
			}
			want := serialize(t, append(l, tcp)...)
			n := len(frame) - len(l4) + f.Len()
			if !e.src.Is6() && n != tt.frame {
				t.Fatalf("%s: frame is %d bytes, want %d", name, n, tt.frame)
			}
			if got := frame[:len(want)]; !bytes.Equal(got, want) { // gopacket pads short frames with zeros
				t.Fatalf("%s %v to %v:\n got %x\nwant %x", name, e.src, e.dst, got, want)
			}
		}
	}
}

func TestBuildUDPAndICMPAgainstGopacket(t *testing.T) {
	r := testRand(t)
	for i := range 1000 {
		e := randEnds(r, i%2 == 1)
		payload := randBytes(r, r.IntN(1400))
		n := UDPLen + len(payload)
		frame := make([]byte, 1514)

		l4, l := e.encodeIP(r, frame, ProtoUDP, n)
		u := UDPFields{SrcPort: u16(r), DstPort: u16(r), Length: n}.Encode(l4)[:n]
		copy(u[UDPLen:], payload)
		u.FillChecksum(PseudoHeader(e.src, e.dst, ProtoUDP, n))
		udp := &layers.UDP{SrcPort: layers.UDPPort(u.SrcPort()), DstPort: layers.UDPPort(u.DstPort())}
		if err := udp.SetNetworkLayerForChecksum(networkLayer(l)); err != nil {
			t.Fatal(err)
		}
		want := serialize(t, append(l, udp, gopacket.Payload(payload))...)
		if got := frame[:len(want)]; !bytes.Equal(got, want) {
			t.Fatalf("udp %v to %v:\n got %x\nwant %x", e.src, e.dst, got, want)
		}

		want, got := buildEcho(t, r, e, payload)
		if !bytes.Equal(got, want) {
			t.Fatalf("echo %v to %v:\n got %x\nwant %x", e.src, e.dst, got, want)
		}
	}
}

// buildEcho builds one echo request with gopacket and with this package.
func buildEcho(t *testing.T, r *rand.Rand, e ends, payload []byte) (want, got []byte) {
	t.Helper()
	frame := make([]byte, 1514)
	n := ICMPLen + len(payload)
	id, seq := u16(r), u16(r)
	f := ICMPFields{Type: ICMPv4Echo, Ident: id, Seq: seq}
	if !e.src.Is6() {
		l4, l := e.encodeIP(r, frame, ProtoICMP, n)
		h := f.Encode(l4)[:n]
		copy(h[ICMPLen:], payload)
		h.FillChecksum(0)
		echo := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: id, Seq: seq}
		want = serialize(t, append(l, echo, gopacket.Payload(payload))...)
		return want, frame[:len(want)]
	}
	l4, l := e.encodeIP(r, frame, ProtoICMPv6, n)
	f.Type = ICMPv6Echo
	h := f.Encode(l4)[:n]
	copy(h[ICMPLen:], payload)
	h.FillChecksum(PseudoHeader(e.src, e.dst, ProtoICMPv6, n))
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
	if err := icmp.SetNetworkLayerForChecksum(networkLayer(l)); err != nil {
		t.Fatal(err)
	}
	want = serialize(t, append(l, icmp, &layers.ICMPv6Echo{Identifier: id, SeqNumber: seq}, gopacket.Payload(payload))...)
	return want, frame[:len(want)]
}

// The packet of the C program's dry run in compat 8.9, whose TCP checksum it printed.
func TestDryRunSample(t *testing.T) {
	options, _ := hex.DecodeString(synOptions()["windows"].options)
	src, dst := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("8.8.8.215")
	f := TCPFields{SrcPort: 56937, DstPort: 80, Seq: 1069071489, Flags: SYN, Window: 65535, Options: options}
	tcp := f.Encode(make([]byte, f.Len()))
	tcp.FillChecksum(PseudoHeader(src, dst, ProtoTCP, len(tcp)))
	if got := tcp.Checksum(); got != 0xc13b {
		t.Errorf("TCP checksum: got %#04X, want 0XC13B", got)
	}
}

func TestTCPOptionsTooLong(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("41 bytes of options were encoded")
		}
	}()
	TCPFields{Options: make([]byte, 41)}.Encode(make([]byte, 100))
}

func TestTCPOptionsArePadded(t *testing.T) {
	b := bytes.Repeat([]byte{0xee}, 40)
	h := TCPFields{Options: []byte{3, 3, 7}}.Encode(b)
	if h.HeaderLen() != 24 || !bytes.Equal(h[20:25], []byte{3, 3, 7, 0, 0xee}) {
		t.Errorf("got header length %d, options %x; want 24, 030307 00 and nothing written behind", h.HeaderLen(), []byte(h[20:25]))
	}
}
