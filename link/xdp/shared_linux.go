//go:build amd64 || arm64

package xdp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// This file has all that is unsafe: memory shared with the program, and the bpf(2) call that runs it.

// A state is struct sender of bpf/sender.h.
type state struct {
	task    uint64
	key     uint32
	next    uint32
	end     uint32
	done    uint32
	refused uint32
	_       [25]uint32
}

// A descriptor is struct descriptor of bpf/sender.h.
type descriptor struct {
	len   uint16
	slot  uint16
	error uint32
}

// A shared is a BPF array map, all of it in our memory. The kernel keeps the map as long as it is mapped.
type shared struct {
	mem    []byte
	stride int // from one entry to the next
}

// share maps m, which must be an array with BPF_F_MMAPABLE.
func share(m *ebpf.Map) (shared, error) {
	stride := int(m.ValueSize()+7) &^ 7 // array_map_alloc in kernel/bpf/arraymap.c
	size := stride * int(m.MaxEntries())
	page := unix.Getpagesize()
	mem, err := unix.Mmap(m.FD(), 0, (size+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return shared{}, fmt.Errorf("map shared memory of %d bytes: %w", size, err)
	}
	return shared{mem, stride}, nil
}

// entry returns the bytes of entry i.
func (s shared) entry(i int) []byte { return s.mem[i*s.stride:][:s.stride:s.stride] }

func (s shared) close() error {
	if s.mem == nil {
		return nil
	}
	return unix.Munmap(s.mem)
}

// stateAt views entry i of the map of senders.
func stateAt(s shared, i int) *state {
	return (*state)(unsafe.Pointer(&s.entry(i)[:unsafe.Sizeof(state{})][0]))
}

// descriptorsAt views n entries of the map of descriptors, from entry first on.
func descriptorsAt(s shared, first, n int) []descriptor {
	const size = int(unsafe.Sizeof(descriptor{}))
	b := s.mem[first*size:][:n*size] // the entries are as long as their stride
	return unsafe.Slice((*descriptor)(unsafe.Pointer(&b[0])), n)
}

// A testRun is the part of union bpf_attr that BPF_PROG_RUN reads (include/uapi/linux/bpf.h).
type testRun struct {
	program, result  uint32
	inLen, outLen    uint32
	in, out          uint64
	repeat, duration uint32
	ctxInLen         uint32
	ctxOutLen        uint32
	ctxIn, ctxOut    uint64
	flags, processor uint32
	batch, _         uint32
}

// An xdpContext is struct xdp_md: where in the input the frame and the data in front of it are, and where it comes from.
type xdpContext struct {
	data, end, meta        uint32
	ingress, queue, egress uint32
}

// Constants of BPF_PROG_RUN.
const (
	progTestRun = 10 // BPF_PROG_RUN
	liveFrames  = 1 << 1
	// liveBatch is how many frames the kernel makes before it runs the driver's receive side. 256 is what the ring of a veth
	// holds, and had frames refused; 32 to 128 measure the same.
	liveBatch = 64
	// meta is how many bytes are in front of the frame: struct mark of bpf/sender.h.
	meta = 8
)

// A runner makes the calls of one sender. All that a call reads is in it, so that nothing is allocated for one.
type runner struct {
	key   uint32 // what marks the frames, beside the sender's number
	attr  testRun
	ctx   xdpContext
	input []byte
	pin   runtime.Pinner
}

// newRunner returns a runner for frames of frameLen bytes. close releases it.
func newRunner(program *ebpf.Program, sender, frameLen int) *runner {
	r := &runner{key: rand.Uint32(), input: make([]byte, meta+frameLen)}
	binary.NativeEndian.PutUint32(r.input, uint32(sender))
	binary.NativeEndian.PutUint32(r.input[4:], r.key)
	r.ctx = xdpContext{data: meta, end: uint32(len(r.input)), ingress: loopback}
	r.pin.Pin(&r.input[0])
	r.pin.Pin(&r.ctx)
	r.attr = testRun{
		program: uint32(program.FD()), flags: liveFrames, batch: liveBatch,
		in: uint64(uintptr(unsafe.Pointer(&r.input[0]))), inLen: uint32(len(r.input)),
		ctxIn: uint64(uintptr(unsafe.Pointer(&r.ctx))), ctxInLen: uint32(unsafe.Sizeof(r.ctx)),
	}
	return r
}

// loopback is the number of the loopback device in every namespace, by which the program knows that it is to send.
const loopback = 1

// run has the kernel make n frames. It may make fewer with EINTR. The Go scheduler is not told: the call is work, not
// waiting, and takes well below a millisecond.
func (r *runner) run(n int) unix.Errno {
	r.attr.repeat = uint32(n)
	_, _, errno := unix.RawSyscall(unix.SYS_BPF, progTestRun, uintptr(unsafe.Pointer(&r.attr)), unsafe.Sizeof(r.attr))
	return errno
}

func (r *runner) close() { r.pin.Unpin() }

// A tap is the attachment of our program to an interface. All that a call reads and writes is in it.
type tap struct {
	ask struct { // the part of union bpf_attr that BPF_OBJ_GET_INFO_BY_FD reads
		fd, len uint32
		info    uint64
	}
	info struct { // the part of struct bpf_link_info that is about links of XDP
		kind, id, program, _ uint32
		index                uint32
		_                    uint32
	}
	pin runtime.Pinner
}

const objGetInfoByFD = 15 // BPF_OBJ_GET_INFO_BY_FD

// newTap returns the attachment with that descriptor. close releases it.
func newTap(fd int) *tap {
	t := &tap{}
	t.pin.Pin(&t.info)
	t.ask.fd, t.ask.len = uint32(fd), uint32(unsafe.Sizeof(t.info))
	t.ask.info = uint64(uintptr(unsafe.Pointer(&t.info)))
	return t
}

// index returns the number of the interface, 0 if the program is on none any more.
func (t *tap) index() (uint32, error) {
	_, _, errno := unix.RawSyscall(unix.SYS_BPF, objGetInfoByFD, uintptr(unsafe.Pointer(&t.ask)), unsafe.Sizeof(t.ask))
	if errno != 0 {
		return 0, errno
	}
	return t.info.index, nil
}

func (t *tap) close() { t.pin.Unpin() }

// word views eight bytes of a ring buffer's control page.
func word(b []byte) *uint64 { return (*uint64)(unsafe.Pointer(&b[:8][0])) }

// header views the length word of a record.
func header(b []byte) *uint32 { return (*uint32)(unsafe.Pointer(&b[:4][0])) }
