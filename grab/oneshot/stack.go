package oneshot

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
)

// Config says how a [Stack] sends. TX must be given, and TTL should be; the rest may be zero.
type Config struct {
	// TX is the queue that the stack sends by, a link's Control queue. From New until Close it is the stack's alone; it is not
	// closed by it.
	TX link.TX
	// Ether says that frames begin with an Ethernet header, else with an IP header.
	Ether bool
	// SourceMAC is our hardware address; with Ether only.
	SourceMAC packet.MAC
	// TTL is the time to live and hop limit; 0 means 64.
	TTL uint8
	// MaxConns bounds the connections that callers have open, and once more those that they have closed and that are still
	// ending; 0 means 16384. At its default window each can hold up to 132 KB if both sides fill it; most hold one page of 4 KB.
	MaxConns int
	// Window is how many bytes of one connection are kept for a caller who does not read, and so the window that is offered.
	// 0 means 65535. It should not be less than the window of the scan's SYN.
	Window uint16
	// Guard says whether an address may be contacted at all; it is asked of connections to open, and before a segment of no
	// connection is answered. Nil lets every address pass. It is called from many goroutines.
	Guard func(netip.Addr) bool
}

const (
	// lingerTime is how long a connection may take to end when its caller has closed it; then it is reset.
	lingerTime = 3 * time.Second
	// timeWait is how long a connection is kept that has ended.
	timeWait = time.Second
	// bareRoom bounds the segments without a connection that wait to be sent.
	bareRoom = 4096
	// strayRate is how many segments of no connection are answered with RST in a second.
	strayRate = 1000
)

// A Stack has the connections of one scan, and is a [grab.Supplier]. Its methods may be called from any number of goroutines.
type Stack struct {
	maxConns int
	window   uint16
	guard    func(netip.Addr) bool
	ether    bool
	start    time.Time
	pages    store
	table    table
	count    counters
	live     atomic.Int64 // connections that their callers have not closed
	// lingering counts those that they have, and that are still ending.
	lingering atomic.Int64
	strays    budget

	mu     sync.Mutex
	ready  []*conn   // to be looked at by the sender
	bare   []segment // of no connection
	ended  error     // why there is nothing more to open
	closed bool

	wake, stop, done chan struct{} // wake has room for one
}

var _ grab.Supplier = (*Stack)(nil)

// New starts a stack, which the caller must Close.
func New(c Config) *Stack {
	s := &Stack{
		maxConns: c.MaxConns, window: c.Window, guard: c.Guard, ether: c.Ether, start: time.Now().Add(-1),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if s.maxConns <= 0 {
		s.maxConns = 1 << 14
	}
	if s.window == 0 {
		s.window = 1<<16 - 1
	}
	ttl := c.TTL
	if ttl == 0 {
		ttl = 64
	}
	snd := &sender{stack: s, tx: c.TX, framer: framer{ether: c.Ether, source: c.SourceMAC, ttl: ttl}}
	go snd.run()
	return s
}

// Transport returns [grab.Oneshot].
func (*Stack) Transport() grab.Transport { return grab.Oneshot }

// Open returns the connection that h stands for. It does not wait: the connection stands when the other side learns of it, which
// is with the first data that is written, with the first attempt to read, or after a few milliseconds.
func (s *Stack) Open(_ context.Context, _ *grab.Target, h *grab.Half) (net.Conn, error) {
	switch {
	case h == nil:
		return nil, fmt.Errorf("open: %w: %w", grab.ErrConnect, grab.ErrNoHalf)
	case h.Scaled:
		return nil, fmt.Errorf("open %s: %w: %w", h.Remote, grab.ErrConnect, grab.ErrScaled)
	case s.guard != nil && !s.guard(h.Remote.Addr()):
		return nil, fmt.Errorf("open %s: %w: %w", h.Remote, grab.ErrConnect, grab.ErrBlocked)
	case s.live.Add(1) > int64(s.maxConns):
		s.live.Add(-1)
		return nil, fmt.Errorf("open %s: %w: %w", h.Remote, grab.ErrConnect, grab.ErrFull)
	}
	c := newConn(s, h, s.now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.table.add(c) {
		s.live.Add(-1)
		return nil, fmt.Errorf("open %s: %w: %w", h.Remote, grab.ErrConnect, grab.ErrTaken)
	}
	s.mu.Lock()
	err := s.ended
	s.mu.Unlock()
	if err != nil { // whoever ended all others may not have seen this one
		c.gone = true
		s.live.Add(-1)
		s.table.remove(c)
		return nil, fmt.Errorf("open %s: %w: %w", h.Remote, grab.ErrConnect, err)
	}
	s.count.opened.Add(1)
	c.arm()
	return c, nil
}

// mss is how much data goes into one segment to the other side.
func (s *Stack) mss(h *grab.Half) uint32 {
	const least6 = 1280 // what every path takes (RFC 8200 section 5)
	most := uint16(1500 - packet.IPv4Len - packet.TCPLen)
	if h.Remote.Addr().Is6() {
		most = least6 - packet.IPv6Len - packet.TCPLen
	}
	return uint32(min(max(h.MSS, leastMSS), most))
}

// Reset sends RST for a SYN-ACK that will not be made a connection, so that the other side need not wait. It may be dropped
// when very many wait to be sent, which [Stats] counts.
func (s *Stack) Reset(h *grab.Half) {
	s.send(segment{local: h.Local, remote: h.Remote, hop: h.Hop, seq: h.Next, flags: packet.RST})
}

// Ack sends the last step of the handshake alone, for a connection that somebody else carries on. It may be dropped as in Reset.
func (s *Stack) Ack(h *grab.Half) {
	s.send(segment{local: h.Local, remote: h.Remote, hop: h.Hop, seq: h.Next, ack: h.Peer, flags: packet.ACK, window: h.Offered})
}

// unknown answers a segment of no connection (RFC 9293 section 3.10.7.1).
func (s *Stack) unknown(p *packet.Parsed) {
	s.count.unknown.Add(1)
	flags := p.TCP.Flags()
	switch {
	case flags.Has(packet.RST), flags.Has(packet.SYN | packet.ACK), p.Dst.IsMulticast(), p.Src.IsMulticast(), s.guard != nil && !s.guard(p.Src):
		return
	case !s.strays.take(s.now()):
		s.count.dropped.Add(1)
		return
	}
	g := segment{
		local: netip.AddrPortFrom(p.Dst, p.DstPort), remote: netip.AddrPortFrom(p.Src, p.SrcPort), hop: hopOf(p),
		seq: p.TCP.Ack(), flags: packet.RST,
	}
	if s.ether && g.hop.IsZero() {
		s.count.dropped.Add(1)
		return
	}
	if !flags.Has(packet.ACK) {
		g.seq, g.ack, g.flags = 0, p.TCP.Seq()+uint32(len(p.Payload)), packet.RST|packet.ACK
		if flags.Any(packet.SYN | packet.FIN) {
			g.ack++
		}
	}
	s.send(g)
}

// send queues a segment of no connection.
func (s *Stack) send(g segment) {
	s.mu.Lock()
	full := len(s.bare) >= bareRoom || s.ended != nil
	if !full {
		s.bare = append(s.bare, g)
	}
	s.mu.Unlock()
	if full {
		s.count.dropped.Add(1)
		return
	}
	s.notify()
}

// enqueue puts a connection onto the ready list.
func (s *Stack) enqueue(c *conn) {
	s.mu.Lock()
	s.ready = append(s.ready, c)
	first := len(s.ready) == 1
	s.mu.Unlock()
	if first {
		s.notify()
	}
}

func (s *Stack) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// end ends all connections, for good.
func (s *Stack) end(err error) {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = err
	}
	s.mu.Unlock()
	for _, c := range s.table.all() {
		c.mu.Lock()
		c.abort(err)
		c.mu.Unlock()
	}
}

// Close resets all connections, and returns when that is sent and nothing of the stack is at work any more. The queue is the
// caller's again.
func (s *Stack) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if !again {
		s.end(net.ErrClosed)
		close(s.stop)
	}
	<-s.done
	return nil
}

// now is the time since the stack began, never zero.
func (s *Stack) now() time.Duration { return time.Since(s.start) }

// since is the time of t, zero for the zero time.
func (s *Stack) since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(t.Sub(s.start), 1)
}

// A budget allows so many of something in each second.
type budget struct {
	mu     sync.Mutex
	second time.Duration
	used   int
}

func (b *budget) take(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if second := now.Truncate(time.Second); second != b.second {
		b.second, b.used = second, 0
	}
	b.used++
	return b.used <= strayRate
}
