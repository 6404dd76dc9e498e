package engine

import (
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/link"
)

// An outage is a time in which the interface is down. Senders and receivers see it each on their own.
type outage struct{ seen atomic.Bool }

// upCheck is how often is looked whether the interface is up again.
const upCheck = 100 * time.Millisecond

// steady is how many looks later it must still be: carriers come and go for a moment.
const steady = 2

// awaitLink waits until the interface is up again, and says whether it is: not for longer than Config.LinkWait, than the scan listens, or
// than done is open.
func (s *Scan) awaitLink(why error, done <-chan struct{}) bool {
	if s.cfg.Link.Up == nil || s.cfg.LinkWait <= 0 {
		return false
	}
	tell := func(err error) {
		if s.outage.seen.Swap(err != nil) != (err != nil) && s.cfg.OnDown != nil {
			s.cfg.OnDown(err)
		}
	}
	end := s.clock.Now() + int64(s.cfg.LinkWait)
	for calm := 0; ; calm++ {
		if s.cfg.Link.Up() != nil {
			calm = 0
			tell(why)
		}
		if calm == steady {
			tell(nil)
			return true
		}
		now := s.clock.Now()
		if now > end || isClosed(s.listening) || !s.clock.SleepUntil(now+int64(upCheck), done) {
			return false
		}
	}
}

// goBack makes the queue usable again after the interface was down, and takes the sender back to the first frame that has not left: those
// behind it will be made once more, and none twice that has.
func (s *sender) goBack() {
	if q, ok := s.tx.(link.Reviver); ok {
		q.Revive()
	}
	t := s.trail
	done := s.tx.Stats().Sent + s.before.Refused - t.extra // those refused since, the outage has refused
	m := t.left(done)
	s.walk.Rewind(t.given - m.given)
	s.scan.claimed.Add(m.place.Targets - t.asked)
	s.counts.targets.Store(m.place.Targets - t.before)
	s.counts.probes.Store(m.frames)
	s.unreachable, s.excluded = m.unreachable, m.excluded
	t.extra += s.made - done
	t.rewind()
	s.made = m.frames
	s.targets, s.at, s.pending, s.done = s.targets[:0], 0, 0, false
	for s.made < done && !s.done { // these have left
		n, targets := s.load(int(min(done-s.made, uint64(len(s.shots)))))
		s.tags.Tags()
		s.counts.targets.Add(targets)
		s.counts.probes.Add(uint64(n))
		s.made += uint64(n)
	}
}
