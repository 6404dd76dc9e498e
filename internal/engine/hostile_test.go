package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
)

// Three kinds of hosts: those that only send what is no answer, those that send what is a bad answer, and an answer after it,
// and those that send what is no answer, and an answer after it.
func temper(a netip.Addr) int { return int(a.As4()[3]) % 3 }

// TestHostileHosts scans, with every module, a network whose hosts answer each probe with hundreds of frames: forged, broken,
// oversized. The scan takes as long as one of a quiet network, says nothing about hosts that did not answer, and finds each of
// the others once.
func TestHostileHosts(t *testing.T) {
	for _, m := range probe.Modules() {
		hostile(t, m, m.Name, nil)
		if m.Name == "tcp_synscan" {
			hostile(t, m, m.Name+", which grabs", func(c *Config) { c.Grabs = grabber(1000, time.Millisecond) })
		}
	}
}

// hostile scans hostile hosts with a module.
func hostile(t *testing.T, m probe.Module, name string, change func(*Config)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		p := plan{network: "10.0.0.0/24", module: m.Name, args: m.Least.Text, change: change, wild: func(p *packet.Parsed, emit func(time.Duration, []byte)) {
			kind := temper(p.Dst)
			bad := noAnswers(p)
			if kind == 1 {
				bad = badAnswers(m.Name, p)
			}
			for _, f := range bad {
				emit(0, f.frame)
			}
			if kind > 0 {
				emit(0, answerFrom(p, p.DstPort))
			}
		}}
		bubble(t, p, func(t *testing.T, x *trial) {
			res := x.end(t, WalkDone)
			if d := res.SendEnd.Sub(res.SendStart); res.Lost != 0 || d > 300*time.Millisecond {
				t.Errorf("sent for %v, %d frames lost; want 256 targets at 1,000 probes a second, and none", d, res.Lost)
			}
			x.checkHostile(t, m.Name)
			t.Logf("%d frames looked at, %d rows", res.Frames, len(x.rows))
		})
	})
}

// checkHostile looks at the rows of a scan of hostile hosts.
func (x *trial) checkHostile(t *testing.T, module string) {
	t.Helper()
	classes := strings.Fields(map[string]string{
		"tcp_synscan": "synack", "tcp_synackscan": "rst", "icmp_echoscan": "echoreply", "icmp_echo_time": "echoreply", "ipip": "udp",
	}[module] + " icmp icmp-unreach unreach sourcequench redirect timxceed other upnp no-http-header none " + module)
	first := make(map[netip.Addr]int)
	for _, r := range x.rows {
		switch {
		case !x.cfg.Space.Contains(r.addr), temper(r.addr) == 0:
			t.Fatalf("a row about %v, which sent no answer: %+v", r.addr, r)
		case !slices.Contains(classes, r.class):
			t.Fatalf("a row of the class %q, want one of %q", r.class, classes)
		case temper(r.addr) == 2 && (r.repeat || r.success == (module == "upnp")): // a search is no answer to a search
			t.Fatalf("a row of %v: %+v; want that of its one answer", r.addr, r)
		case r.success && strings.Contains("icmp icmp-unreach unreach sourcequench redirect timxceed", r.class):
			t.Fatalf("an error is a success: %+v", r)
		}
		if !r.repeat && (r.success || module == "upnp" && temper(r.addr) == 2) {
			first[r.addr]++
		}
	}
	for i := range 256 {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		want := 1
		if temper(a) == 0 {
			want = 0
		}
		if first[a] != want {
			t.Errorf("%v has %d first successes, want %d", a, first[a], want)
		}
	}
}

// A bad is a frame that nobody should have sent.
type bad struct {
	name  string
	frame []byte
}

// noAnswers are frames that are no answer to the probe p, however close they come.
func noAnswers(p *packet.Parsed) []bad {
	const ip, l4 = packet.EthernetLen, packet.EthernetLen + packet.IPv4Len
	var all []bad
	good := answerFrom(p, p.DstPort)
	change := func(name string, f func(b []byte) []byte) { all = append(all, bad{name, f(bytes.Clone(good))}) }
	set := func(name string, at int, v ...byte) {
		change(name, func(b []byte) []byte { copy(b[at:], v); return b })
	}
	flip := func(name string, at int) {
		change(name, func(b []byte) []byte { b[at] ^= 1; return b })
	}
	least := packet.UDPLen
	switch p.Kind {
	case packet.KindTCP:
		least = packet.TCPLen
		flip("wrong port", l4+2)
		for i := range 4 {
			flip("wrong acknowledgement", l4+8+i)
		}
		for _, flags := range []byte{0, 1, 2, 8, 16, 32, 0xc0} {
			set("no SYN-ACK and no RST", l4+13, flags)
		}
		for n := range byte(5) {
			set("data offset too small", l4+12, n<<4)
		}
		set("data offset too large", l4+12, 0xf0)
	case packet.KindUDP:
		flip("wrong port", l4+2)
	case packet.KindICMPv4:
		flip("wrong identifier", l4+5)
		flip("wrong sequence number", l4+7)
		for _, kind := range []byte{1, 2, 7, 9, 13, 14, 17, 18, 42, 255} {
			set("another type", l4, kind)
		}
	default: // ipip: our own datagram, from our port
		flip("wrong port", l4)
	}
	flip("another host", ip+15)
	for v := range byte(16) {
		if v != 4 {
			set("wrong IP version", ip, v<<4|5)
		}
	}
	for n := range byte(5) {
		set("IP header too short", ip, 0x40|n)
	}
	set("IP header too long", ip, 0x4f)
	for n := range byte(packet.IPv4Len + least) {
		set("IP length too short", ip+2, 0, n)
	}
	for proto := range byte(255) {
		if proto != good[ip+9] {
			set("another protocol", ip+9, proto)
		}
	}
	for _, offset := range []uint16{1, 2, 185, 0x1fff, 0x2001, 0x3fff} {
		set("later fragment", ip+6, byte(offset>>8), byte(offset))
	}
	for n := range l4 + least {
		change("cut", func(b []byte) []byte { return b[:n] })
	}
	for _, kind := range []uint16{0x0806, 0x86dd, 0x8864, 0, 0xffff} {
		set("another EtherType", 12, byte(kind>>8), byte(kind))
	}
	change("three VLAN tags", func(b []byte) []byte {
		return slices.Concat(b[:12], bytes.Repeat([]byte{0x81, 0, 0, 1}, 3), b[12:])
	})
	return append(all, noErrors(p)...)
}

// noErrors are ICMP errors that are not about the probe p.
func noErrors(p *packet.Parsed) []bad {
	var all []bad
	whole := p.Frame[packet.EthernetLen:]
	add := func(name string, quote []byte) { all = append(all, bad{name, icmpAbout(p.Dst, p.Src, quote)}) }
	for n := range packet.IPv4Len + 8 {
		add("quote cut short", whole[:n])
	}
	for name, f := range map[string]func(q []byte){
		"quote from another address of ours": func(q []byte) { q[15] ^= 1 },
		"quote to another host":              func(q []byte) { q[19] ^= 1 },
		"quote of another protocol":          func(q []byte) { q[9] ^= 0x40 },
		"quote of a later fragment":          func(q []byte) { q[7] = 3 },
		"quote of IPv6":                      func(q []byte) { q[0] = 0x65 },
		"quote with a header too short":      func(q []byte) { q[0] = 0x44 },
		"quote with a header too long":       func(q []byte) { q[0] = 0x4f },
	} {
		q := bytes.Clone(whole[:min(len(whole), 60)])
		f(q)
		add(name, q)
	}
	tags := map[packet.Kind][]int{packet.KindTCP: {0, 4, 5, 6, 7}, packet.KindUDP: {0}, packet.KindICMPv4: {5, 7}}[p.Kind]
	for _, at := range tags {
		q := bytes.Clone(whole)
		q[packet.IPv4Len+at] ^= 1
		add(fmt.Sprintf("quote with a wrong byte %d", at), q)
	}
	inner := icmpAbout(p.Src, p.Dst, whole)[packet.EthernetLen:]
	add("quote of an error", inner)
	for _, kind := range []byte{1, 2, 8, 9, 13, 15, 17, 30, 255} {
		f := icmpAbout(p.Dst, p.Src, whole)
		f[packet.EthernetLen+packet.IPv4Len] = kind
		all = append(all, bad{"no error, with a quote", f})
	}
	return all
}

// badAnswers are answers to the probe p of a module, all from the right host, and with the tag, that are broken otherwise.
func badAnswers(module string, p *packet.Parsed) []bad {
	const ip, l4 = packet.EthernetLen, packet.EthernetLen + packet.IPv4Len
	good := answerFrom(p, p.DstPort)
	var all []bad
	add := func(name string, frame []byte) { all = append(all, bad{name, frame}) }
	put := func(name string, at int, v ...byte) {
		b := bytes.Clone(good)
		copy(b[at:], v)
		add(name, b)
	}
	put("IP length too long", ip+2, 0xff, 0xff)
	put("first fragment", ip+6, 0x20, 0)
	put("reserved flag", ip+6, 0x80, 0)
	put("wrong checksum", ip+10, 0xde, 0xad)
	add("VLAN", slices.Concat(good[:12], []byte{0x81, 0, 0, 7}, good[12:]))
	add("two VLAN tags", slices.Concat(good[:12], []byte{0x88, 0xa8, 0, 7, 0x81, 0, 0, 7}, good[12:]))
	add("padding", append(bytes.Clone(good), make([]byte, 46)...))
	long := slices.Concat(good[:l4], bytes.Repeat([]byte{1}, 40), good[l4:])
	long[ip] = 0x4f
	binary.BigEndian.PutUint16(long[ip+2:], uint16(len(long)-ip))
	add("all IP options", long)
	whole := p.Frame[packet.EthernetLen:]
	for n := packet.IPv4Len + 8; n <= len(whole); n += 7 {
		add("short quote", icmpAbout(p.Dst, p.Src, whole[:n]))
	}
	add("long quote", icmpAbout(p.Dst, p.Src, slices.Concat(whole, bytes.Repeat([]byte{0xff}, 4000))))
	for _, kind := range []byte{3, 4, 5, 11, 12} {
		f := icmpAbout(p.Dst, p.Src, whole)
		f[l4], f[l4+1] = kind, 0xff
		add("error of an unknown code", f)
	}
	switch p.Kind {
	case packet.KindTCP:
		all = append(all, badOptions(p, good)...)
	case packet.KindUDP:
		for _, n := range []uint16{0, 1, 7, 8, 0xffff} {
			put("wrong UDP length", l4+4, byte(n>>8), byte(n))
		}
		for name, payload := range badPayloads(module, p) {
			add(name, datagram(netip.AddrPortFrom(p.Dst, p.DstPort), netip.AddrPortFrom(p.Src, p.SrcPort), payload))
		}
	}
	return all
}

// badOptions are segments that answer p as good does, with options that no stack would make.
func badOptions(p *packet.Parsed, good []byte) []bad {
	const l4 = packet.EthernetLen + packet.IPv4Len
	var all []bad
	for _, options := range [][]byte{
		{2, 0, 0, 0},
		{2, 1, 5, 0xb4},
		{2, 255, 5, 0xb4},
		{3, 2, 1, 1},
		{8, 10, 1, 2},
		{8, 3, 1, 1},
		{0, 0, 0, 0},
		{1, 1, 1, 2},
		{1, 1, 1, 254},
		bytes.Repeat([]byte{0xff}, 40), bytes.Repeat([]byte{2, 4, 0, 0}, 10), bytes.Repeat([]byte{3, 3, 255, 0}, 10), bytes.Repeat([]byte{5, 2}, 20),
		append(bytes.Repeat([]byte{1}, 39), 2),
	} {
		b := slices.Concat(good[:l4+packet.TCPLen], options, []byte("and data behind it"))
		b[l4+12] = byte(packet.TCPLen+len(options)) / 4 << 4
		binary.BigEndian.PutUint16(b[packet.EthernetLen+2:], uint16(len(b)-packet.EthernetLen))
		all = append(all, bad{fmt.Sprintf("options %x", options), b})
	}
	return all
}

// TestHostileFramesCostLittle bounds what one frame can cost: nothing on the heap if it is no answer, and if it is one, some
// milliseconds on a slow machine and a megabyte of output.
func TestHostileFramesCostLittle(t *testing.T) {
	host := netip.MustParseAddr("10.0.0.77")
	for _, m := range probe.Modules() {
		l := newListener(t, m, nil)
		port := uint16(0)
		if l.r.desc.Ports {
			port = 80
		}
		var p packet.Parsed
		p.Decode(probeFrame(l.x, host, port), packet.LinkEthernet)
		for _, b := range noAnswers(&p) {
			if l.take(t, b.frame, true) {
				t.Errorf("%s, %s: is a row: %s", m.Name, b.name, l.json.Bytes())
			}
			if n := testing.AllocsPerRun(10, func() { l.take(t, b.frame, true) }); n != 0 {
				t.Errorf("%s, %s: %v allocations, want none", m.Name, b.name, n)
			}
		}
		longest, largest, which := time.Duration(0), 0, ""
		for _, b := range badAnswers(m.Name, &p) {
			least := time.Hour
			for range 5 { // the machine may have other things to do
				start := time.Now()
				l.take(t, b.frame, true)
				least = min(least, time.Since(start))
			}
			if least > longest {
				longest, which = least, b.name
			}
			largest = max(largest, l.json.Len())
		}
		t.Logf("%s: %v for %s, rows up to %d bytes", m.Name, longest, which, largest)
		if longest > 20*time.Millisecond || largest > 1<<20 {
			t.Errorf("%s: %s takes %v, the largest row is %d bytes", m.Name, which, longest, largest)
		}
	}
}
