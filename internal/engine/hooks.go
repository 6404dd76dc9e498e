package engine

import (
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// Hooks are told what happens in a scan, by the goroutine to which it happens: they must do no more than take note of it, and
// may wait only to slow the scan. Rows, targets and what these refer to are valid during the call only. Nil means not wanted.
type Hooks struct {
	// Sent is called by each sender, by its number, after a batch of frames was handed to the link.
	Sent func(sender, probes int)
	// Answer, Hit and Row are called by the collector: Answer with each row before any output has seen it, Hit for each target
	// when its first success comes, Row with each row that at least one output has taken.
	Answer func(row *record.Record)
	Hit    func(t *target.Target, row *record.Record)
	Row    func(row *record.Record)
	// Tick is called about every second with the progress so far, and once more when the last row is written; never twice at a
	// time.
	Tick func(Progress)
	// Load returns how full the hooks' queue is, from 0 to 1, and for how long the scan was held because of it.
	Load func() (full float64, waited time.Duration)
}

// rows says whether a hook looks at whole rows.
func (h *Hooks) rows() bool { return h.Answer != nil || h.Hit != nil || h.Row != nil }

// Hold holds the senders back, or lets them go on. It may be called from any goroutine, and returns at once.
func (s *Scan) Hold(on bool) { s.gate.held.Store(on) }

// Halt ends the scan at once, without cooldown and without the rows that no output has yet. It counts as interrupted by cause.
// It may be called from any goroutine.
func (s *Scan) Halt(cause error) {
	s.halted.Store(true)
	s.stop.stopScan(Interrupted, cause)
}

// answered tells the hooks of a row before the outputs see it.
func (s *Scan) answered(row *record.Record, index uint64) {
	h, l := &s.cfg.Hooks, &s.layout
	if h.Answer != nil {
		h.Answer(row)
	}
	if h.Hit != nil && row.Values[l.success].Bool() && !l.isRepeat(row) {
		var t target.Target
		s.cfg.Space.Fill(index, &t)
		h.Hit(&t, row)
	}
}
