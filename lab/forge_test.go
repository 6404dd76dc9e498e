package lab

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"strings"
	"testing"
)

func testFlood() Flood {
	return Flood{
		Frames: 4000, From: netip.MustParsePrefix("10.0.0.0/8"), Port: 80,
		FirstSource: 32768, LastSource: 61000, Right: 0.25, Seed: 7,
	}
}

func TestForgedFrames(t *testing.T) {
	f := testFlood()
	f.Answers = []Answer{SYNACK, RST, EchoReply, Reply, Unreachable}
	forger := newForger(f, standardLink())
	right := make(map[Answer]uint64)
	for i := range f.Frames {
		before := forger.done.Right
		frame := forger.appendNext(nil)
		a, ok := parse(frame)
		if !ok || toAddr(a.dst) != standardLink().Scanner || !f.From.Contains(toAddr(a.src)) {
			t.Fatalf("frame %d: %x", i, frame)
		}
		kind, source, port := classify(t, a)
		if want := f.Answers[i%len(f.Answers)]; kind != want {
			t.Fatalf("frame %d is a %v, want %v", i, kind, want)
		}
		if forger.done.Right > before {
			right[kind]++
			if kind != EchoReply && (port != f.Port || source < f.FirstSource || source > f.LastSource) {
				t.Errorf("frame %d: ports %d and %d do not count as right", i, port, source)
			}
		}
	}
	for _, kind := range f.Answers {
		if forger.done.By[kind] != 800 {
			t.Errorf("%d of kind %v, want 800", forger.done.By[kind], kind)
		}
		if share := float64(right[kind]) / 800; math.Abs(share-f.Right) > 0.08 {
			t.Errorf("a share of %.3f of kind %v has the right ports, want about %v", share, kind, f.Right)
		}
	}
}

// classify tells what a forged frame claims to be, and with which ports.
func classify(t *testing.T, a arrival) (kind Answer, source, port uint16) {
	t.Helper()
	switch {
	case a.proto == protoTCP && a.tcp.flags == flagSYN|flagACK:
		return SYNACK, a.tcp.dport, a.tcp.sport
	case a.proto == protoTCP && a.tcp.flags == flagRST|flagACK:
		return RST, a.tcp.dport, a.tcp.sport
	case a.proto == protoUDP:
		return Reply, a.tcp.dport, a.tcp.sport
	case a.proto == protoICMP && a.icmp.typ == icmpEchoReply:
		return EchoReply, 0, 0
	}
	if a.icmp.typ != 3 && a.icmp.typ != 11 {
		t.Fatalf("ICMP type %d", a.icmp.typ)
	}
	quoted := append(make([]byte, etherLen), a.payload...)
	binary.BigEndian.PutUint16(quoted[12:], 0x0800)
	q, ok := parse(quoted)
	if !ok || q.tcp.flags != flagSYN || toAddr(q.src) != standardLink().Scanner {
		t.Fatalf("the quote is not a SYN of the scanner: %x", a.payload)
	}
	return Unreachable, q.tcp.sport, q.tcp.dport
}

func TestFloodIsReproducible(t *testing.T) {
	all := func(seed uint64) []byte {
		f := testFlood()
		f.Seed = seed
		forger := newForger(f, standardLink())
		var b []byte
		for range 100 {
			b = forger.appendNext(b)
		}
		return b
	}
	if !bytes.Equal(all(1), all(1)) {
		t.Error("the same seed gives other frames")
	}
	if bytes.Equal(all(1), all(2)) {
		t.Error("another seed gives the same frames")
	}
}

func TestFloodMistakes(t *testing.T) {
	for want, change := range map[string]func(*Flood){
		"Forged cannot be forged": func(f *Flood) { f.Answers = []Answer{RST, Forged} },
		"negative number":         func(f *Flood) { f.Frames = -1 },
		"not an IPv4 prefix":      func(f *Flood) { f.From = netip.Prefix{} },
		"share 1.5":               func(f *Flood) { f.Right = 1.5 },
		"port 0 and":              func(f *Flood) { f.Port = 0 },
		"9 to 8":                  func(f *Flood) { f.FirstSource, f.LastSource = 9, 8 },
	} {
		f := testFlood()
		change(&f)
		if err := f.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", f, err, want)
		}
	}
	f := Flood{Frames: 1, From: netip.MustParsePrefix("10.0.0.0/8")} // all random needs no ports
	if err := f.validate(); err != nil {
		t.Error(err)
	}
}

func BenchmarkForger(b *testing.B) {
	forger := newForger(testFlood(), standardLink())
	var frame []byte
	b.ReportAllocs()
	for b.Loop() {
		frame = forger.appendNext(frame[:0])
	}
}
