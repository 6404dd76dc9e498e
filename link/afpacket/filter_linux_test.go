package afpacket

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// What the twin wants, the running kernel must hand over, and nothing else: many random filters, one after the other on
// one socket. A frame with tags is matched as the socket sees it, without its first tag.
func TestKernelAgreesWithTwin(t *testing.T) {
	t.Parallel()
	p := wire.Lay(t, wire.Plan{})
	a, b := wire.Open(t, Engine{}, p.A, link.Config{Ether: true}), wire.Open(t, Engine{}, p.B, link.Config{Ether: true})
	tx, rx := a.TX[0], b.RX[0].(*RX)
	r := rand.New(rand.NewPCG(20, 20))
	var got, wanted [][]byte
	all := 0
	keep := func(f *link.Frame) { got = append(got, bytes.Clone(f.Data)) }
	for range 150 {
		f := linktest.RandomFilter(r)
		f.Snap = 0
		code, err := program(f, true)
		must(t, err)
		must(t, attach(rx.fd, code))
		slots := make([]link.Slot, 64)
		if n := tx.Reserve(slots, time.Second); n != len(slots) {
			t.Fatalf("%d slots, want %d", n, len(slots))
		}
		got, wanted = got[:0], wanted[:0]
		for i := range slots {
			frame := linktest.RandomFrame(r, f, true)
			for len(frame) < 18 {
				frame = linktest.RandomFrame(r, f, true)
			}
			slots[i].N = copy(slots[i].Data, frame)
			if seen := untagged(frame); f.Match(seen, true) {
				wanted = append(wanted, seen)
			}
		}
		must(t, tx.Submit(slots))
		for start := time.Now(); len(got) < len(wanted) && time.Since(start) < 5*time.Second; {
			_, err := rx.Poll(100*time.Millisecond, keep)
			must(t, err)
		}
		if len(got) != len(wanted) {
			t.Fatalf("filter %+v: %d frames passed the kernel's program, want %d", f, len(got), len(wanted))
		}
		for i := range got {
			if !bytes.Equal(got[i], wanted[i]) {
				t.Fatalf("filter %+v: frame %d: got %x, want %x", f, i, got[i], wanted[i])
			}
		}
		all += len(wanted)
	}
	if n := drain(t, rx, keep); n != 0 || rx.Received() != uint64(all) {
		t.Errorf("%d frames too many; %d received, want %d", n, rx.Received(), all)
	}
	if all < 500 {
		t.Errorf("only %d frames wanted in all: the test tests nothing", all)
	}
}

// 256 source addresses, scattered, are what a scan may have: the kernel takes the program and wants exactly what is for one of
// them.
func TestKernelAgreesOnManyAddresses(t *testing.T) {
	t.Parallel()
	p := wire.Lay(t, wire.Plan{})
	r := rand.New(rand.NewPCG(21, 21))
	f := link.Filter{UDP: true}
	var frames, wanted [][]byte
	add := func(a netip.Addr) {
		s := linktest.Spec{Src: a, Dst: a, Proto: linktest.ProtoUDP}
		frame := s.Frame(true)
		frames = append(frames, frame)
		if f.Match(frame, true) {
			wanted = append(wanted, frame)
		}
	}
	for range 256 {
		f.Local = append(f.Local, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 1<<30+r.Uint32N(1<<30)))))
	}
	for _, a := range f.Local {
		add(a.Prev())
		add(a)
		add(a.Next())
	}
	if len(wanted) != 256 {
		t.Fatalf("the twin wants %d of %d frames, want 256", len(wanted), len(frames))
	}
	tx, rx := wire.Open(t, Engine{}, p.A, link.Config{Ether: true}).TX[0], wire.Open(t, Engine{}, p.B, link.Config{Ether: true, Filter: f}).RX[0]
	slots := make([]link.Slot, 64)
	for batch := range slices.Chunk(frames, len(slots)) {
		n := tx.Reserve(slots[:len(batch)], time.Second)
		for i := range slots[:n] {
			slots[i].N = copy(slots[i].Data, batch[i])
		}
		must(t, tx.Submit(slots[:n]))
	}
	next := 0
	drain(t, rx, func(got *link.Frame) {
		if next < len(wanted) && !bytes.Equal(got.Data, wanted[next]) {
			t.Errorf("frame %d: got %x, want %x", next, got.Data, wanted[next])
		}
		next++
	})
	if next != len(wanted) {
		t.Errorf("%d frames passed the kernel's program, want %d", next, len(wanted))
	}
}

// untagged is the frame as the kernel hands it to packet sockets (skb_vlan_untag in net/core/skbuff.c).
func untagged(frame []byte) []byte {
	if kind := binary.BigEndian.Uint16(frame[12:]); kind != linktest.TypeVLAN && kind != linktest.TypeQinQ {
		return frame
	}
	return append(append([]byte(nil), frame[:12]...), frame[16:]...)
}
