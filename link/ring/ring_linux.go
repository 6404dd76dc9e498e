package ring

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// frameLen is the distance of frames in the ring: two a page of 4096 bytes, since none lies across two blocks. A block is a
// page: the kernel needs no memory in larger pieces.
const frameLen = 2048

// dataOffset is where the frame begins behind its header, for sockets without PACKET_TX_HAS_OFF.
const dataOffset = unix.SizeofTpacket2Hdr

// A ring is the frames that a socket sends, in memory shared with the kernel.
type ring []byte

// mapRing gives a packet socket a ring of that many frames, which fill whole pages.
func mapRing(fd, frames int) (ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return nil, fmt.Errorf("choose version of transmit ring: %w", err)
	}
	page := os.Getpagesize()
	req := unix.TpacketReq{
		Block_size: uint32(page), Block_nr: uint32(frames * frameLen / page),
		Frame_size: frameLen, Frame_nr: uint32(frames),
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &req); err != nil {
		return nil, fmt.Errorf("make transmit ring of %d bytes: %w", frames*frameLen, err)
	}
	r, err := unix.Mmap(fd, 0, frames*frameLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map transmit ring of %d bytes: %w", frames*frameLen, err)
	}
	return r, nil
}

// frame is the frame of a slot.
func (r ring) frame(s *link.Slot) frame { return frame(r[int(s.ID())*frameLen:][:frameLen]) }

// slots is the memory of each frame's slot.
func (r ring) slots() [][]byte {
	memory := make([][]byte, len(r)/frameLen)
	for i := range memory {
		memory[i] = r[i*frameLen+dataOffset:][:link.MaxFrame:link.MaxFrame]
	}
	return memory
}
