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
	lay, err := newLayout(d, nil)
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
	n := batchesFor(receivers)
	before := heap()
	all := newStock(lay.schema, n)
	carried := make([]byte, d.Capture.Snap)
	taken := make([]*batch, n)
	for i := range taken {
		taken[i] = all.take()
		for _, row := range taken[i].rows {
			row.Copy(carried)
		}
	}
	got, want := float64(heap()-before), float64(Memory(d, receivers))
	runtime.KeepAlive(taken)
	if got < 0.95*want || got > 1.3*want {
		t.Errorf("rows take %.0f bytes of the heap, Memory says %.0f", got, want)
	}
}
