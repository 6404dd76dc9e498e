package afpacket

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

const (
	// maxBlock is the size of a block in bytes. The kernel closes a block when its time is over, however little is in it, so
	// a reader that is kept from running loses frames after as many such times as there are blocks: with 256 blocks of 10 ms after
	// 2.5 s, whatever the rate, where 64 larger ones lost 1.5 % of the answers on a machine that was busy with other things.
	maxBlock   = 64 << 10
	minBlocks  = 8    // a reader must not stop the writer
	frameGrain = 2048 // tp_frame_size: of no meaning in version 3 but checked
)

// openRX opens a receive queue. The socket is bound behind a filter that wants nothing; the filter that is wanted comes
// last, when the socket shares the frames with its group: so no frame is received twice or in vain.
func openRX(cfg link.Config, dev Device, group *fanout) (_ *RX, err error) {
	wanted, err := program(&cfg.Filter, dev.ether())
	if err != nil {
		return nil, err
	}
	fd, err := socket(dev.ether())
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "packet socket") // so that the Go scheduler can wait for it
	r := &RX{fd: fd, file: file, dev: dev, counts: lossCounts{fd: fd}}
	r.stir = r.stirs
	defer func() {
		if err != nil {
			_ = unix.Munmap(r.ring)
			_ = file.Close()
		}
	}()
	if r.raw, err = file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("wait for receive ring: %w", err)
	}
	if err := attach(fd, []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}); err != nil {
		return nil, err
	}
	if err := r.mapRing(cfg.RingBytes); err != nil {
		return nil, err
	}
	// Linux before 4.20 does not know it; the program drops outgoing frames anyway.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	// Every protocol, for those taps come before bridges, traffic control and firewalls, and serve both versions of IP.
	if err := bind(fd, dev, unix.ETH_P_ALL); err != nil {
		return nil, err
	}
	if cfg.Promiscuous {
		m := unix.PacketMreq{Ifindex: int32(dev.Index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return nil, fmt.Errorf("receive frames for others on %s: %w", dev.Name, err)
		}
	}
	if group != nil {
		if err := group.join(fd); err != nil {
			return nil, err
		}
	}
	return r, attach(fd, wanted)
}

// program is the compiled filter behind one test: frames that this host sends itself are not received.
func program(f *link.Filter, ether bool) ([]bpf.RawInstruction, error) {
	wanted, err := f.Assemble(ether)
	if err != nil {
		return nil, err
	}
	outgoing, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, fmt.Errorf("assemble capture filter: %w", err)
	}
	return append(outgoing, wanted...), nil
}

// attach makes the kernel run the program on each frame, instead of the one attached before.
func attach(fd int, program []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("attach capture filter of %d instructions: %w: give fewer source addresses, or raise net.core.optmem_max",
			len(code), err)
	}
	return fmt.Errorf("attach capture filter: %w", err)
}

// mapRing makes the ring and maps it.
func (r *RX) mapRing(size int) error {
	err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOPROTOOPT) {
		return &link.UnsupportedError{Feature: "receive rings of version 3", MinKernel: "3.2"}
	}
	if err != nil {
		return fmt.Errorf("choose version of receive ring: %w", err)
	}
	blockLen, blocks := layout(size, os.Getpagesize())
	req := unix.TpacketReq3{
		Block_size: uint32(blockLen), Block_nr: uint32(blocks),
		Frame_size: frameGrain, Frame_nr: uint32(blocks * (blockLen / frameGrain)),
		Retire_blk_tov: uint32(retire.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("make receive ring of %d bytes: %w", blocks*blockLen, err)
	}
	ring, err := unix.Mmap(r.fd, 0, blocks*blockLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map receive ring of %d bytes: %w", blocks*blockLen, err)
	}
	r.ring, r.blockLen = ring, blockLen
	return nil
}

// layout cuts a ring of about size bytes into blocks: powers of two, at least a page and minBlocks of them.
func layout(size, page int) (blockLen, blocks int) {
	blockLen = maxBlock
	for blockLen > page && blockLen*minBlocks > size {
		blockLen /= 2
	}
	return blockLen, max(minBlocks, size/blockLen)
}

// A fanout is a group of sockets that share the frames by flow (man 7 packet, PACKET_FANOUT). The kernel numbers groups from 0
// on, over and over (fanout_find_new_id in net/packet/af_packet.c).
type fanout struct {
	id    int
	known bool // the first has joined
}

func (g *fanout) join(fd int) error {
	const kind = unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	arg := kind<<16 | g.id
	if !g.known {
		arg |= unix.PACKET_FANOUT_FLAG_UNIQUEID << 16
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, arg); err != nil {
		return fmt.Errorf("share frames between receive queues: %w", err)
	}
	if g.known {
		return nil
	}
	value, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return fmt.Errorf("look up group of receive queues: %w", err)
	}
	g.id, g.known = value&0xffff, true
	return nil
}
