package oneshot

import (
	"time"

	"github.com/zmap-go/zmap/grab"
)

// receiving is the half of a connection that takes data, behind its mutex.
//
//	      read          next           edge
//	 gone   | to be read  |  ahead       |  not welcome
//	--------+-------------+--------------+------------> sequence numbers
type receiving struct {
	read, next uint32 // what the caller reads next, what is to arrive next
	edge       uint32 // the first byte that we have not offered room for; it never goes back (RFC 9293 section 3.8.6)
	room       uint32 // bytes from read on that we keep
	data       stretch
	ahead      spans // what has arrived beyond next

	finAt uint32 // where the stream ends, if that is known
	fin   bool   // it is known
	eof   bool   // all up to there has arrived, and next is behind the FIN

	largest uint32        // longest piece of data so far, in bytes: what the other side takes for a full segment
	unacked uint32        // bytes that have arrived and are not acknowledged
	ackBy   time.Duration // when they must be
	ackNow  bool          // now
	replied time.Duration // when a segment that was none of the stream was last answered
}

const (
	// mostMSS bounds what counts as a full segment: the kernel may hand over several as one.
	mostMSS = 1460
	// openWait is how long the last step of the handshake waits for data to go with.
	openWait = 5 * time.Millisecond
	// ackWait is how long an acknowledgement waits for data to go with, or for the end; RFC 9293 section 3.8.6.3 allows 500 ms.
	ackWait = 40 * time.Millisecond
	// replyGap is the least time between two answers to segments that are not of the stream (RFC 5961 section 7).
	replyGap = 100 * time.Millisecond
)

func newReceiving(h *grab.Half, room uint16) receiving {
	return receiving{
		read: h.Peer, next: h.Peer, edge: h.Peer + uint32(min(room, h.Offered)), room: uint32(room), largest: 536,
	}
}

// unread returns how many bytes wait for the caller.
func (r *receiving) unread() int {
	n := int(r.next - r.read)
	if r.eof {
		n--
	}
	return n
}

// take moves what has arrived to b, and says whether the other side should be told of the room that this makes: when it is half
// of all, and less than that is left of what was offered (RFC 9293 section 3.8.6.2.2).
func (r *receiving) take(pages *store, b []byte) (n int, update bool) {
	n = min(len(b), r.unread())
	r.data.read(r.read, b[:n])
	r.data.drop(pages, r.read, r.read+uint32(n))
	r.read += uint32(n)
	if r.unread() == 0 && len(r.ahead) == 0 {
		r.data.release(pages, r.read)
	}
	return n, !r.eof && r.read+r.room-r.edge >= r.room/2 && r.open() < r.room/2
}

// open returns how much more the other side may send.
func (r *receiving) open() uint32 {
	if before(r.edge, r.next) {
		return 0
	}
	return r.edge - r.next
}

// offer moves the edge, if that is worth it, and returns the window to announce, which goes with an acknowledgement.
func (r *receiving) offer() uint16 {
	if more := r.read + r.room - r.edge; !before(r.read+r.room, r.edge) && more >= min(r.room/2, r.largest) {
		r.edge += more
	}
	r.unacked, r.ackBy, r.ackNow = 0, 0, false
	return uint16(r.open())
}

// accept takes data that begins at seq, and the end behind it if fin. It says whether anything is new to the caller, and whether
// any of the data is beyond what has been received.
func (r *receiving) accept(pages *store, seq uint32, b []byte, fin bool, now time.Duration) (news, fresh bool) {
	end := seq + uint32(len(b))
	if fin && !r.fin && !before(end, r.next) && !before(r.edge, end) {
		r.fin, r.finAt = true, end
	}
	if before(seq, r.next) {
		b = b[min(r.next-seq, uint32(len(b))):]
		seq = end - uint32(len(b))
	}
	limit := r.edge
	if r.fin && before(r.finAt, limit) {
		limit = r.finAt
	}
	if before(limit, end) {
		b = b[:uint32(len(b))-min(end-limit, uint32(len(b)))]
		end = seq + uint32(len(b))
	}
	from := r.next
	if len(b) > 0 && !r.eof {
		r.largest = max(r.largest, min(uint32(len(b)), mostMSS))
		fresh = r.insert(pages, seq, end, b)
	}
	if r.fin && !r.eof && r.next == r.finAt {
		r.eof, r.ahead = true, nil
		r.next++
	}
	r.schedule(from, now)
	return r.next != from, fresh
}

// insert puts data to its place, all of which is welcome.
func (r *receiving) insert(pages *store, seq, end uint32, b []byte) bool {
	if seq != r.next {
		ahead, ok := r.ahead.add(span{seq, end})
		if ok {
			r.ahead = ahead
			r.data.write(pages, seq, b)
		}
		r.ackNow = true // so that the other side learns of the gap (RFC 5681 section 4.2)
		return ok
	}
	r.data.write(pages, seq, b)
	r.next = end
	if len(r.ahead) > 0 {
		r.next, r.ahead = r.ahead.join(end)
		r.ackNow = true // and that it is filled
	}
	return true
}

// schedule decides when what has arrived since from is acknowledged: every second full segment at once.
func (r *receiving) schedule(from uint32, now time.Duration) {
	if r.next == from {
		return
	}
	r.unacked += r.next - from
	if r.unacked >= 2*r.largest {
		r.ackNow = true
	} else if r.ackBy == 0 || r.ackBy > now+ackWait {
		r.ackBy = now + ackWait
	}
}
