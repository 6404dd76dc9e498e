package lab

import (
	"slices"
	"time"
)

// A Selection says which of the frames from the scanner a capture is about.
type Selection uint8

// The selections.
const (
	// Probes are IPv4 packets but TCP segments with RST: with them the scanner's kernel refuses SYN-ACKs nobody asked it for.
	Probes Selection = iota
	// Everything is every frame, ARP included.
	Everything
)

// A CaptureSpec says what to capture: see Net.Capture.
type CaptureSpec struct {
	// Select says which frames to look at.
	Select Selection
	// Window is the width of the sliding windows; 0 means a millisecond.
	Window time.Duration
	// Keep is how many frames to keep whole, from the first on.
	Keep int
}

// A Captured describes the frames that arrived at the Internet's end during a capture. Times are the kernel's, taken when
// the frame arrived.
type Captured struct {
	// Frames is how many arrived and Lost how many of them could not be recorded; the figures below are about the others.
	Frames, Lost uint64
	// First and Last are the times of the first and the last frame.
	First, Last time.Time
	// MaxInWindow is the largest number of frames in any window of the chosen width, wherever it begins.
	MaxInWindow int
	// P999InWindow is what 99.9 % of the windows do not exceed, of those that end with the arrival of a frame. That is
	// stricter than windows that begin at random moments, of which more fall into pauses.
	P999InWindow int
	// MinGap, MeanGap and MaxGap are about the time between one frame and the next.
	MinGap, MeanGap, MaxGap time.Duration
	// Kept are the first CaptureSpec.Keep frames.
	Kept []KeptFrame
}

// maxTimes is how many frames a capture can time (256 MiB); the others are lost to it.
const maxTimes = 1 << 25

// A KeptFrame is a captured frame with its Ethernet header.
type KeptFrame struct {
	At   time.Time
	Data []byte
}

// summarise fills in c's figures from arrival times in nanoseconds, which it sorts: with several processors the order in
// the ring is not quite that of arrival.
func (c *Captured) summarise(at []int64, window time.Duration) {
	if len(at) == 0 {
		return
	}
	slices.Sort(at)
	first, last := at[0], at[len(at)-1]
	c.First, c.Last = time.Unix(0, first), time.Unix(0, last)
	counts := make([]int, len(at))
	begin := 0
	for i, t := range at {
		for t-at[begin] >= int64(window) {
			begin++
		}
		counts[i] = i - begin + 1
	}
	c.MaxInWindow = slices.Max(counts)
	slices.Sort(counts)
	c.P999InWindow = counts[(len(counts)*999+999)/1000-1]
	if len(at) == 1 {
		return
	}
	c.MinGap, c.MeanGap = time.Duration(last-first), time.Duration((last-first)/int64(len(at)-1))
	for i := 1; i < len(at); i++ {
		gap := time.Duration(at[i] - at[i-1])
		c.MinGap, c.MaxGap = min(c.MinGap, gap), max(c.MaxGap, gap)
	}
}
