package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// Aliases has a scan find out which networks of IPv6 are aliased: whatever address one asks there, the same machine answers (O. Gasser et
// al., Clusters in the Expanse, IMC 2018, section 5). A /64 with a host is asked at 16 more addresses, a random one behind each value of the four
// bits that follow. It is aliased if all answer. Rows of hosts wait for that.
type Aliases struct {
	Reach func(netip.Addr) bool // whether an address may be asked; called by the collector
	Seed  uint64                // what the addresses follow from
}

const (
	aliasProbes = 16
	aliasRounds = 2           // addresses that are silent after the first are asked again, if half of them answer
	aliasWait   = time.Second // for each
	aliasNets   = 1 << 20     // networks that are asked at most; rows of others say nothing
	aliasHeld   = 1 << 16     // rows that wait at most; others say nothing
	aliasQueue  = 1 << 12     // networks that senders have not taken
	aliasAll    = 1<<aliasProbes - 1
	aliasIndex  = ^uint64(0) // of such a target, which is none of the space
)

// AliasField is the first of the notes of rows with [Config.Aliases]. It says what was found: null if nothing was.
func AliasField() record.Field {
	return record.Field{Name: "aliased", Type: record.Bool, Doc: "do 16 random addresses of the network (/64) answer as well; null if that was not found out"}
}

// aliasing is what a scan has that looks for aliases.
//
//	collector ── ask ──> senders ── probes ──> network ──> receivers ── heard ──> nets ──> collector ──> rows
type aliasing struct {
	Aliases
	ask chan aliasAsk

	mu   sync.Mutex // guards answered of all nets, and nets; taken for frames from addresses that are no targets, and once a network
	nets map[uint64]*aliasNet
}

// An aliasAsk is a network to be asked, at which of its addresses.
type aliasAsk struct {
	net   uint64
	port  uint16
	which uint16
}

// An aliasNet is a network. All but answered is the collector's.
type aliasNet struct {
	aliasAsk
	answered uint16
	due      time.Time // when the round is over; zero before senders have it
	rounds   int
	known    bool
	aliased  bool
	rows     []*hit // that wait
}

// newAliasing returns nil if the scan does not look for aliases.
func newAliasing(a *Aliases) *aliasing {
	if a == nil {
		return nil
	}
	return &aliasing{Aliases: *a, ask: make(chan aliasAsk, aliasQueue), nets: make(map[uint64]*aliasNet)}
}

// netOf returns the network of an IPv6 address, and which of its addresses that are asked it might be.
func netOf(a netip.Addr) (net uint64, which int) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), int(b[8] >> 4)
}

// addr returns the address of a network that is asked behind a value of four bits.
func (x *aliasing) addr(net uint64, which int) netip.Addr {
	var b [17]byte
	binary.BigEndian.PutUint64(b[:8], net)
	binary.BigEndian.PutUint64(b[8:], x.Seed)
	b[16] = byte(which)
	random := sha256.Sum256(b[:])
	copy(b[8:16], random[:])
	b[8] = byte(which)<<4 | b[8]&0x0f
	return netip.AddrFrom16([16]byte(b[:16]))
}

// heard takes an answer from an address that is no target, and says whether it is one of those that were asked.
func (x *aliasing) heard(a netip.Addr, success bool) bool {
	if !a.Is6() {
		return false
	}
	net, which := netOf(a)
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.nets[net]
	if n == nil || x.addr(net, which) != a {
		return false
	}
	if success {
		n.answered |= 1 << which
	}
	return true
}

// begin returns a network that is to be asked about, nil if it cannot be.
func (x *aliasing) begin(net uint64, port uint16) *aliasNet {
	for i := range aliasProbes {
		if !x.Reach(x.addr(net, i)) {
			return nil
		}
	}
	n := &aliasNet{aliasAsk: aliasAsk{net, port, aliasAll}, rounds: 1}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.nets) >= aliasNets {
		return nil
	}
	x.nets[net] = n
	return n
}

// look brings a network up to date: it says what is found out, or has it asked once more. Before senders take it, it waits.
func (x *aliasing) look(n *aliasNet, now time.Time) {
	x.mu.Lock()
	answered := n.answered
	x.mu.Unlock()
	switch {
	case answered == aliasAll:
		n.known, n.aliased = true, true
	case n.due.IsZero():
		select {
		case x.ask <- n.aliasAsk:
			n.due = now.Add(aliasWait)
		default: // senders are slow
		}
	case now.Before(n.due):
	case n.rounds < aliasRounds && bits.OnesCount16(answered) >= aliasProbes/2:
		n.rounds++
		n.which, n.due = aliasAll&^answered, time.Time{}
		x.look(n, now)
	default:
		n.known = true
	}
}

// loadAlias puts the next probe to a network that is asked about into the i-th shot, and says whether there was one.
func (s *sender) loadAlias(i int) bool {
	x := s.scan.aliases
	if x == nil {
		return false
	}
	a := &s.asking
	for {
		if a.which == 0 {
			select {
			case *a = <-x.ask:
			default:
				return false
			}
		}
		which := bits.TrailingZeros16(a.which)
		a.which &= a.which - 1
		shot := &s.shots[i]
		shot.Target, shot.Try = target.Target{Index: aliasIndex, Addr: x.addr(a.net, which), Port: a.port}, 0
		if s.aim(shot) {
			return true
		}
	}
}

// startLingering has a sender go on to ask what the collector wants when all targets are asked, until nobody listens; then it closes the
// returned channel.
func (s *Scan) startLingering() <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		if s.aliases != nil {
			s.first.linger(s.listening)
		}
	}()
	return over
}

// linger goes on to ask what the collector wants until over is closed, when all targets are asked.
func (s *sender) linger(over <-chan struct{}) {
	s.lingers = true
	for {
		select {
		case <-over:
			return
		case s.asking = <-s.scan.aliases.ask:
		}
		for s.asking.which != 0 {
			allowed := s.pace.wait(min(aliasProbes, len(s.slots)), over)
			if allowed == 0 {
				return
			}
			got := s.tx.Reserve(s.slots[:allowed], reserveWait)
			if filled := s.fillStage(s.slots[:got]); filled > 0 && s.tx.Submit(s.slots[:filled]) != nil {
				return // the link is lost: networks that were not asked have no answers
			}
		}
	}
}

// hold keeps the row of a host whose network is asked about, until that is found out, and says whether it does. A row that it does not keep
// has what is known.
func (c *collector) hold(row *record.Record, index uint64) bool {
	s := c.scan
	x, a := s.aliases, row.Values[0].Addr()
	if x == nil || !a.Is6() || !row.Values[s.layout.success].Bool() || s.layout.isRepeat(row) {
		return false
	}
	net, _ := netOf(a)
	n := x.nets[net] // which the collector alone writes
	if n == nil {
		port := s.cfg.Space.At(index).Port
		if n = x.begin(net, port); n == nil {
			return false
		}
		c.asking = append(c.asking, n)
		x.look(n, time.Now())
	}
	if n.known {
		row.Values[s.layout.alias].SetBool(n.aliased)
		return false
	}
	if c.waiting >= aliasHeld {
		return false
	}
	h := c.hit()
	h.row.Set(row)
	n.rows = append(n.rows, h)
	c.waiting++
	return true
}

// settle writes the rows whose networks are known by now; at the end all others, too.
func (c *collector) settle(end bool) {
	if c.scan.aliases == nil {
		return
	}
	now, left := time.Now(), c.asking[:0]
	for _, n := range c.asking {
		if c.scan.aliases.look(n, now); !n.known && !end {
			left = append(left, n)
			continue
		}
		for _, h := range n.rows {
			if n.known {
				h.row.Values[c.scan.layout.alias].SetBool(n.aliased)
			}
			if !c.enough() {
				c.put(h.row)
			}
			h.row.Reset()
			c.spare = append(c.spare, h)
		}
		c.waiting -= len(n.rows)
		n.rows = nil
	}
	c.asking = left
}
