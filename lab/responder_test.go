package lab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// A sent is what a responder emitted in a test: no kernel, no clock.
type sent struct {
	answer Answer
	arrival
}

func testResponder(t testing.TB, w World) (*responder, *[]sent) {
	t.Helper()
	truth, err := w.Truth()
	if err != nil {
		t.Fatal(err)
	}
	var out []sent
	r := newResponder(truth, standardLink(), func(frame []byte, a Answer) {
		got, ok := parse(append([]byte(nil), frame...))
		if !ok {
			t.Errorf("emitted a frame that does not parse: %x", frame)
		}
		out = append(out, sent{a, got})
	})
	return r, &out
}

// scannerPath leads from the scanner to addr.
func scannerPath(addr string) path {
	l := standardLink()
	return path{
		fromMAC: mac(l.ScannerMAC), toMAC: mac(l.GatewayMAC),
		src: toUint(l.Scanner), dst: toUint(netip.MustParseAddr(addr)),
	}
}

func synTo(addr string, seq uint32) []byte {
	return appendTCP(nil, scannerPath(addr), segment{sport: testSport, dport: 80, seq: seq, flags: flagSYN})
}

const (
	testSport = 40000
	testSeq   = 0x01020304
)

// TestLateAnswersKeepTheirTime: with several delays at once each answer leaves when it is due, in order of due times, and
// release says exactly how long to wait.
func TestLateAnswersKeepTheirTime(t *testing.T) {
	r, out := testResponder(t, World{Ports: []uint16{80}, Hosts: []Hosts{
		{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Kind: Late, Delay: 5 * time.Second},
		{Prefix: netip.MustParsePrefix("10.0.1.0/24"), Kind: Late, Delay: 2 * time.Second},
		{Prefix: netip.MustParsePrefix("10.0.2.0/24"), Kind: Twice, Delay: time.Second},
	}})
	if wait := r.release(0); wait >= 0 {
		t.Errorf("nothing to do, but wait is %v", wait)
	}
	r.receive(synTo("10.0.0.1", 1), 0)             // due at 5 s
	r.receive(synTo("10.0.1.1", 2), 1*time.Second) // due at 3 s
	r.receive(synTo("10.0.2.1", 3), 2*time.Second) // at once, and at 3 s
	r.receive(synTo("10.0.1.2", 4), 4*time.Second) // due at 6 s
	if got := r.counts.waiting.Load(); got != 4 || len(*out) != 1 {
		t.Fatalf("%d waiting and %d sent, want 4 and 1", got, len(*out))
	}
	for _, step := range []struct {
		now, wait time.Duration
		total     int
	}{
		{2 * time.Second, time.Second, 1},
		{3*time.Second - 1, 1, 1},
		{3 * time.Second, 2 * time.Second, 3},
		{5 * time.Second, time.Second, 4},
		{9 * time.Second, -1, 5},
	} {
		if wait := r.release(step.now); wait != step.wait || len(*out) != step.total {
			t.Errorf("at %v: %d sent, wait %v; want %d, %v", step.now, len(*out), wait, step.total, step.wait)
		}
	}
	var acks []uint32
	for _, s := range *out {
		acks = append(acks, s.tcp.ack-1)
	}
	if got := fmt.Sprint(acks); got != "[3 2 3 1 4]" && got != "[3 3 2 1 4]" {
		t.Errorf("answers in order %v", acks)
	}
	if r.counts.waiting.Load() != 0 || r.counts.probes.Load() != 4 || r.counts.sent[SYNACK].Load() != 5 {
		t.Errorf("counts: waiting %d, probes %d, SYN-ACKs %d; want 0, 4, 5",
			r.counts.waiting.Load(), r.counts.probes.Load(), r.counts.sent[SYNACK].Load())
	}
}

// TestForgedAcksAreNeverRight: of many random ones none is what a scanner accepts, the sequence number or the one after it.
func TestForgedAcksAreNeverRight(t *testing.T) {
	r, out := testResponder(t, World{Ports: []uint16{80}, Hosts: []Hosts{
		{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Kind: ForgeOnly},
	}})
	for seq := range uint32(20000) {
		r.receive(synTo("10.0.0.1", seq-10), 0)
		last := (*out)[len(*out)-1]
		if off := last.tcp.ack - (seq - 10); off == 0 || off == 1 || last.answer != Forged {
			t.Fatalf("sequence number %d is acknowledged with %d (%v)", seq-10, last.tcp.ack, last.answer)
		}
		*out = (*out)[:0]
	}
}

func TestRefuseThenAcceptRemembersHostAndPort(t *testing.T) {
	r, out := testResponder(t, World{Ports: []uint16{80, 81}, Hosts: []Hosts{
		{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Kind: RefuseThenAccept},
	}})
	got := ""
	for _, step := range []struct {
		addr string
		port uint16
	}{{"10.0.0.1", 80}, {"10.0.0.1", 80}, {"10.0.0.2", 80}, {"10.0.0.1", 81}, {"10.0.0.1", 80}, {"10.0.0.1", 82}, {"10.0.0.1", 82}} {
		r.receive(appendTCP(nil, scannerPath(step.addr), segment{sport: 1, dport: step.port, flags: flagSYN}), 0)
		got += fmt.Sprint((*out)[len(*out)-1].answer, " ")
	}
	if got != "RST SYNACK RST RST SYNACK RST RST " {
		t.Errorf("answers %s", got)
	}
}

// TestResponderIgnores: no answer, whatever the kind, to what is not a probe or not for its hosts.
func TestResponderIgnores(t *testing.T) {
	w := World{Ports: []uint16{80}}
	for k := Silent; k <= Echo; k++ {
		h := Hosts{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(k), 0}), 24), Kind: k}
		switch k {
		case Late:
			h.Delay = 1
		case ICMPError:
			h.Type = 3
		default:
		}
		w.Hosts = append(w.Hosts, h)
	}
	r, out := testResponder(t, w)
	for k := Silent; k <= Echo+1; k++ {
		p := scannerPath(fmt.Sprintf("10.0.%d.1", k))
		frames := [][]byte{
			appendTCP(nil, p, segment{dport: 80, flags: flagRST}),
			appendTCP(nil, p, segment{dport: 80, flags: flagACK}),
			appendTCP(nil, p, segment{dport: 80, flags: flagSYN | flagRST}),
			appendICMP(nil, p, message{typ: icmpEchoReply}, nil),
			appendICMP(nil, p, message{typ: icmpUnreachable}, nil),
			nil,
		}
		if !k.responds() || k > Echo {
			frames = append(frames, appendTCP(nil, p, segment{dport: 80, flags: flagSYN}), appendICMP(nil, p, message{typ: icmpEcho}, nil))
		}
		for i, f := range frames {
			r.receive(f, 0)
			r.release(time.Hour)
			if len(*out) > 0 {
				t.Fatalf("kind %v answers frame %d: %+v", k, i, *out)
			}
		}
	}
	if got := r.counts.probes.Load(); got != 0 {
		t.Errorf("%d probes counted", got)
	}
}

func TestUnaskedSYNACKIsReset(t *testing.T) {
	r, out := testResponder(t, World{Ports: []uint16{80}, Hosts: []Hosts{
		{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Kind: Twice},
	}})
	r.receive(appendTCP(nil, scannerPath("10.0.0.1"), segment{sport: 7, dport: 80, seq: 5, ack: 99, flags: flagSYN | flagACK}), 0)
	want := segment{sport: 80, dport: 7, seq: 99, flags: flagRST}
	if len(*out) != 2 || (*out)[0].tcp != want || (*out)[0].answer != RST {
		t.Errorf("answers %+v, want twice %+v", *out, want)
	}
}

// TestQuotesAreCut: an ICMP error is at most 576 bytes long.
func TestQuotesAreCut(t *testing.T) {
	r, out := testResponder(t, World{Hosts: []Hosts{
		{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Kind: ICMPError, Type: 3, Code: 13},
		{Prefix: netip.MustParsePrefix("10.0.1.0/24"), Kind: ICMPError, Type: 3, Code: 13, Quote: QuoteMinimum},
	}})
	for addr, want := range map[string]int{"10.0.0.9": 548, "10.0.1.9": 28} {
		r.receive(appendUDP(nil, scannerPath(addr), 1, 2, make([]byte, 1400)), 0)
		got := (*out)[len(*out)-1]
		if len(got.payload) != want || got.icmp.code != 13 {
			t.Errorf("%s: quoted %d bytes with code %d, want %d and 13", addr, len(got.payload), got.icmp.code, want)
		}
	}
}

func BenchmarkResponder(b *testing.B) {
	truth, err := World{Ports: []uint16{80}, Hosts: []Hosts{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Kind: Refuse}}}.Truth()
	if err != nil {
		b.Fatal(err)
	}
	r := newResponder(truth, standardLink(), func([]byte, Answer) {})
	frame := synTo("10.1.2.3", testSeq)
	b.ReportAllocs()
	for b.Loop() {
		r.receive(frame, 0)
	}
}
