package lab

import (
	"net/netip"
	"testing"
	"time"
)

// FuzzReceive gives arbitrary frames to a responder that plays hosts of every kind. What it sends parses, goes to where the
// frame came from, and is no more than two frames.
func FuzzReceive(f *testing.F) {
	kinds := []Hosts{
		{Kind: Refuse},
		{Kind: Late, Delay: time.Second},
		{Kind: Twice, Delay: time.Second},
		{Kind: RefuseThenAccept},
		{Kind: ICMPError, Type: 3, Code: 1},
		{Kind: ICMPError, Type: 11, Quote: QuoteMinimum},
		{Kind: ForgeOnly, Forgery: WrongAck},
		{Kind: ForgeOnly, Forgery: WrongPort},
		{Kind: Echo},
	}
	w := World{Ports: []uint16{80}}
	for i, h := range kinds {
		h.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i)}), 24)
		w.Hosts = append(w.Hosts, h)
		p := scannerPath(h.Prefix.Addr().Next().String())
		f.Add(appendTCP(nil, p, segment{sport: testSport, dport: 80, seq: testSeq, flags: flagSYN}))
		f.Add(appendUDP(nil, p, testSport, 80, []byte("x")))
		f.Add(appendICMP(nil, p, message{typ: icmpEcho}, []byte("ping")))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, out := testResponder(t, w)
		r.receive(frame, 0)
		r.release(time.Hour)
		from, ok := parse(frame)
		if len(*out) > 2 || len(*out) > 0 && !ok {
			t.Fatalf("%d answers to %x, which parses: %v", len(*out), frame, ok)
		}
		for _, s := range *out {
			if s.dst != from.src {
				t.Errorf("an answer to %x goes to %v, want %v", frame, toAddr(s.dst), toAddr(from.src))
			}
		}
	})
}
