package engine

import (
	"testing"
	"testing/synctest"

	"github.com/zmap-go/zmap/record"
)

// TestStock takes all batches, and sees the one that is too many wait for one to be given back.
func TestStock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		s := newStock(record.NewSchema(ipFields()), n)
		seen := make(map[*batch]bool)
		var last *batch
		for range n {
			last = s.take()
			seen[last] = true
		}
		if len(seen) != n {
			t.Fatalf("%d batches are different, want %d", len(seen), n)
		}
		got := make(chan *batch)
		go func() { got <- s.take() }()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("there is a batch although all are taken")
		default:
		}
		last.n = 7
		s.give(last)
		if b := <-got; b != last || b.n != 0 {
			t.Errorf("got batch %p with %d rows, want %p with none", b, b.n, last)
		}
	})
}

// TestStockGivesTheWarmestFirst: what was used last is in the cache.
func TestStockGivesTheWarmestFirst(t *testing.T) {
	s := newStock(record.NewSchema(ipFields()), 10)
	a, b := s.take(), s.take()
	s.give(a)
	s.give(b)
	if s.take() != b || s.take() != a {
		t.Error("the batch given back last is not taken first")
	}
}
