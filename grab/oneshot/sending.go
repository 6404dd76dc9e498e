package oneshot

import (
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
)

// sending is the half of a connection that sends data, behind its mutex.
//
//	      una         next          end
//	 gone  | on its way | to be sent | not written yet
//	-------+------------+------------+------------------> sequence numbers
type sending struct {
	una, next, end uint32
	most           uint32 // the highest that next ever was: what may be acknowledged
	data           stretch
	mss            uint32
	spoke          bool // anything at all has been sent
	fin            bool // FIN is to follow end, and has that number

	window, widest uint32 // what the other side takes from una on, and the most that it ever took
	wl1, wl2       uint32 // sequence and acknowledgement number of the segment that said so (RFC 9293 section 3.10.7.4)

	// Congestion (RFC 5681, 6582).
	cwnd, ssthresh uint32
	repeats        int    // of the same acknowledgement
	recover        uint32 // what must be acknowledged for a loss to be over
	recovering     bool
	again          bool // the segment at una is to be sent once more

	// Time-outs (RFC 6298).
	by               time.Duration // when una must be acknowledged, or a closed window be probed
	rto, srtt, varRT time.Duration
	timedTo          uint32        // an acknowledgement of this
	timedAt          time.Duration // measures the time since then; zero: none is measured
	tries            int           // time-outs in a row without a sign of life
	probe            bool          // the closed window is to be probed
}

const (
	sendRoom   = 64 << 10 // bytes kept for a caller
	firstRTO   = time.Second
	leastRTO   = 300 * time.Millisecond
	mostRTO    = time.Minute
	maxTries   = 4  // retransmissions in a row
	leastMSS   = 48 // smaller ones are attacks on our packet rate
	firstFlies = 10 // segments that may be on their way at first (RFC 6928)
)

func newSending(h *grab.Half, mss uint32) sending {
	return sending{
		una: h.Next, next: h.Next, end: h.Next, most: h.Next, mss: mss,
		window: uint32(h.Window), widest: uint32(h.Window), wl1: h.Peer - 1, wl2: h.Next,
		cwnd: firstFlies * mss, ssthresh: 1 << 30, rto: firstRTO,
	}
}

// put takes as much of b as there is room for.
func (s *sending) put(pages *store, b []byte) int {
	n := min(len(b), sendRoom-int(s.end-s.una))
	s.data.write(pages, s.end, b[:n])
	s.end += uint32(n)
	return n
}

// flight returns how much is on its way, the FIN included.
func (s *sending) flight() uint32 { return s.next - s.una }

// bare is the sequence number of a segment without data. When the other side has taken back room that it had offered, what is
// behind its window would not be looked at, the acknowledgement neither.
func (s *sending) bare() uint32 {
	if edge := s.una + s.window; before(edge, s.next) {
		return edge
	}
	return s.next
}

// last is the sequence number behind everything, FIN included.
func (s *sending) last() uint32 {
	if s.fin {
		return s.end + 1
	}
	return s.end
}

// finished says that all is acknowledged, FIN included.
func (s *sending) finished() bool { return s.fin && s.una == s.end+1 }

// pick returns the next piece of data to send, which may be empty with only FIN in it, and false if there is none that may be sent.
func (s *sending) pick(now time.Duration) (seq uint32, n int, flags packet.TCPFlags, ok bool) {
	if s.again {
		s.again = false
		// No more than what was sent: else the other side would acknowledge what we do not know of.
		if flight := s.flight(); flight > 0 {
			n, flags = s.piece(s.una, flight)
			if uint32(n) == flight {
				flags &^= packet.FIN
			}
			return s.una, n, flags, true
		}
	}
	if s.next == s.last() {
		return 0, 0, 0, false
	}
	allowed := min(s.window, s.cwnd)
	var free uint32
	if flight := s.flight(); flight < allowed {
		free = allowed - flight
	}
	left := uint32(0)
	if before(s.next, s.end) {
		left = s.end - s.next
	}
	// Small pieces are sent at the end, or when nothing is on its way (RFC 9293 section 3.8.6.2.1).
	if left > 0 && (free == 0 || free < min(left, s.mss) && s.flight() > 0) {
		return 0, 0, 0, false
	}
	seq = s.next
	n, flags = s.piece(seq, free)
	s.next += uint32(n)
	if flags.Has(packet.FIN) {
		s.next++
	}
	if before(s.most, s.next) {
		s.most = s.next
		if s.timedAt == 0 {
			s.timedTo, s.timedAt = s.next, now
		}
	}
	return seq, n, flags, true
}

// piece returns how long a segment that begins at seq is, and its flags.
func (s *sending) piece(seq, free uint32) (int, packet.TCPFlags) {
	var n uint32
	if before(seq, s.end) {
		n = min(s.end-seq, s.mss, free)
	}
	flags := packet.ACK
	if seq+n == s.end {
		if n > 0 {
			flags |= packet.PSH
		}
		if s.fin {
			flags |= packet.FIN
		}
	}
	return int(n), flags
}

// watch sets the time for what is on its way, or for the probe of a closed window.
func (s *sending) watch(now time.Duration) {
	switch waiting := s.next != s.una || before(s.next, s.end); {
	case !waiting:
		s.by = 0
	case s.by == 0:
		s.by = now + s.rto
	}
}

// expire is called when the time is over. It returns false when it was over too often.
func (s *sending) expire() bool {
	s.by = 0
	if s.tries == maxTries {
		return false
	}
	s.tries++
	s.rto = min(2*s.rto, mostRTO)
	if s.flight() == 0 {
		s.probe = true
		return true
	}
	s.ssthresh = max(s.flight()/2, 2*s.mss)
	s.cwnd = s.mss
	s.next = s.una
	s.recovering, s.repeats, s.again, s.timedAt = false, 0, false, 0
	return true
}

// acknowledged takes an acknowledgement of something new, and returns whether there is room for callers that there was not.
func (s *sending) acknowledged(pages *store, ack uint32, now time.Duration) {
	newly := ack - s.una
	s.data.drop(pages, s.una, ack)
	s.una = ack
	if before(s.next, ack) {
		s.next = ack
	}
	if ack == s.last() || ack == s.end {
		s.data.clear(pages)
	}
	if s.timedAt != 0 && !before(ack, s.timedTo) {
		s.measure(now - s.timedAt)
		s.timedAt = 0
	}
	s.backToRTO()
	s.by, s.tries, s.repeats = 0, 0, 0
	switch {
	case s.recovering && before(ack, s.recover):
		s.again = true // the next one was lost as well
	case s.recovering:
		s.recovering = false
	case s.cwnd < s.ssthresh:
		s.cwnd += min(newly, s.mss)
	default:
		s.cwnd += max(s.mss*s.mss/s.cwnd, 1)
	}
	s.cwnd = min(s.cwnd, 1<<20)
}

// repeated takes an acknowledgement that says nothing new while something is on its way.
func (s *sending) repeated() {
	s.repeats++
	if s.repeats == 3 && !s.recovering {
		s.ssthresh = max(s.flight()/2, 2*s.mss)
		s.cwnd = s.ssthresh
		s.recovering, s.recover, s.again, s.timedAt = true, s.most, true, 0
	}
}

// measure takes a round-trip time (RFC 6298 section 2).
func (s *sending) measure(rtt time.Duration) {
	if s.srtt == 0 {
		s.srtt, s.varRT = rtt, rtt/2
	} else {
		s.varRT += ((s.srtt - rtt).Abs() - s.varRT) / 4
		s.srtt += (rtt - s.srtt) / 8
	}
}

// backToRTO undoes the doubling.
func (s *sending) backToRTO() {
	s.rto = firstRTO
	if s.srtt != 0 {
		s.rto = min(max(s.srtt+4*s.varRT, leastRTO), mostRTO)
	}
}
