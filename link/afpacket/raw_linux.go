package afpacket

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file has all that is unsafe: the arrays that sendmmsg(2) reads, and views of structures in the receive ring.

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

// setPeer sets the address that frame i is sent to; the address must outlive the messages.
func (m *messages) setPeer(i int, peer *unix.RawSockaddrLinklayer) {
	m.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(peer)) // msg_name is a void pointer
	m.msgs[i].hdr.Namelen = unix.SizeofSockaddrLinklayer
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

// A block is one block of the receive ring, Documentation/networking/packet_mmap.rst:
//
//	┌────────────┬──────────────────────┬────────┬──────────────────────┬────────┬─────
//	│ block desc │ header 1 │ address   │ data 1 │ header 2 │ address   │ data 2 │ ...
//	└────────────┴──────────────────────┴────────┴──────────────────────┴────────┴─────
//
// The kernel writes a block while its status has no TP_STATUS_USER, we read it while it has.
type block []byte

// desc views the head of the block: version and offset to private data (8 bytes), then struct tpacket_hdr_v1.
func (b block) desc() *unix.TpacketHdrV1 {
	const offset = 8
	_ = b[offset+unsafe.Sizeof(unix.TpacketHdrV1{})-1]
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&b[offset]))
}

// ready says whether the kernel has handed the block over; what it wrote before is then visible.
func (b block) ready() bool {
	return atomic.LoadUint32(&b.desc().Block_status)&unix.TP_STATUS_USER != 0
}

// release hands the block back.
func (b block) release() { atomic.StoreUint32(&b.desc().Block_status, unix.TP_STATUS_KERNEL) }

// header views the header of the frame at offset.
func (b block) header(offset uint32) *unix.Tpacket3Hdr {
	h := b[offset:][:unix.SizeofTpacket3Hdr]
	return (*unix.Tpacket3Hdr)(unsafe.Pointer(&h[0]))
}

// nativeUint16 is the number that has these bytes in this machine's memory.
func nativeUint16(b [2]byte) uint16 { return binary.NativeEndian.Uint16(b[:]) }
