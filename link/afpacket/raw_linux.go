package afpacket

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file has all that is unsafe: views of structures in the receive ring.

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
