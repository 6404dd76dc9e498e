package oneshot

import (
	"net"
	"syscall"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// Input takes a received segment, and says whether it belongs to a connection. It is for all that comes to the scan's ports for
// this package but SYN-ACKs that are new; any number of goroutines may call it. p is valid during the call only.
//
// A segment of no connection is answered with RST, as nobody else will, at a bounded rate. A SYN-ACK is not: it may be one that
// came twice, and whose connection is still to be opened, or was given to [Stack.Reset].
func (s *Stack) Input(p *packet.Parsed) bool {
	if p.Kind != packet.KindTCP {
		return false
	}
	s.count.in.Add(1)
	if !sound(p) {
		s.count.damaged.Add(1)
		return false
	}
	c := s.table.find(keyOf(p))
	if c == nil {
		s.unknown(p)
		return false
	}
	now := s.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return true
	}
	c.input(p, now)
	if !c.gone {
		c.send.watch(now)
	}
	if c.receive.ackNow || c.reset || c.hasData() {
		c.poke()
	}
	c.arm()
	return true
}

// hasData says whether there is data to be sent, or FIN, whether or not it may be yet.
func (c *conn) hasData() bool { return c.send.again || c.send.next != c.send.last() }

// input is the processing of a segment (RFC 9293 section 3.10.7.4 with RFC 5961).
func (c *conn) input(p *packet.Parsed, now time.Duration) {
	flags, seq, data := p.TCP.Flags(), p.TCP.Seq(), p.Payload
	fin := flags.Has(packet.FIN) && !p.Truncated
	r := &c.receive
	end := seq + uint32(len(data))
	if fin {
		end++
	}
	switch old := before(end, r.next) || end == r.next && seq != end; {
	case flags.Has(packet.RST):
		c.broken(seq, now)
	case flags.Has(packet.SYN):
		c.reply(now) // a SYN-ACK that came twice, or an attack
	case !flags.Has(packet.ACK):
		c.stack.count.outside.Add(1)
	case old && len(data) > 0: // our acknowledgement was lost
		c.stack.count.repeated.Add(1)
		r.ackNow = true
	case old, before(r.edge, seq):
		c.stack.count.outside.Add(1)
		c.reply(now)
	case c.acknowledge(p, now):
		c.deliver(seq, data, fin, now)
	}
}

// broken takes RST: what has exactly the right number is one, what has nearly is answered (RFC 5961 section 3.2).
func (c *conn) broken(seq uint32, now time.Duration) {
	switch {
	case seq == c.receive.next:
		c.stack.count.resetsIn.Add(1)
		c.end(syscall.ECONNRESET)
	case before(seq, c.receive.next) || !before(seq, c.receive.edge):
		c.stack.count.outside.Add(1)
	default:
		c.stack.count.outside.Add(1)
		c.reply(now)
	}
}

// reply acknowledges what has arrived in answer to a segment that is none of the stream, unless it did so a moment ago.
func (c *conn) reply(now time.Duration) {
	if r := &c.receive; r.replied == 0 || now-r.replied >= replyGap {
		r.replied, r.ackNow = now, true
	}
}

// acknowledge takes the acknowledgement and the window of a segment, and says whether its data may be looked at.
func (c *conn) acknowledge(p *packet.Parsed, now time.Duration) bool {
	s := &c.send
	seq, ack, window := p.TCP.Seq(), p.TCP.Ack(), uint32(p.TCP.Window())
	if before(s.most, ack) || before(ack, s.una-s.widest) {
		c.stack.count.outside.Add(1)
		c.reply(now)
		return false
	}
	s.tries = 0
	moved := before(s.una, ack)
	if moved {
		s.acknowledged(&c.stack.pages, ack, now)
		if c.writers > 0 {
			c.turn.Broadcast()
		}
	} else if ack == s.una && len(p.Payload) == 0 && !p.TCP.Flags().Has(packet.FIN) && window == s.window && s.flight() > 0 {
		s.repeated()
	}
	if !before(ack, s.una) && (before(s.wl1, seq) || s.wl1 == seq && !before(ack, s.wl2)) {
		if s.window == 0 && window != 0 {
			s.backToRTO()
			s.by = 0
		}
		s.window, s.widest, s.wl1, s.wl2 = window, max(s.widest, window), seq, ack
	}
	if moved && s.finished() && c.receive.eof {
		c.finish(now)
	}
	return true
}

// deliver takes the data of a segment and its FIN.
func (c *conn) deliver(seq uint32, data []byte, fin bool, now time.Duration) {
	if c.gone {
		return
	}
	r := &c.receive
	if c.closed { // nobody will read it (RFC 9293 section 3.10.4)
		if end := seq + uint32(len(data)); before(r.next, end) {
			c.abort(syscall.EPIPE)
			return
		}
		seq, data = seq+uint32(len(data)), nil
	}
	was := r.eof
	gaps := len(r.ahead)
	news, fresh := r.accept(&c.stack.pages, seq, data, fin, now)
	if len(r.ahead) > gaps {
		c.stack.count.unordered.Add(1)
	}
	if len(data) > 0 && !fresh {
		c.stack.count.outside.Add(1)
		r.ackNow = true
	}
	if !news {
		return
	}
	c.turn.Broadcast()
	if r.eof && !was && c.closed {
		r.ackNow = true
		if c.send.finished() {
			c.finish(now)
		}
	}
}

// finish is called when both sides have ended and know it. Who ended first waits a moment for a FIN that comes again, as our
// acknowledgement may get lost; a FIN after that is answered with RST, which ends the other side as well.
func (c *conn) finish(now time.Duration) {
	if !c.receive.ackNow && c.receive.ackBy == 0 {
		c.end(net.ErrClosed)
		return
	}
	c.lingerBy = now + timeWait
}
