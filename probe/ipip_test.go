package probe

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/validate"
)

// goldenTags gives every target the same tag.
type goldenTags struct{ tag validate.Tag }

func (g goldenTags) Tag(_, _ netip.Addr, _ uint16) validate.Tag { return g.tag }
func (g goldenTags) Ports() validate.Ports                      { return validate.DefaultPorts() }
func (g goldenTags) Tries() int                                 { return 1 }

// forwarded returns our own datagram as the target of s sends it back, as change leaves it.
func forwarded(t testing.TB, s *Shot, change func(*layers.IPv4, *layers.UDP)) []byte {
	t.Helper()
	e, ip := headers(s.Addr, s.Src, layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(validate.DefaultPorts().Of(s.Tag, s.Try)), DstPort: layers.UDPPort(s.Port)}
	if change != nil {
		change(ip, udp)
	}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialize(t, e, ip, udp, gopacket.Payload("payload"))
}

// acceptedIPIP are answers to packets in packets that must count.
func acceptedIPIP(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	v := lone("ipip")
	s := randShot(r, v, tagger(2))
	add := func(name string, frame []byte) { out = append(out, matchCase{name, v, s, frame}) }
	add("forwarded datagram", forwarded(t, &s, nil))
	// What a tunnel's end does: it takes the outer header off and sends on what is inside, with a TTL lower by one.
	whole := frameOf(t, v, testRoute(true, 1), &s)
	inner := packet.IPv4(bytes.Clone(whole[atL4:]))
	inner.SetTTL(inner.TTL() - 1)
	inner.FillChecksum()
	add("what was inside", append(bytes.Clone(whole[:atIP]), inner...))
	other := s
	other.Try = 1 - s.Try
	add("forwarded datagram of the other try", forwarded(t, &other, nil))
	for _, kind := range []uint8{3, 4, 5, 11, 12} {
		for _, n := range []int{28, 1500} {
			m := quoting(t, v, &s, n)
			m.kind = kind
			add(fmt.Sprintf("ICMP type %d, %d bytes quoted", kind, n), m.frame(t))
		}
	}
	m := quoting(t, v, &s, 1500)
	m.from = s.Addr
	m.body[8], m.body[10], m.body[11] = 1, 0, 0
	add("ICMP from the target, TTL and checksum changed on the way", m.frame(t))
	return out
}

// rejectedIPIP are frames that no packet in a packet of ours caused, or that do not say which.
func rejectedIPIP(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	v := lone("ipip")
	s := randShot(r, v, tagger(2))
	for name, change := range map[string]func(*layers.IPv4, *layers.UDP){
		"an answer, not our own":        func(_ *layers.IPv4, u *layers.UDP) { u.SrcPort, u.DstPort = u.DstPort, u.SrcPort },
		"for another port":              func(_ *layers.IPv4, u *layers.UDP) { u.DstPort++ },
		"from a port before all tries":  func(_ *layers.IPv4, u *layers.UDP) { u.SrcPort = layers.UDPPort(before(s.Tag.PortWord())) },
		"from a port that is not ours":  func(_ *layers.IPv4, u *layers.UDP) { u.SrcPort = 1024 },
		"from a neighbour":              func(ip *layers.IPv4, _ *layers.UDP) { ip.SrcIP[3] ^= 1 },
		"to a neighbour":                func(ip *layers.IPv4, _ *layers.UDP) { ip.DstIP[3] ^= 1 },
		"a later fragment of something": func(ip *layers.IPv4, _ *layers.UDP) { ip.FragOffset = 1 },
	} {
		out = append(out, matchCase{"ipip " + name, v, s, forwarded(t, &s, change)})
	}
	const innerAt = 20 // in what is quoted
	for name, change := range map[string]func(*message){
		"8 bytes quoted, of the inner IP header": func(m *message) { m.body = m.body[:20+8] },
		"27 bytes quoted":                        func(m *message) { m.body = m.body[:20+27] },
		"quote of UDP in the outer packet":       func(m *message) { m.body[9] = 17 },
		"quote of TCP in the inner packet":       func(m *message) { m.body[innerAt+9] = 6 },
		"quote of another source":                func(m *message) { m.body[15] ^= 1 },
		"quote of another target":                func(m *message) { m.body[19] ^= 1 },
		"quote of another inner source":          func(m *message) { m.body[innerAt+15] ^= 1 },
		"quote of another inner destination":     func(m *message) { m.body[innerAt+19] ^= 1 },
		"quote of an inner fragment":             func(m *message) { m.body[innerAt+7] = 1 },
		"quote of an inner header too short":     func(m *message) { m.body[innerAt] = 0x44 },
		"quote of an inner header too long":      func(m *message) { m.body[innerAt] = 0x4f; m.body = m.body[:20+60] },
		"quote of inner IPv6":                    func(m *message) { m.body[innerAt] = 0x65 },
		"quote of another port of ours":          func(m *message) { m.body[innerAt+20] ^= 0x80 },
		"quote of another port of the target":    func(m *message) { m.body[innerAt+23] ^= 1 },
		"our own packet in an echo reply":        func(m *message) { m.kind = 0 },
		"for another address":                    func(m *message) { m.to = router() },
	} {
		m := quoting(t, v, &s, 1500)
		change(&m)
		out = append(out, matchCase{"ipip " + name, v, s, m.frame(t)})
	}
	return out
}

// TestEveryBitOfIPIPCounts flips the bits that tie an answer to a packet in a packet.
func TestEveryBitOfIPIPCounts(t *testing.T) {
	v := lone("ipip")
	r, tags := rand.New(rand.NewPCG(51, 52)), tagger(1)
	for range 50 {
		s := randShot(r, v, tags)
		flipAll(t, "forwarded datagram", v, forwarded(t, &s, nil),
			[]region{{"addresses", atIP + 12, 8}, {"ports", atL4, 4}}, false)
		flipAll(t, "forwarded datagram", v, forwarded(t, &s, nil),
			[]region{{"identification", atIP + 4, 2}, {"TTL", atIP + 8, 1}, {"UDP checksum", atL4 + 6, 2}, {"payload", atL4 + 8, 7}}, true)
		flipAll(t, "ICMP about a packet in a packet", v, quoting(t, v, &s, 28).frame(t), []region{
			{"destination", atIP + 16, 4},
			{"quoted protocol", quoted + 9, 1},
			{"quoted addresses", quoted + 12, 8},
			{"inner protocol", inside + 9, 1},
			{"inner addresses", inside + 12, 8},
			{"inner ports", inside + 20, 4},
		}, false)
	}
}

func TestGoldenIPIP(t *testing.T) {
	s := goldenShot()
	want := unhex(t, goldenEther+
		`45 00 004d 3edd 0000 ff 04 a9ee # 77 bytes, no DF, TTL 255, IP in IP`+"\n"+goldenAddrs+
		`45 00 0039 3edd 0000 ff 11 a9f5 # 57 bytes, the same identification, TTL 255, UDP
		 080808d7 c0000202 # from the target to us
		 de69 0050 0025 0000 # 56937 to 80, 37 bytes, no checksum
		 474554202f20485454502f312e310d0a # GET / HTTP/1.1
		 486f73743a207777770d0a 0d0a      # Host: www`)
	for _, ttl := range []uint8{64, 1, 255} { // the TTL that a user asks for makes no difference
		route := testRoute(true, 1)
		route.TTL = ttl
		if got := frameOf(t, lone("ipip"), route, &s); !bytes.Equal(got, want) {
			t.Errorf("TTL %d:\ngot  %x\nwant %x", ttl, got, want)
		}
	}
}

func TestDecodeIPIP(t *testing.T) {
	v, s := lone("ipip"), goldenShot()
	check(t, "forwarded datagram", v, forwarded(t, &s, nil), map[string]string{
		"classification": "udp", "success": "true", "sport": "56937", "dport": "80", "udp_pkt_size": "15", "data": "7061796c6f6164",
	})
	empty := frameOf(t, variant{name: "ipip", args: "text:"}, testRoute(true, 1), &s)
	check(t, "empty datagram", v, append(bytes.Clone(empty[:atIP]), empty[atL4:]...), map[string]string{
		"classification": "udp", "success": "true", "sport": "56937", "dport": "80", "udp_pkt_size": "8",
	})
	for kind, want := range map[uint8][2]string{
		3: {"icmp-unreach", "protocol unreachable"}, 11: {"icmp", "time to live exceeded"}, 5: {"icmp", "redirect"},
		4: {"icmp", "source quench"}, 12: {"icmp", "parameter problem"},
	} {
		m := quoting(t, v, &s, 1500)
		m.kind, m.code = kind, 2
		check(t, "ICMP error", v, m.frame(t), map[string]string{
			"classification": want[0], "success": "false", "icmp_responder": "203.0.113.9", "icmp_type": fmt.Sprint(kind),
			"icmp_code": "2", "icmp_unreach_str": want[1],
		})
	}
}

// TestIPIPArguments says which arguments make which payload, and which are mistakes.
func TestIPIPArguments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "payload")
	long := strings.Repeat("x", 201)
	if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	s := goldenShot()
	for args, want := range map[string]string{
		"text:a:b": "a:b", "text:": "", "hex:00FF": "\x00\xff", "text:" + long[:200]: long[:200],
		"file:" + path: long[:200], "text:" + long: long[:200], "hex:" + strings.Repeat("78", 201): long[:200],
	} {
		v := variant{name: "ipip", args: args}
		frame := frameOf(t, v, testRoute(true, 1), &s)
		if got := string(frame[atL4+28:]); got != want || len(frame) != v.probe(t).Describe().FrameLen {
			t.Errorf("%.20q: payload %.40q, want %.40q", args, got, want)
		}
		cut := strings.HasPrefix(args, "file") || len(args) > 5+200 && want == long[:200]
		cut = cut && args != "text:"+long[:200]
		if got := v.probe(t).Describe().Warnings; (len(got) == 1 && strings.Contains(got[0], "200 bytes")) != cut || len(got) > 1 {
			t.Errorf("%.20q: warnings %q, want one: %v", args, got, cut)
		}
	}
	for args, want := range map[string]string{
		"hello": "colon", "textual:x": `"textual"`, "t:x": `"t"`, ":": `""`, "hex:abc": "two hexadecimal digits", "file:" + path + "none": "no such file",
	} {
		if p, err := New("ipip", Args{Text: args}); err == nil || p != nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ipip") {
			t.Errorf("%q: got %v, error %v, want one that says %s", args, p, err, want)
		}
	}
}

func TestDryRunIPIP(t *testing.T) {
	s, v := goldenShot(), lone("ipip")
	want := `udp { source: 56937 | dest: 80 | checksum: 0000 }
ip { saddr: 8.8.8.215 | daddr: 192.0.2.2 | checksum: 0XA9F5 }
ip { saddr: 192.0.2.2 | daddr: 8.8.8.215 | checksum: 0XA9EE }
eth { shost: 0a:0b:0c:0d:0e:0f | dhost: 00:11:22:33:44:55 }
------------------------------------------------------
`
	text := v.probe(t).Describe().AppendDryRun
	if got := string(text([]byte("before\n"), frameOf(t, v, testRoute(true, 1), &s), true)); got != "before\n"+want {
		t.Errorf("got\n%swant\n%s", got, "before\n"+want)
	}
	noEther := strings.Replace(want, "eth { shost: 0a:0b:0c:0d:0e:0f | dhost: 00:11:22:33:44:55 }\n", "", 1)
	whole := frameOf(t, v, testRoute(false, 0), &s)
	if got := string(text(nil, whole, false)); got != noEther {
		t.Errorf("without Ethernet: got\n%swant\n%s", got, noEther)
	}
	for n := range len(whole) { // nothing is too odd to be printed
		if got := string(text(nil, whole[:n], false)); strings.Count(got, dashes) != 1 || !strings.HasSuffix(got, dashes) {
			t.Errorf("first %d bytes: got %q, want dashes at its end", n, got)
		}
	}
}
