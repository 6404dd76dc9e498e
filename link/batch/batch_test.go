package batch

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
)

// newBatch returns a batch of n slots of 64 bytes. The rest of what a queue promises is held by the conformance suite of
// link/linktest, which every engine passes.
func newBatch(n int) *Batch {
	memory := make([][]byte, n)
	for i := range memory {
		memory[i] = make([]byte, 64)
	}
	return New(memory)
}

func TestSlotsThatAreNotSubmittedComeBackEmpty(t *testing.T) {
	b := newBatch(4)
	s := make([]link.Slot, 10)
	if n := b.Reserve(s, 0); n != 4 {
		t.Fatalf("%d slots reserved, want 4", n)
	}
	for i := range s[:4] {
		s[i].N, s[i].Template = 20+i, 7
	}
	if err := b.Accept(s[:2]); err != nil {
		t.Fatal(err)
	}
	b.Reserve(s, 0)
	for i, want := range []uint32{7, 7, 0, 0} {
		if s[i].Template != want {
			t.Errorf("slot %d comes back with template %d, want %d", i, s[i].Template, want)
		}
	}
	if got := b.Stats(); got != (link.TXStats{Queued: 2}) {
		t.Errorf("counters %+v, want 2 queued", got)
	}
}

func TestSlotsGoRound(t *testing.T) {
	b := newBatch(4)
	s := make([]link.Slot, 10)
	for round, want := range [][]uint32{{0, 1, 2, 3}, {3, 0, 1, 2}, {2, 3, 0, 1}, {2, 3, 0, 1}, {1, 2, 3, 0}} {
		if n := b.Reserve(s, 0); n != 4 {
			t.Fatalf("%d slots reserved, want 4", n)
		}
		for i := range s[:4] {
			if s[i].ID() != want[i] || b.At(i).ID() != want[i] {
				t.Errorf("round %d: slot %d is number %d, want %d", round, i, s[i].ID(), want[i])
			}
		}
		s[0].N, s[0].Template = 20+round, 7
		if err := b.Accept(s[:3]); err != nil {
			t.Fatal(err)
		}
		if own := b.At(0); own.N != 20+round || own.Template != 7 || b.At(3).Template != 0 {
			t.Errorf("round %d: slots %+v of which the last is not submitted", round, b.Slots)
		}
		b.Advance([]int{3, 3, 0, 3, 4}[round])
	}
}

func TestMisuse(t *testing.T) {
	b := newBatch(4)
	s := make([]link.Slot, 4)
	b.Reserve(s, 0)
	long, negative := s[0], s[0]
	long.N, negative.N = 65, -1
	for name, bad := range map[string][]link.Slot{
		"too many": append(s[:4:4], s[0]), "another slot first": s[1:], "too long": {long}, "of negative length": {negative},
	} {
		if err := b.Accept(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := b.Stats(); got != (link.TXStats{}) {
		t.Errorf("counters %+v after misuse alone, want none", got)
	}
}

func TestEnds(t *testing.T) {
	b := newBatch(1)
	s := make([]link.Slot, 1)
	b.Reserve(s, 0)
	broken := errors.New("broken")
	if err := b.Fail(broken); err != broken {
		t.Errorf("Fail returns %v", err)
	}
	if err := b.Accept(s); !errors.Is(err, broken) {
		t.Errorf("submit to a broken queue: error %v", err)
	}
	if !b.Shut() || b.Shut() {
		t.Error("a queue can be shut once")
	}
	if n := b.Reserve(s, 0); n != 0 {
		t.Errorf("a closed queue reserves %d slots", n)
	}
	if err := b.Accept(s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("submit to a closed queue: error %v", err)
	}
	before := b.Aborts()
	if b.Abort() != 0 || b.Aborts() == before || b.Drain(t.Context()) != nil {
		t.Error("a batch has nothing to abort or to drain")
	}
}

func TestBackoffDoublesUpToABound(t *testing.T) {
	for tries, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 2000, 2000} {
		if got := Backoff(tries); got != want*time.Microsecond {
			t.Errorf("after %d tries: %v, want %v", tries, got, want*time.Microsecond)
		}
	}
	if got := Backoff(1 << 30); got != 2*time.Millisecond {
		t.Errorf("after very many tries: %v, want 2 ms", got)
	}
}
