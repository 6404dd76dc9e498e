package mmsg

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A message is struct mmsghdr of sendmmsg(2); the compiler pads it as C does.
type message struct {
	hdr  unix.Msghdr
	sent uint32 // written by the kernel: bytes sent
}

// messages is a batch of frames, each of one piece. The pieces are memory of the caller's, which it keeps alive.
type messages struct {
	msgs   []message
	pieces []unix.Iovec
}

// newMessages returns one message for each slot.
func newMessages(slots [][]byte) *messages {
	m := &messages{msgs: make([]message, len(slots)), pieces: make([]unix.Iovec, len(slots))}
	for i, s := range slots {
		m.pieces[i].Base = &s[0]
		m.msgs[i].hdr.Iov = &m.pieces[i]
		m.msgs[i].hdr.SetIovlen(1)
	}
	return m
}

// setLen sets the length of frame i.
func (m *messages) setLen(i, n int) { m.pieces[i].SetLen(n) }

// setAddress sets the address that frame i is sent to; it must outlive the messages.
func (m *messages) setAddress(i int, a *Address) {
	m.msgs[i].hdr.Name = &a.Name[0]
	m.msgs[i].hdr.Namelen = uint32(a.Len)
}

// send sends frames from to to-1 and returns how many the kernel took. It does not wait for room, so it need not tell the
// Go scheduler: that would take this thread's place away after 20 microseconds, and cost a tenth of the rate. Keep the
// calls short.
func (m *messages) send(fd, from, to int) (int, unix.Errno) {
	// The slice is not empty, and the kernel reads to-from entries of it before the call returns.
	first := unsafe.Pointer(&m.msgs[from:to][0])
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(first), uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
