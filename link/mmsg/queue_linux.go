package mmsg

import (
	"errors"
	"fmt"
	"reflect"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/batch"
)

// slotStride is the distance of slots: room for the longest frame in whole cache lines. Strides of 128 to 2048 bytes
// measure the same for short frames: a batch fits into the second-level cache.
const slotStride = (link.MaxFrame + 63) &^ 63

// callFrames is the most frames in one system call, for the call keeps the Go scheduler waiting; see messages.send.
const callFrames = 64

// DefaultBatch is as many frames as C ZMap hands over at once; more gain nothing.
const DefaultBatch = 64

// A Config says how a queue sends.
type Config struct {
	Interface string // name of the interface, for errors
	Batch     int    // slots
	Retries   int    // attempts beyond the first while the kernel has no room
	// Sockets are what frames leave by. They are the queue's from New on, and closed with it.
	Sockets []int
	// Address says by which socket a frame leaves and where to. It is called by the queue's owner, once for each frame, and must
	// not allocate. Nil means the first socket, which is bound to all that matters.
	Address func(frame []byte, a *Address)
	// Verdict says what an error means that is not about a lack of room: it returns the one that ends the queue, or nil if the
	// frame alone is refused.
	Verdict func(errno unix.Errno) error
	// Doubt makes an error count only if it comes twice in a row for a frame: raw sockets report errors of frames that were
	// sent before (man 7 raw, IP_RECVERR), once each, and do not look at the frame then.
	Doubt bool
}

// An Address is where a frame goes.
type Address struct {
	Socket int      // position in Config.Sockets; negative: there is no way for this frame, which is refused
	Len    int      // length of Name
	Name   [28]byte // a struct sockaddr, at most one of IPv6
}

// A Queue is a transmit queue. Its slots are one batch, the same memory each time: when Submit returns the kernel has copied
// the frames.
type Queue struct {
	*batch.Batch
	cfg       Config
	msgs      *messages
	addresses []Address // one for each slot, or none
}

var _ link.TX = (*Queue)(nil)

// New returns a queue. It panics if there is no socket, no slot or no verdict.
func New(cfg Config) *Queue {
	if len(cfg.Sockets) == 0 || cfg.Batch < 1 || cfg.Verdict == nil {
		panic("mmsg: no socket, no slot or no verdict")
	}
	memory := make([]byte, cfg.Batch*slotStride)
	data := make([][]byte, cfg.Batch)
	for i := range data {
		data[i] = memory[i*slotStride:][:link.MaxFrame:link.MaxFrame]
	}
	q := &Queue{Batch: batch.New(data), cfg: cfg, msgs: newMessages(data)}
	if cfg.Address != nil {
		q.addresses = make([]Address, cfg.Batch)
	}
	return q
}

// Memory returns how many bytes the queue takes, without the kernel's copies of frames on their way to the driver.
func (q *Queue) Memory() uint64 {
	perSlot := slotStride + reflect.TypeFor[link.Slot]().Size() + reflect.TypeFor[message]().Size() + reflect.TypeFor[unix.Iovec]().Size()
	return uint64(len(q.Slots))*uint64(perSlot) + uint64(len(q.addresses))*uint64(reflect.TypeFor[Address]().Size())
}

// Submit sends the frames.
func (q *Queue) Submit(s []link.Slot) error {
	if err := q.Accept(s); err != nil {
		return err
	}
	for i := range s {
		q.msgs.setLen(i, s[i].N)
	}
	for i := range min(len(s), len(q.addresses)) {
		a := &q.addresses[i]
		q.cfg.Address(q.Slots[i].Data[:q.Slots[i].N], a)
		q.msgs.setAddress(i, a)
	}
	return q.send(len(s))
}

// send sends the first n frames of the batch. Each ends up sent, refused or aborted, whatever happens.
//
// A frame that there is no room for after all attempts is refused, and those behind it are tried once each until one leaves
// (see [batch.Patience]): one destination without room does no harm to others.
func (q *Queue) send(n int) error {
	c := &q.Counters
	aborts := q.Aborts()
	patience := batch.Patience{Retries: q.cfg.Retries}
	doubted := false
	for done := 0; done < n; {
		socket, end := q.run(done, min(n, done+callFrames))
		if socket < 0 {
			c.Refused.Add(uint64(end - done))
			done = end
			continue
		}
		sent, errno := q.msgs.send(q.cfg.Sockets[socket], done, end)
		done += sent
		c.Sent.Add(uint64(sent))
		switch {
		case errno == 0:
			patience.Renew()
			doubted = false
		case errno == unix.EINTR:
		case !batch.Busy(errno):
			if doubted = q.cfg.Doubt && !doubted; doubted {
				continue
			}
			if err := q.cfg.Verdict(errno); err != nil {
				c.Refused.Add(uint64(n - done))
				return q.Fail(err)
			}
			done++
			c.Refused.Add(1)
		case q.Aborts() != aborts:
			c.Aborted.Add(uint64(n - done))
			return nil
		case !patience.Wait(c, q.cfg.Sockets[socket], errno):
			done++
			c.Refused.Add(1)
		}
	}
	return nil
}

// run returns the socket by which frame number from leaves, and the end of the frames before end that leave by the same.
func (q *Queue) run(from, end int) (socket, to int) {
	if q.addresses == nil {
		return 0, end
	}
	socket = q.addresses[from].Socket
	for to = from + 1; to < end && q.addresses[to].Socket == socket; {
		to++
	}
	return socket, to
}

// Close closes the sockets.
func (q *Queue) Close() error {
	if !q.Shut() {
		return nil
	}
	var errs []error
	for _, fd := range q.cfg.Sockets {
		if err := unix.Close(fd); err != nil {
			errs = append(errs, fmt.Errorf("close socket of %s: %w", q.cfg.Interface, err))
		}
	}
	return errors.Join(errs...)
}
