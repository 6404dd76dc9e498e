package mmsg

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/batch"
)

// A full socket buffer (EAGAIN) says when it has room again: wait for that, in pieces so that an Abort is seen. A full driver
// queue (ENOBUFS) does not, see [batch.Backoff].
const (
	pollPiece  = 20 * time.Millisecond
	pollPieces = 100 // without room for one frame: the driver is stuck
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
// A frame that there is no room for after all attempts is refused, and those behind it are tried once each until one leaves: a
// driver that is stuck costs the time of one frame, and one destination without room does no harm to others.
func (q *Queue) send(n int) error {
	c := &q.Counters
	aborts := q.Aborts()
	doubted := false
	for done, tries, polls := 0, 0, 0; done < n; {
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
			tries, polls, doubted = 0, 0, false
		case errno == unix.EINTR:
		case !isBusy(errno):
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
		case errno == unix.EAGAIN && polls < pollPieces:
			polls++
			waitWritable(q.cfg.Sockets[socket])
		case errno == unix.EAGAIN || tries >= q.cfg.Retries:
			done++
			c.Refused.Add(1)
		default:
			c.Retried.Add(1)
			sleep(batch.Backoff(tries))
			tries++
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

// isBusy names the errors that may be over a moment later: the driver's or the discipline's queue is full or the cable is
// out (ENOBUFS), the socket's buffer is full (EAGAIN), there is no memory (ENOMEM).
func isBusy(errno unix.Errno) bool {
	return errno == unix.ENOBUFS || errno == unix.EAGAIN || errno == unix.ENOMEM
}

// waitWritable waits until half of the socket's buffer is free, or for a while. Its errors, EINTR for one, only cut the wait.
// The Go scheduler's poller would be kinder to others, but a socket known to it wakes it for every frame that is freed,
// which costs a tenth of the rate.
//
// A socket with errors in its queue (IP_RECVERR) would not let anybody wait, so they are taken out: they are about frames that
// were sent before.
func waitWritable(fd int) {
	timeout := unix.NsecToTimespec(int64(pollPiece))
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	_, _ = unix.Ppoll(p[:], &timeout, nil)
	if p[0].Revents&unix.POLLERR != 0 {
		var b [1]byte
		for err := error(nil); err == nil; {
			_, _, _, _, err = unix.Recvmsg(fd, b[:], nil, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		}
	}
}

// sleep is finer than time.Sleep, which rounds up to a millisecond. An early wake-up by a signal does no harm.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
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
