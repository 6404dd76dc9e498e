package oneshot

import "sync/atomic"

// Stats are the counters of a [Stack] since it began.
type Stats struct {
	Opened        uint64 // connections
	Live          int    // of those, not yet closed by their callers
	Lingering     int    // closed, and still ending
	Abandoned     uint64 // reset because they did not end in time after they were closed
	In            uint64 // segments received
	Out           uint64 // segments given to the link
	Retransmitted uint64 // of those, data or FIN once more
	Probes        uint64 // of those, for a closed window
	Resets        uint64 // of those, RST
	ResetsIn      uint64 // connections ended by RST of the other side
	Damaged       uint64 // received with a wrong checksum
	Outside       uint64 // received, with numbers that nobody could use: beside the window, or of what was never sent
	Repeated      uint64 // received, with data that was there already
	Unordered     uint64 // received before what comes before them
	Unknown       uint64 // received, of no connection
	Dropped       uint64 // RST and ACK without a connection that were not sent, as there were too many
	Refused       uint64 // segments too long for the frames of the link
}

// counters are written by all goroutines.
type counters struct {
	opened, abandoned, in, out, retransmitted, probes, resets, resetsIn atomic.Uint64
	damaged, outside, repeated, unordered, unknown, dropped, refused    atomic.Uint64
}

// Stats returns the counters. What the link refused is in those of its queue.
func (s *Stack) Stats() Stats {
	c := &s.count
	return Stats{
		Opened: c.opened.Load(), Live: int(s.live.Load()), Lingering: int(s.lingering.Load()), Abandoned: c.abandoned.Load(),
		In: c.in.Load(), Out: c.out.Load(), Retransmitted: c.retransmitted.Load(), Probes: c.probes.Load(),
		Resets: c.resets.Load(), ResetsIn: c.resetsIn.Load(), Damaged: c.damaged.Load(), Outside: c.outside.Load(),
		Repeated: c.repeated.Load(), Unordered: c.unordered.Load(), Unknown: c.unknown.Load(), Dropped: c.dropped.Load(), Refused: c.refused.Load(),
	}
}
