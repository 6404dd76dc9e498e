package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
)

// ipFrame is a frame with an IPv4 packet. Nobody looks at hardware addresses and checksums.
func ipFrame(src, dst netip.Addr, proto packet.Proto, body []byte) []byte {
	n := packet.IPv4Len + len(body)
	b := make([]byte, packet.EthernetLen+packet.IPv4Len, packet.EthernetLen+n)
	packet.EthernetFields{Type: packet.EtherTypeIPv4}.Encode(b)
	packet.IPv4Fields{TotalLen: n, TTL: 60, Proto: proto, Src: src, Dst: dst}.Encode(b[packet.EthernetLen:])
	return append(b, body...)
}

// datagram is a frame with a UDP datagram.
func datagram(src, dst netip.AddrPort, payload []byte) []byte {
	u := make([]byte, packet.UDPLen, packet.UDPLen+len(payload))
	packet.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: packet.UDPLen + len(payload)}.Encode(u)
	return ipFrame(src.Addr(), dst.Addr(), packet.ProtoUDP, append(u, payload...))
}

// answerFrom answers a probe from a port of the host that it went to; those without ports are answered as they are. Datagrams
// come back with their own payload, which all modules take for an answer.
func answerFrom(p *packet.Parsed, port uint16) []byte {
	host, us := netip.AddrPortFrom(p.Dst, port), netip.AddrPortFrom(p.Src, p.SrcPort)
	switch p.Kind {
	case packet.KindUDP:
		return datagram(host, us, p.Payload)
	case packet.KindICMPv4: // an echo reply is its request with another type
		return ipFrame(p.Dst, p.Src, packet.ProtoICMP, append([]byte{packet.ICMPv4EchoReply}, p.ICMP[1:]...))
	case packet.KindIP: // a packet in a packet, which comes back without the outer one
		return append(make([]byte, packet.EthernetLen-2), append([]byte{8, 0}, p.Payload...)...)
	}
	f := packet.TCPFields{SrcPort: port, DstPort: p.SrcPort, Ack: p.TCP.Seq() + 1, Flags: synack}
	if p.TCP.Flags().Has(synack) {
		f.Flags = packet.RST
	}
	return segment(p.Dst, p.Src, f)
}

// TestAnswersFromOtherPorts has hosts answer from a port that was not asked, with and without a check of it, in every module
// that has ports.
func TestAnswersFromOtherPorts(t *testing.T) {
	for _, c := range []struct {
		module, args string
		check        Choice
		want         bool
	}{
		{"udp", "text:hello", ByModule, true},
		{"udp", "text:hello", Yes, false},
		{"udp", "text:hello", No, true},
		{"udp", "name:coap", ByModule, true},
		{"dns", "A,example.com", ByModule, false},
		{"dns", "A,example.com", No, true},
		{"ntp", "", ByModule, false},
		{"ntp", "", No, true},
		{"upnp", "", ByModule, false},
		{"upnp", "", No, true},
		{"bacnet", "", ByModule, false},
		{"bacnet", "", No, true},
		{"tcp_synscan", "", ByModule, false},
		{"tcp_synscan", "", Yes, false},
		{"tcp_synscan", "", No, true},
		{"tcp_synackscan", "", ByModule, false},
		{"tcp_synackscan", "", No, true},
	} {
		p := plan{
			network: "10.0.0.0/26", module: c.module, args: c.args,
			wild:   func(p *packet.Parsed, emit func(time.Duration, []byte)) { emit(0, answerFrom(p, 5000)) },
			change: func(cfg *Config) { cfg.CheckPort = c.check },
		}
		bubble(t, p, func(t *testing.T, x *trial) {
			res := x.end(t, WalkDone)
			want := 0
			if c.want {
				want = 64
			}
			if len(x.rows) != want || res.Passed != uint64(want) || res.Failed != uint64(64-want) {
				t.Fatalf("%s, check %d: %d rows, %d answers, %d others; want %d rows", c.module, c.check, len(x.rows), res.Passed, res.Failed, want)
			}
			for _, r := range x.rows {
				if r.port != 5000 || r.repeat || r.success == (c.module == "upnp") { // a search is no answer to one
					t.Fatalf("%s, check %d: row %+v; want a first one from port 5000", c.module, c.check, r)
				}
			}
		})
	}
}

// TestOtherPortsStayApart asks several ports of hosts that answer them all from two others. What is a repeat goes by the port
// that was asked: the rows tell it from nothing else.
func TestOtherPortsStayApart(t *testing.T) {
	for n := 1; n <= maxOtherPorts+2; n++ {
		ports := make([]uint16, n)
		for i := range ports {
			ports[i] = uint16(100 + i)
		}
		p := plan{
			network: "10.0.0.0/26", ports: ports, module: "tcp_synscan",
			wild: func(p *packet.Parsed, emit func(time.Duration, []byte)) {
				emit(0, answerFrom(p, 5000))
				emit(0, answerFrom(p, 5001))
			},
			change: func(cfg *Config) { cfg.CheckPort = No },
		}
		bubble(t, p, func(t *testing.T, x *trial) {
			x.end(t, WalkDone)
			found := min(n, maxOtherPorts)
			for host := range 64 {
				var first, repeats []uint16
				for _, r := range x.rows {
					switch {
					case int(r.addr.As4()[3]) != host:
					case r.repeat:
						repeats = append(repeats, r.port)
					default:
						first = append(first, r.port)
					}
				}
				all := func(port uint16) []uint16 { return slices.Repeat([]uint16{port}, found) }
				if !slices.Equal(first, all(5000)) || !slices.Equal(repeats, all(5001)) {
					t.Fatalf("%d ports, host %d: first answers from %v, repeats from %v; want %d of 5000 and of 5001", n, host, first, repeats, found)
				}
			}
		})
	}
}

// TestOtherPortIsOneThatWasAsked has hosts answer a probe of one asked port from another asked port. Each of the two is a
// target of its own, and its own answer is the first thing that an answer is taken for.
func TestOtherPortIsOneThatWasAsked(t *testing.T) {
	for _, check := range []Choice{Yes, No} {
		p := plan{
			network: "10.0.0.0/26", ports: []uint16{53, 123}, module: "tcp_synscan",
			wild: func(p *packet.Parsed, emit func(time.Duration, []byte)) {
				emit(0, answerFrom(p, 53))
			},
			change: func(cfg *Config) {
				cfg.CheckPort = check
				var err error
				if cfg.Seen, err = dedup.New(dedup.Config{Method: dedup.MethodFull, Targets: 128}); err != nil {
					t.Fatal(err)
				}
			},
		}
		bubble(t, p, func(t *testing.T, x *trial) {
			want := 64
			if check == No {
				want = 128
			}
			x.end(t, WalkDone)
			if got := x.found(func(r line) bool { return !r.repeat && r.port == 53 }); len(got) != want || len(x.rows) != want {
				t.Errorf("check %d: %d rows, %d first answers; want %d", check, len(x.rows), len(got), want)
			}
		})
	}
}

// TestStrangersAreNotTried sends what costs nothing to forge at a scan that takes answers from any port: the right host but
// no tag, another host with the tag, an ICMP error about a port that was not asked.
func TestStrangersAreNotTried(t *testing.T) {
	p := plan{
		network: "10.0.0.0/26", module: "udp", args: "text:hello",
		wild: func(p *packet.Parsed, emit func(time.Duration, []byte)) {
			stranger := *p
			stranger.Dst = netip.AddrFrom4([4]byte{10, 0, 1, p.Dst.As4()[3]})
			emit(0, answerFrom(&stranger, 80))
			emit(0, answerFrom(&stranger, 81))
			missed := *p
			missed.SrcPort ^= 1
			emit(0, answerFrom(&missed, 80))
			emit(0, answerFrom(&missed, 81))
			quoted := datagram(netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, 81), nil)
			emit(0, icmpAbout(p.Dst, p.Src, quoted[packet.EthernetLen:]))
		},
	}
	bubble(t, p, func(t *testing.T, x *trial) {
		if res := x.end(t, WalkDone); len(x.rows) != 0 || res.Failed < 3*64 {
			t.Errorf("%d rows, %d frames that are no answers; want none, at least %d", len(x.rows), res.Failed, 3*64)
		}
	})
}

// icmpAbout is a frame with an ICMP port unreachable message.
func icmpAbout(src, dst netip.Addr, quoted []byte) []byte {
	m := make([]byte, packet.ICMPLen, packet.ICMPLen+len(quoted))
	m[0], m[1] = packet.ICMPv4Unreachable, 3
	return ipFrame(src, dst, packet.ProtoICMP, append(m, quoted...))
}

// TestRecognisingAllocatesNothing covers the longest way that a frame can take: from the right host, no answer to any port.
func TestRecognisingAllocatesNothing(t *testing.T) {
	for _, c := range []struct{ module, args string }{{"udp", "text:hello"}, {"dns", "A,example.com"}, {"tcp_synscan", ""}} {
		ports := []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9}
		p := plan{network: "10.0.0.0/26", ports: ports, module: c.module, args: c.args, change: func(cfg *Config) { cfg.CheckPort = No }}
		x := newTrial(t, p)
		s, err := New(x.cfg)
		if err != nil {
			t.Fatal(err)
		}
		var sent packet.Parsed
		frame := probeFrame(x, netip.MustParseAddr("10.0.0.5"), 3)
		sent.Decode(frame, packet.LinkEthernet)
		good := answerFrom(&sent, 77)
		sent.SrcPort ^= 1
		bad := answerFrom(&sent, 77)
		r := s.receiver(0)
		for _, f := range []struct {
			frame []byte
			want  bool
		}{{good, true}, {bad, false}} {
			taken := &link.Frame{Data: f.frame, Ether: true}
			r.parsed.Decode(taken.Data, packet.LinkEthernet)
			if got, ok := r.recognise(); ok != f.want || ok && got.Port != 3 {
				t.Errorf("%s: recognised %v, %v; want %v", c.module, got, ok, f.want)
			}
			if n := testing.AllocsPerRun(200, func() {
				r.parsed.Decode(taken.Data, packet.LinkEthernet)
				r.recognise()
			}); n != 0 {
				t.Errorf("%s: recognising allocates %v times, want 0", c.module, n)
			}
		}
	}
}

// probeFrame is the probe of one target.
func probeFrame(x *trial, host netip.Addr, port uint16) []byte {
	tags := (&Scan{cfg: x.cfg}).tagger()
	shot := probe.Shot{Src: scanner(), Tag: tags.Tag(scanner(), host, port)}
	shot.Addr, shot.Port = host, port
	b, e := make([]byte, link.MaxFrame), x.cfg.Probe.NewEncoder(x.cfg.Route)
	e.Template(1, b)
	return b[:e.Patch(b, &shot)]
}
