package engine

import (
	"cmp"
	"sync"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
)

// Sizes of the way from the receivers to the collector. A batch leaves when it is full or when the link has nothing more
// for now. A row takes some 2 KB, so the 4,096 that may be on their way stay below 10 MB; the link's ring behind them holds
// far more.
const (
	batchRows = 128
	queueLen  = 32
)

// batchesFor is how many batches there are for so many receivers: those in the queue, one that each receiver fills, and one
// that the collector empties.
func batchesFor(receivers int) int { return queueLen + receivers + 1 }

// Memory returns how many bytes the rows, with an annotation, on their way from the receivers to the sinks can take: about, for
// what answers carry is of any length up to what is captured of them. They take it when that many answers come at once, and
// keep it then.
func Memory(d probe.Description, receivers int, notes ...record.Field) uint64 {
	return uint64(batchesFor(receivers)*batchRows) * uint64(record.Size(Schema(d, notes...))+cmp.Or(d.Capture.Snap, link.MaxFrame))
}

// A batch is a number of rows on their way to the collector, which gives it back.
type batch struct {
	rows    []*record.Record
	n       int
	indexes []uint64 // of the rows' targets
	// halves are the connections of rows whose hosts have accepted, for grabs; invalid ones for all others. Empty without grabs.
	halves []grab.Half
	// taken is closed by the collector when it comes to the batch, which has no rows then and is of no stock.
	taken chan struct{}
	cut   *cut // to be made then; nil for none
}

// A stock holds the batches that are empty. The one that was given back last is taken first: its rows are still in the
// cache, and a scan with few answers never makes more than two or three. It may be used by several goroutines.
type stock struct {
	schema *record.Schema

	mu    sync.Mutex // guards the fields below
	given sync.Cond  // a batch was given back
	idle  []*batch
	left  int // batches that may still be made
}

// newStock returns a stock of at most n batches of rows of a schema.
func newStock(schema *record.Schema, n int) *stock {
	s := &stock{schema: schema, idle: make([]*batch, 0, n), left: n}
	s.given.L = &s.mu
	return s
}

// take returns an empty batch. It waits while all are on their way to the collector.
func (s *stock) take() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) == 0 {
		if s.left > 0 {
			s.left--
			return newBatch(s.schema)
		}
		s.given.Wait()
	}
	last := len(s.idle) - 1
	b := s.idle[last]
	s.idle = s.idle[:last]
	return b
}

// give takes back a batch that the collector has done with.
func (s *stock) give(b *batch) {
	b.n, b.indexes, b.halves = 0, b.indexes[:0], b.halves[:0]
	s.mu.Lock()
	s.idle = append(s.idle, b)
	s.mu.Unlock()
	s.given.Signal()
}

func newBatch(schema *record.Schema) *batch {
	b := &batch{rows: make([]*record.Record, batchRows), indexes: make([]uint64, 0, batchRows)}
	for i := range b.rows {
		b.rows[i] = record.New(schema)
	}
	return b
}
