package packet

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

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

// inside reports whether view is nil or a part of b, with no capacity beyond it.
func inside[S, T ~[]byte](view S, b T) bool {
	if cap(view) == 0 {
		return len(view) == 0
	}
	if len(b) == 0 {
		return false
	}
	at := reflect.ValueOf([]byte(view)).Pointer() - reflect.ValueOf([]byte(b)).Pointer()
	return at <= uintptr(len(b)) && at+uintptr(cap(view)) <= uintptr(len(b))
}

const (
	ether4 = "001122334455 0a0b0c0d0e0f 0800 # Ethernet, IPv4\n"
	ether6 = "001122334455 0a0b0c0d0e0f 86dd # Ethernet, IPv6\n"
	// The addresses of the IPv6 test packets: 2001:db8::8 to 2001:db8::2.
	addrs6 = "20010db8000000000000000000000008 20010db8000000000000000000000002 # addresses\n"
)

// A parsedTest is a frame in commented hex and what Decode must make of it. Frame, and in the views the bytes that are
// compared by length only, are filled in by the test: Payload is given as hex, the transport view by its length.
type parsedTest struct {
	name, hex string
	link      LinkType
	want      Parsed
	l4        int    // length of the transport view
	payload   string // hex
	quotedL4  string // hex
}

var (
	us4, them4 = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("8.8.8.8")
	us6, them6 = netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::8")
)

func TestDecode(t *testing.T) {
	var tests []parsedTest
	for _, group := range [][]parsedTest{wholePackets(), damagedPackets(), fragments(), extensionPackets(), quotations(), badQuotations()} {
		tests = append(tests, group...)
	}
	var p Parsed // used again throughout: nothing may remain of the frame before
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame := unhex(t, tt.hex)
			if got := p.Decode(frame, tt.link); got != tt.want.Kind {
				t.Errorf("kind: got %v, want %v; frame %x", got, tt.want.Kind, frame)
			}
			checkInvariants(t, &p, frame)
			got := p
			if n := len(got.TCP) + len(got.UDP) + len(got.ICMP); n != tt.l4 {
				t.Errorf("transport view is %d bytes, want %d", n, tt.l4)
			}
			if s := hex.EncodeToString(got.Payload); s != strings.ReplaceAll(tt.payload, " ", "") {
				t.Errorf("payload: got %s, want %s", s, tt.payload)
			}
			if s := hex.EncodeToString(got.Quoted.L4); s != strings.ReplaceAll(tt.quotedL4, " ", "") {
				t.Errorf("quoted bytes: got %s, want %s", s, tt.quotedL4)
			}
			opts := []cmp.Option{
				cmpopts.EquateComparable(netip.Addr{}),
				cmpopts.IgnoreFields(Parsed{}, "Frame", "TCP", "UDP", "ICMP", "Payload"),
				cmpopts.IgnoreFields(Quoted{}, "L4"),
			}
			if diff := cmp.Diff(tt.want, got, opts...); diff != "" {
				t.Errorf("frame %x (-want +got):\n%s", frame, diff)
			}
		})
	}
}

func tcp4(change func(*Parsed)) Parsed {
	p := Parsed{Kind: KindTCP, TTL: 60, Proto: ProtoTCP, IPID: 0x1234, SrcPort: 80, DstPort: 56937, Src: them4, Dst: us4}
	if change != nil {
		change(&p)
	}
	return p
}

func udp6(change func(*Parsed)) Parsed {
	p := Parsed{Kind: KindUDP, TTL: 61, Proto: ProtoUDP, SrcPort: 53, DstPort: 40000, Src: them6, Dst: us6}
	if change != nil {
		change(&p)
	}
	return p
}

func wholePackets() []parsedTest {
	synAck := `0050 de69 01020304 3fb8bc82 6012 7210 0000 0000 020405b4 # SYN-ACK with an MSS` + "\n"
	return []parsedTest{
		{
			name: "syn-ack",
			hex:  ether4 + `4500 002c 1234 4000 3c06 0000 08080808 c0000202 # IPv4, 44 bytes, DF, TTL 60` + "\n" + synAck,
			want: tcp4(nil), l4: 24,
		},
		{
			name: "ethernet padding is not payload",
			hex:  ether4 + `4500 0028 1234 0000 3c06 0000 08080808 c0000202 0050 de69 00000000 3fb8bc82 5014 0000 0000 0000 # RST` + "\n" + `aabbccddeeff # padding to 60`,
			want: tcp4(nil), l4: 20,
		},
		{
			name: "one VLAN tag",
			hex:  "001122334455 0a0b0c0d0e0f 8100 0064 0800 # 802.1Q, VLAN 100\n" + `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + "\n" + synAck,
			want: tcp4(nil), l4: 24,
		},
		{
			name: "two VLAN tags",
			hex:  "001122334455 0a0b0c0d0e0f 88a8 0005 8100 0064 0800 # 802.1ad around 802.1Q\n" + `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + "\n" + synAck,
			want: tcp4(nil), l4: 24,
		},
		{
			name: "no link header", link: LinkIP,
			hex:  `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + "\n" + synAck,
			want: tcp4(nil), l4: 24,
		},
		{
			name: "IPv4 options and payload",
			hex:  ether4 + `4700 0036 1234 4000 3c06 0000 08080808 c0000202 94040000 01010100 # IHL 7: router alert, padding` + "\n" + synAck + `cafe # data`,
			want: tcp4(nil), l4: 26, payload: "cafe",
		},
		{
			name: "udp over IPv6",
			hex:  ether6 + `60000000 000b 11 3d # 11 bytes of UDP, hop limit 61` + "\n" + addrs6 + `0035 9c40 000b 0000 abcdef`,
			want: udp6(nil), l4: 11, payload: "abcdef",
		},
		{
			name: "udp length shorter than the packet",
			hex:  ether6 + `60000000 000b 11 3d` + "\n" + addrs6 + `0035 9c40 0009 0000 abcdef`,
			want: udp6(nil), l4: 9, payload: "ab",
		},
		{
			name: "udp length longer than the packet",
			hex:  ether6 + `60000000 000b 11 3d` + "\n" + addrs6 + `0035 9c40 ffff 0000 abcdef`,
			want: udp6(nil), l4: 11, payload: "abcdef",
		},
		{
			name: "udp length impossible",
			hex:  ether6 + `60000000 000b 11 3d` + "\n" + addrs6 + `0035 9c40 0007 0000 abcdef`,
			want: udp6(nil), l4: 8,
		},
		{
			name: "echo reply",
			hex:  ether4 + `4500 001e 1234 0000 3c01 0000 08080808 c0000202` + "\n" + `00 00 0000 1111 2222 0102`,
			want: Parsed{Kind: KindICMPv4, TTL: 60, Proto: ProtoICMP, IPID: 0x1234, Src: them4, Dst: us4}, l4: 10, payload: "0102",
		},
		{
			name: "ICMPv6 echo reply",
			hex:  ether6 + `60000000 0009 3a 3d` + "\n" + addrs6 + `81 00 0000 1111 2222 77`,
			want: Parsed{Kind: KindICMPv6, TTL: 61, Proto: ProtoICMPv6, Src: them6, Dst: us6}, l4: 9, payload: "77",
		},
		{
			name: "IPv4 in IPv4 is not looked into",
			hex:  ether4 + `4500 0018 1234 0000 3c04 0000 08080808 c0000202` + "\n" + `45000004`,
			want: Parsed{Kind: KindIP, TTL: 60, Proto: ProtoIPIP, IPID: 0x1234, Src: them4, Dst: us4}, payload: "45000004",
		},
		{
			name: "ICMPv6 over IPv4 means nothing",
			hex:  ether4 + `4500 001c 1234 0000 3c3a 0000 08080808 c0000202` + "\n" + `81 00 0000 1111 2222`,
			want: Parsed{Kind: KindIP, TTL: 60, Proto: ProtoICMPv6, IPID: 0x1234, Src: them4, Dst: us4}, payload: "8100 0000 1111 2222",
		},
		{
			name: "ICMP over IPv6 means nothing",
			hex:  ether6 + `60000000 0008 01 3d` + "\n" + addrs6 + `00 00 0000 1111 2222`,
			want: Parsed{Kind: KindIP, TTL: 61, Proto: ProtoICMP, Src: them6, Dst: us6}, payload: "0000 0000 1111 2222",
		},
	}
}

func damagedPackets() []parsedTest {
	ip4 := func(p Parsed) Parsed { p.Kind, p.SrcPort, p.DstPort = KindIP, 0, 0; return p }
	synAck := `0050 de69 01020304 3fb8bc82 6012 7210 0000 0000 020405b4`
	return []parsedTest{
		{name: "empty"},
		{name: "empty, no link header", link: LinkIP},
		{name: "half an Ethernet header", hex: "001122334455"},
		{name: "Ethernet header alone", hex: ether4},
		{name: "arp", hex: "ffffffffffff 0a0b0c0d0e0f 0806 0001 0800 06 04 0001 0a0b0c0d0e0f c0000202 000000000000 c0000201"},
		{name: "three VLAN tags", hex: "001122334455 0a0b0c0d0e0f 8100 0001 8100 0002 8100 0003 0800" + `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "VLAN tag cut short", hex: "001122334455 0a0b0c0d0e0f 8100 0001"},
		{name: "length field instead of a type", hex: "001122334455 0a0b0c0d0e0f 002c" + `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "IPv6 EtherType on an IPv4 packet", hex: ether6 + `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "IPv4 EtherType on an IPv6 packet", hex: ether4 + `60000000 000b 11 3d` + "\n" + addrs6 + `0035 9c40 000b 0000 abcdef`},
		{name: "IP version 5", link: LinkIP, hex: `5500 002c 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "19 bytes of IPv4", hex: ether4 + `4500 002c 1234 4000 3c06 0000 08080808 c00002`},
		{name: "39 bytes of IPv6", hex: ether6 + `60000000 000b 11 3d 20010db8000000000000000000000008 20010db80000000000000000000000`},
		{name: "IHL 4", hex: ether4 + `4400 002c 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "IHL beyond the capture", hex: ether4 + `4f00 00ff 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "IHL beyond the total length", hex: ether4 + `4600 0017 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "total length 0", hex: ether4 + `4500 0000 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{name: "total length 19", hex: ether4 + `4500 0013 1234 4000 3c06 0000 08080808 c0000202` + synAck},
		{
			name: "total length 20: no transport header",
			hex:  ether4 + `4500 0014 1234 4000 3c06 0000 08080808 c0000202` + synAck,
			want: ip4(tcp4(nil)),
		},
		{
			name: "19 bytes of TCP",
			hex:  ether4 + `4500 0027 1234 4000 3c06 0000 08080808 c0000202` + synAck,
			want: ip4(tcp4(nil)), payload: "0050de69010203043fb8bc82601272100000 00",
		},
		{
			name: "TCP data offset 4",
			hex:  ether4 + `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + `0050 de69 01020304 3fb8bc82 4012 7210 0000 0000 020405b4`,
			want: ip4(tcp4(nil)), payload: "0050 de69 01020304 3fb8bc82 4012 7210 0000 0000 020405b4",
		},
		{
			name: "TCP data offset beyond the packet",
			hex:  ether4 + `4500 002c 1234 4000 3c06 0000 08080808 c0000202` + `0050 de69 01020304 3fb8bc82 7012 7210 0000 0000 020405b4`,
			want: ip4(tcp4(nil)), payload: "0050 de69 01020304 3fb8bc82 7012 7210 0000 0000 020405b4",
		},
		{
			name: "TCP options cut off by the capture",
			hex:  ether4 + `4500 0034 1234 4000 3c06 0000 08080808 c0000202` + `0050 de69 01020304 3fb8bc82 8012 7210 0000 0000 020405b4`,
			want: tcp4(func(p *Parsed) { p.Truncated = true }), l4: 24,
		},
		{
			name: "payload cut off by the capture",
			hex:  ether4 + `4500 0400 1234 4000 3c06 0000 08080808 c0000202` + synAck + "cafe",
			want: tcp4(func(p *Parsed) { p.Truncated = true }), l4: 26, payload: "cafe",
		},
		{
			name: "udp cut off by the capture",
			hex:  ether6 + `60000000 0100 11 3d` + "\n" + addrs6 + `0035 9c40 0100 0000 abcdef`,
			want: udp6(func(p *Parsed) { p.Truncated = true }), l4: 11, payload: "abcdef",
		},
		{
			name: "7 bytes of UDP",
			hex:  ether6 + `60000000 0007 11 3d` + "\n" + addrs6 + `0035 9c40 0008 00`,
			want: udp6(func(p *Parsed) { p.Kind, p.SrcPort, p.DstPort = KindIP, 0, 0 }), payload: "0035 9c40 0008 00",
		},
		{
			name: "7 bytes of ICMP",
			hex:  ether4 + `4500 001b 1234 0000 3c01 0000 08080808 c0000202` + `00 00 0000 1111 22`,
			want: Parsed{Kind: KindIP, TTL: 60, Proto: ProtoICMP, IPID: 0x1234, Src: them4, Dst: us4}, payload: "00 00 0000 1111 22",
		},
		{
			name: "IPv4-mapped source in IPv6", // would pass for 8.8.8.8
			hex:  ether6 + `60000000 0008 11 3d 00000000000000000000ffff08080808 20010db8000000000000000000000002` + `0035 9c40 0008 0000`,
		},
		{
			name: "IPv4-mapped destination in IPv6",
			hex:  ether6 + `60000000 0008 11 3d 20010db8000000000000000000000008 00000000000000000000ffffc0000202` + `0035 9c40 0008 0000`,
		},
	}
}

func fragments() []parsedTest {
	udp4 := func(kind Kind, frag Fragment) Parsed {
		return Parsed{Kind: kind, TTL: 60, Proto: ProtoUDP, IPID: 0x1234, Fragment: frag, Src: them4, Dst: us4}
	}
	first := udp4(KindUDP, FirstFragment)
	first.SrcPort, first.DstPort = 53, 40000
	return []parsedTest{
		{
			name: "first fragment of UDP",
			hex:  ether4 + `4500 0024 1234 2000 3c11 0000 08080808 c0000202 # MF, offset 0` + "\n" + `0035 9c40 0300 0000 0102030405060708`,
			want: first, l4: 16, payload: "0102030405060708",
		},
		{
			name: "later fragment that looks like UDP",
			hex:  ether4 + `4500 0024 1234 2001 3c11 0000 08080808 c0000202 # MF, offset 8` + "\n" + `0035 9c40 0010 0000 0102030405060708`,
			want: udp4(KindIP, LaterFragment), payload: "0035 9c40 0010 0000 0102030405060708",
		},
		{
			name: "last fragment that looks like UDP",
			hex:  ether4 + `4500 0024 1234 1fff 3c11 0000 08080808 c0000202` + "\n" + `0035 9c40 0010 0000 0102030405060708`,
			want: udp4(KindIP, LaterFragment), payload: "0035 9c40 0010 0000 0102030405060708",
		},
		{
			name: "reserved bit and DF are no fragment",
			hex:  ether4 + `4500 001c 1234 c000 3c11 0000 08080808 c0000202` + "\n" + `0035 9c40 0008 0000`,
			want: func() Parsed { p := first; p.Fragment = NotFragment; return p }(), l4: 8,
		},
		{
			name: "first fragment too short for its TCP header",
			hex:  ether4 + `4500 001c 1234 2000 3c06 0000 08080808 c0000202` + "\n" + `0050 de69 01020304`,
			want: Parsed{Kind: KindIP, TTL: 60, Proto: ProtoTCP, IPID: 0x1234, Fragment: FirstFragment, Src: them4, Dst: us4}, payload: "0050de6901020304",
		},
		{
			name: "IPv6 first fragment",
			hex:  ether6 + `60000000 0010 2c 3d` + "\n" + addrs6 + `11 00 0001 aabbccdd # fragment header: UDP, offset 0, more` + "\n" + `0035 9c40 0300 0000`,
			want: udp6(func(p *Parsed) { p.Fragment = FirstFragment }), l4: 8,
		},
		{
			name: "IPv6 atomic fragment is a whole packet", // RFC 6946
			hex:  ether6 + `60000000 0010 2c 3d` + "\n" + addrs6 + `11 00 0000 aabbccdd` + "\n" + `0035 9c40 0008 0000`,
			want: udp6(nil), l4: 8,
		},
		{
			name: "IPv6 later fragment that looks like UDP",
			hex:  ether6 + `60000000 0010 2c 3d` + "\n" + addrs6 + `11 00 0009 aabbccdd # offset 8, more` + "\n" + `0035 9c40 0008 0000`,
			want: udp6(func(p *Parsed) { p.Kind, p.Fragment, p.SrcPort, p.DstPort = KindIP, LaterFragment, 0, 0 }), payload: "0035 9c40 0008 0000",
		},
		{
			name: "IPv6 later fragment is not walked on",
			hex:  ether6 + `60000000 0018 2c 3d` + "\n" + addrs6 + `3c 00 0008 aabbccdd # then destination options, but offset 8` + "\n" + `11 00 010400000000 0035 9c40 0008 0000`,
			want: udp6(func(p *Parsed) {
				p.Kind, p.Fragment, p.Proto, p.SrcPort, p.DstPort = KindIP, LaterFragment, ProtoDestOptions, 0, 0
			}), payload: "1100 010400000000 0035 9c40 0008 0000",
		},
	}
}

func extensionPackets() []parsedTest {
	udp := `0035 9c40 0008 0000`
	pad := "00 010400000000 " // length 8 bytes, PadN
	stopped := func(proto Proto) Parsed {
		return udp6(func(p *Parsed) { p.Kind, p.Proto, p.SrcPort, p.DstPort = KindIP, proto, 0, 0 })
	}
	return []parsedTest{
		{
			name: "hop-by-hop, destination, routing, destination",
			hex: ether6 + `60000000 0030 00 3d` + "\n" + addrs6 + `3c` + pad + `2b` + pad +
				`3c 01 02 00 00000000 2001000000000000 # routing header of 16 bytes` + "\n" + `11` + pad + udp,
			want: udp6(nil), l4: 8,
		},
		{
			name: "eight extension headers",
			hex:  ether6 + `60000000 0048 3c 3d` + "\n" + addrs6 + strings.Repeat("3c"+pad, 7) + "11" + pad + udp,
			want: udp6(nil), l4: 8,
		},
		{
			name: "nine extension headers are too many",
			hex:  ether6 + `60000000 0050 3c 3d` + "\n" + addrs6 + strings.Repeat("3c"+pad, 8) + "11" + pad + udp,
			want: stopped(ProtoDestOptions), payload: "11" + pad + udp,
		},
		{
			name: "extension header beyond the packet",
			hex:  ether6 + `60000000 0010 3c 3d` + "\n" + addrs6 + `11 02 010400000000` + udp,
			want: stopped(ProtoDestOptions), payload: "1102010400000000" + udp,
		},
		{
			name: "extension header of 7 bytes",
			hex:  ether6 + `60000000 0007 00 3d` + "\n" + addrs6 + `11 00 0104000000`,
			want: stopped(ProtoHopByHop), payload: "11000104000000",
		},
		{
			name: "extension header cut off by the capture",
			hex:  ether6 + `60000000 0010 00 3d` + "\n" + addrs6 + `11 00 01`,
			want: func() Parsed { p := stopped(ProtoHopByHop); p.Truncated = true; return p }(), payload: "110001",
		},
		{
			name: "no next header",
			hex:  ether6 + `60000000 0000 3b 3d` + "\n" + addrs6,
			want: stopped(59),
		},
		{
			name: "jumbogram",
			hex:  ether6 + `60000000 0000 00 3d # length 0: jumbo payload option` + "\n" + addrs6 + `11 00 c20400010000` + udp,
			want: stopped(ProtoHopByHop),
		},
	}
}

func quotations() []parsedTest {
	outer := func(q Quoted) Parsed {
		return Parsed{
			Kind: KindICMPv4, TTL: 60, Proto: ProtoICMP, IPID: 0x1234,
			Src: netip.MustParseAddr("203.0.113.1"), Dst: us4, Quoted: q,
		}
	}
	outer6 := func(q Quoted) Parsed {
		return Parsed{Kind: KindICMPv6, TTL: 61, Proto: ProtoICMPv6, Src: them6, Dst: us6, Quoted: q}
	}
	router := " 1234 0000 3c01 0000 cb007101 c0000202\n"       // rest of an IPv4 header from 203.0.113.1 to us
	inner := `4500 0034 5678 0000 0106 0000 c0000202 08080808` // 52 bytes of TCP from us
	syn := `de69 0050 3fb8bc81`
	tcp := Quoted{Present: true, Proto: ProtoTCP, TTL: 1, IPID: 0x5678, SrcPort: 56937, DstPort: 80, Src: us4, Dst: them4}
	tests := []parsedTest{
		{
			name: "RFC 4884 extension behind a padded quotation",
			hex: ether4 + `4500 0060` + router + `0b 00 0000 00110000 # length field` + "\n" + `4500 0024 5678 0000 0106 0000 c0000202 08080808` + syn +
				strings.Repeat("11", 8) + strings.Repeat("00", 20) + `2000 0000 00080101 00000000`,
			want: outer(tcp), l4: 76, quotedL4: syn + strings.Repeat("11", 8),
			payload: `4500 0024 5678 0000 0106 0000 c0000202 08080808` + syn + strings.Repeat("11", 8) + strings.Repeat("00", 20) + `2000 0000 00080101 00000000`,
		},
		{
			name: "quoted length in the wrong byte order",
			hex:  ether4 + `4500 0038` + router + `03 01 0000 00000000` + "\n" + `4500 3400 5678 0000 0106 0000 c0000202 08080808` + syn,
			want: outer(tcp), l4: 36, quotedL4: syn, payload: `4500 3400 5678 0000 0106 0000 c0000202 08080808` + syn,
		},
		{
			name: "quoted length less than what is needed",
			hex:  ether4 + `4500 0038` + router + `03 01 0000 00000000` + "\n" + `4500 0014 5678 0000 0106 0000 c0000202 08080808` + syn,
			want: outer(tcp), l4: 36, quotedL4: syn, payload: `4500 0014 5678 0000 0106 0000 c0000202 08080808` + syn,
		},
		{
			name: "quotation with IPv4 options",
			hex:  ether4 + `4500 003c` + router + `03 01 0000 00000000` + "\n" + `4600 0038 5678 0000 0106 0000 c0000202 08080808 94040000` + syn,
			want: outer(tcp), l4: 40, quotedL4: syn, payload: `4600 0038 5678 0000 0106 0000 c0000202 08080808 94040000` + syn,
		},
		{
			name: "quoted echo",
			hex:  ether4 + `4500 0038` + router + `0b 00 0000 00000000` + "\n" + `4500 0030 5678 0000 0101 0000 c0000202 08080808 0800 0000 1111 2222`,
			want: outer(Quoted{Present: true, Proto: ProtoICMP, TTL: 1, IPID: 0x5678, Src: us4, Dst: them4}),
			l4:   36, quotedL4: `0800 0000 1111 2222`, payload: `4500 0030 5678 0000 0101 0000 c0000202 08080808 0800 0000 1111 2222`,
		},
	}
	// The least that RFC 792 asks for, in every type of error.
	for name, typ := range map[string]string{"unreachable": "03", "source quench": "04", "redirect": "05", "time exceeded": "0b", "parameter problem": "0c"} {
		tests = append(tests, parsedTest{
			name: name + " with 8 bytes", hex: ether4 + `4500 0038` + router + typ + ` 01 0000 00000000` + "\n" + inner + syn,
			want: outer(tcp), l4: 36, payload: inner + syn, quotedL4: syn,
		})
	}
	inner6 := `60000000 0008 11 01 20010db8000000000000000000000002 20010db8000000000000000000000008`
	udp := `9c40 0035 0008 0000`
	for name, typ := range map[string]string{"unreachable": "01", "packet too big": "02", "time exceeded": "03", "parameter problem": "04"} {
		tests = append(tests, parsedTest{
			name: "ICMPv6 " + name, hex: ether6 + `60000000 0038 3a 3d` + "\n" + addrs6 + typ + ` 04 0000 00000000` + "\n" + inner6 + udp,
			want: outer6(Quoted{Present: true, Proto: ProtoUDP, TTL: 1, SrcPort: 40000, DstPort: 53, Src: us6, Dst: them6}),
			l4:   56, payload: inner6 + udp, quotedL4: udp,
		})
	}
	return append(tests, parsedTest{
		name: "ICMPv6 quoting a first fragment, with bytes behind",
		hex: ether6 + `60000000 0042 3a 3d` + "\n" + addrs6 + `01 04 0000 00000000` + "\n" +
			`60000000 0010 2c 01 20010db8000000000000000000000002 20010db8000000000000000000000008` + `1100 0001 aabbccdd` + udp + `ffff`,
		want: outer6(Quoted{Present: true, Proto: ProtoUDP, TTL: 1, SrcPort: 40000, DstPort: 53, Src: us6, Dst: them6}),
		l4:   66, quotedL4: udp,
		payload: `60000000 0010 2c 01 20010db8000000000000000000000002 20010db8000000000000000000000008` + `1100 0001 aabbccdd` + udp + `ffff`,
	})
}

// badQuotations are ICMP messages in which nothing may be taken for a quotation.
func badQuotations() []parsedTest {
	icmp := func(name, typ, body string) parsedTest {
		b := strings.ReplaceAll(body, " ", "")
		total := hex.EncodeToString([]byte{0, byte(28 + len(b)/2)})
		return parsedTest{
			name: name, hex: ether4 + `4500 ` + total + ` 1234 0000 3c01 0000 08080808 c0000202` + "\n" + typ + ` 00 0000 00000000` + "\n" + body,
			want: Parsed{Kind: KindICMPv4, TTL: 60, Proto: ProtoICMP, IPID: 0x1234, Src: them4, Dst: us4},
			l4:   8 + len(b)/2, payload: b,
		}
	}
	icmp6 := func(name, typ, body string) parsedTest {
		b := strings.ReplaceAll(body, " ", "")
		total := hex.EncodeToString([]byte{0, byte(8 + len(b)/2)})
		return parsedTest{
			name: name, hex: ether6 + `60000000 ` + total + ` 3a 3d` + "\n" + addrs6 + typ + ` 00 0000 00000000` + "\n" + body,
			want: Parsed{Kind: KindICMPv6, TTL: 61, Proto: ProtoICMPv6, Src: them6, Dst: us6},
			l4:   8 + len(b)/2, payload: b,
		}
	}
	inner, syn := `4500 0034 5678 0000 0106 0000 c0000202 08080808`, `de69 0050 3fb8bc81`
	inner6 := `60000000 0008 11 01 20010db8000000000000000000000002 20010db8000000000000000000000008`
	return []parsedTest{
		icmp("7 bytes quoted", "03", inner+`de69 0050 3fb8bc`),
		icmp("quoted header cut short", "03", `4500 0034 5678 0000 0106 0000 c0000202 080808`),
		icmp("nothing quoted", "03", ``),
		icmp("quoted IHL 4", "03", `4400 0034 5678 0000 0106 0000 c0000202 08080808`+syn),
		icmp("quoted IHL beyond the message", "03", `4f00 0034 5678 0000 0106 0000 c0000202 08080808`+syn),
		icmp("quoted later fragment", "03", `4500 0034 5678 2001 0106 0000 c0000202 08080808`+syn),
		icmp("IPv6 quoted by ICMP", "03", inner6+syn),
		icmp("echo with a packet as data", "08", inner+syn),
		icmp("echo reply with a packet as data", "00", inner+syn),
		icmp("ICMPv6 type in ICMP", "01", inner+syn),
		icmp6("ICMP type in ICMPv6", "0b", inner6+syn),
		icmp6("neighbor advertisement", "88", inner6+syn),
		icmp6("IPv4 quoted by ICMPv6", "01", inner+syn),
		icmp6("7 bytes quoted by ICMPv6", "01", inner6+`9c40 0035 0008 00`),
		icmp6("IPv4-mapped address quoted", "01", `60000000 0008 11 01 20010db8000000000000000000000002 00000000000000000000ffff08080808`+syn),
		icmp6("later fragment quoted by ICMPv6", "01", `60000000 0010 2c 01 20010db8000000000000000000000002 20010db8000000000000000000000008`+`1100 0008 aabbccdd`+syn),
		icmp6("extension header quoted in part", "01", `60000000 0010 3c 01 20010db8000000000000000000000002 20010db8000000000000000000000008`+`1101 0008 aabbccdd`+syn),
	}
}

func TestEchoReplyAndError(t *testing.T) {
	for kind := KindNone; kind <= KindICMPv6; kind++ {
		for typ := range 256 {
			p := Parsed{Kind: kind}
			if kind == KindICMPv4 || kind == KindICMPv6 {
				p.ICMP = ICMP{byte(typ), 0, 0, 0, 0, 0, 0, 0}
			}
			reply := kind == KindICMPv4 && typ == 0 || kind == KindICMPv6 && typ == 129
			errors4 := kind == KindICMPv4 && strings.Contains(" 3 4 5 11 12 ", " "+strconv.Itoa(typ)+" ")
			errors6 := kind == KindICMPv6 && strings.Contains(" 1 2 3 4 ", " "+strconv.Itoa(typ)+" ")
			if p.IsEchoReply() != reply || p.IsError() != (errors4 || errors6) {
				t.Errorf("%v type %d: got echo reply %v, error %v", kind, typ, p.IsEchoReply(), p.IsError())
			}
		}
	}
}

func TestKindString(t *testing.T) {
	want := []string{"none", "ip", "tcp", "udp", "icmp", "icmpv6", "invalid"}
	for i, s := range want {
		if got := Kind(i).String(); got != s {
			t.Errorf("Kind(%d): got %q, want %q", i, got, s)
		}
	}
}
