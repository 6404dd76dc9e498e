package probe

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/packet"
)

// refusal returns a change that makes a segment a RST with sequence and acknowledgement numbers counted from ours.
func refusal(s *Shot, repeated, ahead uint32) func(*layers.TCP) {
	return func(h *layers.TCP) {
		h.SYN, h.ACK, h.RST = false, false, true
		h.Seq, h.Ack = s.Tag.Ack()+repeated, s.Tag.Seq()+ahead
	}
}

// far is a number that no answer has, counted from ours.
const far = 0x40000000

// acceptedSYNACK are answers to SYN-ACKs that must count.
func acceptedSYNACK(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	v := lone("tcp_synackscan")
	s := randShot(r, v, tagger(2))
	add := func(name string, frame []byte) { out = append(out, matchCase{name, v, s, frame}) }
	add("RST by RFC 9293", segment(t, &s, refusal(&s, 0, -s.Tag.Seq())))
	add("RST of the number after", segment(t, &s, refusal(&s, 1, far)))
	add("RST that acknowledges the SYN", segment(t, &s, refusal(&s, far, 1)))
	add("SYN-ACK", segment(t, &s, nil))
	add("SYN-ACK with ECE", segment(t, &s, flags(&s, packet.SYN|packet.ACK|packet.ECE, 1)))
	other := s
	other.Try = 1 - s.Try
	add("RST to the other try", segment(t, &other, refusal(&other, 0, far)))
	for _, kind := range []uint8{3, 4, 5, 11, 12} {
		m := quoting(t, v, &s, 8)
		m.kind = kind
		add(fmt.Sprintf("ICMP type %d, 8 bytes quoted", kind), m.frame(t))
	}
	add("ICMP with the whole SYN-ACK", quoting(t, v, &s, 1500).frame(t))
	return out
}

// rejectedSYNACK are frames that no SYN-ACK of ours caused.
func rejectedSYNACK(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	v := lone("tcp_synackscan")
	s := randShot(r, v, tagger(2))
	for name, change := range map[string]func(*layers.TCP){
		"RST of two further":             refusal(&s, 2, far),
		"RST of one before":              refusal(&s, ^uint32(0), far),
		"RST that acknowledges too much": refusal(&s, far, 2),
		"RST that acknowledges nothing":  refusal(&s, far, 0),
		"SYN-ACK of our own number":      flags(&s, packet.SYN|packet.ACK, 0),
		"ACK":                            flags(&s, packet.ACK, 1),
		"SYN":                            flags(&s, packet.SYN, 1),
		"SYN-ACK that repeats our number": func(h *layers.TCP) {
			h.Seq, h.Ack = s.Tag.Ack(), 7
		},
		"RST from the next port": func(h *layers.TCP) {
			refusal(&s, 0, far)(h)
			h.SrcPort++
		},
		"RST to a port before all tries": func(h *layers.TCP) {
			refusal(&s, 0, far)(h)
			h.DstPort = before(s.Tag.PortWord())
		},
	} {
		out = append(out, matchCase{name, v, s, segment(t, &s, change)})
	}
	for name, change := range map[string]func(*message){
		"7 bytes quoted":            func(m *message) { m.body = m.body[:27] },
		"quote of another protocol": func(m *message) { m.body[9] = 17 },
		"quote of another source":   func(m *message) { m.body[15] ^= 1 },
		"quote of a wrong number":   func(m *message) { m.body[20+7]++ },
		"not an error":              func(m *message) { m.kind = 13 },
	} {
		m := quoting(t, v, &s, 1500)
		change(&m)
		out = append(out, matchCase{name, v, s, m.frame(t)})
	}
	return out
}

// TestEveryBitOfASYNACKCounts flips the bits that tie an answer to a SYN-ACK, and some that do not.
func TestEveryBitOfASYNACKCounts(t *testing.T) {
	v := lone("tcp_synackscan")
	r, tags := rand.New(rand.NewPCG(31, 32)), tagger(1)
	addrs := []region{{"source", atIP + 12, 4}, {"destination", atIP + 16, 4}, {"ports", atL4, 4}}
	for range 50 {
		s := randShot(r, v, tags)
		// The number after ours counts, so the last bit of the repeated number is left out where flipping it makes that one.
		s.Tag = tags.Tag(s.Src, s.Addr, s.Port)
		rst := segment(t, &s, refusal(&s, s.Tag.Ack()&1, far))
		flipAll(t, "RST", v, rst, addrs, false)
		flipAll(t, "RST", v, rst, []region{{"upper bytes of the repeated number", atL4 + 4, 3}}, false)
		flipAll(t, "RST", v, rst, []region{{"its acknowledgement", atL4 + 8, 4}, {"window", atL4 + 14, 2}}, true)
		acked := segment(t, &s, refusal(&s, far, 1))
		flipAll(t, "RST that acknowledges", v, acked, append(addrs, region{"acknowledgement", atL4 + 8, 4}), false)
		flipAll(t, "ICMP about a SYN-ACK", v, quoting(t, v, &s, 8).frame(t),
			[]region{{"destination", atIP + 16, 4}, {"quoted addresses", quoted + 12, 8}, {"quoted ports and number", inside, 8}}, false)
	}
}

func TestGoldenSYNACK(t *testing.T) {
	s := goldenShot()
	want := unhex(t, goldenEther+
		`45 00 002c 3edd 0000 40 06 690e # 44 bytes, no DF, TTL 64, TCP`+"\n"+goldenAddrs+
		`de69 0050 3fb8bc81 11223344 # 56937 to 80, sequence number, acknowledgement number: both from the tag
		 60 12 ffff a5db 0000 # 24 bytes of header, SYN and ACK, window 65535
		 02 04 05b4           # MSS 1460`)
	if got := frameOf(t, lone("tcp_synackscan"), testRoute(true, 1), &s); !bytes.Equal(got, want) {
		t.Errorf("\ngot  %x\nwant %x", got, want)
	}
}

// TestDecodeSYNACK says that a refusal is the success, and nothing else is: C ZMap's help says so, its code does not.
func TestDecodeSYNACK(t *testing.T) {
	v, s := lone("tcp_synackscan"), goldenShot()
	fields := map[string]string{"sport": "80", "dport": "56937", "window": "1000"}
	with := func(more map[string]string) map[string]string {
		for k, x := range fields {
			more[k] = x
		}
		return more
	}
	check(t, "RST", v, segment(t, &s, refusal(&s, 0, -s.Tag.Seq())), with(map[string]string{
		"seqnum": "287454020", "acknum": "0", "classification": "rst", "success": "true",
	}))
	check(t, "RST that acknowledges", v, segment(t, &s, refusal(&s, -s.Tag.Ack(), 1)), with(map[string]string{
		"seqnum": "0", "acknum": "1069071490", "classification": "rst", "success": "true",
	}))
	check(t, "SYN-ACK", v, segment(t, &s, func(h *layers.TCP) { h.Options = options(unhex(t, "020405b4")) }), with(map[string]string{
		"seqnum": "3052589947", "acknum": "1069071490", "classification": "synack", "success": "false",
	}))
	check(t, "ICMP error", v, quoting(t, v, &s, 8).frame(t), map[string]string{
		"classification": "icmp", "success": "false", "icmp_responder": "203.0.113.9", "icmp_type": "3", "icmp_code": "1",
		"icmp_unreach_str": "host unreachable",
	})
}

// TestIgnoredArguments says that modules without arguments bear those that C ZMap bears, and say so.
func TestIgnoredArguments(t *testing.T) {
	for _, name := range []string{"tcp_synackscan", "icmp_echo_time"} {
		v := variant{name: name, args: "windows"}
		want := name + ` takes no probe arguments: "windows" is ignored`
		if got := v.probe(t).Describe().Warnings; len(got) != 1 || got[0] != want {
			t.Errorf("%v: warnings %q, want %q", v, got, want)
		}
		if got := lone(name).probe(t).Describe().Warnings; len(got) != 0 {
			t.Errorf("%s without arguments: warnings %q, want none", name, got)
		}
		s := goldenShot()
		if got, want := frameOf(t, v, testRoute(true, 1), &s), frameOf(t, lone(name), testRoute(true, 1), &s); !bytes.Equal(got, want) {
			t.Errorf("%v: ignored arguments change the frame:\ngot  %x\nwant %x", v, got, want)
		}
	}
}
