package zmap

import (
	"testing"

	"github.com/zmap-go/zmap/record"
)

// BenchmarkLoop is what a row costs on its way from the collector to a loop and back.
func BenchmarkLoop(b *testing.B) {
	l := &loop{rows: make(chan *record.Record), next: make(chan struct{}), left: make(chan struct{})}
	row := &record.Record{}
	go func() {
		for range b.N {
			_ = l.Write(row)
		}
		close(l.rows)
	}()
	for range l.rows {
		l.next <- struct{}{}
	}
}
