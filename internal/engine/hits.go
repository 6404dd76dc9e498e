package engine

import (
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/record"
)

// A hit is the copy of a row whose grab is under way, and its connection. The collector owns the row.
type hit struct {
	row   *record.Record
	half  grab.Half
	index uint64 // of the target

	// Only with a Keeper: the rows of a hit are written together, so that each of its targets is kept whole or not at all.
	flight *flight
	held   [][]record.Value // what was said of its grabs but the last
}

// A flight is the time of a hit's grabs.
type flight struct {
	since time.Time // the host's answer
	over  bool
}

// grab gives a row and its connection to be grabbed, unless no output would take the row, or there is no room. Then the connection
// is reset, and it returns false.
func (c *collector) grab(row *record.Record, half *grab.Half, index uint64) bool {
	s := c.scan
	if !c.wanted(row) {
		c.reset(half)
		return false
	}
	h := c.hit()
	h.row.Set(row)
	h.half, h.index = *half, index
	if s.grabs.Offer(grab.Target{Addr: half.Remote.Addr(), Port: half.Remote.Port()}, &h.half, h) {
		if s.keeping != nil {
			h.flight = &flight{since: half.At}
			c.flying = append(c.flying, h.flight)
		}
		return true
	}
	c.spare = append(c.spare, h)
	c.reset(half)
	return false
}

// hit returns a hit with an empty row.
func (c *collector) hit() *hit {
	if n := len(c.spare); n > 0 {
		h := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return h
	}
	return &hit{row: record.New(c.scan.layout.schema)}
}

// wanted says whether an output would take the row.
func (c *collector) wanted(row *record.Record) bool {
	for i := range c.scan.outputs {
		if o := &c.scan.outputs[i]; o.err == nil && o.wants(&c.scan.layout, row) {
			return true
		}
	}
	return false
}

// reset ends a connection that is not grabbed, if there is one.
func (c *collector) reset(half *grab.Half) {
	if half != nil {
		c.scan.grabs.Reset(half)
	}
}

// takeGrab writes the row of a grab. With a Keeper it waits for the last one of the hit.
func (c *collector) takeGrab(g *grabbed) {
	h := g.hit
	if c.scan.keeping != nil && !g.last {
		h.held = append(h.held, g.said)
		return
	}
	for _, said := range append(h.held, g.said) {
		if !c.enough() {
			copy(h.row.Values[c.scan.layout.data:], said)
			c.put(h.row)
		}
	}
	if !g.last {
		return
	}
	if c.scan.keeping != nil {
		c.note(h.row, h.index)
		h.flight.over, h.flight, h.held = true, nil, nil
	}
	h.row.Reset()
	c.spare = append(c.spare, h)
}

// finish writes what is left at the end.
func (c *collector) finish() {
	for grabbed := c.scan.grabs.finished(); len(grabbed) > 0; {
		g := <-grabbed
		c.takeGrab(&g)
	}
	c.settle(true)
	c.flush()
}
