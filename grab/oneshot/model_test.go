package oneshot

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestSpansAreASet compares with a set of bytes.
func TestSpansAreASet(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		base := ^uint32(0) - uint32(r.IntN(300))
		var s spans
		set := make([]bool, 400)
		for range 60 {
			from := r.IntN(300)
			to := from + 1 + r.IntN(8)
			got, ok := s.add(span{base + uint32(from), base + uint32(to)})
			if ok {
				for i := from; i < to; i++ {
					set[i] = true
				}
			} else if len(s) != maxSpans {
				t.Fatalf("refused with %d spans", len(s))
			}
			s = got
			var want spans
			for i := range set {
				if set[i] && (i == 0 || !set[i-1]) {
					want = append(want, span{base + uint32(i), 0})
				}
				if set[i] && !set[i+1] {
					want[len(want)-1].to = base + uint32(i) + 1
				}
			}
			if !slices.Equal(s, want) {
				t.Fatalf("seed %d: got %v, want %v", seed, s, want)
			}
		}
		at := r.IntN(300)
		wantAt := at
		for set[wantAt] {
			wantAt++
		}
		gotAt, rest := slices.Clone(s).join(base + uint32(at))
		if gotAt != base+uint32(wantAt) || len(rest) > 0 && !before(gotAt, rest[0].from) {
			t.Fatalf("join at %d: got %d and %v, want %d", at, gotAt-base, rest, wantAt)
		}
	}
}

// TestStretchIsAWindow writes pieces of a stream in any order within a window that moves, and reads them.
func TestStretchIsAWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var pages store
	var s stretch
	at := ^uint32(0) - 100_000
	for range 2000 {
		n := r.IntN(1 << 16)
		cut := r.IntN(n + 1)
		want := contents(at, n)
		s.write(&pages, at+uint32(cut), want[cut:])
		s.write(&pages, at, want[:cut])
		got := make([]byte, n)
		s.read(at, got)
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes from %d on, written in two pieces, differ", n, at)
		}
		s.drop(&pages, at, at+uint32(n))
		at += uint32(n)
		held := 0
		for _, p := range s.pages {
			if p != nil {
				held++
			}
		}
		if held > 1 {
			t.Fatalf("%d pages are held for nothing", held)
		}
	}
}

// TestWheelKeepsTime compares with a list: nobody is taken too soon, nor later than a tick, nor left.
func TestWheelKeepsTime(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var w wheel
		want := map[*conn]time.Duration{}
		now := time.Duration(r.Int64N(int64(time.Hour)))
		w.take(now, nil)
		var all []*conn
		for range 50 {
			all = append(all, new(conn))
		}
		for range 2000 {
			switch c := all[r.IntN(len(all))]; r.IntN(4) {
			case 0, 1:
				at := now + time.Duration(r.Int64N(int64(3*time.Second)))
				w.set(c, at)
				want[c] = at
			case 2:
				w.remove(c)
				delete(want, c)
			default:
				now += time.Duration(r.ExpFloat64() * float64(20*time.Millisecond))
				for _, c := range w.take(now, nil) {
					if at, ok := want[c]; !ok || at > now {
						t.Fatalf("seed %d: taken at %v, want %v", seed, now, at)
					}
					delete(want, c)
				}
				for c, at := range want {
					if at+2*tickLen < now || !c.timer.set {
						t.Fatalf("seed %d: not taken at %v, want %v", seed, now, at)
					}
				}
			}
			next, ok := w.next()
			if ok != (len(want) > 0) {
				t.Fatalf("seed %d: there is one to come: %v, want %d", seed, ok, len(want))
			}
			for _, at := range want {
				if next > at+2*tickLen && at > now {
					t.Fatalf("seed %d: next at %v, want %v", seed, next, at)
				}
			}
		}
	}
	var w wheel // what is too far for one turn comes back at its end
	c := new(conn)
	w.set(c, time.Hour)
	if next, ok := w.next(); !ok || next != (wheelSlots-1)*tickLen {
		t.Errorf("next at %v, want the end of the turn", next)
	}
}
