package linktest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
)

// down cuts the wire between two batches.
func (su suite) down(t *testing.T) {
	bed := su.open(t, su.config(), standardMTU)
	r := su.rand(9)
	frames := [][]byte{su.datagram(r, 60), su.datagram(r, 61), su.datagram(r, 62)}
	send(t, bed.TX, 64, frames)
	bed.Cut()
	su.ended(t, bed, frames[0], len(frames))
}

// ended checks that a bed whose wire is cut says so at both ends. frame is one to send; left is how many frames arrived before
// and have not been handed over.
func (su suite) ended(t *testing.T, bed Bed, frame []byte, left int) {
	t.Helper()
	queued := bed.TX.Stats().Queued
	slots := make([]link.Slot, 8)
	var err error
	for start := time.Now(); err == nil && time.Since(start) < patience; {
		n := bed.TX.Reserve(slots, time.Millisecond)
		for i := range slots[:n] {
			slots[i].N = copy(slots[i].Data, frame)
		}
		err = bed.TX.Submit(slots[:n])
	}
	if !errors.Is(err, link.ErrDown) {
		t.Errorf("submit on an interface that is down: got error %v, want %v", err, link.ErrDown)
	}
	before := bed.TX.Stats()
	if n := bed.TX.Reserve(slots, time.Millisecond); n > 0 {
		if err := bed.TX.Submit(slots[:n]); !errors.Is(err, link.ErrDown) {
			t.Errorf("submit again: got error %v, want %v", err, link.ErrDown)
		}
	}
	if s := bed.TX.Stats(); s.Queued != s.Sent+s.Refused+s.Aborted || s.Queued < queued || s.Sent != before.Sent {
		t.Errorf("counters after the interface went down: %+v, before %+v", s, before)
	}
	if err := bed.TX.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
	got, err := 0, error(nil)
	for start := time.Now(); err == nil && time.Since(start) < patience; {
		var n int
		n, err = bed.RX.Poll(20*time.Millisecond, func(*link.Frame) { got++ })
		if err != nil && n != 0 {
			t.Errorf("%d frames come with the error %v", n, err)
		}
	}
	if !errors.Is(err, link.ErrDown) {
		t.Errorf("poll on an interface that is down: got error %v, want %v", err, link.ErrDown)
	}
	if got < left {
		t.Errorf("%d frames handed over before the error, want the %d sent before the cut", got, left)
	}
	if _, err := bed.RX.Poll(time.Millisecond, func(*link.Frame) {}); !errors.Is(err, link.ErrDown) {
		t.Errorf("poll again: got error %v, want %v", err, link.ErrDown)
	}
}

// filter sends what is wanted and what is not; the twin says which is which. Frames with tags are left to tags:
// the kernel's program sees them without the first one.
func (su suite) filter(t *testing.T) {
	r := su.rand(10)
	for range 3 {
		cfg := su.config()
		cfg.Filter = *RandomFilter(r)
		bed := su.open(t, cfg, standardMTU)
		var frames, wanted [][]byte
		for len(frames) < 300 {
			f := RandomFrame(r, &cfg.Filter, su.head > 0)
			if !su.sendable(f) {
				continue
			}
			frames = append(frames, f)
			if cfg.Filter.Match(f, su.head > 0) {
				wanted = append(wanted, f)
			}
		}
		send(t, bed.TX, 64, frames)
		for i, g := range su.collect(t, bed.RX, len(wanted)) {
			if want := wanted[i]; g.Len != len(want) || !bytes.HasPrefix(want, g.Data) {
				t.Fatalf("filter %+v, frame %d: got %x, want %x", cfg.Filter, i, g.Data, want)
			}
		}
		quiet(t, bed.RX)
		if n := bed.RX.Received(); n != uint64(len(wanted)) {
			t.Errorf("filter %+v: %d frames passed, want %d", cfg.Filter, n, len(wanted))
		}
	}
}

func (su suite) snap(t *testing.T) {
	const snap = 96
	cfg := su.config()
	cfg.Filter.Snap = snap
	bed := su.open(t, cfg, standardMTU)
	r := su.rand(11)
	frames := make([][]byte, 0, 6)
	for _, n := range []int{60, snap - 1, snap, snap + 1, 500, link.MaxFrame} {
		frames = append(frames, su.datagram(r, n))
	}
	send(t, bed.TX, 64, frames)
	for i, g := range su.collect(t, bed.RX, len(frames)) {
		want := frames[i][:min(snap-su.extra(&g), len(frames[i]))]
		if !bytes.Equal(g.Data, want) || g.Len != len(frames[i]) {
			t.Errorf("frame of %d bytes: got %d bytes, length %d, want %d bytes, length %d",
				len(frames[i]), len(g.Data), g.Len, len(want), len(frames[i]))
		}
	}
}

// tags sends frames with a VLAN tag: they must arrive, and the tag either in band or beside the frame.
func (su suite) tags(t *testing.T) {
	bed := su.open(t, su.config(), standardMTU)
	r := su.rand(12)
	plain := su.datagram(r, 100)
	const priority = 5 << 13
	frames := make([][]byte, 0, 3)
	for _, tag := range []uint16{1, 7, 4094} {
		f := append([]byte(nil), plain[:12]...)
		f = binary.BigEndian.AppendUint16(f, 0x8100)
		f = binary.BigEndian.AppendUint16(f, priority|tag)
		frames = append(frames, append(f, plain[12:]...))
	}
	send(t, bed.TX, 64, frames)
	for i, g := range su.collect(t, bed.RX, len(frames)) {
		tag := binary.BigEndian.Uint16(frames[i][14:]) & 0x0fff
		switch {
		case g.VLAN == 0 && bytes.Equal(g.Data, frames[i]):
		case g.VLAN == tag && bytes.Equal(g.Data, plain):
		default:
			t.Errorf("frame with tag %d: got tag %d beside %x", tag, g.VLAN, g.Data)
		}
	}
	send(t, bed.TX, 64, [][]byte{plain})
	if got := su.collect(t, bed.RX, 1); got[0].VLAN != 0 {
		t.Errorf("frame without a tag: got tag %d", got[0].VLAN)
	}
}

// loss overruns a small ring: what is handed over and what is counted as lost must add up to what was sent.
func (su suite) loss(t *testing.T) {
	const sent = 6000
	cfg := su.config()
	cfg.RingBytes = 128 << 10
	bed := su.open(t, cfg, standardMTU)
	r := su.rand(13)
	frames := make([][]byte, sent)
	for i := range frames {
		frames[i] = su.datagram(r, 66)
	}
	send(t, bed.TX, 64, frames)
	account(t, bed.TX, link.TXStats{Queued: sent, Sent: sent})
	got, next := 0, 0 // what is lost may lie anywhere: a block of the ring may come free while frames arrive
	for start := time.Now(); time.Since(start) < patience; {
		n, err := bed.RX.Poll(100*time.Millisecond, func(f *link.Frame) {
			data, before := f.Data[su.extra(f):], next
			for next < sent && !bytes.Equal(data, frames[next]) {
				next++
			}
			if next == sent {
				t.Errorf("frame %d: got %x, which is none of those sent after frame %d", got, data, before)
				next = before
				return
			}
			got, next = got+1, next+1
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	lost, received := bed.RX.Lost(), bed.RX.Received()
	if lost == 0 {
		t.Errorf("nothing lost of %d frames in a ring of %d bytes: the test tests nothing", sent, cfg.RingBytes)
	}
	if uint64(got)+lost != sent || received != sent {
		t.Errorf("%d frames handed over, %d lost, %d received: want %d in all", got, lost, received, sent)
	}
	// The ring works again, and the counters do not start over.
	send(t, bed.TX, 64, frames[:10])
	su.collect(t, bed.RX, 10)
	if bed.RX.Lost() != lost || bed.RX.Received() != sent+10 {
		t.Errorf("then %d lost and %d received, want %d and %d", bed.RX.Lost(), bed.RX.Received(), lost, sent+10)
	}
}

// counters reads every counter from another goroutine while frames come and go; the race detector watches.
func (su suite) counters(t *testing.T) {
	bed := su.open(t, su.config(), standardMTU)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var last link.TXStats
		var received uint64
		for {
			s, n := bed.TX.Stats(), bed.RX.Received()
			if s.Sent < last.Sent || n < received || bed.RX.Lost() != 0 {
				t.Errorf("counters run backwards: %+v then %+v, received %d then %d", last, s, received, n)
				return
			}
			last, received = s, n
			bed.TX.Abort()
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	r := su.rand(14)
	frame := su.datagram(r, 66)
	for range 40 {
		send(t, bed.TX, 16, [][]byte{frame, frame, frame, frame})
		if _, err := bed.RX.Poll(time.Millisecond, func(*link.Frame) {}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	<-done
	s := bed.TX.Stats()
	if s.Queued != 160 || s.Sent+s.Refused+s.Aborted != s.Queued {
		t.Errorf("got counters %+v, want all of 160 frames accounted for", s)
	}
}
