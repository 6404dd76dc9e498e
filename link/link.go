package link

import (
	"context"
	"errors"
	"time"
)

// MaxFrame is the longest frame that a [Slot] holds, in bytes: an Ethernet header and 1500 bytes behind it.
const MaxFrame = 1514

// ErrDown says that the interface of a link is down or gone. A queue that has returned it is of no use until it is revived: see [Reviver].
var ErrDown = errors.New("network interface is down")

// A Slot is a frame owned by a transmit queue. Data is the slot's whole memory and keeps the bytes of its last use; N is
// the number of bytes to send; Template is the number of the template that the bytes were made from (0 means none).
// The template is written when that differs; afterwards callers patch in place. A slot that was reserved and not
// submitted comes back with Template 0, for nobody knows how much of it was written.
type Slot struct {
	Data     []byte
	N        int
	Template uint32
	id       uint32
}

// NewSlot is for engines: it returns a slot over data, with the engine's own number for it.
func NewSlot(data []byte, id uint32) Slot { return Slot{Data: data, id: id} }

// ID is the number that the engine gave the slot in [NewSlot].
func (s *Slot) ID() uint32 { return s.id }

// TXStats counts frames of one transmit queue since it was opened. Queued = Sent + Refused + Aborted + still queued.
type TXStats struct {
	Queued  uint64 // submitted by the caller
	Sent    uint64 // left for the wire
	Refused uint64 // given up after the retries, or in the queue when the link broke: nobody would take them
	Retried uint64 // attempts repeated; not frames but calls
	Aborted uint64 // discarded by Abort
}

// A TX is one transmit queue, owned by one goroutine; only Stats and Abort may be called from others.
//
// Engines may be asynchronous: a frame submitted is queued in order, and is sent when Stats says so.
type TX interface {
	// Reserve fills s from its start with writable slots and returns how many: at least one, unless none came free within
	// wait or the queue is closed. It does not advance the queue: slots that are not submitted come back.
	Reserve(s []Slot, wait time.Duration) int
	// Submit queues s, which must be the first slots of the last Reserve, in order. The slots are not to be touched
	// afterwards. An error is permanent (see [ErrDown]); frames that are refused one by one are counted instead. After Close
	// it returns [os.ErrClosed].
	Submit(s []Slot) error
	// Stats returns the counters so far. It may be called from any goroutine.
	Stats() TXStats
	// Drain blocks until all that was submitted is sent, refused or aborted, or ctx ends; then it returns the error of ctx.
	Drain(ctx context.Context) error
	// Abort discards what is queued and not yet sent, and returns the number of frames discarded. It cuts short the retries of
	// a Submit that is under way. The queue can be used again afterwards.
	Abort() (unsent int)
	// Close releases the queue. It does not drain: what is queued is aborted. A second Close does nothing.
	Close() error
}

// A Reviver is a [TX] or [RX] that can be used again when its interface was down and is up once more.
type Reviver interface {
	// Revive forgets that the interface was down; if it still is, the next call will say so. Frames that were queued then are gone, and
	// counted as refused. It belongs to the queue's owner, and does nothing to a queue that is closed or has ended otherwise.
	Revive()
}

// A Pacer is a [TX] that spaces frames itself, better than its caller could by sleeping.
type Pacer interface {
	// SetRate sets the rate in frames per second; 0 means as fast as the link takes them.
	SetRate(pps float64)
}

// A Frame is one received frame. It and its Data are valid only during the call that hands it over.
type Frame struct {
	Data    []byte // captured bytes, from the Ethernet header on if Ether, else from the IP header on
	Len     int    // length on the wire, in bytes; more than len(Data) if the capture was cut at the filter's Snap
	At      int64  // time of arrival, nanoseconds since the Unix epoch
	VLAN    uint16 // VLAN tag that the hardware took off, 0 if none
	IfIndex int    // number of the interface
	Ether   bool   // Data starts with an Ethernet header
}

// An RX is one receive queue, owned by one goroutine; only Lost and Received may be called from others.
type RX interface {
	// Poll waits at most d for frames, hands each to fn in order of arrival, and returns how many there were. An error is
	// permanent, and comes with no frames: those before it have been handed over. After Close it is [os.ErrClosed].
	Poll(d time.Duration, fn func(f *Frame)) (int, error)
	// Received counts the frames that passed the filter: handed over, lost, or still in the queue.
	Received() uint64
	// Lost counts frames that the kernel had for us and could not hand over. It is exact.
	Lost() uint64
	// Close releases the queue. The counters stay readable. A second Close does nothing.
	Close() error
}
