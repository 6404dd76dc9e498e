package engine

import (
	"testing"

	"github.com/zmap-go/zmap/link"
)

// A slowTX sends when it is told to.
type slowTX struct {
	link.TX
	sent, refused uint64
}

func (s *slowTX) Stats() link.TXStats { return link.TXStats{Sent: s.sent, Refused: s.refused} }

// TestTrail is never beyond what has left, and comes up to it.
func TestTrail(t *testing.T) {
	tx := &slowTX{}
	tr := newTrail(Place{Step: 5, Targets: 3})
	frames := uint64(0)
	for step := uint64(10); step < 1000; step += 10 {
		tr.asked += 7
		frames += 14
		tr.note(trailMark{frames: frames, place: Place{step, tr.asked}})
	}
	for tx.sent = range frames + 1 {
		tx.refused = tx.sent / 5
		done := tx.sent
		tx.sent -= tx.refused
		tr.settle(tx)
		want := Place{Step: 5, Targets: 3}
		if n := done / 14; n > 0 {
			want = Place{Step: n * 10, Targets: 3 + 7*n}
		}
		if got := tr.at(); got != want {
			t.Fatalf("%d frames are out: at %+v, want %+v", done, got, want)
		}
		tx.sent = done
	}
}

// TestTrailOverflow stays behind when too much is on its way, and comes up later.
func TestTrailOverflow(t *testing.T) {
	tx := &slowTX{}
	tr := newTrail(Place{})
	for i := uint64(1); i <= 2*trailLen; i++ {
		tr.note(trailMark{frames: i, place: Place{Step: i}})
	}
	tx.sent = 2 * trailLen
	tr.settle(tx)
	if got := tr.at().Step; got != trailLen {
		t.Errorf("at %d, want %d", got, trailLen)
	}
	tr.note(trailMark{frames: 2 * trailLen, place: Place{Step: 2 * trailLen}})
	tr.settle(tx)
	if got := tr.at().Step; got != 2*trailLen {
		t.Errorf("at %d, want %d", got, 2*trailLen)
	}
}

// TestTrailAllocs promises that a kept scan allocates nothing for its places.
func TestTrailAllocs(t *testing.T) {
	tx := &slowTX{}
	tr := newTrail(Place{})
	i := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		i++
		tr.note(trailMark{frames: i, place: Place{Step: i}})
		tx.sent = i
		tr.settle(tx)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
