package engine

import (
	"runtime"
	"testing"

	"github.com/zmap-go/zmap/probe"
)

// TestMemoryIsWhatRowsTake makes every row there is, with as much in it as an answer can carry.
func TestMemoryIsWhatRowsTake(t *testing.T) {
	p, err := probe.New("udp", probe.Args{Text: "text:x"})
	if err != nil {
		t.Fatal(err)
	}
	d := p.Describe()
	lay, err := newLayout(d)
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const receivers = 2
	s := &Scan{layout: lay, free: make(chan *batch, batchesFor(receivers))}
	carried := make([]byte, d.Capture.Snap)
	before := heap()
	for range cap(s.free) {
		s.free <- &batch{}
	}
	for range cap(s.free) {
		b := s.freeBatch()
		for _, row := range b.rows {
			row.Copy(carried)
		}
		s.free <- b
	}
	got, want := float64(heap()-before), float64(Memory(d, receivers))
	runtime.KeepAlive(s)
	if got < 0.95*want || got > 1.3*want {
		t.Errorf("rows take %.0f bytes of the heap, Memory says %.0f", got, want)
	}
}
