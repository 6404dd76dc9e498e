package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// FuzzMatch gives arbitrary frames to the decoder. It must not panic; what it accepts carries the tag, read at fixed offsets;
// and it can be decoded to a row that says so.
func FuzzMatch(f *testing.F) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 4 {
		s := shot(r)
		f.Add(answer(&s, packet.TCPFields{Flags: packet.RST, Seq: s.Tag.Ack()}))
		f.Add(answer(&s, packet.TCPFields{Flags: packet.ACK, Seq: s.Tag.Ack()}))
		f.Add(refusal(f, &s))
	}
	schema := ackScan{}.Describe().Schema
	f.Fuzz(func(t *testing.T, frame []byte) {
		var p packet.Parsed
		p.Decode(frame, packet.LinkIP)
		dec := ackScan{}.NewDecoder()
		got, ok := dec.Match(&p, tagger())
		if !ok || frame[0]>>4 != 4 {
			return
		}
		header := frame[frame[0]&15*4:]
		us, them := netip.AddrFrom4([4]byte(frame[16:20])), netip.AddrFrom4([4]byte(frame[12:16]))
		ours, theirs, wanted := header[2:4], header[0:2], header[4:8]
		number := func(tag [16]byte) []byte { return tag[8:12] }
		if frame[9] == 1 { // an error: the quoted packet was ours
			quoted := header[8:]
			header = quoted[quoted[0]&15*4:]
			them = netip.AddrFrom4([4]byte(quoted[16:20]))
			ours, theirs, wanted = header[0:2], header[2:4], header[4:8]
			number = func(tag [16]byte) []byte { return tag[0:4] }
		}
		port := binary.BigEndian.Uint16(theirs)
		tag := tagger().Tag(us, them, port)
		if got.Addr != them || got.Port != port || string(number(tag)) != string(wanted) ||
			!tagger().Ports().Match(tag, binary.BigEndian.Uint16(ours), 1) {
			t.Fatalf("accepted for %v; by the offsets it is about %v port %d, tag %x; frame %x", got, them, port, tag, frame)
		}
		row := record.New(schema)
		dec.Decode(&p, row)
		if c := row.Values[fieldClass].Text(); c != "unfiltered" && c != "filtered" || row.Values[fieldSuccess].IsNull() {
			t.Fatalf("row is %v; frame %x", row.Values, frame)
		}
	})
}
