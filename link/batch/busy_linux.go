package batch

import (
	"time"

	"golang.org/x/sys/unix"
)

// A full socket buffer (EAGAIN) says when it has room again: wait for that, in pieces so that an Abort is seen. A full driver
// queue (ENOBUFS) does not, see [Backoff].
const (
	pollPiece  = 20 * time.Millisecond
	pollPieces = 100
)

// Stuck is how long a socket's buffer may be without room for one frame: the driver is stuck then.
const Stuck = pollPieces * pollPiece

// Busy names the errors that may be over a moment later: the driver's or the discipline's queue is full or the cable is
// out (ENOBUFS), the socket's buffer is full (EAGAIN), there is no memory (ENOMEM).
func Busy(errno unix.Errno) bool {
	return errno == unix.ENOBUFS || errno == unix.EAGAIN || errno == unix.ENOMEM
}

// A Patience is how often a frame is offered again to a socket that has no room. One that ran out stays so until frames
// leave: those behind the frame that is given up are tried once each, so a driver that is stuck costs the time of one frame.
type Patience struct {
	Retries      int // attempts beyond the first, not counting those for a full socket buffer
	tries, polls int
}

// Renew is for when frames have left.
func (p *Patience) Renew() { p.tries, p.polls = 0, 0 }

// Wait waits until a frame may be offered again that the socket had no room for, and counts the retry. It returns false, at
// once, if there were enough of them.
func (p *Patience) Wait(c *Counters, socket int, errno unix.Errno) bool {
	switch {
	case errno == unix.EAGAIN && p.polls < pollPieces:
		p.polls++
		waitWritable(socket)
	case errno == unix.EAGAIN || p.tries >= p.Retries:
		return false
	default:
		c.Retried.Add(1)
		Sleep(Backoff(p.tries))
		p.tries++
	}
	return true
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

// Sleep is finer than time.Sleep, which rounds up to a millisecond. An early wake-up by a signal does no harm.
func Sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}
