package engine

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/validate"
)

// reserveWait is how long a sender waits for a slot before it looks whether it has been stopped.
const reserveWait = 10 * time.Millisecond

// A sender asks one share of the targets over one queue. Everything in it is owned by its goroutine, but the counters,
// which it writes once per batch.
type sender struct {
	scan    *Scan
	tx      link.TX
	walk    *permute.Walk
	indexes []uint64 // targets taken from the walk and not asked yet
	buffer  []uint64 // the memory of indexes
	enc     probe.Encoder
	tags    *validate.Tagger
	pace    *pacer
	left    uint64 // targets that max-targets leaves this sender
	counts  *sendCounts
	slots   []link.Slot
	shot    probe.Shot
	pending int  // probes of the present target still to be sent
	done    bool // the walk, or max-targets, is at its end
}

// drainTime bounds how long a sender waits for its queue to empty after its last probe.
const drainTime = 5 * time.Second

// newSender returns the i-th sender of the scan.
func newSender(scan *Scan, i int, tx link.TX) *sender {
	cfg := &scan.cfg
	left := uint64(math.MaxUint64)
	if most := cfg.Limits.MaxTargets; most > 0 {
		n := uint64(len(cfg.Link.TX))
		left = most / n
		if uint64(i) < most%n {
			left++
		}
	}
	return &sender{
		scan: scan, tx: tx, walk: cfg.Walks[i], enc: cfg.Probe.NewEncoder(cfg.Route), tags: scan.tagger(),
		pace: newPacer(scan.clock, scan.gate.perSender()), left: left, counts: &scan.sendCounts[i],
		slots: make([]link.Slot, cfg.Batch), buffer: make([]uint64, cfg.Batch),
	}
}

// run sends until the walk ends, a limit is reached or the scan is stopped, and drains the queue.
func (s *sender) run() {
	stop := s.scan.stop
	for {
		if !s.scan.gate.hold(stop.sending) {
			break
		}
		s.pace.setRate(s.scan.gate.perSender())
		allowed := s.pace.wait(len(s.slots), stop.sending)
		if allowed == 0 {
			break
		}
		if err := s.batch(allowed); err != nil {
			stop.stopScan(LinkLost, fmt.Errorf("send: %w", err))
			break
		}
		if s.done {
			break
		}
	}
	s.drain()
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
		if err := s.tx.Submit(s.slots[:filled]); err != nil {
			return err
		}
		n -= filled
	}
	return nil
}

// fill writes the next probes into slots and returns how many; fewer than there are slots means that s.done is set.
func (s *sender) fill(slots []link.Slot) int {
	targets := uint64(0)
	filled := 0
	for filled < len(slots) {
		if s.pending == 0 {
			if !s.next() {
				break
			}
			targets++
		}
		s.aim()
		slot := &slots[filled]
		if id := uint32(1 + s.shot.Try); slot.Template != id {
			slot.N = s.enc.Template(id, slot.Data)
			slot.Template = id
		}
		slot.N = s.enc.Patch(slot.Data, &s.shot)
		s.shot.Try++
		s.pending--
		filled++
	}
	s.counts.targets.Add(targets)
	s.counts.probes.Add(uint64(filled))
	return filled
}

// next takes the walk's next target into the shot.
func (s *sender) next() bool {
	if s.left == 0 {
		s.scan.limited.Store(true)
		s.done = true
		return false
	}
	if len(s.indexes) == 0 {
		s.indexes = s.buffer[:s.walk.Fill(s.buffer)]
		if len(s.indexes) == 0 {
			s.done = true
			return false
		}
	}
	index := s.indexes[0]
	s.indexes = s.indexes[1:]
	s.left--
	cfg := &s.scan.cfg
	s.shot.Target = cfg.Space.At(index)
	s.shot.Try = 0
	s.pending = cfg.Tries
	if cfg.Hop != nil {
		s.shot.Hop = cfg.Hop(s.shot.Addr)
	}
	if len(cfg.Sources) == 1 {
		s.shot.Src = cfg.Sources[0]
		s.shot.Tag = s.tags.Tag(s.shot.Src, s.shot.Addr, s.shot.Port)
	}
	return true
}

// aim chooses the source address of the next probe where there are several: by target and try, as C ZMap does.
func (s *sender) aim() {
	sources := s.scan.cfg.Sources
	if len(sources) == 1 {
		return
	}
	s.shot.Src = sources[(low32(s.shot.Addr)+uint32(s.shot.Try))%uint32(len(sources))]
	s.shot.Tag = s.tags.Tag(s.shot.Src, s.shot.Addr, s.shot.Port)
}

// low32 returns the last four bytes of an address as a number.
func low32(a netip.Addr) uint32 {
	b := a.As16()
	return uint32(b[12])<<24 | uint32(b[13])<<16 | uint32(b[14])<<8 | uint32(b[15])
}
