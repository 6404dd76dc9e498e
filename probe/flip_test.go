package probe

import (
	"math/rand/v2"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/packet"
)

// A region is a run of bits of a frame, counted from its first byte.
type region struct {
	name       string
	first, len int // bytes
}

// The places in a frame, Ethernet and IPv4 without options in front, and in what an ICMP error quotes.
const (
	atIP   = 14
	atL4   = atIP + 20
	quoted = atL4 + 8
	inside = quoted + 20
)

// TestEveryBitOfTheTagCounts flips each bit that ties an answer to a probe: none may be accepted. It flips the other bits
// of the transport header as well: they say nothing about whose answer it is.
func TestEveryBitOfTheTagCounts(t *testing.T) {
	addrs := []region{{"source", atIP + 12, 4}, {"destination", atIP + 16, 4}}
	quotedAddrs := []region{
		{"destination", atIP + 16, 4},
		{"quoted source", quoted + 12, 4},
		{"quoted destination", quoted + 16, 4},
		{"quoted protocol", quoted + 9, 1},
	}
	r, tags := rand.New(rand.NewPCG(11, 12)), tagger(1)
	for range 50 {
		tcp, echo := randShot(r, synscan(), tags), randShot(r, echoscan(), tags)
		ports := append(addrs, region{"ports", atL4, 4}, region{"acknowledgement", atL4 + 8, 4})
		synAck := segment(t, &tcp, nil)
		flipAll(t, "SYN-ACK", synscan(), synAck, ports, false)
		flipAll(t, "SYN-ACK", synscan(), synAck, []region{{"its own sequence number", atL4 + 4, 4}, {"window", atL4 + 14, 2}, {"checksum", atL4 + 16, 2}}, true)
		rst := segment(t, &tcp, func(h *layers.TCP) { h.SYN, h.RST, h.Ack = false, true, tcp.Tag.Seq() })
		flipAll(t, "RST", synscan(), rst, append(addrs, region{"ports", atL4, 4}), false)
		flipAck(t, rst, tcp.Tag.Seq())

		flipAll(t, "echo reply", echoscan(), echoReply(&echo, make([]byte, 20)).frame(t),
			append(addrs, region{"identifier and number", atL4 + 4, 4}), false)
		flipAll(t, "ICMP about a SYN", synscan(), quoting(t, synscan(), &tcp, 8).frame(t),
			append(quotedAddrs, region{"quoted ports", inside, 4}, region{"quoted number", inside + 4, 4}), false)
		flipAll(t, "ICMP about a request", echoscan(), quoting(t, echoscan(), &echo, 8).frame(t),
			append(quotedAddrs, region{"quoted type", inside, 1}, region{"quoted identifier and number", inside + 4, 4}), false)
		flipAll(t, "ICMP about a SYN", synscan(), quoting(t, synscan(), &tcp, 8).frame(t),
			[]region{{"router", atIP + 12, 4}, {"quoted TTL", quoted + 8, 1}, {"quoted checksum", quoted + 10, 2}}, true)
	}
}

// flipAll flips each bit of the regions of a valid answer, one at a time.
func flipAll(t *testing.T, what string, v variant, frame []byte, regions []region, want bool) {
	t.Helper()
	if _, ok := match(t, v, frame, tagger(1)); !ok {
		t.Fatalf("%s: not accepted unchanged: %x", what, frame)
	}
	for _, g := range regions {
		for bit := range g.len * 8 {
			changed := append([]byte(nil), frame...)
			changed[g.first+bit/8] ^= 1 << (bit % 8)
			if _, got := match(t, v, changed, tagger(1)); got != want {
				t.Errorf("%s, bit %d of %s flipped: accepted %v, want %v; frame %x", what, bit, g.name, got, want, changed)
			}
		}
	}
}

// flipAck flips the bits of what a RST acknowledges: only the number after ours may count besides ours.
func flipAck(t *testing.T, rst []byte, seq uint32) {
	t.Helper()
	for bit := range 32 {
		changed := append([]byte(nil), rst...)
		changed[atL4+8+bit/8] ^= 1 << (bit % 8)
		want := packet.TCP(changed[atL4:]).Ack()-seq <= 1
		if _, got := match(t, synscan(), changed, tagger(1)); got != want {
			t.Errorf("RST, bit %d of its acknowledgement flipped: accepted %v, want %v; frame %x", bit, got, want, changed)
		}
	}
}
