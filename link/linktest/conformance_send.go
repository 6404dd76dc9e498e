package linktest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
)

func (su suite) order(t *testing.T) {
	bed := su.open(t, su.config(), standardMTU)
	r := su.rand(1)
	frames := make([][]byte, 0, 1500)
	for range 1500 {
		frames = append(frames, su.datagram(r, headersLen+r.IntN(link.MaxFrame-headersLen+1)))
	}
	before := time.Now()
	for rest := frames; len(rest) > 0; {
		n := min(1+r.IntN(100), len(rest))
		send(t, bed.TX, 1+r.IntN(100), rest[:n])
		rest = rest[n:]
	}
	got := su.collect(t, bed.RX, len(frames))
	after := time.Now()
	last := before.UnixNano()
	for i, g := range got {
		if !bytes.Equal(g.Data, frames[i]) || g.Len != len(frames[i]) || !g.Ether && su.head > 0 {
			t.Fatalf("frame %d: got %d bytes (length %d, Ether %v) %x\nwant %d bytes %x",
				i, len(g.Data), g.Len, g.Ether, g.Data, len(frames[i]), frames[i])
		}
		// The kernel's clock and ours are one, but not read in one place.
		if g.At < last-int64(10*time.Millisecond) || g.At > after.UnixNano()+int64(10*time.Millisecond) {
			t.Fatalf("frame %d arrived at %d: want between %d, when the one before it came, and %d", i, g.At, last, after.UnixNano())
		}
		last = g.At
	}
	quiet(t, bed.RX)
	account(t, bed.TX, link.TXStats{Queued: 1500, Sent: 1500})
	if bed.RX.Received() != 1500 || bed.RX.Lost() != 0 {
		t.Errorf("got %d received and %d lost, want 1500 and 0", bed.RX.Received(), bed.RX.Lost())
	}
}

func (su suite) lengths(t *testing.T) {
	bed := su.open(t, su.config(), standardMTU)
	r := su.rand(2)
	whole := su.datagram(r, link.MaxFrame)
	var frames, wanted [][]byte
	// An Ethernet header alone is no frame for some kernels; with one byte behind it, it is for all. An IP packet has a header.
	shortest := etherLen + 1
	if su.head == 0 {
		shortest = etherLen + ipLen
	}
	for n := shortest; n <= link.MaxFrame; n++ {
		frame := su.cut(whole, n)
		frames = append(frames, frame)
		if n >= headersLen-4 { // the filter reads up to the destination port
			wanted = append(wanted, frame)
		}
	}
	send(t, bed.TX, 64, frames)
	account(t, bed.TX, link.TXStats{Queued: uint64(len(frames)), Sent: uint64(len(frames))})
	for i, g := range su.collect(t, bed.RX, len(wanted)) {
		if !bytes.Equal(g.Data, wanted[i]) || g.Len != len(wanted[i]) {
			t.Fatalf("got %d bytes, length %d, want %d: %x", len(g.Data), g.Len, len(wanted[i]), g.Data)
		}
	}
}

// slots reserves more than it submits, and checks of every slot that comes back what the contract says of it.
func (su suite) slots(t *testing.T) {
	cfg := su.config()
	cfg.Filter.UDP = false
	bed := su.open(t, cfg, standardMTU)
	r := su.rand(3)
	type use struct {
		template uint32
		frame    []byte
	}
	last := map[*byte]use{}
	kept, submitted := 0, uint64(0)
	for round := range uint32(300) {
		slots := make([]link.Slot, 1+r.IntN(90))
		n := bed.TX.Reserve(slots, patience)
		if n < 1 {
			t.Fatalf("no slot within %v", patience)
		}
		for i := range slots[:n] {
			s := &slots[i]
			if len(s.Data) < link.MaxFrame {
				t.Fatalf("a slot of %d bytes: want at least %d", len(s.Data), link.MaxFrame)
			}
			was := last[&s.Data[0]]
			if s.Template != was.template {
				t.Fatalf("round %d: slot with template %d, want %d", round, s.Template, was.template)
			}
			if was.template != 0 && !bytes.Equal(s.Data[:len(was.frame)], was.frame) {
				t.Fatalf("round %d: slot holds %x, want %x of its last use", round, s.Data[:len(was.frame)], was.frame)
			}
			if was.template != 0 {
				kept++
			}
			frame := su.datagram(r, headersLen+r.IntN(40))
			s.N = copy(s.Data, frame)
			s.Template = round + 1
			last[&s.Data[0]] = use{round + 1, frame}
		}
		k := r.IntN(n + 1)
		for i := k; i < n; i++ {
			last[&slots[i].Data[0]] = use{}
		}
		if err := bed.TX.Submit(slots[:k]); err != nil {
			t.Fatalf("submit: %v", err)
		}
		submitted += uint64(k)
	}
	if kept == 0 {
		t.Error("no slot ever came back with its template")
	}
	if err := bed.TX.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	account(t, bed.TX, link.TXStats{Queued: submitted, Sent: submitted})
}

// misuse submits what was not reserved: that must neither be sent nor break the queue.
func (su suite) misuse(t *testing.T) {
	bed := su.open(t, su.config(), standardMTU)
	slots := make([]link.Slot, 4)
	n := bed.TX.Reserve(slots, patience)
	if n < 2 {
		t.Fatalf("%d slots reserved, want at least 2", n)
	}
	for i := range slots {
		slots[i].N = 60
	}
	long := slots[0]
	long.N = link.MaxFrame + 1
	negative := slots[0]
	negative.N = -1
	for name, s := range map[string][]link.Slot{
		"not the first": slots[1:2], "too long": {long}, "of negative length": {negative},
		"more than reserved": append(slots[:n:n], slots...),
	} {
		if err := bed.TX.Submit(s); err == nil {
			t.Errorf("slots that are %s are submitted without an error", name)
		}
	}
	r := su.rand(4)
	frame := su.datagram(r, 77)
	send(t, bed.TX, 1, [][]byte{frame})
	if got := su.collect(t, bed.RX, 1); !bytes.Equal(got[0].Data, frame) {
		t.Errorf("got %x, want %x", got[0].Data, frame)
	}
	account(t, bed.TX, link.TXStats{Queued: 1, Sent: 1})
}

// fullQueue submits all that Reserve gives, until long after any queue is full.
func (su suite) fullQueue(t *testing.T) {
	cfg := su.config()
	cfg.Filter.UDP = false
	bed := su.open(t, cfg, standardMTU)
	r := su.rand(5)
	frame := su.datagram(r, 60)
	slots := make([]link.Slot, 1<<17)
	total := uint64(0)
	for range 50 {
		n := bed.TX.Reserve(slots, patience)
		if n < 1 || n == len(slots) {
			t.Fatalf("%d slots of a queue reserved, want some and not %d", n, len(slots))
		}
		for i := range slots[:n] {
			slots[i].N = copy(slots[i].Data, frame)
		}
		if err := bed.TX.Submit(slots[:n]); err != nil {
			t.Fatal(err)
		}
		total += uint64(n)
		s := bed.TX.Stats()
		if s.Queued != total || s.Sent+s.Refused+s.Aborted > s.Queued {
			t.Fatalf("after %d frames: counters %+v", total, s)
		}
	}
	if err := bed.TX.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	account(t, bed.TX, link.TXStats{Queued: total, Sent: total})
}

// refused mixes in frames that are too long for the interface, in the middle and at both ends of batches.
func (su suite) refused(t *testing.T) {
	const mtu = 600
	bed := su.open(t, su.config(), mtu)
	r := su.rand(6)
	var frames, wanted [][]byte
	for i := range 400 {
		if i%7 == 0 || i%64 == 63 {
			frames = append(frames, su.datagram(r, etherLen+mtu+1+r.IntN(500)))
			continue
		}
		f := su.datagram(r, headersLen+r.IntN(mtu-headersLen+etherLen+1))
		frames, wanted = append(frames, f), append(wanted, f)
	}
	send(t, bed.TX, 64, frames)
	for i, g := range su.collect(t, bed.RX, len(wanted)) {
		if !bytes.Equal(g.Data, wanted[i]) {
			t.Fatalf("frame %d: got %x, want %x", i, g.Data, wanted[i])
		}
	}
	account(t, bed.TX, link.TXStats{
		Queued: uint64(len(frames)), Sent: uint64(len(wanted)), Refused: uint64(len(frames) - len(wanted)),
	})
}

// abort checks that every frame is accounted for, whatever was still queued, and that the queue goes on.
func (su suite) abort(t *testing.T) {
	cfg := su.config()
	cfg.Filter.UDP = false
	bed := su.open(t, cfg, standardMTU)
	r := su.rand(7)
	slots := make([]link.Slot, 32)
	n := bed.TX.Reserve(slots, patience)
	for i := range slots[:n] {
		slots[i].N = copy(slots[i].Data, su.datagram(r, 60))
	}
	if err := bed.TX.Submit(slots[:n]); err != nil {
		t.Fatal(err)
	}
	unsent := bed.TX.Abort()
	if err := bed.TX.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	account(t, bed.TX, link.TXStats{Queued: uint64(n), Sent: uint64(n - unsent), Aborted: uint64(unsent)})
	if again := bed.TX.Abort(); again != 0 {
		t.Errorf("a second abort discards %d frames, want 0", again)
	}
	send(t, bed.TX, 8, [][]byte{su.datagram(r, 60), su.datagram(r, 61)})
	account(t, bed.TX, link.TXStats{Queued: uint64(n + 2), Sent: uint64(n - unsent + 2), Aborted: uint64(unsent)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bed.TX.Drain(ctx); err != nil {
		t.Errorf("drain of an empty queue with an ended context: got error %v, want none", err)
	}
}

// close closes with frames submitted and slots reserved.
func (su suite) close(t *testing.T) {
	bed := su.open(t, su.config(), standardMTU)
	r := su.rand(8)
	slots := make([]link.Slot, 8)
	n := bed.TX.Reserve(slots, patience)
	for i := range slots[:n] {
		slots[i].N = copy(slots[i].Data, su.datagram(r, 60))
	}
	if err := bed.TX.Submit(slots[:n]); err != nil {
		t.Fatal(err)
	}
	bed.TX.Reserve(slots, patience)
	for i := range 2 {
		if err := bed.TX.Close(); err != nil {
			t.Errorf("close number %d: %v", i+1, err)
		}
	}
	if n := bed.TX.Reserve(slots, time.Millisecond); n != 0 {
		t.Errorf("a closed queue reserves %d slots", n)
	}
	if err := bed.TX.Submit(slots[:1]); !errors.Is(err, os.ErrClosed) {
		t.Errorf("submit to a closed queue: got error %v, want %v", err, os.ErrClosed)
	}
	if s := bed.TX.Stats(); s.Queued != uint64(n) || s.Queued != s.Sent+s.Refused+s.Aborted {
		t.Errorf("counters of a closed queue: %+v", s)
	}
	sent := bed.TX.Stats().Sent
	su.collect(t, bed.RX, int(sent))
	for i := range 2 {
		if err := bed.RX.Close(); err != nil {
			t.Errorf("close of the receive queue, number %d: %v", i+1, err)
		}
	}
	if _, err := bed.RX.Poll(time.Millisecond, func(*link.Frame) {}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("poll of a closed queue: got error %v, want %v", err, os.ErrClosed)
	}
	if bed.RX.Received() != sent || bed.RX.Lost() != 0 {
		t.Errorf("counters of a closed receive queue: received %d, lost %d, want %d, 0", bed.RX.Received(), bed.RX.Lost(), sent)
	}
}
