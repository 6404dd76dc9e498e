package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// How long a receiver waits for frames at once: long, since every wait costs the Go scheduler some work, at the sender's
// expense if they share a core, but for the last ones, which are the end of the scan.
const (
	pollWait   = 50 * time.Millisecond
	finalWait  = 10 * time.Millisecond
	finalPolls = 3 // empty polls in a row after which a stopped receiver believes that nothing is left
)

// A receiver turns frames of one queue into rows. Everything in it is owned by its goroutine, but the counters, which it
// writes.
type receiver struct {
	scan    *Scan
	rx      link.RX
	dec     probe.Decoder
	timed   probe.TimedDecoder // dec, if it wants to know when answers arrive, else nil
	judges  probe.Judge        // dec, if it can tell successes by itself
	need    need               // of the rows
	tags    *validate.Tagger
	asked   askedTags // tags, for answers from another port than the one asked
	desc    probe.Description
	parsed  packet.Parsed
	module  record.Record // the module's fields of the row that is being filled
	batch   *batch
	count   heard
	counts  *recvCounts // where count is shown
	until   int64       // when the scan stopped listening, nanoseconds since the Unix epoch; 0 before
	past    bool        // a frame came after that: all before it have been looked at
	aliased bool        // the last frame that is no answer of a target's was from an address that is asked about aliases
	deaf    bool        // the cooldown is over and grabs are not: what is no segment of theirs is too late
}

// run receives until the scan is stopped or the cooldown is over, and hands over what it has.
func (r *receiver) run() {
	take := r.take // one closure for the whole scan
	defer r.hearNoMore()
	over := false
	for idle := 0; idle < finalPolls; {
		wait := pollWait
		if over {
			wait = finalWait
		}
		n, err := r.rx.Poll(wait, take)
		r.flush()
		r.counts.publish(&r.count)
		if err != nil {
			if r.comesBack(err) {
				continue
			}
			return
		}
		if r.scan.grabs != nil && isClosed(r.scan.grabs.over) {
			r.hearNoMore()
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

// comesBack deals with an error of the queue: it waits for an interface that is down, and says whether the receiver goes on.
func (r *receiver) comesBack(err error) bool {
	stop := r.scan.stop
	if errors.Is(err, link.ErrDown) && r.scan.awaitLink(err, stop.scan) {
		if q, ok := r.rx.(link.Reviver); ok {
			q.Revive()
		}
		return true
	}
	if !isClosed(r.scan.listening) {
		stop.stopScan(LinkLost, fmt.Errorf("receive: %w", err))
	}
	return false
}

// hearNoMore takes nothing more for an answer: what came before is handed over.
func (r *receiver) hearNoMore() {
	if r.scan.grabs != nil && !r.deaf {
		r.deaf = true
		r.scan.grabs.hearing.Done()
	}
}

// take looks at one frame: decode, match, look the target up, deduplicate, fill a row.
func (r *receiver) take(f *link.Frame) {
	c := &r.count
	c.frames++
	if r.until != 0 && f.At > r.until {
		r.past = true
	}
	p := &r.parsed
	p.Decode(f.Data, linkType(f.Ether))
	if p.Fragment != packet.NotFragment {
		c.fragments++
	}
	if r.scan.grabs != nil && p.Kind == packet.KindTCP && !r.takeSegment(p) || r.deaf {
		c.segments++
		return
	}
	if r.later(p) {
		c.deferred++
		return
	}
	t, ok := r.recognise()
	switch {
	case !ok && r.aliased:
		c.segments++
		return
	case !ok:
		c.failed++
		return
	}
	c.passed++
	if r.batch == nil {
		r.batch = r.scan.free.take()
	}
	r.fill(r.batch.rows[r.batch.n], f, &t)
	r.batch.indexes = append(r.batch.indexes, t.Index)
	if r.scan.grabs != nil {
		r.batch.halves = append(r.batch.halves, r.half(f.At, &t))
	}
	if r.batch.n++; r.batch.n == len(r.batch.rows) {
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

// fill writes what is needed of the row, all but whether it is a repeat.
func (r *receiver) fill(row *record.Record, f *link.Frame, t *target.Target) {
	l := &r.scan.layout
	if r.need.module {
		r.module = row.Section(l.module, l.system) // a variable would escape to the heap
		r.module.Reset()
		if r.timed != nil {
			r.timed.Arrived(f.At)
		}
		r.dec.Decode(&r.parsed, &r.module)
	} else {
		l.setSuccess(row, r.judges.Succeeds(&r.parsed))
	}
	l.setIP(row, &r.parsed, t, r.desc.FromResponder, r.need.ip)
	l.setSystem(row, isClosed(r.scan.sendingDone), f.At, r.need.times)
}

// judge finds the repeats among the rows of the batch, counts them all, and drops those that no output wants in default
// mode. It looks at many together because memory that one has to wait for comes while others are asked for.
func (r *receiver) judge() {
	s, rows, indexes := r.scan, r.batch.rows, r.batch.indexes
	s.cfg.Seen.Warm(indexes)
	kept := 0
	for i, index := range indexes {
		row := rows[i]
		success := row.Values[s.layout.success].Bool()
		outcome := dedup.Failure
		if success {
			outcome = dedup.Success
		}
		repeat := s.cfg.Seen.See(index, outcome)
		if s.grabs != nil && (!success || repeat) {
			r.batch.halves[i] = grab.Half{}
		}
		r.tally(row, success, repeat, s.layout.isCooldown(row))
		if s.firstOnly && (!success || repeat) {
			continue
		}
		s.layout.setRepeat(row, repeat)
		rows[kept], rows[i], indexes[kept] = row, rows[kept], index
		if s.grabs != nil {
			r.batch.halves[kept] = r.batch.halves[i]
		}
		kept++
	}
	r.batch.n, r.batch.indexes = kept, indexes[:kept]
	if s.grabs != nil {
		r.batch.halves = r.batch.halves[:kept]
	}
}

// tally adds one validated answer to the counters.
func (r *receiver) tally(row *record.Record, success, repeat, cooldown bool) {
	c := &r.count
	if !success {
		c.failure++
		return
	}
	c.success++
	if cooldown {
		c.cooldown++
	}
	app := r.scan.layout.app >= 0 && row.Values[r.scan.layout.app].Bool()
	if app {
		c.app++
	}
	if repeat {
		return
	}
	c.unique++
	if cooldown {
		c.cooldownUnique++
	}
	if app {
		c.appUnique++
	}
}

// flush judges the rows of the batch and hands it over. It blocks while the queue is full: the senders are held back long before that.
func (r *receiver) flush() {
	if r.batch == nil || r.batch.n == 0 {
		return
	}
	if r.judge(); r.batch.n == 0 {
		return
	}
	b := r.batch
	r.batch = nil
	r.scan.queue <- b
	if len(r.scan.queue) > queueLen/2 {
		r.scan.gate.full.Store(true)
	}
}
