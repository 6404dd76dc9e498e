package pool

import "net/netip"

// A queue has the works that wait, and knows how many grabs there are with each address and network. It is not safe for
// concurrent use.
//
// A work takes a place at its address, then one in its network, and then it runs. Where there is none it is parked, and holds up
// nobody; whoever gives a place back lets the first one parked there to the front of the line. So each work is moved twice at
// most, and since places are taken in this order, nobody waits for each other.
type queue struct {
	perAddr, perNet int
	line            fifo
	shares          map[netip.Prefix]*share // addresses as prefixes of full length, and networks; only those with something in them
	waiting         int                     // in line and parked
}

// An item is a work that waits or runs.
type item struct {
	Work
	placed bool // it has a place at its address
}

// A share is what one address or network has.
type share struct {
	taken  int
	parked fifo
}

func newQueue(perAddr, perNet int) *queue {
	return &queue{perAddr: perAddr, perNet: perNet, shares: make(map[netip.Prefix]*share)}
}

// push adds a work at the end of the line.
func (q *queue) push(w *item) {
	q.waiting++
	q.line.push(w)
}

// pop returns the first work that may run, and counts it as running; nil if there is none.
func (q *queue) pop() *item {
	for w := q.line.pop(); w != nil; w = q.line.pop() {
		addr, network := keys(w)
		if !w.placed && !q.take(addr, q.perAddr, w) {
			continue
		}
		w.placed = true
		if q.take(network, q.perNet, w) {
			q.waiting--
			return w
		}
	}
	return nil
}

// end says that a grab of a work that was popped has ended.
func (q *queue) end(w *item) {
	addr, network := keys(w)
	q.release(addr)
	q.release(network)
}

// take takes a place, or parks w.
func (q *queue) take(key netip.Prefix, limit int, w *item) bool {
	s := q.shares[key]
	if s == nil {
		s = new(share)
		q.shares[key] = s
	}
	if s.taken == limit {
		s.parked.push(w)
		return false
	}
	s.taken++
	return true
}

func (q *queue) release(key netip.Prefix) {
	s := q.shares[key]
	s.taken--
	if w := s.parked.pop(); w != nil {
		q.line.pushFront(w)
	} else if s.taken == 0 {
		delete(q.shares, key)
	}
}

// keys returns what shares are counted by: the address, and its /24 or /48.
func keys(w *item) (addr, network netip.Prefix) {
	a := w.Target.Addr
	bits := 24
	if a.Is6() {
		bits = 48
	}
	network = netip.PrefixFrom(a, bits).Masked()
	return netip.PrefixFrom(a, a.BitLen()), network
}

// A fifo is a line of works that gives memory back.
type fifo struct {
	items []*item
	first int
}

func (f *fifo) push(w *item) { f.items = append(f.items, w) }

func (f *fifo) pushFront(w *item) {
	if f.first == 0 {
		room := len(f.items)/2 + 8
		grown := make([]*item, room+len(f.items))
		copy(grown[room:], f.items)
		f.items, f.first = grown, room
	}
	f.first--
	f.items[f.first] = w
}

// pop returns the first work, nil if there is none.
func (f *fifo) pop() *item {
	if f.first == len(f.items) {
		f.items, f.first = f.items[:0], 0
		return nil
	}
	w := f.items[f.first]
	f.items[f.first] = nil
	if f.first++; f.first > 1024 && f.first > len(f.items)/2 {
		f.items, f.first = append([]*item(nil), f.items[f.first:]...), 0
	}
	return w
}
