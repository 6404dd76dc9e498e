package lab

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sender writes frames to an interface in batches (sendmmsg). One goroutine owns it;
// refused may be read by any.
type sender struct {
	fd      int
	frames  [senderBatch][]byte
	n       int
	vectors [senderBatch]unix.Iovec
	headers [senderBatch]mmsghdr

	refused atomic.Uint64 // frames that the kernel did not take
}

const senderBatch = 64

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// openSender sends on the interface with that index, past its traffic control if it may bypass that. It receives nothing.
func openSender(index int, bypass bool) (*sender, error) {
	fd, err := packetSocket(index, []unix.SockFilter{verdict(0)}, func(fd int) error {
		if bypass {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
				return fmt.Errorf("bypass traffic control: %w", err)
			}
		}
		return unix.SetNonblock(fd, false)
	})
	if err != nil {
		return nil, err
	}
	return &sender{fd: fd}, nil
}

// add queues a copy of frame, and sends the batch when it is full.
func (s *sender) add(frame []byte) error {
	s.frames[s.n] = append(s.frames[s.n][:0], frame...)
	s.n++
	if s.n < senderBatch {
		return nil
	}
	return s.flush()
}

// flush sends what is queued. A frame that the interface refuses (it is down, or short of memory) is counted and dropped;
// an error means that the socket itself does not work.
func (s *sender) flush() error {
	for i, f := range s.frames[:s.n] {
		s.vectors[i].Base = &f[0]
		s.vectors[i].SetLen(len(f))
		s.headers[i].header.Iov = &s.vectors[i]
		s.headers[i].header.SetIovlen(1)
	}
	for done := 0; done < s.n; {
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.headers[done])), uintptr(s.n-done), 0, 0, 0)
		switch {
		case errno == 0:
			done += int(sent)
		case errors.Is(errno, unix.EINTR), errors.Is(errno, unix.EAGAIN):
		case errors.Is(errno, unix.ENOBUFS), errors.Is(errno, unix.ENETDOWN):
			s.refused.Add(1)
			done++
		default:
			s.n = 0
			return fmt.Errorf("send frames: %w", errno)
		}
	}
	s.n = 0
	return nil
}

func (s *sender) close() { _ = unix.Close(s.fd) }
