package probe

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// testUnix is the time in timestamp options: 0x5f5e1000.
const testUnix = 1_600_000_000

// A variant is a module with arguments and what its probes carry, by the tables of the compatibility specification.
type variant struct {
	name, args string
	frame      int    // length with Ethernet
	options    string // of a SYN, in hex
	payload    string // of an echo request
}

func variants() []variant {
	zeros := string(make([]byte, 20))
	return []variant{
		{"tcp_synscan", "smallest-probes", 58, "020405b4", ""},
		{"tcp_synscan", "", 66, "020405b4 01030308 01010402", ""},
		{"tcp_synscan", "windows", 66, "020405b4 01030308 01010402", ""},
		{"tcp_synscan", "linux", 74, "020405b4 0402080a5f5e100000000000 01030307", ""},
		{"tcp_synscan", "bsd", 78, "020405b4 01030306 0101080a5f5e100000000000 04020000", ""},
		{"icmp_echoscan", "", 62, "", zeros},
		{"icmp_echoscan", "text:", 42, "", ""},
		{"icmp_echoscan", "text:odd", 45, "", "odd"},
		{"icmp_echoscan", "hex:fffefdfc", 46, "", "\xff\xfe\xfd\xfc"},
		{"tcp_synackscan", "", 58, "020405b4", ""},
		{"icmp_echo_time", "", 54, "", ""},
		{"ipip", "", 91, "", "GET / HTTP/1.1\r\nHost: www\r\n\r\n"},
		{"ipip", "text:", 62, "", ""},
		{"ipip", "hex:fffefdfcfb", 67, "", "\xff\xfe\xfd\xfc\xfb"},
	}
}

// lone returns the variant of a module without arguments.
func lone(module string) variant {
	return variants()[slices.IndexFunc(variants(), func(v variant) bool { return v.name == module && v.args == "" })]
}

// ports says that the module's targets have ports.
func (v variant) ports() bool { return !strings.HasPrefix(v.name, "icmp") }

func (v variant) String() string { return v.name + "/" + v.args }

func (v variant) probe(t testing.TB) Probe {
	t.Helper()
	p, err := New(v.name, Args{Text: v.args})
	if err != nil {
		t.Fatalf("%v: %v", v, err)
	}
	return p
}

// synscan and echoscan are the modules with default arguments.
func synscan() variant  { return variants()[2] }
func echoscan() variant { return variants()[5] }

func testKey() validate.Key { return validate.Key([]byte("one key to try us")[:16]) }

func tagger(tries int) *validate.Tagger {
	return validate.NewTagger(testKey(), validate.DefaultPorts(), tries)
}

func testRoute(ether bool, hops int) Route {
	r := Route{Ether: ether, Ports: validate.DefaultPorts(), TTL: 64, Unix: testUnix}
	if ether {
		r.SourceMAC = packet.MAC{0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f}
		for i := range hops {
			r.Hops = append(r.Hops, packet.MAC{0, 0x11, 0x22, 0x33, 0x44, byte(0x55 + i)})
		}
	}
	return r
}

// randAddr returns an address of any kind: encoders and decoders do not care.
func randAddr(r *rand.Rand) netip.Addr {
	v := r.Uint32()
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// randShot returns a probe of a random target, as the engine would make it.
func randShot(r *rand.Rand, v variant, tags validate.Source) Shot {
	s := Shot{Target: target.Target{Addr: randAddr(r)}, Src: randAddr(r), Try: r.IntN(tags.Tries())}
	if v.ports() {
		s.Port = uint16(r.Uint32())
	}
	s.Tag = tags.Tag(s.Src, s.Addr, s.Port)
	return s
}

// frameOf returns the frame of a probe.
func frameOf(t testing.TB, v variant, r Route, s *Shot) []byte {
	t.Helper()
	e := v.probe(t).NewEncoder(r)
	frame := make([]byte, link.MaxFrame)
	e.Template(uint32(1+s.Try), frame)
	return frame[:e.Patch(frame, s)]
}

// serialize is the second opinion on bytes: gopacket computes lengths and checksums.
func serialize(t testing.TB, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		t.Fatalf("serialize with gopacket: %v", err)
	}
	return bytes.Clone(buf.Bytes())
}

// options turns option bytes into gopacket's form of them.
func options(b []byte) []layers.TCPOption {
	var out []layers.TCPOption
	for len(b) > 0 {
		n := 1
		if b[0] > 1 {
			n = int(b[1])
		}
		o := layers.TCPOption{OptionType: layers.TCPOptionKind(b[0]), OptionLength: uint8(n)}
		if n > 2 {
			o.OptionData = b[2:n]
		}
		out, b = append(out, o), b[n:]
	}
	return out
}

// unhex reads hex digits; blanks are ignored and # starts a comment that ends with the line.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("read test packet: %v", err)
	}
	return b
}

// headers are the layers below an answer.
func headers(from, to netip.Addr, proto layers.IPProtocol) (*layers.Ethernet, *layers.IPv4) {
	e := &layers.Ethernet{
		SrcMAC: net.HardwareAddr{0, 0x11, 0x22, 0x33, 0x44, 0x55}, DstMAC: net.HardwareAddr{10, 11, 12, 13, 14, 15},
		EthernetType: layers.EthernetTypeIPv4,
	}
	ip := &layers.IPv4{Version: 4, IHL: 5, Id: 0x1234, TTL: 60, Protocol: proto, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	return e, ip
}

// segment returns a frame with a SYN-ACK that answers s, as change leaves it.
func segment(t testing.TB, s *Shot, change func(*layers.TCP)) []byte {
	t.Helper()
	e, ip := headers(s.Addr, s.Src, layers.IPProtocolTCP)
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(s.Port), DstPort: layers.TCPPort(validate.DefaultPorts().Of(s.Tag, s.Try)),
		Seq: 0xb5f2d37b, Ack: s.Tag.Seq() + 1, SYN: true, ACK: true, Window: 1000,
	}
	if change != nil {
		change(tcp)
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialize(t, e, ip, tcp)
}

// A message is an ICMP message from one address to another.
type message struct {
	from, to   netip.Addr
	kind, code uint8
	id, seq    uint16
	body       []byte
}

func (m message) frame(t testing.TB) []byte {
	t.Helper()
	e, ip := headers(m.from, m.to, layers.IPProtocolICMPv4)
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(m.kind, m.code), Id: m.id, Seq: m.seq}
	return serialize(t, e, ip, icmp, gopacket.Payload(m.body))
}

// echoReply returns the answer to the echo request s.
func echoReply(s *Shot, body []byte) message {
	return message{from: s.Addr, to: s.Src, id: s.Tag.ICMPID(), seq: s.Tag.ICMPSeq(), body: body}
}

// router is where ICMP errors come from.
func router() netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, 9}) }

// quoting returns an ICMP error about the probe s that quotes n bytes of what is behind its IP header.
func quoting(t testing.TB, v variant, s *Shot, n int) message {
	t.Helper()
	packet := frameOf(t, v, testRoute(false, 0), s)
	return message{from: router(), to: s.Src, kind: 3, code: 1, body: packet[:min(len(packet), 20+n)]}
}

// match runs a module's decoder over a frame.
func match(t testing.TB, v variant, frame []byte, tags validate.Source) (target.Target, bool) {
	t.Helper()
	var p packet.Parsed
	p.Decode(frame, packet.LinkEthernet)
	return v.probe(t).NewDecoder().Match(&p, tags)
}

func mustAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

// The beginning of the frames that are written down by hand, for goldenShot.
const (
	goldenEther = `001122334455 0a0b0c0d0e0f 0800 # to the gateway, from us, IPv4` + "\n"
	goldenAddrs = `c0000202 080808d7 # 192.0.2.2 to 8.8.8.215` + "\n"
)
