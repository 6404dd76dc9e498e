package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// reserveWait is how long a sender waits for a slot before it looks whether it has been stopped.
const reserveWait = 10 * time.Millisecond

// A sender asks one share of the targets over one queue. Everything in it is owned by its goroutine, but the counters,
// which it writes once per batch.
//
// Each stage runs over some dozens of probes before the next begins: memory that one target's look-up waits for comes while
// the others are looked up, and the same goes for the tags.
type sender struct {
	scan   *Scan
	number int // of the sender, from 0
	tx     link.TX
	walk   Order
	enc    [families]probe.Encoder // nil for a family that we have no address of
	route  probe.Route             // of enc
	hops   *[]packet.MAC           // those of route
	epoch  uint32                  // in the upper half, how often enc was made anew: frames of another one have templates of another number
	stamps probe.Stamper           // enc of IPv4, if its frames carry the time, else nil
	tags   *validate.Batch
	pace   *pacer
	counts *sendCounts

	indexes []uint64        // of the targets taken from the walk at once
	targets []target.Target // those targets
	at      int             // the first of them that is not asked yet
	pending int             // probes of the target before that which are still to be sent
	shots   []probe.Shot
	slots   []link.Slot
	done    bool     // the walk, or max-targets, is at its end
	asking  aliasAsk // what is left to ask of a network
	lingers bool     // nothing else is to be asked

	trail  *trail
	before link.TXStats // of the queue, when the last batch was submitted
	made   uint64       // frames before the stage that is being loaded

	unreachable uint64 // targets that nobody answers for so far
	excluded    uint64 // targets passed over so far
}

// stage is how many probes go through a stage at once: their targets, tags and shots stay in the first-level cache.
const stage = 64

// trailTime is how far a slow sender's place may stay behind in a scan that is kept: it takes no more targets from the walk at once than it asks in that time.
const trailTime = 50 * time.Millisecond

// drainTime bounds how long a sender waits for its queue to empty after its last probe.
const drainTime = 5 * time.Second

// newSender returns the i-th sender of the scan.
func newSender(scan *Scan, i int, tx link.TX) *sender {
	cfg := &scan.cfg
	n := min(cfg.Batch, stage)
	route := cfg.Route
	if cfg.Random != nil {
		route.Random = cfg.Random(i)
	}
	s := &sender{
		scan: scan, number: i, tx: tx, walk: cfg.Walks[i], route: route, hops: scan.hops.Load(), tags: scan.tagger().NewBatch(n),
		pace: newPacer(scan.clock, scan.perSender()), counts: &scan.sendCounts[i], trail: scan.trails[i],
		indexes: make([]uint64, n), targets: make([]target.Target, 0, n), shots: make([]probe.Shot, n), slots: make([]link.Slot, cfg.Batch),
	}
	s.newEncoders()
	return s
}

// run sends until the walk ends, a limit is reached or the scan is stopped, and drains the queue.
func (s *sender) run() {
	stop := s.scan.stop
	for s.scan.gate.hold(s.scan.clock, stop.sending) {
		s.pace.setRate(s.scan.perSender())
		allowed := s.pace.wait(len(s.slots), stop.sending)
		if allowed == 0 {
			break
		}
		err := s.batch(allowed)
		if errors.Is(err, link.ErrDown) && s.scan.awaitLink(err, stop.sending) {
			s.goBack()
			continue
		}
		if err != nil {
			stop.stopScan(sendStop(err), fmt.Errorf("send: %w", err))
			s.drain()
			return // what the queue has refused now was not asked: the trail stays before it
		}
		if s.done {
			break
		}
	}
	s.drain()
	s.trail.settle(s.tx)
}

// sendStop says what it means that a link can send no more: a dry run's link writes to an output, which may have lost its
// reader.
func sendStop(err error) Stop {
	if errors.Is(err, sink.ErrReaderGone) {
		return ReaderGone
	}
	return LinkLost
}

// drain waits until everything submitted has left, or discards it when the scan is to end at once.
func (s *sender) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if isClosed(s.scan.stop.scan) || s.tx.Drain(ctx) != nil {
		s.tx.Abort()
	}
}

// batch sends up to n probes. It returns early when the scan is stopped while the queue is full.
func (s *sender) batch(n int) error {
	for n > 0 && !s.done {
		if h := s.scan.hops.Load(); h != s.hops {
			s.follow(h)
		}
		got := s.tx.Reserve(s.slots[:n], reserveWait)
		if got == 0 {
			if isClosed(s.scan.stop.sending) {
				return nil
			}
			continue
		}
		filled := s.fill(s.slots[:got])
		if filled == 0 {
			return nil
		}
		s.stamp(s.slots[:filled])
		s.before = s.tx.Stats()
		if err := s.tx.Submit(s.slots[:filled]); err != nil {
			return err
		}
		if sent := s.scan.cfg.Hooks.Sent; sent != nil {
			sent(s.number, filled)
		}
		n -= filled
	}
	return nil
}

// fill writes the next probes into slots and returns how many; fewer than there are slots means that s.done is set.
func (s *sender) fill(slots []link.Slot) int {
	n := 0
	for n < len(slots) && !s.done {
		n += s.fillStage(slots[n:min(n+len(s.shots), len(slots))])
	}
	return n
}

// fillStage is fill for as many slots as a stage has at most.
func (s *sender) fillStage(slots []link.Slot) int {
	n, targets := s.load(len(slots))
	tags := s.tags.Tags()
	for i := range n {
		slot, shot := &slots[i], &s.shots[i]
		shot.Tag = tags[i]
		id, family := uint32(1+shot.Try), familyOf(shot.Addr)
		enc := s.enc[family]
		if number := id | uint32(family)<<familyBit | s.epoch; slot.Template != number {
			slot.N = enc.Template(id, slot.Data)
			slot.Template = number
		}
		slot.N = enc.Patch(slot.Data, shot)
	}
	s.counts.targets.Add(targets)
	s.counts.unreachable.Store(s.unreachable)
	s.counts.excluded.Store(s.excluded)
	s.counts.probes.Add(uint64(n))
	s.made += uint64(n)
	return n
}

// follow has frames go to other next hops from here on.
func (s *sender) follow(hops *[]packet.MAC) {
	s.hops, s.route.Hops = hops, *hops
	s.newEncoders()
	s.epoch += 1 << (familyBit + 1)
}

// stamp writes the present moment into frames that carry one: it is the last thing before they leave.
func (s *sender) stamp(slots []link.Slot) {
	if s.stamps == nil {
		return
	}
	now := time.Now().UnixNano()
	for i := range slots {
		s.stamps.Stamp(slots[i].Data[:slots[i].N], now)
	}
}

// load puts the next probes into shots, all but their tags, and what those depend on into the batch of tags.
func (s *sender) load(most int) (n int, targets uint64) {
	cfg := &s.scan.cfg
	for n < most && s.loadAlias(n) {
		n++
	}
	for n < most && !s.lingers {
		if s.pending == 0 {
			if s.at == len(s.targets) && !s.refill(n) {
				break
			}
			s.at++
			s.pending = cfg.Tries
			targets++
		}
		shot := &s.shots[n]
		shot.Target = s.targets[s.at-1]
		shot.Try = cfg.Tries - s.pending
		if cfg.Excluded != nil && cfg.Excluded(shot.Addr) {
			s.pending = 0
			s.excluded++
			continue
		}
		if !s.aim(shot) {
			s.pending = 0
			s.unreachable++
			continue
		}
		s.pending--
		n++
	}
	return n, targets
}

// aim completes a shot but for its tag, and puts what that depends on into the batch; it says false if no frame can reach the target.
func (s *sender) aim(shot *probe.Shot) bool {
	sources := s.scan.sources[familyOf(shot.Addr)]
	if len(sources) == 0 {
		return false
	}
	shot.Src = source(sources, shot)
	if hop := s.scan.cfg.Hop; hop != nil {
		var reachable bool
		if shot.Hop, reachable = hop(shot.Addr); !reachable {
			return false
		}
	}
	s.tags.Add(shot.Src, shot.Addr, shot.Port)
	return true
}

// refill takes the next targets from the walk, as many of them as max-targets still allows. It returns false, and sets done,
// when there are none or no more are wanted. All before it are in frames, of which the last loaded are in the stage.
func (s *sender) refill(loaded int) bool {
	most := len(s.indexes)
	t := s.trail
	t.note(trailMark{
		frames: s.made + uint64(loaded), place: Place{s.walk.Step(), t.asked}, given: t.given, unreachable: s.unreachable, excluded: s.excluded,
	})
	t.settle(s.tx)
	if s.scan.keeping != nil && s.pace.rate > 0 {
		most = max(1, min(most, int(s.pace.rate*trailTime.Seconds())))
	}
	found := s.walk.Fill(s.indexes[:most])
	n := s.scan.claim(found)
	t.asked += uint64(n)
	t.given += uint64(found)
	s.targets, s.at = s.targets[:n], 0
	for i, index := range s.indexes[:n] {
		s.scan.cfg.Space.Fill(index, &s.targets[i])
	}
	if n < found {
		s.scan.limited.Store(true)
	}
	s.done = n == 0
	return !s.done
}

// source returns the source address of a probe: where there are several, by target and try, as C ZMap does.
func source(sources []netip.Addr, shot *probe.Shot) netip.Addr {
	if len(sources) == 1 {
		return sources[0]
	}
	return sources[(low32(shot.Addr)+uint32(shot.Try))%uint32(len(sources))]
}

// low32 returns the last four bytes of an address as a number.
func low32(a netip.Addr) uint32 {
	b := a.As16()
	return uint32(b[12])<<24 | uint32(b[13])<<16 | uint32(b[14])<<8 | uint32(b[15])
}
