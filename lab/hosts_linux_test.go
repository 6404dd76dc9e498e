package lab

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// kindsWorld has a host of every kind.
func kindsWorld() World {
	hosts := func(prefix string, h Hosts) Hosts {
		h.Prefix = netip.MustParsePrefix(prefix)
		return h
	}
	return World{
		Ports: []uint16{80, 443},
		Tally: true,
		Hosts: []Hosts{
			hosts("10.1.0.0/16", Hosts{Kind: Kernel}),
			hosts("10.1.1.0/24", Hosts{Kind: Silent}),
			hosts("10.2.0.0/16", Hosts{Kind: Refuse}),
			hosts("10.3.0.0/16", Hosts{Kind: Late, Delay: 150 * time.Millisecond}),
			hosts("10.4.0.0/16", Hosts{Kind: Twice}),
			hosts("10.4.1.0/24", Hosts{Kind: Twice, Delay: 100 * time.Millisecond}),
			hosts("10.5.0.0/16", Hosts{Kind: RefuseThenAccept}),
			hosts("10.6.0.0/16", Hosts{Kind: ICMPError, Type: 3, Code: 1}),
			hosts("10.6.1.0/24", Hosts{
				Kind: ICMPError, Type: 11, Quote: QuoteMinimum, Router: netip.MustParseAddr("192.0.2.77"),
			}),
			hosts("10.7.0.0/24", Hosts{Kind: ForgeOnly, Forgery: WrongAck}),
			hosts("10.7.1.0/24", Hosts{Kind: ForgeOnly, Forgery: WrongSource}),
			hosts("10.7.2.0/24", Hosts{Kind: ForgeOnly, Forgery: WrongPort}),
			hosts("10.8.0.0/16", Hosts{Kind: Echo}),
		},
	}
}

// TestHosts sends one probe to a host of every kind and looks at every bit of the answer that matters.
func TestHosts(t *testing.T) {
	n := newWorld(t, kindsWorld())
	p := newProber(t, n)
	for _, c := range hostCases() {
		t.Run(c.name, func(t *testing.T) {
			frame := c.probe(p, c.addr)
			sent := time.Now()
			p.send(t, frame)
			got := p.collect(t, len(c.want), 5*time.Second)
			if len(c.want) == 0 {
				got = p.collect(t, 1, 50*time.Millisecond)
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d answers, want %d: %+v", len(got), len(c.want), got)
			}
			probe, ok := parse(frame)
			if !ok {
				t.Fatal("the probe does not parse")
			}
			for i, want := range c.want {
				want.check(t, probe, got[i].arrival)
			}
			last := got[max(0, len(got)-1):]
			if len(last) > 0 && last[0].at.Sub(sent) < c.delay {
				t.Errorf("the last answer came after %v, want at least %v", last[0].at.Sub(sent), c.delay)
			}
			if want, ok := c.expect(); ok && n.Truth().Expect(netip.MustParseAddr(c.addr), c.about) != want {
				t.Errorf("Truth.Expect = %v, want %v", n.Truth().Expect(netip.MustParseAddr(c.addr), c.about), want)
			}
		})
	}
}

type hostCase struct {
	name  string
	addr  string
	probe func(p *prober, addr string) []byte
	about Probe
	truth Answer
	want  []expectation
	delay time.Duration
}

func (c hostCase) expect() (Answer, bool) { return c.truth, c.about != Probe{} }

// An expectation is what an answer must be like.
type expectation struct {
	what   Answer
	source string // empty: the probed address
	code   message
	quote  int // bytes of the probe's IP packet that are quoted
	forged bool
}

func (e expectation) check(t *testing.T, probe, got arrival) {
	t.Helper()
	source := toAddr(probe.dst)
	if e.source != "" {
		source = netip.MustParseAddr(e.source)
	}
	if toAddr(got.src) != source || got.dst != probe.src || got.toMAC != probe.fromMAC || got.fromMAC != probe.toMAC {
		t.Errorf("from %v to %v, want from %v to %v; hardware %x to %x",
			toAddr(got.src), toAddr(got.dst), source, toAddr(probe.src), got.fromMAC, got.toMAC)
	}
	ports := got.tcp.sport == probe.tcp.dport && got.tcp.dport == probe.tcp.sport
	right := true
	switch e.what {
	case SYNACK:
		right = got.proto == protoTCP && got.tcp.flags == flagSYN|flagACK
		e.checkTag(t, ports && got.tcp.ack == probe.tcp.seq+1 && e.source == "")
	case RST:
		right = got.proto == protoTCP && got.tcp.flags&flagRST != 0 && ports && got.tcp.seq == 0 && got.tcp.ack == probe.tcp.seq+1
	case EchoReply:
		right = got.proto == protoICMP && got.icmp.typ == icmpEchoReply && bytes.Equal(got.payload, probe.payload)
		e.checkTag(t, got.icmp.id == probe.icmp.id && got.icmp.seq == probe.icmp.seq && e.source == "")
	case Reply:
		right = got.proto == protoUDP && bytes.Equal(got.payload, probe.payload)
		e.checkTag(t, ports && e.source == "")
	case Unreachable:
		right = got.proto == protoICMP && got.icmp == e.code && bytes.Equal(got.payload, probe.packet[:e.quote])
	default:
		t.Fatalf("%v is no expectation", e.what)
	}
	if !right {
		t.Errorf("not a good %v: %+v", e.what, got)
	}
}

// checkTag compares whether all that ties an answer to its probe was right.
func (e expectation) checkTag(t *testing.T, valid bool) {
	t.Helper()
	if valid == e.forged {
		t.Errorf("the answer ties to the probe: %v, want forged %v", valid, e.forged)
	}
}

func probeSYN(port uint16) func(*prober, string) []byte {
	return func(p *prober, addr string) []byte {
		return appendTCP(nil, p.to(addr), segment{sport: testSport, dport: port, seq: testSeq, flags: flagSYN})
	}
}

func probePing(p *prober, addr string) []byte {
	return appendICMP(nil, p.to(addr), message{typ: icmpEcho, id: 0x1234, seq: 0x5678}, []byte("a payload of a ping."))
}

func probeUDP(p *prober, addr string) []byte {
	return appendUDP(nil, p.to(addr), testSport, 53, []byte("a question"))
}

func probeReset(p *prober, addr string) []byte {
	return appendTCP(nil, p.to(addr), segment{sport: testSport, dport: 80, seq: testSeq, flags: flagRST})
}

func hostCases() []hostCase {
	portUnreachable := message{typ: 3, code: 3}
	one := func(a Answer) []expectation { return []expectation{{what: a}} }
	two := func(a Answer) []expectation { return []expectation{{what: a}, {what: a}} }
	forged := func(a Answer, source string) []expectation {
		return []expectation{{what: a, source: source, forged: true}}
	}
	quoted := func(m message, source string, n int) []expectation {
		return []expectation{{what: Unreachable, code: m, source: source, quote: n}}
	}
	const syn, ping, udp = ipLen + tcpLen + 4, ipLen + icmpLen + 20, ipLen + udpLen + 10
	late := 150 * time.Millisecond
	return []hostCase{
		{"kernel open", "10.1.200.255", probeSYN(80), SYN(80), SYNACK, one(SYNACK), 0},
		{"kernel other open port", "10.1.0.0", probeSYN(443), SYN(443), SYNACK, one(SYNACK), 0},
		{"kernel closed", "10.1.2.3", probeSYN(81), SYN(81), RST, one(RST), 0},
		{"kernel ping", "10.1.2.3", probePing, Ping(), EchoReply, one(EchoReply), 0},
		{"kernel udp", "10.1.2.3", probeUDP, Datagram(53), Unreachable, quoted(portUnreachable, "", udp), 0},
		{"hole in kernel", "10.1.1.3", probeSYN(80), SYN(80), None, nil, 0},
		{"nobody", "10.99.0.1", probeSYN(80), SYN(80), None, nil, 0},
		{"nobody ping", "10.99.0.1", probePing, Ping(), None, nil, 0},
		{"refuse", "10.2.2.3", probeSYN(80), SYN(80), RST, one(RST), 0},
		{"refuse ping", "10.2.2.3", probePing, Ping(), EchoReply, one(EchoReply), 0},
		{"refuse udp", "10.2.2.3", probeUDP, Datagram(53), Unreachable, quoted(portUnreachable, "", udp), 0},
		{"refuse reset", "10.2.2.3", probeReset, Probe{}, None, nil, 0},
		{"late", "10.3.2.3", probeSYN(80), SYN(80), SYNACK, one(SYNACK), late},
		{"late closed", "10.3.2.3", probeSYN(81), SYN(81), RST, one(RST), late},
		{"late ping", "10.3.2.3", probePing, Ping(), EchoReply, one(EchoReply), late},
		{"twice", "10.4.2.3", probeSYN(80), SYN(80), SYNACK, two(SYNACK), 0},
		{"twice ping", "10.4.2.3", probePing, Ping(), EchoReply, two(EchoReply), 0},
		{"twice later", "10.4.1.3", probeSYN(80), SYN(80), SYNACK, two(SYNACK), 100 * time.Millisecond},
		{"refuse first", "10.5.2.3", probeSYN(80), SYN(80), RSTThenSYNACK, one(RST), 0},
		{"accept then", "10.5.2.3", probeSYN(80), SYN(80), RSTThenSYNACK, one(SYNACK), 0},
		{"refuse first on another port", "10.5.2.3", probeSYN(443), SYN(443), RSTThenSYNACK, one(RST), 0},
		{"icmp", "10.6.2.3", probeSYN(80), SYN(80), Unreachable, quoted(message{typ: 3, code: 1}, "172.31.255.254", syn), 0},
		{"icmp on ping", "10.6.2.3", probePing, Ping(), Unreachable, quoted(message{typ: 3, code: 1}, "172.31.255.254", ping), 0},
		{"icmp short quote", "10.6.1.3", probeSYN(80), SYN(80), Unreachable, quoted(message{typ: 11}, "192.0.2.77", ipLen+8), 0},
		{"forged ack", "10.7.0.3", probeSYN(80), SYN(80), Forged, forged(SYNACK, ""), 0},
		{"forged ping", "10.7.0.3", probePing, Ping(), Forged, forged(EchoReply, ""), 0},
		{"forged source", "10.7.1.3", probeSYN(80), SYN(80), Forged, forged(SYNACK, "10.7.1.2"), 0},
		{"forged port", "10.7.2.3", probeSYN(80), SYN(80), Forged, forged(SYNACK, ""), 0},
		{"forged udp", "10.7.2.3", probeUDP, Datagram(53), Forged, forged(Reply, ""), 0},
		{"echo ping", "10.8.2.3", probePing, Ping(), EchoReply, one(EchoReply), 0},
		{"echo udp", "10.8.2.3", probeUDP, Datagram(53), Reply, one(Reply), 0},
		{"echo tcp", "10.8.2.3", probeSYN(80), SYN(80), None, nil, 0},
	}
}
