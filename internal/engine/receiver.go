package engine

import (
	"cmp"
	"fmt"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
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

// Memory returns how many bytes the rows on their way from the receivers to the sink can take: about, for what answers carry
// is of any length up to what is captured of them. They take it when that many answers come at once, and keep it then.
func Memory(d probe.Description, receivers int) uint64 {
	return uint64(batchesFor(receivers)*batchRows) * uint64(record.Size(Schema(d))+cmp.Or(d.Capture.Snap, link.MaxFrame))
}

// How long a receiver waits for frames at once: long, since every wait costs the Go scheduler some work, at the sender's
// expense if they share a core, but for the last ones, which are the end of the scan.
const (
	pollWait   = 50 * time.Millisecond
	finalWait  = 10 * time.Millisecond
	finalPolls = 3 // empty polls in a row after which a stopped receiver believes that nothing is left
)

// A batch is a number of rows on their way to the collector, which hands it back through the free list.
type batch struct {
	rows []*record.Record
	n    int
}

// A receiver turns frames of one queue into rows. Everything in it is owned by its goroutine, but the counters, which it
// writes.
type receiver struct {
	scan   *Scan
	rx     link.RX
	dec    probe.Decoder
	timed  probe.TimedDecoder // dec, if it wants to know when answers arrive, else nil
	tags   *validate.Tagger
	asked  askedTags // tags, for answers from another port than the one asked
	desc   probe.Description
	parsed packet.Parsed
	batch  *batch
	counts *recvCounts
	until  int64 // when the scan stopped listening, nanoseconds since the Unix epoch; 0 before
	past   bool  // a frame came after that: all before it have been looked at
}

// run receives until the scan is stopped or the cooldown is over, and hands over what it has.
func (r *receiver) run() {
	take := r.take // one closure for the whole scan
	r.timed, _ = r.dec.(probe.TimedDecoder)
	over := false
	for idle := 0; idle < finalPolls; {
		wait := pollWait
		if over {
			wait = finalWait
		}
		n, err := r.rx.Poll(wait, take)
		r.flush()
		if err != nil {
			r.scan.stop.stopScan(LinkLost, fmt.Errorf("receive: %w", err))
			return
		}
		if over = isClosed(r.scan.listening); over {
			r.until = r.scan.heardUntil
		}
		switch {
		case isClosed(r.scan.stop.scan), r.past:
			return
		case over && n == 0:
			idle++
		case over && r.scan.clock.Now() > r.scan.cooldownEnd.Load()+int64(time.Second):
			return // the clock that stamps frames was set back
		default:
			idle = 0
		}
	}
}

// take looks at one frame: decode, match, look the target up, deduplicate, fill a row.
func (r *receiver) take(f *link.Frame) {
	c := r.counts
	c.frames.Add(1)
	if r.until != 0 && f.At > r.until {
		r.past = true
	}
	p := &r.parsed
	p.Decode(f.Data, linkType(f.Ether))
	if p.Fragment != packet.NotFragment {
		c.fragments.Add(1)
	}
	t, ok := r.recognise()
	if !ok {
		c.failed.Add(1)
		return
	}
	c.passed.Add(1)
	if r.batch == nil {
		r.batch = r.scan.freeBatch()
	}
	row := r.batch.rows[r.batch.n]
	row.Reset()
	if r.fill(row, f, &t) {
		r.batch.n++
	}
	if r.batch.n == len(r.batch.rows) {
		r.flush()
	}
}

// linkType says what a frame starts with.
func linkType(ether bool) packet.LinkType {
	if ether {
		return packet.LinkEthernet
	}
	return packet.LinkIP
}

// fill writes the row and counts it; it returns false for rows that the default mode does not want.
func (r *receiver) fill(row *record.Record, f *link.Frame, t *target.Target) bool {
	s := r.scan
	module := row.Section(s.layout.module, s.layout.system)
	if r.timed != nil {
		r.timed.Arrived(f.At)
	}
	r.dec.Decode(&r.parsed, &module)
	success := row.Values[s.layout.success].Bool()
	outcome := dedup.Failure
	if success {
		outcome = dedup.Success
	}
	repeat := s.cfg.Seen.See(t.Index, outcome)
	cooldown := isClosed(s.sendingDone)
	r.count(row, success, repeat, cooldown)
	if s.cfg.DefaultMode && (!success || repeat) {
		return false
	}
	s.layout.setIP(row, &r.parsed, t, r.desc.FromResponder)
	s.layout.setSystem(row, repeat, cooldown, f.At)
	return true
}

// count adds one validated answer to the counters.
func (r *receiver) count(row *record.Record, success, repeat, cooldown bool) {
	c := r.counts
	if !success {
		c.failure.Add(1)
		return
	}
	c.success.Add(1)
	if cooldown {
		c.cooldown.Add(1)
	}
	app := r.scan.layout.app >= 0 && row.Values[r.scan.layout.app].Bool()
	if app {
		c.app.Add(1)
	}
	if repeat {
		return
	}
	c.unique.Add(1)
	if cooldown {
		c.cooldownUnique.Add(1)
	}
	if app {
		c.appUnique.Add(1)
	}
}

// flush hands the batch over. It blocks while the queue is full: the senders are held back long before that.
func (r *receiver) flush() {
	if r.batch == nil || r.batch.n == 0 {
		return
	}
	b := r.batch
	r.batch = nil
	r.scan.queue <- b
	if len(r.scan.queue) > queueLen/2 {
		r.scan.gate.full.Store(true)
	}
}
