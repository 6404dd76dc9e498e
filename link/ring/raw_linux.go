package ring

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link/mmsg"
)

// This file has all that is unsafe: views of structures in the transmit ring, and the system call.

// A frame is one frame of the ring, in version 2 of its format (struct tpacket2_hdr in linux/if_packet.h; tpacket_parse_header
// in net/packet/af_packet.c):
//
//	┌──────────────┬──────────────────────────┬─────────┐
//	│ header       │ what is sent             │ unused  │
//	│ 32 bytes     │ header.Len bytes         │         │
//	└──────────────┴──────────────────────────┴─────────┘
//
// The header's status says whose turn it is:
//
//	AVAILABLE ── we ask ──> SEND_REQUEST ── the call takes it ──> SENDING ── the kernel lets it go ──> AVAILABLE
//	                        SEND_REQUEST ── nobody takes it ────> SEND_REQUEST, and the call ends there
//	                        SEND_REQUEST ── it is no frame ─────> WRONG_FORMAT, and the call ends there
type frame []byte

// header views the header; the compiler pads it as C does, the same on every architecture.
func (f frame) header() *unix.Tpacket2Hdr {
	_ = f[unix.SizeofTpacket2Hdr-1]
	return (*unix.Tpacket2Hdr)(unsafe.Pointer(&f[0]))
}

func (f frame) status() uint32 { return atomic.LoadUint32(&f.header().Status) }

// request asks for the first n bytes to be sent, at the next call.
func (f frame) request(n int) {
	h := f.header()
	h.Len = uint32(n)
	atomic.StoreUint32(&h.Status, unix.TP_STATUS_SEND_REQUEST)
}

// cancel takes back a request that no call took.
func (f frame) cancel() { atomic.StoreUint32(&f.header().Status, unix.TP_STATUS_AVAILABLE) }

// kick has the kernel send what is requested, from the frame on at which the last call ended. a is where packets without a
// link header go, or nil; it must not be on a stack. Like that of package mmsg, the call does not wait for room, and the Go
// scheduler is not told: keep it short.
func kick(fd int, a *mmsg.Address) unix.Errno {
	var name unsafe.Pointer
	var n int
	if a != nil {
		name, n = unsafe.Pointer(&a.Name[0]), a.Len
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, uintptr(name), uintptr(n))
	return errno
}
