package afpacket

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// Waiting for the driver. A full driver queue (ENOBUFS) says nothing when it has room again: sleep, twice as long each
// time. A full socket buffer (EAGAIN) does: wait for that, in pieces so that an Abort is seen.
const (
	firstSleep = 50 * time.Microsecond
	lastSleep  = 2 * time.Millisecond
	pollPiece  = 20 * time.Millisecond
	pollPieces = 100 // without room for one frame: the driver is stuck
)

// slotStride is the distance of slots: room for the longest frame in whole cache lines. Strides of 128 to 2048 bytes
// measure the same for short frames: a batch fits into the second-level cache.
const slotStride = (link.MaxFrame + 63) &^ 63

// callFrames is the most frames in one system call, for the call keeps the Go scheduler waiting; see messages.send.
const callFrames = 64

// counters are written by the owner of the queue, read by anyone, and alone on their cache lines.
type counters struct {
	_                                       [64]byte
	queued, sent, refused, retried, aborted atomic.Uint64
	_                                       [64]byte
}

// A TX is a transmit queue over one socket. Its slots are one batch, the same memory each time: when Submit returns the
// kernel has copied the frames.
type TX struct {
	fd       int
	dev      device
	slots    []link.Slot // what Reserve hands out; Template and N are those of the last Submit
	reserved int         // slots handed out by the last Reserve and not submitted
	msgs     *messages
	peers    *[2]unix.RawSockaddrLinklayer // IPv4 and IPv6, for interfaces without a link header; else nil
	retries  int
	err      error // permanent
	aborts   atomic.Uint32
	counters counters
	writable [1]unix.PollFd
}

var _ link.TX = (*TX)(nil)

func openTX(cfg link.Config, dev device) (_ *TX, err error) {
	fd, err := socket(cfg.Ether)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if cfg.Qdisc == link.QdiscBypass {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return nil, fmt.Errorf("bypass queueing discipline of %s: %w", dev.name, err)
		}
	}
	if err := bind(fd, dev, 0); err != nil {
		return nil, err
	}
	t := &TX{
		fd: fd, dev: dev, retries: cfg.Retries, slots: make([]link.Slot, cfg.Batch),
		writable: [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}},
	}
	memory := make([]byte, cfg.Batch*slotStride)
	data := make([][]byte, cfg.Batch)
	for i := range data {
		data[i] = memory[i*slotStride:][:link.MaxFrame:link.MaxFrame]
		t.slots[i] = link.NewSlot(data[i], uint32(i))
	}
	t.msgs = newMessages(data)
	if !cfg.Ether {
		t.peers = &[2]unix.RawSockaddrLinklayer{peer(dev, unix.ETH_P_IP), peer(dev, unix.ETH_P_IPV6)}
	}
	return t, nil
}

// memory returns how many bytes the queue takes, without the kernel's copies of frames on their way to the driver.
func (t *TX) memory() uint64 {
	perSlot := slotStride + reflect.TypeFor[link.Slot]().Size() + reflect.TypeFor[message]().Size() + reflect.TypeFor[unix.Iovec]().Size()
	return uint64(len(t.slots)) * uint64(perSlot)
}

// peer is the address that tells the kernel the protocol of a packet without a link header.
func peer(dev device, protocol uint16) unix.RawSockaddrLinklayer {
	return unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: networkOrder(protocol), Ifindex: int32(dev.index)}
}

// Reserve hands out the first slots of the batch. It never waits.
func (t *TX) Reserve(s []link.Slot, _ time.Duration) int {
	if t.fd < 0 {
		return 0
	}
	t.forget(0)
	t.reserved = copy(s, t.slots)
	return t.reserved
}

// forget marks the reserved slots from the first on as written by nobody knows what.
func (t *TX) forget(first int) {
	for i := first; i < t.reserved; i++ {
		t.slots[i].Template = 0
	}
	t.reserved = 0
}

// Submit sends the frames.
func (t *TX) Submit(s []link.Slot) error {
	if t.err != nil {
		return t.err
	}
	if len(s) > t.reserved {
		return fmt.Errorf("submit %d slots: %d are reserved", len(s), t.reserved)
	}
	for i := range s {
		n := s[i].N
		if s[i].ID() != uint32(i) || uint(n) > link.MaxFrame {
			return fmt.Errorf("submit slot %d with %d bytes: want slot %d with at most %d", s[i].ID(), n, i, link.MaxFrame)
		}
		own := &t.slots[i]
		own.N, own.Template = n, s[i].Template
		t.msgs.setLen(i, n)
	}
	t.forget(len(s))
	if t.peers != nil {
		t.address(len(s))
	}
	return t.send(len(s))
}

// address says of each packet which version of IP it is.
func (t *TX) address(n int) {
	for i := range t.slots[:n] {
		p := &t.peers[0]
		if t.slots[i].Data[0]>>4 == 6 {
			p = &t.peers[1]
		}
		t.msgs.setPeer(i, p)
	}
}

// send sends the first n frames of the batch. Each ends up sent, refused or aborted, whatever happens.
func (t *TX) send(n int) error {
	c := &t.counters
	c.queued.Add(uint64(n))
	aborts := t.aborts.Load()
	for done, tries, polls := 0, 0, 0; done < n; {
		sent, errno := t.msgs.send(t.fd, done, min(n, done+callFrames))
		done += sent
		c.sent.Add(uint64(sent))
		switch left := uint64(n - done); {
		case errno == 0:
			tries, polls = 0, 0
		case errno == unix.EINTR:
		case errno == unix.EMSGSIZE || errno == unix.EINVAL: // this frame is too long for the interface, or no frame at all
			done++
			c.refused.Add(1)
		case !isBusy(errno):
			c.refused.Add(left)
			t.err = fmt.Errorf("send on %s: %w", t.dev.name, downOr(errno))
			return t.err
		case t.aborts.Load() != aborts:
			c.aborted.Add(left)
			return nil
		case errno == unix.EAGAIN && polls < pollPieces:
			polls++
			t.waitWritable()
		case errno == unix.EAGAIN || tries >= t.retries:
			c.refused.Add(left)
			return nil
		default:
			c.retried.Add(1)
			sleep(min(firstSleep<<min(tries, 20), lastSleep))
			tries++
		}
	}
	return nil
}

// isBusy names the errors that may be over a moment later: the driver's or the discipline's queue is full or the cable is
// out (ENOBUFS), the socket's buffer is full (EAGAIN), there is no memory (ENOMEM).
func isBusy(errno unix.Errno) bool {
	return errno == unix.ENOBUFS || errno == unix.EAGAIN || errno == unix.ENOMEM
}

// waitWritable waits until half of the socket's buffer is free, or for a while. Its errors, EINTR for one, only cut the wait.
// The Go scheduler's poller would be kinder to others, but a socket known to it wakes it for every frame that is freed,
// which costs a tenth of the rate.
func (t *TX) waitWritable() {
	timeout := unix.NsecToTimespec(int64(pollPiece))
	_, _ = unix.Ppoll(t.writable[:], &timeout, nil)
}

// sleep is finer than time.Sleep, which rounds up to a millisecond. An early wake-up by a signal does no harm.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}

// Stats returns the counters.
func (t *TX) Stats() link.TXStats {
	c := &t.counters
	return link.TXStats{
		Queued: c.queued.Load(), Sent: c.sent.Load(), Refused: c.refused.Load(),
		Retried: c.retried.Load(), Aborted: c.aborted.Load(),
	}
}

// Drain has nothing to wait for.
func (t *TX) Drain(context.Context) error { return nil }

// Abort ends the retries of a Submit under way, whose unsent frames Stats counts; nothing else is ever queued.
func (t *TX) Abort() int {
	t.aborts.Add(1)
	return 0
}

// Close closes the socket.
func (t *TX) Close() error {
	if t.fd < 0 {
		return nil
	}
	fd := t.fd
	t.fd, t.err, t.reserved = -1, os.ErrClosed, 0
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("close packet socket: %w", err)
	}
	return nil
}
