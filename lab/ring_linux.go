package lab

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A ring receives the frames that arrive at an interface, through a TPACKET_V3 ring shared with the kernel
// (Documentation/networking/packet_mmap.rst): blocks, which the kernel fills and hands over when they are full or old. Many
// small ones, because an old block counts as full however little is in it: a reader may be late by all their ages together.
// One goroutine polls it; countLost may be called by any.
type ring struct {
	fd   int
	mem  []byte
	next int // the block to look at

	lost atomic.Uint64
}

const (
	ringBlock  = 1 << 16
	ringBlocks = 1 << 10 // 64 MiB, about half a million small frames; or two seconds of a few
)

// ringAge is how long the kernel keeps a frame to itself at most, in milliseconds.
const ringAge = 2

// openRing receives what arrives at the interface with that index and passes the filter.
func openRing(index int, filter []unix.SockFilter) (_ *ring, err error) {
	fd, err := packetSocket(index, filter, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
			return fmt.Errorf("choose ring version: %w", err)
		}
		// What leaves is no arrival (since Linux 4.20).
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return fmt.Errorf("ignore outgoing frames: %w", err)
		}
		return setRing(fd)
	})
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(fd, 0, ringBlock*ringBlocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("map ring: %w", err)
	}
	return &ring{fd: fd, mem: mem}, nil
}

func setRing(fd int) error {
	const frame = 2048 // only a unit of account in version 3
	err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size: ringBlock, Block_nr: ringBlocks,
		Frame_size: frame, Frame_nr: ringBlock * ringBlocks / frame,
		Retire_blk_tov: ringAge,
	})
	if err != nil {
		return fmt.Errorf("make ring: %w", err)
	}
	return nil
}

// packetSocket opens a packet socket, configures it, and only then binds it to the interface: nothing arrives before it
// is ready.
func packetSocket(index int, filter []unix.SockFilter, configure func(fd int) error) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open packet socket: %w", err)
	}
	if err := preparePacketSocket(fd, index, filter, configure); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func preparePacketSocket(fd, index int, filter []unix.SockFilter, configure func(fd int) error) error {
	if len(filter) > 0 {
		prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, prog); err != nil {
			return fmt.Errorf("attach filter: %w", err)
		}
	}
	if err := configure(fd); err != nil {
		return err
	}
	all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8 // network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// poll waits for frames and hands over those of one block, each with the kernel's time stamp in nanoseconds since 1970; it
// returns their number, 0 when the wait is over. The frame is valid during the call only. A negative wait has no end.
func (r *ring) poll(wait time.Duration, each func(frame []byte, at int64)) (int, error) {
	head := (*unix.TpacketHdrV1)(unsafe.Pointer(&r.block()[8])) // struct tpacket_block_desc: version, offset, header
	if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER == 0 {
		if err := r.wait(wait); err != nil {
			return 0, err
		}
		if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER == 0 {
			return 0, nil
		}
	}
	at := int(head.Offset_to_first_pkt)
	n := int(head.Num_pkts)
	for range n {
		f := (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.block()[at]))
		start := at + int(f.Mac)
		each(r.block()[start:start+int(f.Snaplen)], int64(f.Sec)*int64(time.Second)+int64(f.Nsec))
		at += int(f.Next_offset)
	}
	atomic.StoreUint32(&head.Block_status, unix.TP_STATUS_KERNEL)
	r.next = (r.next + 1) % ringBlocks
	return n, nil
}

func (r *ring) block() []byte { return r.mem[r.next*ringBlock : (r.next+1)*ringBlock] }

// wait waits for something to read, all of d if there is nothing: signals, which the Go scheduler sends, do not end it.
func (r *ring) wait(d time.Duration) error {
	for end := time.Now().Add(d); ; {
		ms := -1
		if d >= 0 {
			ms = int((max(0, time.Until(end)) + time.Millisecond - 1) / time.Millisecond)
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}, ms)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for frames: %w", err)
		}
	}
}

// countLost returns how many frames found the ring full so far: exactly those that poll will never see.
func (r *ring) countLost() (uint64, error) {
	st, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS) // resets
	if err != nil {
		return r.lost.Load(), fmt.Errorf("read packet statistics: %w", err)
	}
	return r.lost.Add(uint64(st.Drops)), nil
}

// close gives the ring back. No poll may be running.
func (r *ring) close() error {
	return errors.Join(unix.Munmap(r.mem), unix.Close(r.fd))
}
