package engine

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// A Grabber carries on the connections that hosts have accepted. Package zmap makes one of a pool of grabs and what supplies
// them with connections.
type Grabber interface {
	// Fields are those that rows have behind all others.
	Fields() []record.Field
	// Describe returns the values of Fields for a grab; lists says whether anybody wants those that are [record.Repeated]. Many
	// goroutines call it. The values refer to nothing that changes.
	Describe(g *grab.Grab, lists bool) []record.Value
	// Start is called once, before the first frame: done is to be told of every grab, with the row that Offer got; last says that
	// it was the last one for that row. It may block.
	Start(done func(row any, g *grab.Grab, last bool)) error
	// Input takes a segment that came to a port of the scan, and says whether it belongs to a connection that is carried on here.
	// Receivers call it, and p is valid during the call only.
	Input(p *packet.Parsed) bool
	// Offer gives a half-open connection and its row to be grabbed, and does not block: it returns false where there is no room.
	// Until the last of the row's grabs is done h is the grabber's.
	Offer(t grab.Target, h *grab.Half, row any) bool
	// Reset ends a half-open connection that is not grabbed.
	Reset(h *grab.Half)
	// Full says that so many wait that the senders should, too. They ask before every batch.
	Full() bool
	// Crowded says that so many wait that there may be no room for one more, beyond those on their way. Receivers ask for every hit.
	Crowded() bool
	// Own says that connections are the scan's own: a host whose SYN-ACK is not answered repeats it.
	Own() bool
	// Counts may be called from any goroutine, at any time after Start.
	Counts() GrabCounts
	// Drain returns when all grabs are done. When ctx ends it cuts short those that are not.
	Drain(ctx context.Context) error
}

// GrabCounts are a scan's grabs at one moment, in hits: hosts that have accepted.
type GrabCounts struct {
	Offered uint64 // for grabs
	Refused uint64 // of those: there was no room
	Waiting int    // of those
	Running int    // of those
	Done    uint64 // of those
}

// grabbing is what a scan has that grabs.
//
//	receiver ── rows with their Half ──> collector ── Offer ──> Grabber ── done ──> grabbed ──> collector ──> sinks
//	   └─────────── Input ──────────────────────────────────────> (connections)
type grabbing struct {
	Grabber
	grabbed chan grabbed
	lists   bool           // somebody wants fields that are lists
	over    chan struct{}  // closed when the cooldown is over: only segments of connections are still of interest
	hearing sync.WaitGroup // receivers that do not know yet that it is
	pressed atomic.Bool    // there was no room for a hit
}

// A grabbed is a grab that is done, with its row.
type grabbed struct {
	hit  *hit
	said []record.Value // of the grab, for the fields of a Grabber
	last bool
}

// doneQueue is how many finished grabs wait for the collector before those behind them wait with their connections closed.
const doneQueue = 256

// newGrabbing returns nil if the scan grabs nothing.
func newGrabbing(g Grabber) *grabbing {
	if g == nil {
		return nil
	}
	return &grabbing{Grabber: g, grabbed: make(chan grabbed, doneQueue), over: make(chan struct{})}
}

// done is told of every grab, by the goroutine that made it: so rows are made by many at once.
func (g *grabbing) done(row any, result *grab.Grab, last bool) {
	g.grabbed <- grabbed{row.(*hit), g.Describe(result, g.lists), last}
}

// finished returns the channel of finished grabs; nil, which is never ready, if there are none.
func (g *grabbing) finished() chan grabbed {
	if g == nil {
		return nil
	}
	return g.grabbed
}

// takeSegment gives a segment to the connection that it belongs to, and says whether there is more to do with it: it may answer a
// probe. What belongs to a connection but for a SYN-ACK, which may be a repeat, does not; nor does what only connections send.
func (r *receiver) takeSegment(p *packet.Parsed) (answer bool) {
	mine := r.scan.grabs.Input(p)
	flags := p.TCP.Flags()
	opening := flags.Has(packet.SYN | packet.ACK)
	return opening || !mine && flags.Has(packet.RST)
}

// later says that a SYN-ACK is left to come again, for lack of room. That of a host which will not repeat it waits here, and all behind
// it in the link, which holds the senders. Other answers are not grabbed, and need no room.
func (r *receiver) later(p *packet.Parsed) bool {
	g := r.scan.grabs
	if g == nil || p.Kind != packet.KindTCP || !p.TCP.Flags().Has(packet.SYN|packet.ACK) {
		return false
	}
	for g.Crowded() && !isClosed(g.over) && !isClosed(r.scan.stop.scan) {
		g.pressed.Store(true)
		if g.Own() {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// A host repeats a SYN-ACK at ever larger intervals: Linux after 1, 3, 7, 15 and 31 seconds (tcp_synack_retries).
const (
	againGap  = 16 * time.Second // the longest interval
	againLast = 32 * time.Second // when there will be no more
)

// patience is how much longer a cooldown goes on, that long after the last probe, since there was no room for a hit after the last
// call; 0 if there was.
func (g *grabbing) patience(cooldown, since time.Duration) time.Duration {
	switch {
	case g == nil, !g.pressed.Swap(false), cooldown == 0:
		return 0
	case !g.Own():
		return cooldown // the link has them
	case since > againLast:
		return 0
	}
	return max(cooldown, againGap)
}

// defaultMSS is what a SYN-ACK without the option means (RFC 9293 section 3.7.1).
const defaultMSS = 536

// half returns the half-open connection that a SYN-ACK to one of our SYNs stands for. The SYN offered no options but its MSS. Of an answer that is
// no segment, an ICMP error, there is none.
func (r *receiver) half(at int64, t *target.Target) grab.Half {
	p := &r.parsed
	if p.Kind != packet.KindTCP {
		return grab.Half{}
	}
	h := grab.Half{
		Local: netip.AddrPortFrom(p.Dst, p.TCP.DstPort()), Remote: netip.AddrPortFrom(p.Src, p.TCP.SrcPort()),
		Next: p.TCP.Ack(), Peer: p.TCP.Seq() + 1, Offered: probe.SYNWindow, Window: p.TCP.Window(), MSS: defaultMSS, At: time.Unix(0, at),
	}
	if o := p.TCP.Options(); o.HasMSS {
		h.MSS = o.MSS
	}
	hops, i, ok := *r.scan.hops.Load(), uint16(0), true
	if r.scan.cfg.Hop != nil {
		i, ok = r.scan.cfg.Hop(t.Addr)
	}
	if ok && int(i) < len(hops) {
		h.Hop = hops[i]
	}
	return h
}

// finishGrabs waits for the grabs that are under way when the cooldown is over: as long as they take, by their own limits, but if
// the scan is to end at once, or was interrupted, no longer than the grace.
func (s *Scan) finishGrabs(ctx context.Context) {
	if s.grabs == nil {
		return
	}
	close(s.grabs.over)
	s.lastHits()
	limit, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-stop:
			return
		case <-s.stop.scan:
		case <-ctx.Done():
			s.stop.interrupt(context.Cause(ctx))
			s.clock.SleepUntil(s.clock.Now()+int64(s.cfg.Limits.Grace), stop)
		}
		cancel(errCut)
	}()
	_ = s.grabs.Drain(limit) // why it was cut short is what stopped the scan
}

// lastHits returns when every hit of before the end of the cooldown has been offered to be grabbed.
func (s *Scan) lastHits() {
	s.grabs.hearing.Wait()
	all := make(chan struct{})
	s.queue <- &batch{taken: all}
	<-all
}

var errCut = errors.New("scan ended")
