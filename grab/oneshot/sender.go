package oneshot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
)

// batch is how many frames are handed to the link at once.
const batch = 64

// A sender is the one goroutine of a stack. It owns the queue and the timers, and makes every frame. Each round:
//
//	ready list, wheel ──> todo ──> frames in slots ──> Submit, when slots or todo are used up
type sender struct {
	stack *Stack
	tx    link.TX
	framer
	wheel wheel
	todo  []*conn
	bare  []segment

	slots      [batch]link.Slot
	have, used int   // slots that are reserved, and how many of them are written
	broken     error // of the link, for good
}

// stopWait is how long a stack that is closed waits for its link to take the last frames.
const stopWait = time.Second

// run works until the stack is closed and all is sent.
func (s *sender) run() {
	defer close(s.stack.done)
	alarm := time.AfterFunc(time.Hour, s.stack.notify)
	defer alarm.Stop()
	for {
		s.collect()
		if len(s.todo)+len(s.bare) > 0 {
			s.round()
			continue
		}
		if s.used > 0 {
			s.submit()
			continue
		}
		if at, ok := s.wheel.next(); ok {
			alarm.Reset(at - s.stack.now())
		}
		select {
		case <-s.stack.wake:
		case <-s.stack.stop:
			s.finish()
			return
		}
	}
}

// collect takes what there is to do.
func (s *sender) collect() {
	s.todo = s.wheel.take(s.stack.now(), s.todo)
	st := s.stack
	st.mu.Lock()
	s.todo = append(s.todo, st.ready...)
	clear(st.ready)
	st.ready = st.ready[:0]
	if len(s.bare) == 0 { // while they wait for the link, the others wait where they are bounded
		s.bare, st.bare = st.bare, s.bare
	}
	st.mu.Unlock()
}

// round does what there is to do, as far as there are slots. It takes no lock while it waits for the link.
func (s *sender) round() {
	for i := range s.bare {
		if !s.reserve() {
			s.bare = s.bare[:copy(s.bare, s.bare[i:])]
			return
		}
		s.put(&s.bare[i], nil, 0)
	}
	s.bare = s.bare[:0]
	for i := 0; i < len(s.todo); {
		if !s.reserve() {
			s.todo = slices.Delete(s.todo, 0, i)
			return
		}
		if s.visit(s.todo[i]) {
			i++
		}
	}
	clear(s.todo)
	s.todo = s.todo[:0]
}

// visit does all that a connection has to do, and returns false if there were too few slots for it. One slot at least is free.
func (s *sender) visit(c *conn) (done bool) {
	now := s.stack.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued = false
	if !c.timer.set {
		c.armed = 0
	}
	c.expire(now)
	for s.used < s.have || s.broken != nil {
		g, n, ok := c.next(now)
		if !ok {
			done = true
			break
		}
		s.put(&g, &c.send.data, n)
	}
	if c.gone {
		if done {
			s.wheel.remove(c)
		}
		return done
	}
	c.send.watch(now)
	if at := c.wake(); at != 0 && (c.armed == 0 || at < c.armed) {
		s.wheel.set(c, at)
		c.armed = at
	}
	return done
}

// next returns the next segment that the connection has to send, with n bytes of its data, and false if there is none.
func (c *conn) next(now time.Duration) (g segment, n int, ok bool) {
	g = segment{local: c.local, remote: c.remote, hop: c.hop, seq: c.send.bare(), flags: packet.ACK}
	count := &c.stack.count
	if c.gone {
		if !c.reset {
			return g, 0, false
		}
		c.reset = false
		count.resets.Add(1)
		g.seq, g.ack, g.flags = c.send.most, c.receive.next, packet.RST|packet.ACK
		return g, 0, true
	}
	most := c.send.most
	switch seq, k, flags, data := c.send.pick(now); {
	case data:
		g.seq, g.flags, n = seq, flags, k
		if before(seq, most) {
			count.retransmitted.Add(1)
		}
	case c.send.probe:
		g.seq = c.send.una - 1 // not of the window, so that it must be answered
		count.probes.Add(1)
	case !c.receive.ackNow:
		return g, 0, false
	}
	c.send.probe, c.send.spoke = false, true
	g.ack, g.window = c.receive.next, c.receive.offer()
	return g, n, true
}

// put writes a frame into the next slot.
func (s *sender) put(g *segment, data *stretch, n int) {
	if s.broken != nil {
		return
	}
	slot := &s.slots[s.used]
	if len(slot.Data) < s.headers(g.remote.Addr())+n {
		s.stack.count.refused.Add(1)
		return
	}
	if data == nil && g.flags.Has(packet.RST) {
		s.stack.count.resets.Add(1)
	}
	slot.N = s.frame(slot.Data, g, data, n)
	s.used++
}

// reserve sees to it that a slot is free. It returns false if the link has none for now, and the work should be looked at anew.
func (s *sender) reserve() bool {
	if s.broken != nil || s.used < s.have {
		return true
	}
	s.submit()
	if s.broken == nil {
		s.have = s.tx.Reserve(s.slots[:], 10*time.Millisecond)
		if s.have == 0 {
			s.fail(s.tx.Submit(nil)) // says whether there will ever be one
		}
	}
	return s.have > 0 || s.broken != nil
}

// submit hands the frames to the link. When that is broken, so are all connections.
func (s *sender) submit() {
	if s.used > 0 {
		s.stack.count.out.Add(uint64(s.used))
		s.fail(s.tx.Submit(s.slots[:s.used]))
	}
	s.have, s.used = 0, 0
}

// fail ends all connections if the error of the link is one. An interface that is down may come back: what was to be sent is lost, as on the
// way, and sent again.
func (s *sender) fail(err error) {
	if q, ok := s.tx.(link.Reviver); ok && errors.Is(err, link.ErrDown) {
		q.Revive()
		return
	}
	if err != nil {
		s.broken = fmt.Errorf("send: %w", err)
		s.stack.end(s.broken)
	}
}

// finish sends what is left when the stack is closed, if the link takes it in time.
func (s *sender) finish() {
	for end := s.stack.now() + stopWait; s.stack.now() < end; {
		s.collect()
		if len(s.todo)+len(s.bare) == 0 {
			break
		}
		s.round()
	}
	s.submit()
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	_ = s.tx.Drain(ctx) // what is left then is the link's to count
	s.stack.end(net.ErrClosed)
}
